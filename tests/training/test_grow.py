"""A deeper vision tower: equal vectors before the first step, all blocks learn, another depth is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.config import TrainConfig
from training.grow import deepen_vision
from training.train import new_encoder
from umr.encoders import load_encoder
from umr.encoders.base import UnifiedEncoder
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError
from umr.types import Candidate, Content

SIZES = {"hidden": 48, "layers": 1, "heads": 2, "shared_heads": 2, "inner": 64,
         "vision_width": 32, "vision_layers": 3, "vision_heads": 2}  # fmt: skip


def _encoder() -> UnifiedEncoder:
    return new_encoder("small", 0, 56, **SIZES).eval()


def _vectors(encoder: UnifiedEncoder) -> np.ndarray:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (56, 56, 3), dtype=np.uint8)) for _ in range(3)]
    found = encoder.encode_candidates(
        [Candidate(candidate_id=str(n), content=Content(image=picture)) for n, picture in enumerate(pictures)]
    )
    return found.vectors


def _blocks(encoder: UnifiedEncoder) -> torch.nn.ModuleList:
    assert isinstance(encoder.backbone, QwenVLBackbone)
    return encoder.backbone.model.visual.blocks


@pytest.mark.parametrize("layers", [3, 4, 5, 6, 7])
def test_a_deeper_tower_gives_the_same_vectors(layers: int) -> None:
    encoder = _encoder()
    before = _vectors(encoder)
    deepen_vision(encoder, layers)
    assert len(_blocks(encoder)) == layers
    np.testing.assert_array_equal(_vectors(encoder), before)


def test_every_old_block_is_kept_in_its_order_and_none_is_shared() -> None:
    encoder = _encoder()
    old = list(_blocks(encoder))
    deepen_vision(encoder, 5)
    assert [block for block in _blocks(encoder) if any(block is one for one in old)] == old
    weights = [value.data_ptr() for value in _blocks(encoder).parameters()]
    assert len(set(weights)) == len(weights)


def test_the_new_blocks_learn() -> None:
    encoder = _encoder()
    deepen_vision(encoder, 6)
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (2, 1, 56, 56, 3), dtype=np.uint8))
    encoder.see(pixels).square().sum().backward()
    for block in _blocks(encoder):
        assert float(block.mlp.fc2.weight.grad.norm()) > 0


def test_a_deeper_encoder_is_saved_and_opened(tmp_path: Path) -> None:
    encoder = _encoder()
    deepen_vision(encoder, 5)
    encoder.save(tmp_path / "deep")
    opened = load_encoder(tmp_path / "deep")
    assert isinstance(opened, UnifiedEncoder)
    assert len(_blocks(opened)) == 5
    assert np.sum(_vectors(opened) * _vectors(_encoder()), axis=1) == pytest.approx(1, abs=1e-3)  # bfloat16 in the file


def test_fewer_blocks_are_refused() -> None:
    with pytest.raises(ConfigError, match="vision_layers is 2, but small has 3 already"):
        deepen_vision(_encoder(), 2)
    with pytest.raises(ConfigError, match="vision_layers must be at least 0, not -1"):
        TrainConfig(name="x", vision_layers=-1)
