"""Public dual checkpoints in small: transformers' real classes with random weights, in the layout of each family.

`write` gives the folder of a family; `Reference` computes its vectors with transformers alone, as its makers say.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from transformers import (
    AutoImageProcessor,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from tests.encoders.conftest import TEXTS

SIDE, LENGTH, WIDTH = 32, 12, 32
PATCHES = 20  # of a picture at most, of a family that keeps its shape
CLIP, CLIP_OLD, SIGLIP, SIGLIP2, NAFLEX = "clip", "clip of 2022", "siglip", "siglip2", "siglip2 naflex"
FAMILIES = (CLIP, CLIP_OLD, SIGLIP, SIGLIP2, NAFLEX)

_TOWER = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
_SEEN = _TOWER | {"image_size": SIDE, "patch_size": 8}
_LEARNED = [*TEXTS, "a photo of two cats, sitting on a sofa!", "What's this? A Red MUG (on slate)."]


def write(folder: Path, family: str) -> Path:
    """The folder of a checkpoint of this family, whose weights differ from layer norm to head."""
    _WRITERS[family](folder)
    return folder


@dataclass
class Reference:
    """Unit vectors by transformers' own classes."""

    model: Any
    tokens: Callable[[Sequence[str]], dict[str, torch.Tensor]]
    processor: Any

    @classmethod
    def of(cls, folder: Path, family: str) -> Reference:
        kind = {CLIP: CLIPModel, CLIP_OLD: CLIPModel, NAFLEX: Siglip2Model}.get(family, SiglipModel)
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(model, _tokens(folder, family), AutoImageProcessor.from_pretrained(folder, backend="pil"))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return F.normalize(self.model.get_text_features(**self.tokens(texts)).pooler_output, dim=-1).numpy()

    @torch.no_grad()
    def pictures(self, images: Sequence[Image.Image | np.ndarray]) -> np.ndarray:
        pixels = self.processor(images=[Image.fromarray(np.asarray(one)) for one in images], return_tensors="pt")
        return F.normalize(self.model.get_image_features(**pixels).pooler_output, dim=-1).numpy()


def canonical(text: str) -> str:
    """SiglipTokenizer.canonicalize_text, which needs sentencepiece to be imported."""
    return re.sub(r"\s+", " ", text.lower().translate(str.maketrans("", "", string.punctuation))).strip()


def _tokens(folder: Path, family: str) -> Callable[[Sequence[str]], dict[str, torch.Tensor]]:
    if family in (CLIP, CLIP_OLD):
        clip = CLIPTokenizer.from_pretrained(folder)
        return lambda texts: dict(
            clip(list(texts), padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
        )
    full = {"padding": "max_length", "truncation": True, "max_length": LENGTH, "return_tensors": "pt"}
    if family == SIGLIP:
        pieces = PreTrainedTokenizerFast.from_pretrained(folder)
        return lambda texts: {"input_ids": pieces([canonical(text) for text in texts], **full)["input_ids"]}
    gemma = GemmaTokenizer.from_pretrained(folder, add_bos_token=False, add_eos_token=True, padding_side="right")
    return lambda texts: {"input_ids": gemma([text.lower() for text in texts], **full)["input_ids"]}


@cache  # a training of its own would order equally frequent pairs otherwise
def _clip_tokenizer() -> CLIPTokenizer:
    learned = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=700, end_of_word_suffix="</w>", initial_alphabet=alphabet)
    learned.train_from_iterator([text.lower() for text in _LEARNED], trainer)
    parts = json.loads(learned.to_str())["model"]
    vocab = dict.fromkeys([*parts["vocab"], *(f"{one}</w>" for one in alphabet), "<|startoftext|>", "<|endoftext|>"])
    return CLIPTokenizer(
        vocab={token: at for at, token in enumerate(vocab)}, merges=[tuple(pair) for pair in parts["merges"]]
    )


def _write_clip(folder: Path, old: bool = False) -> None:
    tokenizer = _clip_tokenizer()
    vocab = tokenizer.get_vocab()
    start, end = vocab["<|startoftext|>"], vocab["<|endoftext|>"]
    ids = (
        {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
        if old
        else {"bos_token_id": start, "eos_token_id": end}
    )
    text = _TOWER | {"vocab_size": len(vocab), "max_position_embeddings": LENGTH, "projection_dim": 24} | ids
    config = CLIPConfig(text_config=text, vision_config=_SEEN | {"projection_dim": 24}, projection_dim=24)
    _save(CLIPModel(config), folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )
    if old:  # as openai's repositories still have it: numbers for sizes, no class of today
        settings = {"crop_size": SIDE, "do_center_crop": True, "do_normalize": True, "do_resize": True, "size": SIDE,
                    "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3,
                    "image_mean": [0.48145466, 0.4578275, 0.40821073],
                    "image_std": [0.26862954, 0.26130258, 0.27577711]}  # fmt: skip
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _write_siglip(folder: Path) -> None:
    """Pieces of a Unigram model; tokenizer.json takes away case and punctuation, as released ones do."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Lowercase(), normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
        normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(_LEARNED, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    _siglip_model(folder, tokenizer.get_vocab_size())
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>", model_max_length=LENGTH
    ).save_pretrained(folder)


def _write_siglip2(folder: Path, write: Callable[[Path, int], None]) -> None:
    """Gemma's tokenizer, byte pairs that keep case."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    learned.normalizer = normalizers.Replace(" ", "▁")
    learned.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = trainers.BpeTrainer(vocab_size=360, special_tokens=special, show_progress=False)
    learned.train_from_iterator([one for text in _LEARNED for one in (text, text.upper(), text.lower())], trainer)
    parts = json.loads(learned.to_str())["model"]
    tokenizer = GemmaTokenizer(
        vocab=parts["vocab"], merges=[tuple(pair) for pair in parts["merges"]], add_bos_token=False,
        add_eos_token=True, padding_side="right",
    )  # fmt: skip
    write(folder, len(parts["vocab"]))
    tokenizer.save_pretrained(folder)


def _naflex_model(folder: Path, words: int) -> None:
    """Positions of a grid of 4 x 4 patches, which are stretched to each picture's."""
    text = _TOWER | {"vocab_size": words, "max_position_embeddings": LENGTH, "projection_size": WIDTH}
    _save(
        Siglip2Model(Siglip2Config(text_config=text, vision_config=_TOWER | {"patch_size": 8, "num_patches": 16})),
        folder,
    )
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=PATCHES).save_pretrained(folder)


def _siglip_model(folder: Path, words: int) -> None:
    text = _TOWER | {"vocab_size": words, "max_position_embeddings": LENGTH, "projection_size": WIDTH}
    _save(SiglipModel(SiglipConfig(text_config=text, vision_config=_SEEN)), folder)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, default_to_square=True).save_pretrained(folder)


def _save(model: Any, folder: Path) -> None:
    """Weights large enough that different inputs have different vectors."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1:
                value.normal_(std=0.3)
            elif "norm" not in name:
                value.normal_(std=0.1)
    model.eval().save_pretrained(folder)


_WRITERS: dict[str, Callable[[Path], None]] = {
    CLIP: _write_clip,
    CLIP_OLD: lambda folder: _write_clip(folder, old=True),
    SIGLIP: _write_siglip,
    SIGLIP2: lambda folder: _write_siglip2(folder, _siglip_model),  # config.json says "siglip", as of fixed sizes
    NAFLEX: lambda folder: _write_siglip2(folder, _naflex_model),
}
