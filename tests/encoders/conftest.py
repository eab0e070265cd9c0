"""A tiny real encoder (random weights, seconds to build), for every test of this folder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer

SETTINGS, SIZES = QwenVLBackbone.tiny()
TEXTS = ["make it red and put two of them on the wooden table", "a small striped glossy teal mug on marble"] * 4
CHANGE = "Find the picture after this change."


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return plain_tokenizer(train_tokenizer(TEXTS, SPECIAL, 320), SPECIAL)


@pytest.fixture
def make(tokenizer):
    """Build an encoder; keyword arguments change the config."""

    def build(**fields) -> UnifiedEncoder:
        instructions = {"image,text->image": CHANGE, "text->all": "Find it.", "image->all": "Find alike."}
        config = replace(SETTINGS, **({"instructions": instructions} | fields))
        torch.manual_seed(0)
        return UnifiedEncoder(config, QwenVLBackbone.for_tokenizer(config, tokenizer, **SIZES), tokenizer).eval()

    return build


@pytest.fixture
def encoder(make) -> UnifiedEncoder:
    return make()


@pytest.fixture
def stills() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (6, 1, 56, 56, 3), dtype=np.uint8)


@pytest.fixture
def clips() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (2, 4, 56, 56, 3), dtype=np.uint8)
