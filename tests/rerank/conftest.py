"""A tiny re-ranker of random weights, and contents of every kind for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from tests.encoders.conftest import SETTINGS, SIZES
from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.rerank.reranker import Reranker
from umr.types import Candidate, Content, Query


@pytest.fixture(scope="session")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def start(tokenizer):
    """Build the encoder that re-rankers start from; keyword arguments change its config."""

    def build(**fields) -> UnifiedEncoder:
        config = replace(SETTINGS, **fields)
        torch.manual_seed(0)
        return UnifiedEncoder(config, QwenVLBackbone.for_tokenizer(config, tokenizer, **SIZES), tokenizer).eval()

    return build


@pytest.fixture
def make(tokenizer):
    """Build a re-ranker; keyword arguments change the config of its network."""
    return partial(tiny_reranker, tokenizer)


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
