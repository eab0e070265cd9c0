"""Models of sentence-transformers in small: transformers' real classes with random weights, in that package's layout.

`chat` reads picture and text together (Llava), `apart` has a network for each (Chinese-CLIP); neither is one that umr
computes by itself. The references give unit vectors by transformers' classes alone. Nothing here imports the package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional as F
from transformers import (
    ChineseCLIPConfig,
    ChineseCLIPModel,
    ChineseCLIPProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaModel,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from tests.encoders.conftest import TEXTS

SIDE, WIDTH, MOST = 32, 32, 64
PROMPT = "Find what fits."
_TYPES = "sentence_transformers.models"
_TOWER = {"hidden_size": WIDTH, "intermediate_size": 48, "num_attention_heads": 2}
#: Turns with their role, pictures where they stand.
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end>{% endfor %}"
)


def tokenizer(extra: list[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    bpe.add_special_tokens(["<pad>", "<end>", *extra])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", eos_token="<end>", model_max_length=MOST)


def pictures() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def modules(folder: Path, read: dict[str, Any], output: str, *more: tuple[str, dict[str, Any]]) -> None:
    """The files of the package: what its first module reads, and the modules behind it with their settings."""
    rows = [("", "Transformer"), *((f"{at}_{name}", name) for at, (name, _) in enumerate(more, 1))]
    listed = [{"idx": at, "name": str(at), "path": path, "type": f"{_TYPES}.{name}"}
              for at, (path, name) in enumerate(rows)]  # fmt: skip
    files = {
        "modules.json": listed,
        "sentence_bert_config.json": {"modality_config": read, "module_output_name": output},
    }
    files["config_sentence_transformers.json"] = {"prompts": {"query": PROMPT, "document": ""}}
    files |= {f"{at}_{name}/config.json": settings for at, (name, settings) in enumerate(more, 1)}
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(data), encoding="utf-8")


def chat(folder: Path) -> Path:
    """Write a Llava pooled at its last token."""
    words = tokenizer(["<image>"])
    image = words.convert_tokens_to_ids("<image>")
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_TOWER, num_hidden_layers=3, image_size=SIDE, patch_size=8),
        text_config=LlamaConfig(**_TOWER, num_hidden_layers=2, num_key_value_heads=2, vocab_size=len(words)),
        image_token_id=image,
    )
    strong(LlavaModel(config)).save_pretrained(folder)
    LlavaProcessor(
        image_processor=pictures(), tokenizer=words, chat_template=TEMPLATE, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    given = {"method": "forward", "method_output_name": "last_hidden_state"}
    read = {"text": given, "image": given, "message": given | {"format": "structured"}}
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}
    modules(folder, read, "token_embeddings", ("Pooling", pooling), ("Normalize", {}))
    return folder


def apart(folder: Path) -> Path:
    """Write a Chinese-CLIP."""
    words = tokenizer([])
    torch.manual_seed(0)
    text = {**_TOWER, "num_hidden_layers": 2, "vocab_size": len(words), "pad_token_id": words.pad_token_id}
    config = ChineseCLIPConfig(
        text_config=text, vision_config={**_TOWER, "num_hidden_layers": 2, "image_size": SIDE, "patch_size": 8},
        projection_dim=WIDTH,
    )  # fmt: skip
    strong(ChineseCLIPModel(config)).save_pretrained(folder)
    ChineseCLIPProcessor(image_processor=pictures(), tokenizer=words).save_pretrained(folder)
    read = {
        kind: {"method": f"get_{kind}_features", "method_output_name": "pooler_output"} for kind in ("text", "image")
    }
    modules(folder, read, "sentence_embedding")
    return folder


def strong(model: torch.nn.Module) -> torch.nn.Module:
    """Weights so large that words and pixels move the vectors."""
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.mul_(4)
    return model


class ChatReference:
    """Llava by its own class: the last token's state behind turns that are written out."""

    def __init__(self, folder: Path) -> None:
        self.model = LlavaModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.words = PreTrainedTokenizerFast.from_pretrained(folder)
        self.pictures = CLIPImageProcessorPil.from_pretrained(folder)

    def vector(self, prompt: str = "", text: str = "", image: np.ndarray | None = None) -> np.ndarray:
        shown = "" if image is None else "<image>" * (SIDE // 8) ** 2
        asked = f"system: {prompt}<end>" if prompt else ""
        ids = torch.tensor([self.words(f"{asked}user: {shown}{text}<end>")["input_ids"]])
        given = {}
        if image is not None:
            given["pixel_values"] = self.pictures([Image.fromarray(image)], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            state = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), **given).last_hidden_state[0, -1]
        return F.normalize(state, dim=-1).numpy()


class ApartReference:
    """Chinese-CLIP by its own class; the prompt stands before the words."""

    def __init__(self, folder: Path) -> None:
        self.model = ChineseCLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.words = PreTrainedTokenizerFast.from_pretrained(folder)
        self.pictures = CLIPImageProcessorPil.from_pretrained(folder)

    def text(self, words: str) -> np.ndarray:
        ids = torch.tensor([self.words(words)["input_ids"]])
        with torch.inference_mode():
            found = self.model.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids))
        return F.normalize(found.pooler_output[0], dim=-1).numpy()

    def image(self, image: np.ndarray) -> np.ndarray:
        pixels = self.pictures([Image.fromarray(image)], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            return F.normalize(self.model.get_image_features(pixel_values=pixels).pooler_output[0], dim=-1).numpy()
