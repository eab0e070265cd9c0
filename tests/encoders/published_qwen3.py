"""Published Qwen3-VL checkpoints in small, and what their own code makes of them. Nothing of umr's forward.

Qwen3-VL-Embedding as src/models/qwen3_vl_embedding.py asks it, U-MARVEL as its models/qwen3_vl_finetune.py, and the
class itself: transformers' whole Qwen3VLModel, whose processor needs torchvision for clips, so that frames go one by
one through the image processor here and the prompt gets its times from Qwen3VLProcessor's own method.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, processors
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

from tests.encoders.published import CHAT, publish
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START, MARKERS

#: Qwen3-VL's chat template, without its numbering of pictures and its tools: no system turn where none is given.
CHAT3 = CHAT.replace(CHAT[CHAT.index("{% if loop.first") : CHAT.index("<|im_start|>{{ message['role'] }}")], "")
LEAST, MOST = 64 * 64, 40 * 32 * 32
CLIP_FPS = 2.0  # of frames given as such, in qwen-vl-utils
CELL = 32 * 32


def publish3(folder: Path, ends: str = "", words: tuple[str, ...] = ()) -> Path:
    """Write a checkpoint; `ends`: a token that the tokenizer's post-processor puts behind every text."""
    colours = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = Qwen2VLImageProcessorPil(min_pixels=LEAST, max_pixels=MOST, patch_size=16, **colours)
    publish(folder, "qwen3_vl", processor, words)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.chat_template = CHAT3
    tokenizer.save_pretrained(folder)
    if ends:
        path = str(folder / "tokenizer.json")
        changed = Tokenizer.from_file(path)
        tokens = [(ends, changed.token_to_id(ends))]
        changed.post_processor = processors.TemplateProcessing(f"$A {ends}", special_tokens=tokens)
        changed.save(path)
    return folder


