"""What a backbone must give to be an encoder's network, and the table of those that do. Not one itself; without torch.

A backbone is one module with a class as declared here, plus one row in BACKBONES; tests/encoders/test_backbones.py
holds every row to the contract.

N media items, F frames, S side in px, V vision tokens of an item, R vision tokens of a batch, B rows, T tokens,
H hidden.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, cast

from umr.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import Tensor

    from umr.encoders.batch import Batch
    from umr.encoders.checkpoint import Checkpoint
    from umr.encoders.config import EncoderConfig
    from umr.encoders.templates import MediaSpan
    from umr.encoders.tokenizer import SpecialTokens

#: Backbone name in encoder.json, which is transformers' model_type -> "module:class".
BACKBONES = {
    "qwen2_vl": "umr.encoders.qwen_vl:QwenVLBackbone",
    "qwen2_5_vl": "umr.encoders.qwen2_5_vl:Qwen25VLBackbone",
    "qwen3_vl": "umr.encoders.qwen3_vl:Qwen3VLBackbone",
}


class Backbone(Protocol):
    """A torch module (nn.Module) that sees pixels and reads tokens; prompts, pooling and batching are the encoder's.

    What it computes lies on the device of its weights; its tensors are parameters or buffers, so that it can be moved.

    Attributes:
        special: the special tokens of its tokenizer.
        implementation: whose network it is, in words for the model card.
        processor: the class of transformers that prepares what umr does; "" for a network that is not of transformers.
        media: how a picture ("image") and a clip ("video") of this encoder's settings stand in a sequence.
    """

    special: ClassVar[SpecialTokens]
    implementation: ClassVar[str]
    processor: ClassVar[str]
    media: Mapping[str, MediaSpan]

    @property
    def hidden_size(self) -> int:
        """Numbers in a hidden state, H."""
        ...

    @classmethod
    def tiny(cls) -> tuple[EncoderConfig, dict[str, int]]:
        """Settings, and sizes for `for_tokenizer`, of a network that computes in a moment: what tests run."""
        ...

    @classmethod
    def for_tokenizer(cls, config: EncoderConfig, tokenizer: Tokenizer, **sizes: int) -> Self:
        """A fresh network with the tokenizer's vocabulary (seed torch first for the same one).

        Args:
            config: the encoder's settings.
            tokenizer: gives the size of the vocabulary and the ids of the special tokens.
            sizes: of the network, where they are not its usual ones.

        Raises:
            ConfigError: for settings or sizes that it cannot have.
        """
        ...

    @classmethod
    def load(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype) -> Self:
        """Read what `save` wrote, to compute in `dtype`.

        Raises:
            MismatchError: a file is damaged, or a weight absent or of another shape.
        """
        ...

    @classmethod
    def served(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype) -> Self:
        """As `load`, for a network that only computes: it need not have all that training takes hold of.

        Raises:
            MismatchError: as `load`.
        """
        ...

    def save(self, folder: str | Path) -> None:
        """Write configuration and weights into the folder, the same bytes for the same weights."""
        ...

    @classmethod
    def adopted(cls, checkpoint: Checkpoint, tokenizer: Tokenizer, config: EncoderConfig) -> EncoderConfig:
        """The settings of an encoder made of a public checkpoint: `config` with what its family fixes (dim, templates).

        Raises:
            ConfigError: this backbone would not compute what the checkpoint's own code computes.
            MismatchError: the checkpoint is damaged.
        """
        ...

    @classmethod
    def processor_files(cls, config: EncoderConfig, folder: str | Path) -> dict[str, str]:
        """The files by which transformers' AutoProcessor prepares what umr does, chat template included.

        Args:
            config: the encoder's settings.
            folder: what `save` wrote, or a checkpoint that was adopted.

        Returns:
            {file name: text}; {} where there is no `processor`.

        Raises:
            MismatchError: a file of the folder is damaged.
        """
        ...

    def see(self, pixels_NFSS3: Tensor) -> Tensor:
        """Vision states of N equal-shaped items.

        Args:
            pixels_NFSS3: uint8 (N, F, S, S, 3); a still has F = 1. Where the spans of `media` have a cell, also
                (N, F, H, W, 3) with sides that are multiples of it.

        Returns:
            (N, V, H), V being the count of `media` for a still, or for a clip of config.max_frames; of other sides the
            product of the span's grid_of. A network that adds states of several depths gives (N, V, S), S = H times
            their number: hidden_states takes the same.
        """
        ...

    def hidden_states(self, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        """Last hidden states; a row's do not depend on the other rows, nor on the side of the padding.

        Args:
            batch: rows of tokens on the device of the weights.
            seen_RH: vision states as `see` gives them, one row per vision token; None where no row has media.

        Returns:
            (B, T, H).
        """
        ...


def backbone_class(name: str) -> type[Backbone]:
    """The class behind a name of BACKBONES.

    Raises:
        ConfigError: the name is unknown; the message has the known ones.
    """
    if name not in BACKBONES:
        raise ConfigError(f"backbone {name!r} is unknown; this version has {', '.join(sorted(BACKBONES))}")
    # the table is text, so that nothing loads torch before it must: that its classes are backbones is shown by a test
    return cast("type[Backbone]", class_at(BACKBONES[name]))


def class_at(place: str) -> object:
    """What "module:class" names, imported now."""
    module, _, attribute = place.partition(":")
    found: object = getattr(importlib.import_module(module), attribute)
    return found


def families() -> str:
    """The families of checkpoints that there is a backbone for, in words."""
    return ", ".join(backbone_class(name).special.family for name in sorted(BACKBONES))
