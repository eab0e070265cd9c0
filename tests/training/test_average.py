"""Weights between two encoders of one network: the closed form, refusals, and a stage that ends with them."""

from __future__ import annotations

import json

import pytest
import torch

from tests.training.conftest import SMALL
from training.average import keep_of_start, main
from training.config import TrainConfig
from training.train import new_encoder, train
from umr.encoders import load_trainable
from umr.encoders.config import read_config
from umr.errors import ConfigError


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_every_weight_lies_between_its_own_and_that_of_the_start(share):
    torch.manual_seed(0)
    own, start = (torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)) for _ in range(2))
    expected = [(1 - share) * a + share * b for a, b in zip(own.parameters(), start.parameters(), strict=True)]
    keep_of_start(own, start, share)
    for found, wanted in zip(own.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted.detach())


def test_what_has_no_weights_between_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"differ in 2 weights \(bias, weight\)"):
        keep_of_start(torch.nn.Linear(3, 2), torch.nn.Linear(3, 3), 0.5)
    with pytest.raises(ConfigError, match=r"the share of the start's weights is 1.5; legal: 0 to 1"):
        keep_of_start(torch.nn.Linear(3, 2), torch.nn.Linear(3, 2), 1.5)
    for changes in ({"vision_layers": 8}, {"lora_rank": 2}, {"sharded": True, "muon_rate": 0.0}):
        with pytest.raises(ConfigError, match=r"kept_start is 0.5: .*python -m training.average"):
            TrainConfig(name="one", kept_start=0.5, **changes)


def test_a_stage_that_keeps_of_its_start_is_what_the_command_makes_of_one_that_does_not(
    tiny_world, small_encoder, tmp_path
):
    start = tmp_path / "start"
    small_encoder().save(start)
    config = TrainConfig(name="one", init=str(start), steps=2, warmup_steps=1, families_per_batch=4, bf16=False)
    train(config, tiny_world, tmp_path / "plain")
    train(TrainConfig(**config.to_json() | {"kept_start": 0.7}), tiny_world, tmp_path / "kept")
    words = [str(tmp_path / "plain"), "--init", str(start), "--share", "0.7", "--out", str(tmp_path / "after")]
    assert main(words) == 0
    plain, kept, after, before = (
        load_trainable(tmp_path / name, device="cpu").state_dict() for name in ("plain", "kept", "after", "start")
    )
    for name in kept:  # a folder holds 16 bits a number, from which the command begins
        torch.testing.assert_close(kept[name], after[name], rtol=2**-7, atol=1e-3)
    moved = [name for name in kept if not torch.equal(plain[name], before[name])]
    assert moved
    for name in moved:
        torch.testing.assert_close(kept[name], 0.3 * plain[name] + 0.7 * before[name], rtol=2**-7, atol=1e-3)
    recorded = [json.loads((tmp_path / name / "train_config.json").read_text()) for name in ("kept", "after")]
    assert [one["config"]["kept_start"] for one in recorded] == [0.7, 0.7]
    train(TrainConfig(**config.to_json() | {"kept_start": 0.7}), tiny_world, tmp_path / "plain")
    decided = load_trainable(tmp_path / "plain", device="cpu").state_dict()
    assert all(torch.equal(decided[name], kept[name]) for name in kept), "it may be decided when the steps are done"


@pytest.mark.parametrize(("name", "value"), [("vision_layers", 8), ("kept_start", 0.7)])
def test_what_is_of_a_start_is_refused_without_one(tiny_world, tmp_path, name, value):
    with pytest.raises(ConfigError, match=rf"{name} is {value}, which is of an encoder to start from: give .* --init"):
        train(TrainConfig(name="one", **{name: value}), tiny_world, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_its_record_is_refused_in_words(small_encoder, tmp_path, capsys):
    small_encoder().save(tmp_path / "one")
    words = [str(tmp_path / "one"), "--init", str(tmp_path / "one"), "--share", "0.5", "--out", str(tmp_path / "two")]
    assert main(words) == 2
    assert "train_config.json cannot be read" in capsys.readouterr().err and not (tmp_path / "two").exists()


def test_a_stage_can_keep_of_another_run_in_place_of_its_start(tiny_world, small_encoder, tmp_path):
    """As two runs from one start are averaged (arXiv 2203.05482)."""
    start = tmp_path / "start"
    small_encoder().save(start)
    plain = TrainConfig(name="one", init=str(start), steps=2, warmup_steps=1, families_per_batch=4, bf16=False)
    train(plain, tiny_world, tmp_path / "first")
    again = TrainConfig(**plain.to_json() | {"seed": 1, "name": "two"})
    train(again, tiny_world, tmp_path / "second")
    both = TrainConfig(**again.to_json() | {"kept_start": 0.5, "kept_of": str(tmp_path / "first")})
    train(both, tiny_world, tmp_path / "kept")
    words = [str(tmp_path / "second"), "--of", str(tmp_path / "first"), "--share", "0.5", "--out", str(tmp_path / "of")]
    assert main(words) == 0
    first, second, kept, of = (
        load_trainable(tmp_path / name, device="cpu").state_dict() for name in ("first", "second", "kept", "of")
    )
    for name in kept:
        torch.testing.assert_close(kept[name], (first[name] + second[name]) / 2, rtol=2**-7, atol=1e-3)
        torch.testing.assert_close(kept[name], of[name], rtol=2**-7, atol=1e-3)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    records = [json.loads((tmp_path / name / "train_config.json").read_text()) for name in ("kept", "of")]
    fingerprint = read_config(tmp_path / "first").fingerprint()
    for record in records:
        assert (record["config"]["kept_of"], record["config"]["kept_start"]) == ("first", 0.5)
        assert (record["kept_of"]["name"], record["kept_of"]["fingerprint"]) == ("one", fingerprint)
    assert "kept_of" not in json.loads((tmp_path / "second" / "train_config.json").read_text())["config"]


def test_another_network_to_keep_of_is_refused_before_the_first_step(tiny_world, small_encoder, tmp_path):
    small_encoder().save(tmp_path / "start")
    new_encoder("other", 0, **{**SMALL, "inner": 2 * SMALL["inner"]}).save(tmp_path / "other")
    config = TrainConfig(name="one", init=str(tmp_path / "start"), kept_start=0.5, kept_of=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="only encoders of one network have weights between them"):
        train(config, tiny_world, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
