"""A training run: chunks change nothing, a killed run goes on to the same loss, the loss falls, the result is an encoder."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
import torch

from training.config import TrainConfig
from training.train import Trainer, new_encoder, run, schedule, train, with_settings
from umr.encoders import load_encoder
from umr.errors import ConfigError

DEBUG = TrainConfig(
    name="debug",
    steps=20,
    families_per_batch=4,
    warmup_steps=2,
    bf16=False,
    attribute_weight=0.5,
    preference_weight=0.1,
    regularisation_weight=0.1,
    programmes={"pictures": 1.0},
    log_every=1,
)


def trainer(world, **changes) -> Trainer:
    return Trainer(replace(DEBUG, **changes), world, new_encoder("debug", 0))


def test_gradient_cached_chunks_equal_the_whole_batch(tiny_world):
    gradients = []
    for chunk_families in (0, 2):
        one = trainer(tiny_world, chunk_families=chunk_families)
        one.step(0, one.builder.build(0))
        gradients.append(
            {
                name: p.grad.clone()
                for name, p in [*one.encoder.named_parameters(), *one.objective.named_parameters()]
                if p.grad is not None
            }
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-3, atol=2e-6, msg=name)


def test_resumed_run_has_the_same_next_loss(tiny_world, tmp_path):
    whole = trainer(tiny_world)
    losses = [whole.step(n, whole.builder.build(n))["loss"] for n in range(4)]
    first = trainer(tiny_world)
    for n in range(2):
        first.step(n, first.builder.build(n))
    first.save_checkpoint(tmp_path / "c", 2)
    second = trainer(tiny_world)
    assert second.load_checkpoint(tmp_path / "c") == 2
    assert [second.step(n, second.builder.build(n))["loss"] for n in (2, 3)] == losses[2:]


def test_checkpoint_of_other_settings_is_refused(tiny_world, tmp_path):
    trainer(tiny_world).save_checkpoint(tmp_path / "c", 0)
    with pytest.raises(ConfigError, match="learning_rate"):
        trainer(tiny_world, learning_rate=0.5).load_checkpoint(tmp_path / "c")


def test_loss_falls_in_twenty_steps_and_the_result_opens_as_an_encoder(tiny_world, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="training"):
        made = train(DEBUG, tiny_world, tmp_path / "debug")
    losses = [float(line.split("  loss ")[1].split()[0]) for line in caplog.messages if "  loss " in line]
    assert len(losses) == 20 and sum(losses[-4:]) < 0.8 * sum(losses[:4])
    opened = load_encoder(tmp_path / "debug")
    assert opened.fingerprint == made.fingerprint
    record = json.loads((tmp_path / "debug" / "train_config.json").read_text())
    assert record["config"]["steps"] == 20 and record["world"]["seed"] == 3


def test_warm_start_takes_the_weights_of_the_given_encoder(tiny_world, tmp_path):
    first = train(replace(DEBUG, steps=1), tiny_world, tmp_path / "first")
    second = train(
        replace(DEBUG, steps=1, learning_rate=0.0, muon_rate=0.0, init=str(tmp_path / "first")),
        tiny_world,
        tmp_path / "second",
    )
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(a.bfloat16(), b.bfloat16())


def test_learning_rate_warms_up_and_ends_at_its_final_share():
    assert schedule(DEBUG, 0) == pytest.approx(1 / 2)
    assert schedule(DEBUG, DEBUG.steps) == pytest.approx(DEBUG.final_learning_rate)


def test_settings_change_single_fields_and_refuse_unknown_ones():
    assert with_settings(DEBUG, ["steps=7", "mixer=mfb"]).steps == 7
    assert with_settings(DEBUG, ["learning_rate=1", "init=folder", "bf16=false"]).init == "folder"
    for setting in ("steps=abc", "steps=1.5", "steps=true", "bf16=1", "light=bright", "programmes=pictures"):
        with pytest.raises(ConfigError, match=f"{setting}.*must be"):
            with_settings(DEBUG, [setting])
    with pytest.raises(ConfigError, match="learning_rate"):
        with_settings(DEBUG, ["speed=3"])


def test_run_continues_from_its_checkpoint_folder(tiny_world, tmp_path):
    config = replace(DEBUG, steps=4, checkpoint_every=2)
    first = Trainer(config, tiny_world, new_encoder("debug", 0))
    run(first, tmp_path / "c")
    again = Trainer(config, tiny_world, new_encoder("debug", 0))
    run(again, tmp_path / "c")  # nothing left to do: the finished weights are restored
    for a, b in zip(first.encoder.state_dict().values(), again.encoder.state_dict().values(), strict=True):
        assert torch.equal(a, b)
