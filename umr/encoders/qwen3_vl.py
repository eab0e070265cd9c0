"""The Qwen3-VL backbone: transformers' own modules, with the vision states of several depths. No fast passes.

What it shares with Qwen2-VL (prompts, patches, checks of a checkpoint, files) stands in the files of that one. Its own:
states of some layers of the vision tower are added to the hidden states behind the first layers of the language model
(DeepStack, arXiv 2406.04334), and a clip is written slice by slice, each behind its time.

R vision tokens of a batch, H hidden, D = 1 + the depths handed on, S = D * H.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor
from transformers import Qwen3VLConfig, Qwen3VLModel
from transformers.utils.constants import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD

from umr.encoders.checkpoint import read_json
from umr.encoders.config import COMPACT_QUERY, EncoderConfig
from umr.encoders.qwen3_vl_recipes import CHAT, RECIPES, RERANKERS, appended
from umr.encoders.qwen_vl import SPECIAL, VISION_END, VISION_START, QwenVLBackbone, VisionTokens, build_small
from umr.encoders.qwen_vl_checkpoint import IMAGE_PAD, VIDEO_PAD, adopted, check, size_of
from umr.encoders.qwen_vl_pixels import Colours
from umr.encoders.qwen_vl_positions import positions_of_slices
from umr.encoders.qwen_vl_processor import processor_files
from umr.encoders.qwen_vl_recipes import QWEN3
from umr.encoders.tokenizer import SpecialTokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, Qwen2VLModel

    from umr.encoders.backbone import Backbone
    from umr.encoders.batch import Batch
    from umr.encoders.checkpoint import Checkpoint

#: Seconds from one frame to the next, as qwen-vl-utils (0.0.14, fetch_video) counts a clip that is given as frames.
FRAME_S = 0.5
_VIDEO = "video_preprocessor_config.json"


class Qwen3VLBackbone(QwenVLBackbone):
    """Qwen3-VL as umr uses it; what is not here is as in Qwen2-VL."""

    special: ClassVar[SpecialTokens] = replace(SPECIAL, family="Qwen3-VL")
    implementation: ClassVar[str] = "transformers' Qwen3-VL class"
    processor: ClassVar[str] = "Qwen3VLProcessor"
    part_classes: ClassVar[tuple[str, str]] = ("Qwen3VLTextConfig", "Qwen3VLVisionConfig")
    has_fast: ClassVar[bool] = False
    colours: ClassVar[Colours] = Colours(IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD)
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = RECIPES
    rerankers: ClassVar[Mapping[str, Mapping[str, Any]]] = {**RERANKERS, **QWEN3}

    def __init__(self, model: Qwen2VLModel, config: EncoderConfig, fast: bool = True) -> None:
        super().__init__(model, config, fast)
        self.deep = config.vision_depths == "all"
        clip = self.media["video"]
        self.media = {**self.media, "video": replace(clip, stamp="<{:.1f} seconds>", frame_s=FRAME_S)}

    @classmethod
    def model_class(cls) -> type[PreTrainedModel]:
        """The class of transformers."""
        return Qwen3VLModel

    @classmethod
    def tiny(cls) -> tuple[EncoderConfig, dict[str, int]]:
        """As the tiny Qwen2-VL, at the smallest square of its patches; the tower's first layer is handed on too."""
        config, sizes = super().tiny()
        return replace(config, backbone="qwen3_vl", image_size=64), sizes

    @classmethod
    def build(cls, vocab_size: int, token_ids: VisionTokens, **sizes: int) -> Qwen2VLModel:
        """A small Qwen3-VL with fresh weights; sizes: see build_small. What is used of it has Qwen2-VL's names."""
        like = build_small(vocab_size, token_ids, **sizes).config.to_dict()
        text = {key: value for key, value in like["text_config"].items() if key not in ("model_type", "layer_types")}
        seen, half = like["vision_config"], text["hidden_size"] // text["num_attention_heads"] // 2
        axis = half * 5 // 16
        text["head_dim"] = 2 * half
        text["rope_parameters"] |= {"mrope_section": [half - 2 * axis, axis, axis], "mrope_interleaved": True}
        handed_on = min(seen["depth"] - 1, text["num_hidden_layers"])
        vision = {
            "depth": seen["depth"], "hidden_size": seen["embed_dim"], "intermediate_size": 4 * seen["embed_dim"],
            "num_heads": seen["num_heads"], "out_hidden_size": text["hidden_size"], "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
            "deepstack_visual_indexes": list(range(handed_on)), "initializer_range": 0.04,
        }  # fmt: skip
        config = Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **token_ids)
        return cast("Qwen2VLModel", Qwen3VLModel(config))

    @classmethod
    def adopted(cls, checkpoint: Checkpoint, tokenizer: Tokenizer, config: EncoderConfig) -> EncoderConfig:
        """The settings of an encoder made of a public Qwen3-VL checkpoint (see Backbone.adopted).

        A recipe with a template of its own sizes pictures itself, as the release's code does, whatever the preprocessor
        says, unless that comes after a first resize; and what the tokenizer appends to every text stands at the end of
        its template. Two templates that differ are a re-ranker's, of which the second goes on behind the first.
        """
        if config.query_template == COMPACT_QUERY or config.first_resize:
            return adopted(checkpoint, tokenizer, config, CHAT, cls.colours)
        check(checkpoint, tokenizer)
        before, after = appended(tokenizer, cls.special)
        query, candidate = f"{before}{config.query_template}", f"{config.candidate_template}{after}"
        if config.query_template == config.candidate_template:
            query, candidate = f"{query}{after}", f"{before}{candidate}"
        dim = size_of(checkpoint, "hidden_size")
        return replace(config, dim=dim, query_template=query, candidate_template=candidate)

    @classmethod
    def processor_files(cls, config: EncoderConfig, folder: str | Path) -> dict[str, str]:
        """Processor settings and chat template (see Backbone.processor_files).

        A clip stands in the template as its pad alone, which the processor replaces by times, starts and ends; and its
        pixels are limited in all, not by the frame. By rate it takes frames as umr does, but for odd numbers.
        """
        spans = {"image": f"{VISION_START}{IMAGE_PAD}{VISION_END}", "video": VIDEO_PAD}
        model = read_json(Path(folder) / "config.json")
        files = processor_files(config, model, spans, cls.processor, cls.colours)
        video = json.loads(files[_VIDEO])
        video["video_processor_type"] = "Qwen3VLVideoProcessor"
        video["size"] = {key: value * config.max_frames for key, value in video["size"].items()}
        if config.frame_rate:
            video |= {"do_sample_frames": True, "fps": config.frame_rate}
            video |= {"min_frames": config.min_frames, "max_frames": config.max_frames}
        if config.clip_resize:
            least, most, all_of_them = config.clip_resize
            longest = min(most * config.max_frames, all_of_them * video["temporal_patch_size"])
            video["size"] = {"shortest_edge": least * config.min_frames, "longest_edge": longest}
        return files | {_VIDEO: json.dumps(video, indent=2) + "\n"}

    def _tower(self, patches_RK: Tensor, grids_N3: Tensor) -> Tensor:
        """The tower's states, with those of other depths beside them: (R, S)."""
        found = self.model.visual(patches_RK, grid_thw=grids_N3)
        deeper = found.deepstack_features if self.deep else []
        return torch.cat([found.pooler_output, *deeper], -1)

    def _positions(self, batch: Batch) -> Tensor:
        """Where each token stands, (3, B, T)."""
        return positions_of_slices(batch, self.mrope)

    def _deeper(self, batch: Batch, seen_RH: Tensor | None) -> dict[str, Any]:
        """The states of other depths, and the vision tokens that they are added to."""
        if seen_RH is None or not len(batch.seen_rows) or not self.deep:
            return {}
        mask_BT = batch.attention_mask_BT
        shown_BT = torch.zeros_like(mask_BT).view(-1).index_fill(0, batch.seen_at, True).view_as(mask_BT)
        shown_RS = seen_RH.index_select(0, batch.seen_rows)
        depths_RDH = shown_RS.view(len(shown_RS), -1, self.hidden_size)
        return {"visual_pos_masks": shown_BT, "deepstack_visual_embeds": list(depths_RDH.unbind(1)[1:])}


if TYPE_CHECKING:
    _DECLARED: type[Backbone] = Qwen3VLBackbone
