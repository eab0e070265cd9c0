"""A tiny rendered world, made once per test run: real scenes, real pixels; and small encoders of the real class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

import training.train
from training.catalogue.instructions import serving
from training.catalogue.world import World, WorldSpec, build_world, load_world
from training.train import new_encoder
from training.world_source.corpus import sentences
from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import EncoderConfig
from umr.encoders.qwen_vl import QwenVLBackbone

SIZE = 56  # px
#: A network that steps in a moment.
SMALL = {"hidden": 48, "layers": 1, "heads": 2, "shared_heads": 2, "inner": 64,
         "vision_width": 32, "vision_layers": 1, "vision_heads": 2}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def few_sentences() -> Iterator[None]:
    """Tokenizers are trained on fewer sentences, still of every table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.train, "sentences", partial(sentences, scenes=200))
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    build_world(folder, WorldSpec(families=6, clip_families=3, seed=3, size=SIZE), workers=1, progress=False)
    return folder


@pytest.fixture(scope="session")
def tiny_world(tiny_folder) -> World:
    return load_world(tiny_folder)


@pytest.fixture(scope="session")
def small_encoder(few_sentences) -> Callable[[int], UnifiedEncoder]:
    """seed -> a fresh small encoder; the tokenizer is trained once."""
    tokenizer = new_encoder("small", 0, **SMALL).tokenizer
    config = EncoderConfig(name="small", dim=SMALL["hidden"], image_size=SIZE, instructions=serving())

    def make(seed: int = 0) -> UnifiedEncoder:
        torch.manual_seed(seed)
        return UnifiedEncoder(config, QwenVLBackbone.for_tokenizer(config, tokenizer, **SMALL), tokenizer)

    return make
