"""The Qwen2.5-VL backbone: transformers' own modules, windows of the vision tower included. No fast passes.

What it shares with Qwen2-VL (prompts, patches, checks of a checkpoint, files) stands in the files of that one. A clip's
frames count as one second a pair, the class's own default: an encoder takes a fixed number of frames of every clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel

from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone, VisionTokens, build_small
from umr.encoders.qwen_vl_recipes import EMBEDDERS_2_5, QWEN2_5
from umr.encoders.tokenizer import SpecialTokens
from umr.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Qwen2VLModel

    from umr.encoders.backbone import Backbone


class Qwen25VLBackbone(QwenVLBackbone):
    """Qwen2.5-VL as umr uses it; what is not here is as in Qwen2-VL."""

    special: ClassVar[SpecialTokens] = replace(SPECIAL, family="Qwen2.5-VL")
    implementation: ClassVar[str] = "transformers' Qwen2.5-VL class"
    processor: ClassVar[str] = "Qwen2_5_VLProcessor"
    part_classes: ClassVar[tuple[str, str]] = ("Qwen2_5_VLTextConfig", "Qwen2_5_VLVisionConfig")
    has_fast: ClassVar[bool] = False
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = EMBEDDERS_2_5
    rerankers: ClassVar[Mapping[str, Mapping[str, Any]]] = QWEN2_5

    def __init__(self, model: Qwen2VLModel, config: EncoderConfig, fast: bool = True) -> None:
        if config.frame_rate:
            raise ConfigError(
                f"frame_rate is {config.frame_rate:g}; 0 alone is legal here, where positions count a second a pair"
            )
        super().__init__(model, config, fast)

    @classmethod
    def model_class(cls) -> type[PreTrainedModel]:
        """The class of transformers."""
        return Qwen2_5_VLModel

    @classmethod
    def tiny(cls) -> tuple[EncoderConfig, dict[str, int]]:
        """As the tiny Qwen2-VL, with full attention in the last layer of the vision tower alone."""
        config, sizes = super().tiny()
        return replace(config, backbone="qwen2_5_vl"), sizes

    @classmethod
    def build(cls, vocab_size: int, token_ids: VisionTokens, **sizes: int) -> Qwen2VLModel:
        """A small Qwen2.5-VL with fresh weights; sizes: see build_small. What is used of it has Qwen2-VL's names."""
        like = build_small(vocab_size, token_ids, **sizes).config.to_dict()
        text = {key: value for key, value in like["text_config"].items() if key not in ("model_type", "layer_types")}
        seen = like["vision_config"]
        vision = {
            "depth": seen["depth"], "hidden_size": seen["embed_dim"], "intermediate_size": 4 * seen["embed_dim"],
            "num_heads": seen["num_heads"], "out_hidden_size": text["hidden_size"], "patch_size": 14,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "tokens_per_second": 2, "window_size": 112,
            "fullatt_block_indexes": [seen["depth"] - 1], "initializer_range": 0.04,
        }  # fmt: skip
        config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **token_ids)
        return cast("Qwen2VLModel", Qwen2_5_VLModel(config))


if TYPE_CHECKING:
    _DECLARED: type[Backbone] = Qwen25VLBackbone
