"""A tiny re-ranker of random weights, and contents of every kind for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.encoders.conftest import SETTINGS as ENCODER
from tests.encoders.conftest import SIZES, TEXTS
from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import SPECIAL, QwenVLBackbone
from umr.encoders.tokenizer import plain_tokenizer, train_tokenizer
from umr.rerank.config import RerankerConfig
from umr.rerank.reranker import Reranker
from umr.types import Candidate, Content, Query


@pytest.fixture(scope="session")
def tokenizer():
    return plain_tokenizer(train_tokenizer(TEXTS, SPECIAL, 320), SPECIAL)


@pytest.fixture
def start(tokenizer):
    """Build the encoder that re-rankers start from; keyword arguments change its config."""

    def build(**fields) -> UnifiedEncoder:
        config = replace(ENCODER, **fields)
        torch.manual_seed(0)
        return UnifiedEncoder(config, QwenVLBackbone.for_tokenizer(config, tokenizer, **SIZES), tokenizer).eval()

    return build


@pytest.fixture
def make(tokenizer):
    """Build a re-ranker; keyword arguments change the config of its network."""

    def build(**fields) -> Reranker:
        config = RerankerConfig.of_encoder(replace(ENCODER, **fields), tokenizer, "tiny")
        torch.manual_seed(0)
        backbone = QwenVLBackbone.for_tokenizer(config.network, tokenizer, **SIZES)
        with torch.no_grad():  # biases that are not 0, so that a test sees them
            for name, value in backbone.named_parameters():
                if name.endswith("bias"):
                    value.normal_(std=0.1)
        return Reranker(config, backbone, tokenizer).eval()

    return build


@pytest.fixture
def reranker(make) -> Reranker:
    return make()


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (8, 56, 56, 3), dtype=np.uint8)


@pytest.fixture
def queries(frames) -> dict[str, Query]:
    contents = {
        "text": Content(text="a small teal mug"),
        "picture": Content(image=frames[0]),
        "both": Content(image=frames[1], text="make it red"),
        "clip": Content(video=frames[:4]),
    }
    return {name: Query(query_id=name, content=content, instruction="find it") for name, content in contents.items()}


@pytest.fixture
def candidates(frames) -> list[Candidate]:
    contents = [
        Content(text="a mug"),
        Content(image=frames[2]),
        Content(image=frames[3], text="two of them on marble"),
        Content(text="a striped glossy mug on the wooden table"),
        Content(video=frames[4:8]),
        Content(image=frames[4]),
    ]
    return [Candidate(candidate_id=str(number), content=content) for number, content in enumerate(contents)]
