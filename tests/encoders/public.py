"""A public checkpoint in small: transformers' real Qwen2-VL class with random weights, written by `save_pretrained`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

from tests.encoders.conftest import SIZES, TEXTS
from umr.encoders.qwen_vl import SPECIAL, build_small
from umr.encoders.tokenizer import train_tokenizer

ROWS = 340  # of the embeddings: more than the tokenizer has, as in every released Qwen2-VL
KEYS = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}  # fmt: skip


def qwen_tokenizer(specials: int = 8) -> PreTrainedTokenizerFast:
    """A tokenizer with the first `specials` special tokens; Qwen2-VL's own has 8, without U-MARVEL's three."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("umr.encoders.tokenizer.MARKERS", ())
        return train_tokenizer(TEXTS, replace(SPECIAL, own=SPECIAL.own[:specials]), 320)


def write_checkpoint(folder: Path, shard: str = "60KB") -> Qwen2VLForConditionalGeneration:
    """Weights in bfloat16, tokenizer and preprocessor settings, as on the Hub; returns the model that was written."""
    tokenizer = qwen_tokenizer()
    torch.manual_seed(0)
    ids = {key: tokenizer.convert_tokens_to_ids(token) for key, token in KEYS.items()}
    config = build_small(ROWS, ids, **SIZES).config
    model = Qwen2VLForConditionalGeneration(config).to(torch.bfloat16).eval()
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=1280 * 28 * 28).save_pretrained(folder)
    return model
