"""GME, LamRA-Ret and VLM2Vec-V2 in small, in their own layouts, and what their own code makes of them. None of umr's.

All three give the language model embeddings, or write pictures without the token that begins one, so that their
positions are one count (but LamRA-Ret's of Qwen2.5-VL); each reads one state of a causal network. Prompts are whole
strings, as their code writes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from tests.encoders.published import CLASSES, MOST, Reference, publish, rename_weights
from tests.encoders.test_published import formatted, media
from umr.types import Content

CELL = 28 * 28
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def publish_gme(folder: Path) -> Path:
    """Its class has no head; config.json names code of its own, and modules.json a module of it."""
    publish(folder)
    rename_weights(folder, new=False)
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if k != "lm_head.weight"}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    own = {"architectures": ["GmeQwen2VL"], "auto_map": {"AutoModel": "modeling_gme_qwen2vl.GmeQwen2VL"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    module = {"idx": 0, "name": "0", "path": "", "type": "custom_st.MultiModalTransformer"}
    (folder / "modules.json").write_text(json.dumps([module]))
    return folder


def publish_lamra(folder: Path, family: str = "qwen2_vl") -> Path:
    """A merged checkpoint of a subclass of the generating class."""
    publish(folder, family)
    config = json.loads((folder / "config.json").read_text())
    own = config["architectures"][0].replace("VLFor", "VLRetFor")
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [own]}))
    return folder


def publish_adapter(folder: Path, base: Path, dora: bool = True, older: bool = False, **more: Any) -> Any:
    """Write an adapter of peft whose every part changes something; returns the network with it, unmerged.

    older: names of weights as older versions of transformers have them.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(7)
    model = Qwen2VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=TARGETS, use_dora=dora, init_lora_weights="gaussian", **more)
    made = get_peft_model(model, config)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.2)
            if "magnitude" in name:
                value.mul_(1 + 0.5 * torch.rand_like(value))
    made.save_pretrained(folder)
    settings = json.loads((folder / "adapter_config.json").read_text())  # which peft would look for on the Hub
    settings["base_model_name_or_path"] = "Qwen/Qwen2-VL-2B-Instruct"
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    if older:
        path = folder / "adapter_model.safetensors"
        named = {k.replace("model.model.language_model.", "model.model."): v for k, v in load_file(path).items()}
        save_file(named, path)
    return made.eval()


