"""The Qwen2-VL backbone: transformers' real class and weights; pixels to vision states, tokens to hidden states.

Not pooling. What is Qwen's stands here and in the files beside it whose names begin alike.

N media items, F frames, S side in px, V vision tokens of an item, B rows, T tokens, H hidden.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from umr.encoders.checkpoint import read_json
from umr.encoders.config import EncoderConfig
from umr.encoders.prefix import KeysValues, Prefix
from umr.encoders.qwen_vl_attention import attention_bias, bias_behind, decoder_states, vision_states
from umr.encoders.qwen_vl_cache import begun, gone_on
from umr.encoders.qwen_vl_checkpoint import CHAT_QUERY, IMAGE_PAD, VIDEO_PAD, adopted
from umr.encoders.qwen_vl_lean import LeanModel, lean_model
from umr.encoders.qwen_vl_pixels import CLIP_COLOURS, Colours, patches
from umr.encoders.qwen_vl_positions import allowed, allowed_behind, patch_places, positions_of, shares
from umr.encoders.qwen_vl_processor import PROCESSOR, processor_files
from umr.encoders.qwen_vl_recipes import EMBEDDERS, QWEN2
from umr.encoders.templates import MediaSpan
from umr.encoders.tokenizer import SpecialTokens, average_markers, load_tokenizer, token_id
from umr.errors import ConfigError, MismatchError, UMRError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, Qwen2VLConfig, Qwen2VLModel
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig, Qwen2VLVisionConfig

    from umr.encoders.backbone import Backbone
    from umr.encoders.batch import Batch
    from umr.encoders.checkpoint import Checkpoint

VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"

SPECIAL = SpecialTokens(
    family="Qwen2-VL",
    own=(
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        VISION_START,
        VISION_END,
        "<|vision_pad|>",
        IMAGE_PAD,
        VIDEO_PAD,
    ),
    pad="<|endoftext|>",
    end="<|im_end|>",
)

#: Names of the generation class's weights in newer files -> of the model inside it; the class knows the older ones.
_KEYS = {r"^model\.language_model\.": "language_model.", r"^model\.visual\.": "visual."}


class VisionTokens(TypedDict, total=False):
    """The ids in config.json of the tokens around and in media."""

    image_token_id: int
    video_token_id: int
    vision_start_token_id: int
    vision_end_token_id: int


def build_small(vocab_size: int, token_ids: VisionTokens | None = None, **sizes: int) -> Qwen2VLModel:
    """A Qwen2-VL of about 3 M parameters with fresh weights (seed torch first for the same ones).

    Args:
        vocab_size: rows of the embeddings.
        token_ids: the tokenizer's ids of the vision tokens (read by QwenVLBackbone.for_tokenizer).
        sizes: hidden, layers, heads, shared_heads, inner, vision_width, vision_layers, vision_heads, where other
            than the usual ones.

    Raises:
        ConfigError: a size has another name.
    """
    from transformers import Qwen2VLConfig, Qwen2VLModel  # heavy, and not needed to serve

    size = {"hidden": 192, "layers": 4, "heads": 6, "shared_heads": 6, "inner": 512,
            "vision_width": 128, "vision_layers": 4, "vision_heads": 4}  # fmt: skip
    unknown = sorted(set(sizes) - set(size))
    if unknown:
        raise ConfigError(f"unknown sizes {unknown}; legal: {', '.join(size)}")
    size |= sizes
    half = size["hidden"] // size["heads"] // 2
    axis = half * 3 // 8
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": vocab_size, "hidden_size": size["hidden"], "num_hidden_layers": size["layers"],
            "num_attention_heads": size["heads"], "num_key_value_heads": size["shared_heads"],
            "intermediate_size": size["inner"], "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                "mrope_section": [half - 2 * axis, axis, axis]},
            "bos_token_id": None, "eos_token_id": None, "use_cache": False, "initializer_range": 0.04,
        },
        vision_config={
            "depth": size["vision_layers"], "embed_dim": size["vision_width"], "num_heads": size["vision_heads"],
            "hidden_size": size["hidden"], "patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2,
            "mlp_ratio": 4, "initializer_range": 0.04,
        },
        tie_word_embeddings=True, **(token_ids or VisionTokens()),
    )  # fmt: skip
    return Qwen2VLModel(config)


def _check_shares(rotary: Any) -> None:
    """Look at what config.json gives to each axis; torch would do so at the first query.

    Args:
        rotary: of the language model.

    Raises:
        ConfigError: these are no shares of its frequencies.
    """
    found, count = rotary.mrope_section, len(rotary.inv_freq)
    if not shares(found, count):
        raise ConfigError(
            f"config.json has the mrope_section {found!r}; three whole numbers from 0 on are needed whose sum is "
            f"{count}, half the width of a head: copy the checkpoint again"
        )


def _check_parts(folder: str | Path) -> None:
    """Look whether config.json has the network's two parts; transformers fills in one of 72 billion numbers of its own.

    Raises:
        MismatchError: it has not. What cannot be read at all is said by transformers' class.
    """
    path = Path(folder) / "config.json"
    try:
        said = read_json(path)
    except (UMRError, OSError):
        return
    old = "hidden_size" in said  # old files have the text's numbers at the top
    for name in ("vision_config",) if old else ("text_config", "vision_config"):
        if not isinstance(said.get(name), dict):
            raise MismatchError(f"{path} has no {name}, the sizes of a part of the network; copy the folder again")


def _whole(value: object, name: str) -> int:
    """A size of config.json, which may have several where this backbone has one."""
    if not isinstance(value, int):
        raise ConfigError(f"config.json has {name} {value!r}; one whole number is needed")
    return value


class QwenVLBackbone(nn.Module):
    """Qwen2-VL as umr uses it: vision states once per media item, then hidden states of whole sequences.

    fast: the equal-valued forward passes of qwen_vl_attention.py; False: the classes' own (slow; the tests' reference).
    """

    special: ClassVar[SpecialTokens] = SPECIAL
    implementation: ClassVar[str] = "transformers' Qwen2-VL class"
    processor: ClassVar[str] = PROCESSOR
    #: The classes of its settings, and whether it has fast passes: what other generations have otherwise.
    part_classes: ClassVar[tuple[str, str]] = ("Qwen2VLTextConfig", "Qwen2VLVisionConfig")
    has_fast: ClassVar[bool] = True
    colours: ClassVar[Colours] = CLIP_COLOURS
    #: Settings of recipes beside those of umr.encoders.adopt.RECIPES, by name.
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = EMBEDDERS
    #: Settings of released re-rankers by name of the recipe (umr.rerank.adopt).
    rerankers: ClassVar[Mapping[str, Mapping[str, Any]]] = QWEN2
    media: Mapping[str, MediaSpan]

    def __init__(self, model: Qwen2VLModel | LeanModel, config: EncoderConfig, fast: bool = True) -> None:
        super().__init__()
        self.model: Any = model
        _check_shares(model.language_model.rotary_emb)
        self.fast = fast and self.has_fast
        self.causal = config.attention == "causal"
        self.mrope = config.positions == "mrope"
        self.text_config: Any
        self.vision_config: Any
        self.text_config, self.vision_config = (
            model.parts if isinstance(model, LeanModel) else self._parts(model.config)
        )
        # transformers' flag of its own attention, which no class declares
        self.text_config.is_causal = self.causal
        self.patch = _whole(self.vision_config.patch_size, "patch_size")
        self.merge = self.vision_config.spatial_merge_size
        self.temporal = _whole(self.vision_config.temporal_patch_size, "temporal_patch_size")
        self.interval = getattr(self.vision_config, "tokens_per_second", 1)  # Qwen2.5-VL's, at a second a pair
        self.size = config.image_size
        if self.size % (self.patch * self.merge):
            raise ConfigError(f"image_size is {self.size}; a multiple of {self.patch * self.merge} is needed")
        side = self.size // self.patch // self.merge
        pairs, cell = -(-config.max_frames // self.temporal), (self.temporal, self.patch * self.merge)
        start, end = (VISION_START, VISION_END) if config.vision_marks else ("", "")
        self.media = {
            "image": MediaSpan(start, IMAGE_PAD, end, (1, side, side), cell),
            "video": MediaSpan(start, VIDEO_PAD, end, (pairs, side, side), cell),
        }

    @classmethod
    def tiny(cls) -> tuple[EncoderConfig, dict[str, int]]:
        """Two layers of 48 numbers; pictures of 56 px are 4 tokens, clips of 4 frames are 8."""
        sizes = {"hidden": 48, "layers": 2, "heads": 3, "shared_heads": 1, "inner": 64,
                 "vision_width": 32, "vision_layers": 2, "vision_heads": 2}  # fmt: skip
        return EncoderConfig(name="tiny", dim=48, image_size=56, max_frames=4, max_tokens=20), sizes

    @classmethod
    def for_tokenizer(cls, config: EncoderConfig, tokenizer: Tokenizer, **sizes: int) -> Self:
        """A fresh small backbone whose vocabulary is the tokenizer's; sizes: see build_small."""
        token_ids = VisionTokens(
            vision_start_token_id=token_id(tokenizer, VISION_START),
            vision_end_token_id=token_id(tokenizer, VISION_END),
            image_token_id=token_id(tokenizer, IMAGE_PAD),
            video_token_id=token_id(tokenizer, VIDEO_PAD),
        )
        return cls(cls.build(tokenizer.get_vocab_size(), token_ids, **sizes), config)

    @classmethod
    def build(cls, vocab_size: int, token_ids: VisionTokens, **sizes: int) -> Qwen2VLModel:
        """See build_small."""
        return build_small(vocab_size, token_ids, **sizes)

    @classmethod
    def adopted(cls, checkpoint: Checkpoint, tokenizer: Tokenizer, config: EncoderConfig) -> EncoderConfig:
        """The settings of an encoder made of a public Qwen2-VL checkpoint (see Backbone.adopted)."""
        return adopted(checkpoint, tokenizer, config, CHAT_QUERY, cls.colours)

    @classmethod
    def processor_files(cls, config: EncoderConfig, folder: str | Path) -> dict[str, str]:
        """Processor settings and chat template (see Backbone.processor_files)."""
        spans = {"image": f"{VISION_START}{IMAGE_PAD}{VISION_END}", "video": f"{VISION_START}{VIDEO_PAD}{VISION_END}"}
        model = read_json(Path(folder) / "config.json")
        return processor_files(config, model, spans, cls.processor, cls.colours)

    @classmethod
    def load(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype = torch.float32) -> Self:
        """Read config.json and the safetensors of a folder; computes in `dtype`.

        Raises:
            MismatchError: a file is damaged, or a weight absent or of another shape: transformers itself would fill it
                at random.
        """
        from umr.encoders.weights import whole_model  # transformers, which is not needed to serve

        _check_parts(folder)
        model = cast("Qwen2VLModel", whole_model(cls.model_class(), folder, dtype, _KEYS))  # of its family
        if config.marker_rows == "mean":
            average_markers(model.language_model.embed_tokens.weight, load_tokenizer(folder, cls.special))
        return cls(model, config)

    @classmethod
    def served(cls, folder: str | Path, config: EncoderConfig, dtype: torch.dtype = torch.float32) -> Self:
        """As `load`, for a network that only computes: where it can be, without importing transformers.

        Raises:
            MismatchError: as `load`.
        """
        plain = cls.has_fast and config.marker_rows == "checkpoint"
        model = lean_model(folder, dtype) if plain else None
        return cls.load(folder, config, dtype) if model is None else cls(model, config)

    @classmethod
    def model_class(cls) -> type[PreTrainedModel]:
        """The class of transformers, imported now."""
        from transformers import Qwen2VLModel

        return Qwen2VLModel

    def save(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors (bfloat16); Qwen2VLModel.from_pretrained reads them unchanged."""
        # not save_pretrained: what it writes depends on how the model came to be, and the hashes must not
        state = {
            name: value.detach().to("cpu", torch.bfloat16).contiguous()
            for name, value in self.model.state_dict().items()
        }
        save_file(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        config = deepcopy(self.model.config)
        for part in (config, *self._parts(config)):
            part.dtype = torch.bfloat16
        config.architectures = [self.model_class().__name__]
        config.save_pretrained(str(folder))

    def compute_again(self) -> None:
        """From now on hold no activations of layers while training; the backward pass computes each once more.

        Loss and gradients are equal, on the fast passes and on the class's own.
        """
        with warnings.catch_warnings():  # transformers 5 renames it on the way; its oldest has this name alone
            warnings.simplefilter("ignore", FutureWarning)
            enable: Any = self.model.gradient_checkpointing_enable  # without annotations
            enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    @property
    def hidden_size(self) -> int:
        """Numbers in a hidden state."""
        found: int = self.text_config.hidden_size
        return found

    def see(self, pixels_NFSS3: Tensor) -> Tensor:
        """Vision states (N, V, H), or of several depths side by side, of N equal-shaped items; a still has F = 1."""
        items, frames, height, width, _ = pixels_NFSS3.shape
        grid = (max(1, -(-frames // self.temporal)), height // self.patch, width // self.patch)
        if not self.fast:
            grids = torch.tensor([grid] * items, device=pixels_NFSS3.device)
            rows = patches(pixels_NFSS3, self.patch, self.merge, self.temporal, self.colours).flatten(0, 1)
            found = self._tower(rows, grids)
            return found.view(items, -1, found.shape[-1])
        still = frames == 1
        rows = patches(pixels_NFSS3, self.patch, self.merge, 1 if still else self.temporal)
        places = patch_places(grid[1], grid[2], self.merge, rows.device)
        cos, sin = self.model.visual.rotary_pos_emb(rows, places)
        segments = rows.view(items * grid[0], grid[1] * grid[2], -1)
        states = vision_states(self.model.visual, segments, cos[:, None], sin[:, None])
        return states.view(items, -1, self.hidden_size)

    def hidden_states(self, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        """Last hidden states (B, T, H).

        Args:
            batch: rows of tokens.
            seen_RH: vision states, one row per vision token; None where no row has media.
        """
        text = self.model.language_model
        x_BTH = self._embedded(batch, seen_RH)
        positions = self._positions(batch)
        if not self.fast:
            mask = batch.attention_mask_BT.long() if self.has_fast else allowed(batch.attention_mask_BT, self.causal)
            given = {"attention_mask": mask, "position_ids": positions, **self._deeper(batch, seen_RH)}
            states: Tensor = text(inputs_embeds=x_BTH, use_cache=False, **given).last_hidden_state
            return states
        bias = attention_bias(batch.attention_mask_BT, self.causal)
        cos, sin = text.rotary_emb(x_BTH, positions)
        return decoder_states(text, x_BTH, bias, cos, sin)

    # From here on: what the re-ranker uses (umr.rerank.reranker.Continued).

    def begin(self, batch: Batch, seen_RH: Tensor | None) -> Prefix:
        """Compute the beginning of rows, for others to go on behind it; it never looks at what follows.

        Args:
            batch: Q rows of tokens.
            seen_RH: vision states, one row per vision token; None where no row has media.
        """
        text, kept = self.model.language_model, list[KeysValues]()
        x_QPH, positions = self._embedded(batch, seen_RH), self._positions(batch)
        behind = positions.amax((0, 2)) + 1
        if not self.has_fast:
            mask = allowed(batch.attention_mask_BT, self.causal)
            given = {"attention_mask": mask, "position_ids": positions, **self._deeper(batch, seen_RH)}
            return Prefix(begun(text, x_QPH, given), batch.attention_mask_BT, behind)
        bias = attention_bias(batch.attention_mask_BT, self.causal)
        cos, sin = text.rotary_emb(x_QPH, positions)
        decoder_states(text, x_QPH, bias, cos, sin, kept=kept)
        return Prefix(tuple(kept), batch.attention_mask_BT, behind)

    def go_on(self, prefix: Prefix, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        """Last hidden states (B, T, H) of rows that go on behind begun ones.

        With causal attention they equal those of the joined rows. With bidirectional attention a row sees all that was
        begun and itself in both directions, as a prefix language model does (UniLM, arXiv 1905.03197, section 2.3).

        Args:
            prefix: of Q rows.
            batch: B = Q * g rows of tokens, the g of each begun row one after the other.
            seen_RH: as in hidden_states.
        """
        text, mask_BT = self.model.language_model, batch.attention_mask_BT
        x_BTH = self._embedded(batch, seen_RH)
        begin_B1 = prefix.next_Q.repeat_interleave(len(batch) // len(prefix.next_Q))[:, None]
        positions = (self._positions(batch) + begin_B1) * mask_BT
        if not self.has_fast:
            mask = allowed_behind(prefix.mask_QP, mask_BT, self.causal)
            given = {"attention_mask": mask, "position_ids": positions, **self._deeper(batch, seen_RH)}
            return gone_on(text, x_BTH, prefix.layers, given)
        cos, sin = text.rotary_emb(x_BTH, positions)
        bias = bias_behind(prefix.mask_QP, mask_BT, self.causal)
        return decoder_states(text, x_BTH, bias, cos, sin, past=prefix.layers)

    def token_rows(self, ids_N: Tensor) -> Tensor:
        """The embeddings (N, H) of tokens, which a language model with tied weights also scores them by."""
        found: Tensor = self.model.language_model.embed_tokens(ids_N)
        return found

    def _embedded(self, batch: Batch, seen_RH: Tensor | None) -> Tensor:
        """The tokens' embeddings (B, T, H), vision states in the places of the vision tokens."""
        x_BTH: Tensor = self.model.language_model.embed_tokens(batch.input_ids_BT)
        if seen_RH is not None and len(batch.seen_rows):
            flat = x_BTH.flatten(0, 1)
            shown_RH = seen_RH[:, : self.hidden_size].index_select(0, batch.seen_rows)
            flat = flat.index_copy(0, batch.seen_at, shown_RH.to(flat.dtype))
            x_BTH = flat.view_as(x_BTH)
        return x_BTH

    # From here on: what other generations have otherwise.

    def _tower(self, patches_RK: Tensor, grids_N3: Tensor) -> Tensor:
        """What the class's own vision tower gives for patches, as rows (R, H)."""
        found: Tensor = self.model.visual(patches_RK, grid_thw=grids_N3).pooler_output
        return found

    def _positions(self, batch: Batch) -> Tensor:
        """Where each token stands, (3, B, T)."""
        return positions_of(batch, self.mrope, self.interval)

    def _deeper(self, batch: Batch, seen_RH: Tensor | None) -> dict[str, Any]:
        """What the language model takes of the vision states beside their embedding: nothing."""
        del batch, seen_RH
        return {}

    @classmethod
    def _parts(cls, config: Qwen2VLConfig) -> tuple[Qwen2VLTextConfig, Qwen2VLVisionConfig]:
        """The settings of the language model and of the vision tower, which transformers makes of config.json."""
        text, vision = config.text_config, config.vision_config
        found = type(text).__name__, type(vision).__name__
        if found != cls.part_classes:
            raise MismatchError(f"config.json has {' and '.join(found)} in place of its two parts")
        return cast("tuple[Qwen2VLTextConfig, Qwen2VLVisionConfig]", (text, vision))


if TYPE_CHECKING:
    _DECLARED: type[Backbone] = QwenVLBackbone
