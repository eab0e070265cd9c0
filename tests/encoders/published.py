"""Published checkpoints in small, in their own layout, and what their own code makes of them. Nothing of umr's forward.

Random weights of transformers' real classes, a tokenizer of Qwen's kind (case kept, no space before a text), the chat
template and the preprocessor's settings. `Reference` writes the whole prompt as one string, as published code does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch.nn import functional as F
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLForConditionalGeneration,
)

from tests.encoders.conftest import TEXTS
from umr.encoders.qwen2_5_vl import Qwen25VLBackbone
from umr.encoders.qwen3_vl import Qwen3VLBackbone
from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START, MARKERS

#: How every Qwen2 tokenizer splits text (its tokenizer.json).
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: Qwen2-VL's chat template, without its numbering of pictures.
CHAT = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CLASSES = {
    "qwen2_vl": (QwenVLBackbone, Qwen2VLForConditionalGeneration),
    "qwen2_5_vl": (Qwen25VLBackbone, Qwen2_5_VLForConditionalGeneration),
    "qwen3_vl": (Qwen3VLBackbone, Qwen3VLForConditionalGeneration),
}
LEAST, MOST = 56 * 56, 40 * 28 * 28
ROWS = 400


def chat_tokenizer(words: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """Of Qwen's kind, without U-MARVEL's three tokens; each of the words is one token of it."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        [*TEXTS, *words * 9], trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False)
    )
    bpe.add_special_tokens(list(SPECIAL.own))
    found = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=SPECIAL.pad, eos_token=SPECIAL.end)
    found.chat_template = CHAT
    return found


def token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
             "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}  # fmt: skip
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


