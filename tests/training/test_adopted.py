"""A public checkpoint, adopted, is where a training may start; what comes out is an encoder that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.encoders.public import write_checkpoint
from tests.training.test_train import DEBUG
from training.train import train
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt
from umr.errors import ConfigError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "tiny-VL"
    write_checkpoint(folder)
    return folder


def test_training_starts_from_its_weights_and_moves_them(checkpoint, tiny_world, tmp_path):
    adopt(checkpoint, tmp_path / "adopted", image_size=56)
    before = load_encoder(tmp_path / "adopted", device="cpu")
    still = replace(DEBUG, name="kept", steps=1, learning_rate=0.0, muon_rate=0.0, init=str(tmp_path / "adopted"))
    kept = train(still, tiny_world, tmp_path / "kept")
    for a, b in zip(before.state_dict().values(), kept.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    moved = train(replace(DEBUG, name="tuned", steps=2, init=str(tmp_path / "adopted")), tiny_world, tmp_path / "tuned")
    assert any(
        not torch.equal(a, b) for a, b in zip(before.state_dict().values(), moved.state_dict().values(), strict=True)
    )
    opened = load_encoder(tmp_path / "tuned", device="cpu")
    assert opened.config.revision == "tiny-VL" and opened.config.query_template == before.config.query_template
    card = (tmp_path / "tuned" / "README.md").read_text()
    assert "starting from `adopted`" in card and "`tiny-VL`, whose licence" in card and "not trained" not in card


def test_an_encoder_that_does_not_see_what_the_world_holds_is_refused(checkpoint, tiny_world, tmp_path):
    adopt(checkpoint, tmp_path / "large", image_size=168)
    with pytest.raises(ConfigError, match="image_size 168, the world's have 56: adopt it with --image-size 56"):
        train(replace(DEBUG, init=str(tmp_path / "large")), tiny_world, tmp_path / "out")
    adopt(checkpoint, tmp_path / "short", image_size=56, max_frames=4)
    with pytest.raises(ConfigError, match="max_frames 4, the world's have 8: adopt it with --max-frames 8"):
        train(replace(DEBUG, init=str(tmp_path / "short")), tiny_world, tmp_path / "out")
