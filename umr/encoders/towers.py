"""What a family of dual encoders must give: its two networks and how its texts are read. Not the sum of their vectors.

B rows, T tokens, N pictures, S side in px, D embedding. What an image processor gives goes by its own names.
"""

from __future__ import annotations

import string
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import PreTrainedModel

from umr.encoders.checkpoint import Checkpoint, Fields
from umr.encoders.dual_config import Padding
from umr.encoders.tokenizer import TOKENIZER_NAME, token_id
from umr.encoders.weights import whole_model
from umr.errors import ConfigError, MismatchError

TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
PIECES = "spiece.model"
PIXELS = "pixel_values"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How texts are read, as DualConfig has it, and the tokenizer that does so."""

    tokenizer: Tokenizer
    max_tokens: int
    padding: Padding
    pad_token: str
    lower: bool = False
    strip_punctuation: bool = False


class Towers(nn.Module):
    """A network for texts and one for pictures, of one class of transformers.

    family: what people call it.
    implementation: whose networks they are, in words for the model card.
    model_class: of transformers.
    sees: what its image processor gives of pictures, each (N, ...).
    """

    family: ClassVar[str]
    implementation: ClassVar[str]
    model_class: ClassVar[type[PreTrainedModel]]
    sees: ClassVar[tuple[str, ...]] = (PIXELS,)

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model  # whose towers the base class does not declare

    @classmethod
    def load(cls, folder: str | Path, dtype: torch.dtype) -> Self:
        """Read config.json and the safetensors of a folder.

        Raises:
            MismatchError: a file is damaged, or a weight absent or of another shape.
        """
        return cls(whole_model(cls.model_class, folder, dtype))

    @classmethod
    @abstractmethod
    def reading(cls, checkpoint: Checkpoint) -> Reading:
        """How texts were read when the checkpoint was trained.

        Raises:
            ConfigError: it has no tokenizer that can be read here.
            MismatchError: a file of it is damaged.
        """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Numbers in a vector, D."""

    @abstractmethod
    def texts(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Vectors (B, D) of rows of tokens, of any length.

        Args:
            ids_BT: (B, T) int64.
            mask_BT: (B, T) int64, 1 = real, 0 = padding.
        """

    @classmethod
    def side(cls, vision: Fields, preprocessor: Fields) -> int:  # noqa: ARG003
        """The side of the square that it sees, px (see DualConfig.image_size).

        Args:
            vision: the settings of its network for pictures.
            preprocessor: those of its image processor.

        Raises:
            MismatchError: a field is damaged.
        """
        return vision.whole("image_size", 224)

    def shape(self, side: int) -> tuple[int, ...]:
        """The last axes of the pixels of a picture that it sees: (3, S, S)."""
        return 3, side, side

    def pictures(self, seen: Mapping[str, Tensor]) -> Tensor:
        """Vectors (N, D) of prepared pictures, of any length.

        Args:
            seen: those of `sees`.
        """
        found: Tensor = self.model.get_image_features(**seen).pooler_output
        return found


def plain_text(text: str, lower: bool, strip_punctuation: bool) -> str:
    """A text as it goes into the tokenizer (big_vision's prompt_engineering.canonicalize_text, in two steps)."""
    text = text.lower() if lower else text
    return " ".join(text.translate(_NO_PUNCTUATION).split()) if strip_punctuation else text


def read_tokenizer(checkpoint: Checkpoint) -> tuple[Tokenizer, dict[str, Any]]:
    """tokenizer.json with its own normaliser, and the settings beside it.

    Raises:
        ConfigError: there is none.
        MismatchError: it is damaged.
    """
    settings: dict[str, Any] = {}
    for name in reversed(TOKENIZER_SETTINGS):
        settings |= checkpoint.read(name) if checkpoint.has(name) else {}
    if checkpoint.has(PIECES) and not checkpoint.has(TOKENIZER_NAME):
        raise ConfigError(
            f"{checkpoint.source} has no {TOKENIZER_NAME}, only {PIECES}, which umr does not read; take a revision "
            f"of the checkpoint that has a {TOKENIZER_NAME}"
        )
    checkpoint.check_tokenizer()
    return open_tokenizer(checkpoint.folder), settings


def open_tokenizer(folder: str | Path) -> Tokenizer:
    """tokenizer.json of a folder, which reads special tokens inside a text as plain characters.

    Raises:
        MismatchError: it is absent or damaged.
    """
    path = Path(folder) / TOKENIZER_NAME
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise MismatchError(f"{path} is no tokenizer that can be read ({error}); copy the folder again") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def named_token(settings: Mapping[str, Any], key: str, usual: str) -> str:
    """A special token by its role, "pad_token"; `usual` where the settings name none."""
    found = settings.get(key)
    found = found.get("content") if isinstance(found, dict) else found
    return found if isinstance(found, str) and found else usual


def frame(tokenizer: Tokenizer, begin: str | None, end: str) -> None:
    """Have every row of tokens begin and end as the network was trained with, where tokenizer.json does otherwise.

    Args:
        tokenizer: changed in place.
        begin: the token that rows begin with; None: they begin with the text.
        end: the token that they end with.

    Raises:
        ConfigError: it has no such token.
    """
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    first = [] if begin is None else [token_id(tokenizer, begin)]
    if tokenizer.encode("a").ids == [*first, *bare, token_id(tokenizer, end)]:
        return
    named = [*([] if begin is None else [begin]), end]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{'' if begin is None else begin + ' '}$A {end}",
        pair=None,
        special_tokens=[(one, token_id(tokenizer, one)) for one in named],
    )