def strong(model: torch.nn.Module) -> torch.nn.Module:
    """Weights so large that positions, masks and pixels move the vectors."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("q_proj.weight", "k_proj.weight", "qkv.weight")):
                value.mul_(8)
            elif value.ndim > 1:
                value.mul_(2)
    return model


def publish(
    folder: Path,
    family: str = "qwen2_vl",
    processor: Qwen2VLImageProcessorPil | None = None,
    words: tuple[str, ...] = (),
) -> Path:
    """Write a checkpoint of a key of CLASSES in float32, with a preprocessor's settings (None: Qwen2-VL's)."""
    tokenizer = chat_tokenizer(words)
    torch.manual_seed(0)
    sizes = {"hidden": 48, "layers": 2, "heads": 3, "shared_heads": 1, "inner": 64,
             "vision_width": 32, "vision_layers": 2, "vision_heads": 2}  # fmt: skip
    if family == "qwen3_vl":
        sizes |= {"layers": 3, "vision_layers": 3}  # two of which are handed on
    backbone, kind = CLASSES[family]
    config = backbone.build(ROWS, token_ids(tokenizer), **sizes).config
    strong(kind(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (processor or Qwen2VLImageProcessorPil(min_pixels=LEAST, max_pixels=MOST)).save_pretrained(folder)
    return folder


def rename_weights(folder: Path, new: bool) -> None:
    """Write the names of the newer layout (model.language_model..., model.visual...) or of the older one."""
    path = folder / "model.safetensors"
    plain = {name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): value
             for name, value in load_file(path).items()}  # fmt: skip
    newer = {
        f"model.{name}" if name.startswith("visual.") else name.replace("model.", "model.language_model.", 1): value
        for name, value in plain.items()
    }
    save_file(newer if new else plain, path, metadata={"format": "pt"})


def flatten_config(folder: Path) -> None:
    """Write config.json as in 2024: the text settings at the top, those of positions in rope_scaling."""
    path = folder / "config.json"
    told = json.loads(path.read_text())
    text = told.pop("text_config")
    rope, tied = text.pop("rope_parameters"), text.pop("tie_word_embeddings", told.get("tie_word_embeddings"))
    newer = ("model_type", "layer_types", "dtype", "pad_token_id", "bos_token_id", "eos_token_id")
    flat = {key: value for key, value in text.items() if key not in newer} | told
    flat |= {"rope_theta": rope["rope_theta"], "tie_word_embeddings": tied, "torch_dtype": "bfloat16"}
    flat["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    flat["vision_config"] |= {"spatial_patch_size": told["vision_config"]["patch_size"], "in_chans": 3}
    flat.pop("dtype", None)
    path.write_text(json.dumps(flat))


class Reference:
    """A checkpoint as its own code asks it.

    umarvel: its loader (three tokens, one at a time), sequential positions; False: the class's own positions.
    causal: no token sees one after it, as in U-MARVEL's rows without padding.
    """

    causal = False

    def __init__(self, folder: Path, family: str = "qwen2_vl", umarvel: bool = True) -> None:
        self.umarvel, kind = umarvel, CLASSES[family][1]
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        limits = {"min_pixels": 4 * 28 * 28, "max_pixels": min(MOST, 300 * 28 * 28)} if umarvel else {}
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(folder, **limits)
        for token in MARKERS:
            self.tokenizer.add_tokens([token])
            if umarvel:
                self.model.resize_token_embeddings(len(self.tokenizer))

    def vector(self, text: str = "", image: np.ndarray | None = None, video: np.ndarray | None = None) -> np.ndarray:
        """The unit vector of a row: mean of the last states outside the instruction, every token seeing every other."""
        parts: list[dict[str, Any]] = [{"type": kind} for kind, one in (("image", image), ("video", video))
                                       if one is not None]  # fmt: skip
        parts += [{"type": "text", "text": text}] if text else []
        messages = [{"role": "user", "content": parts},
                    {"role": "assistant", "content": [{"type": "text", "text": "<emb>."}]}]  # fmt: skip
        prompt = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        pixels, grid, pad = None, None, "<|image_pad|>" if video is None else "<|video_pad|>"
        if image is not None or video is not None:
            pixels, grid = self.pixels([image] if video is None else list(video), clip=video is not None)
            merge = self.processor.merge_size
            prompt = prompt.replace(pad, pad * int(grid.prod() // merge**2))
        ids = torch.tensor([self.tokenizer.encode(prompt, add_special_tokens=False)])
        with torch.inference_mode():
            states = self.states(ids, pixels, grid, pad)
        outside = torch.ones(ids.shape[1], dtype=torch.bool)
        if INSTRUCTION_START in prompt:
            first, last = ((ids[0] == self.tokenizer.convert_tokens_to_ids(token)).nonzero().item()
                           for token in (INSTRUCTION_START, INSTRUCTION_END))  # fmt: skip
            outside[first : last + 1] = False
        return F.normalize(states[outside].mean(0), dim=-1).numpy()

    def pixels(self, frames: list[np.ndarray], clip: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches of the image processor; of a clip, two frames to a patch."""
        found = [self.processor([frame], return_tensors="pt") for frame in frames]
        grid = found[0]["image_grid_thw"].clone()
        if not clip:
            return found[0]["pixel_values"], grid
        patch = self.processor.patch_size
        singles = [one["pixel_values"].view(-1, 3, 2, patch, patch)[:, :, 0] for one in found]
        pairs = [torch.stack(singles[at : at + 2], 2).flatten(1) for at in range(0, len(singles), 2)]
        grid[0, 0] = len(pairs)
        return torch.cat(pairs), grid

    def states(self, ids: torch.Tensor, pixels: Any, grid: Any, pad: str) -> torch.Tensor:
        """Last hidden states (T, H)."""
        inner = self.model.model
        shown = ids == self.tokenizer.convert_tokens_to_ids(pad)
        embedded = inner.get_input_embeddings()(ids)
        if pixels is not None:
            seen = inner.visual(pixels, grid_thw=grid).pooler_output
            embedded = embedded.masked_scatter(shown[..., None], seen)
        mask = torch.ones(1, 1, ids.shape[1], ids.shape[1], dtype=torch.bool)
        mask = mask.tril() if self.causal else mask
        positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
        if not self.umarvel:
            kind = {"image_grid_thw": grid} if pad == "<|image_pad|>" else {"video_grid_thw": grid}
            types = shown.int() * (1 if pad == "<|image_pad|>" else 2)
            positions, _ = inner.get_rope_index(ids, types, **kind)
        found = inner.language_model(inputs_embeds=embedded, attention_mask=mask, position_ids=positions)
        return found.last_hidden_state[0]