class LastReference:
    """A checkpoint as its own code asks it; the methods are different releases."""

    pixels = Reference.pixels

    def __init__(self, folder: Path, model: Any = None, family: str = "qwen2_vl") -> None:
        """family: of Qwen2.5-VL LamRA-Ret's code leaves positions to the class."""
        self.tokenizer, self.own_positions = PreTrainedTokenizerFast.from_pretrained(folder), family == "qwen2_5_vl"
        found = CLASSES[family][1].from_pretrained(folder, dtype=torch.float32) if model is None else model
        self.inner, self.folder = found.eval().model, folder

    def gme(self, content: Content, instruction: str | None = None) -> np.ndarray:
        """GmeQwen2VL.embed."""
        self.processor = self._processor(256 * CELL, 1280 * CELL)
        shown = "<|vision_start|><|image_pad|><|vision_end|>" if content.image is not None else ""
        picture = None if content.image is None else resized(content.image, 4 * CELL, 16384 * CELL)
        system = instruction or "You are a helpful assistant."
        prompt = (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{shown}{content.text or ''}<|im_end|>\n"
            "<|im_start|>assistant\n<|endoftext|>"
        )
        return self._vector(prompt, Content(text="-", image=picture))

    def lamra(self, content: Content, instruction: str = "") -> np.ndarray:
        """The messages of datasets_mbeir.py and datasets_msrvtt.py; the state before `<emb>`."""
        if self.tokenizer.add_tokens(["<emb>"]):
            self.inner.resize_token_embeddings(len(self.tokenizer))
        self.processor = self._processor(4 * CELL, min(MOST, 300 * CELL))
        kinds = [*media(content)]
        text = content.text or ""
        words = formatted(f"{formatted(instruction)} {text}") if instruction else formatted(text)
        what = " and ".join(["video" if kind == "video" else "image" for kind in kinds] + ["sentence"] * bool(words))
        said = f"{words}\nSummarize above {what} in one word: "
        parts: list[dict[str, Any]] = [*({"type": kind} for kind in kinds), {"type": "text", "text": said}]
        messages = [{"role": "user", "content": parts},
                    {"role": "assistant", "content": [{"type": "text", "text": "<emb>."}]}]  # fmt: skip
        prompt = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return self._vector(prompt, content, before="<emb>")

    def vlm2vec(self, content: Content, instruction: str = "", query: bool = True) -> np.ndarray:
        """MMEBModel with the texts of image_t2i_eval.py, image_i2i_vg_dataset.py and msrvtt_dataset.py."""
        self.processor = self._processor(4 * CELL, 1280 * CELL)
        text = content.text or ""
        if content.video is not None:
            told = instruction if query else "" if text else "Understand the content of the provided video."
            prompt = " ".join(["<|video_pad|>", *filter(None, (told, text))])
        elif content.image is not None:
            told = instruction if query else "" if text else "Represent the given image."
            prompt = " ".join(["<|image_pad|>", "\n" + " ".join(filter(None, (told, text)))])
            prompt = prompt.replace(" \n", "\n") + "\n"
        else:
            prompt = f"{instruction} {text}\n" if query else text
        return self._vector(prompt, content)

    def _processor(self, least: int, most: int) -> Any:
        return Qwen2VLImageProcessorPil.from_pretrained(self.folder, min_pixels=least, max_pixels=most)

    def _vector(self, prompt: str, content: Content, before: str = "") -> np.ndarray:
        """The unit state of the last token, or of the one before a token."""
        pixels, grid, pad = None, None, "<|image_pad|>" if content.video is None else "<|video_pad|>"
        for kind, shown in media(content).items():
            pixels, grid = self.pixels([shown] if kind == "image" else list(shown), clip=kind == "video")
            prompt = prompt.replace(pad, pad * int(grid.prod() // self.processor.merge_size**2))
        ids = torch.tensor([self.tokenizer.encode(prompt, add_special_tokens=False)])
        size = ids.shape[1]
        with torch.inference_mode():
            embedded = self.inner.get_input_embeddings()(ids)
            if pixels is not None:
                seen = self.inner.visual(pixels, grid_thw=grid).pooler_output
                at = (ids == self.tokenizer.convert_tokens_to_ids(pad))[..., None]
                embedded = embedded.masked_scatter(at, seen)
            mask = torch.ones(1, 1, size, size, dtype=torch.bool).tril()
            positions = torch.arange(size).expand(3, 1, -1)
            if self.own_positions:
                shown = ids == self.tokenizer.convert_tokens_to_ids(pad)
                still = pad == "<|image_pad|>"
                kind = {"image_grid_thw" if still else "video_grid_thw": grid}
                positions, _ = self.inner.get_rope_index(ids, shown.int() * (1 if still else 2), **kind)
            found = self.inner.language_model(inputs_embeds=embedded, attention_mask=mask, position_ids=positions)
        place = -1 if not before else int((ids[0] == self.tokenizer.convert_tokens_to_ids(before)).nonzero()[0]) - 1
        return F.normalize(found.last_hidden_state[0, place], dim=-1).numpy()


def resized(picture: np.ndarray, least: int, most: int) -> np.ndarray:
    """As qwen-vl-utils' fetch_image does before a processor."""
    height, width = smart_resize(*picture.shape[:2], factor=28, min_pixels=least, max_pixels=most)
    return np.asarray(Image.fromarray(picture).resize((width, height)))