class Qwen3Reference:
    """A checkpoint as its own code asks it; the methods are different releases."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.folder = folder

    def embedder(self, instruction: str = "", **parts: Any) -> np.ndarray:
        """Qwen3VLEmbedder.process: the system turn is the task, the vector the state of the last token."""
        content = self._content(parts)
        messages = [{"role": "system", "content": [{"type": "text", "text": instruction}]},
                    {"role": "user", "content": content}]  # fmt: skip
        prompt = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = self._inputs(prompt, parts, clips=True, min_pixels=4096, max_pixels=1800 * CELL)
        with torch.inference_mode():
            states = self.model.model(attention_mask=torch.ones_like(inputs["input_ids"]), **inputs).last_hidden_state
        return F.normalize(states[0, -1], dim=-1).numpy()

    def plain(self, **parts: Any) -> np.ndarray:
        """The class itself with every token seeing every other, pooled over all."""
        self.tokenizer.add_tokens(list(MARKERS))
        inputs = self._inputs(self._asked(parts), parts)
        size, grids = inputs["input_ids"].shape[1], {key: inputs[key] for key in inputs if key.endswith("grid_thw")}
        types = inputs.pop("mm_token_type_ids")
        with torch.inference_mode():
            positions, _ = self.model.model.get_rope_index(inputs["input_ids"], types, **grids)
            mask = torch.ones(1, 1, size, size, dtype=torch.bool)
            states = self.model.model(attention_mask=mask, position_ids=positions, **inputs).last_hidden_state
        return F.normalize(states[0].mean(0), dim=-1).numpy()

    def umarvel(self, **parts: Any) -> np.ndarray:
        """U-MARVEL's evaluation: two resizes, the last vision states alone, one count of positions."""
        for token in MARKERS:
            if self.tokenizer.add_tokens([token]):
                self.model.resize_token_embeddings(len(self.tokenizer))
        parts = {key: collated(one) if key == "image" else one for key, one in parts.items()}
        prompt = self._asked(parts)
        if "video" in parts:
            parts["video"] = [collated(frame) for frame in parts["video"]]
        inputs = self._inputs(prompt, parts)
        ids, inner = inputs["input_ids"], self.model.model
        with torch.inference_mode():
            embedded = inner.get_input_embeddings()(ids)
            for kind in ("image", "video"):
                if f"{kind}_grid_thw" in inputs:
                    pixels = inputs["pixel_values" if kind == "image" else "pixel_values_videos"]
                    seen = inner.visual(pixels, grid_thw=inputs[f"{kind}_grid_thw"]).pooler_output
                    shown = ids == self.tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>")
                    embedded = embedded.masked_scatter(shown[..., None], seen)
            mask = torch.ones(1, 1, ids.shape[1], ids.shape[1], dtype=torch.bool)
            positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
            found = inner(inputs_embeds=embedded, attention_mask=mask, position_ids=positions)
        outside = torch.ones(ids.shape[1], dtype=torch.bool)
        if INSTRUCTION_START in prompt:
            first, last = ((ids[0] == self.tokenizer.convert_tokens_to_ids(token)).nonzero().item()
                           for token in (INSTRUCTION_START, INSTRUCTION_END))  # fmt: skip
            outside[first : last + 1] = False
        return F.normalize(found.last_hidden_state[0][outside].mean(0), dim=-1).numpy()

    def score(self, prompt: str, shown: list[dict[str, Any]]) -> float:
        """The share of "yes" against "no" behind a whole prompt; `shown`: its pictures and clips in their order."""
        inputs = self._inputs(prompt, *shown, clips=True, min_pixels=4096, max_pixels=1800 * CELL)
        yes, no = (self.tokenizer.get_vocab()[word] for word in ("yes", "no"))
        with torch.inference_mode():
            state = self.model.model(**inputs).last_hidden_state[0, -1]
            weight = self.model.lm_head.weight
            return float(torch.sigmoid(state @ (weight[yes] - weight[no])))

    def _content(self, parts: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"type": kind} for kind in ("video", "image") if kind in parts]
        return found + ([{"type": "text", "text": parts["text"]}] if parts.get("text") else [])

    def _asked(self, parts: dict[str, Any]) -> str:
        """U-MARVEL's conversation."""
        messages = [{"role": "user", "content": self._content(parts)},
                    {"role": "assistant", "content": [{"type": "text", "text": "<emb>."}]}]  # fmt: skip
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _inputs(self, prompt: str, *shown: dict[str, Any], clips: bool = False, **limits: int) -> dict[str, Any]:
        """What Qwen3VLProcessor gives of a prompt and what it shows.

        clips: frames are as large as fetch_video of qwen-vl-utils makes them.  parts["times"]: (frame numbers, frames a
        second) of a file's.
        """
        given: dict[str, list[torch.Tensor]] = {}
        for parts in shown:
            for kind in ("video", "image"):
                if kind not in parts:
                    continue
                sizes = clip_limits(len(parts[kind])) if clips and kind == "video" else limits
                processor = Qwen2VLImageProcessorPil.from_pretrained(self.folder, **sizes)
                pixels, grid = self._pixels(processor, parts[kind], clip=kind == "video")
                given.setdefault("pixel_values_videos" if kind == "video" else "pixel_values", []).append(pixels)
                given.setdefault(f"{kind}_grid_thw", []).append(grid)
                prompt = self._expanded(prompt, kind, grid, parts.get("times") or (range(len(parts[kind])), CLIP_FPS))
        prompt = prompt.replace("<|placed_image|>", "<|image_pad|>").replace("<|placed_video|>", "<|video_pad|>")
        ids = torch.tensor([self.tokenizer(prompt)["input_ids"]])
        pads = [self.tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video")]
        types = (ids == pads[0]).int() + 2 * (ids == pads[1]).int()
        joined = {key: torch.cat(value) for key, value in given.items()}
        return {"input_ids": ids, "mm_token_type_ids": types, **joined}

    def _expanded(self, prompt: str, kind: str, grid: torch.Tensor, shown: tuple[Sequence[int], float]) -> str:
        """The first pad of the prompt that still stands alone, as often as the processor repeats it."""
        slices, count = int(grid[0, 0]), int(grid[0, 1:].prod()) // 4
        if kind == "image":
            return prompt.replace("<|image_pad|>", "<|placed_image|>" * count, 1)
        times = Qwen3VLProcessor._calculate_timestamps(None, list(shown[0]), shown[1], 2)
        seen = "<|placed_video|>" * count
        text = "".join(f"<{time:.1f} seconds><|vision_start|>{seen}<|vision_end|>" for time in times[:slices])
        return prompt.replace("<|vision_start|><|video_pad|><|vision_end|>", text, 1)

    def _pixels(self, processor: Any, shown: Any, clip: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches and grid of a picture, or of frames, two to a patch."""
        found = [processor([frame], return_tensors="pt") for frame in (shown if clip else [shown])]
        grid = found[0]["image_grid_thw"].clone()
        if not clip:
            return found[0]["pixel_values"], grid
        singles = [one["pixel_values"].view(-1, 3, 2, 16, 16)[:, :, 0] for one in found]
        singles += singles[-1:] * (len(singles) % 2)
        pairs = [torch.stack(singles[at : at + 2], 2).flatten(1) for at in range(0, len(singles), 2)]
        grid[0, 0] = len(pairs)
        return torch.cat(pairs), grid


def clip_limits(frames: int) -> dict[str, int]:
    """fetch_video's of each frame, with Qwen3VLEmbedder's total_pixels."""
    least, total = 128 * CELL, 7680 * CELL
    frames += frames % 2
    return {"min_pixels": least, "max_pixels": max(int(min(768 * CELL, total / frames * 2)), int(least * 1.05))}


def collated(picture: np.ndarray) -> np.ndarray:
    """A picture as U-MARVEL's collators resize it before the processor."""
    height, width = smart_resize(*picture.shape[:2], factor=28, min_pixels=4 * 28 * 28, max_pixels=300 * 28 * 28)
    return np.asarray(Image.fromarray(picture).resize((width, height)))
