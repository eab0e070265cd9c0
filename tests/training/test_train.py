"""A training run: chunks change nothing, a killed run goes on to the same loss, the loss falls, the result is an encoder."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.config import TrainConfig
from training.data import BatchBuilder
from training.recipes import RECIPES
from training.train import Trainer, git_commit, new_encoder, run, schedule, train, with_settings
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


def step_and_gradients(world, encoder, config: TrainConfig, step: int) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    one = Trainer(config, world, encoder)
    terms = one.step(0, one.builder.build(step))
    named = [*one.encoder.named_parameters(), *one.objective.named_parameters()]
    return terms, {name: p.grad.clone() for name, p in named if p.grad is not None}


@pytest.mark.parametrize(
    ("recipe", "programme"), [(recipe, programme) for recipe, make in RECIPES.items() for programme in make().programmes]
)
def test_gradient_cached_chunks_equal_the_whole_batch(tiny_world, small_encoder, recipe, programme):
    config = replace(RECIPES[recipe](), programmes={programme: 1.0}, families_per_batch=6, bf16=False, clip_norm=1e9)
    for step, chunk_families in ((0, 1), (1, 2)):
        plain, gradients = step_and_gradients(tiny_world, small_encoder(), config, step)
        cached_config = replace(config, chunk_families=chunk_families)
        cached, cached_gradients = step_and_gradients(tiny_world, small_encoder(), cached_config, step)
        assert cached == pytest.approx(plain, rel=1e-4, abs=1e-5)
        assert gradients.keys() == cached_gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, cached_gradients[name], rtol=1e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize("batch", ["families", "random"])
def test_chunks_hold_the_rows_of_the_whole_batch(tiny_world, small_encoder, batch):
    """The mixed pool of many chunks: no row lost, none encoded apart from its picture."""
    config = replace(RECIPES["unified"](), programmes={"everything": 1.0}, families_per_batch=24, batch=batch)
    whole, parts = (
        BatchBuilder(tiny_world, small_encoder(), replace(config, chunk_families=size)).build(3) for size in (0, 2)
    )
    assert len(whole.chunks) == 1 and len(parts.chunks) > 2 and parts.places
    for role in whole.codes:
        assert torch.equal(whole.codes[role], parts.codes[role]) or role in ("vision", "motion")
    for role in whole.chunks[0].roles:
        assert rows_in_order(whole, role) == rows_in_order(parts, role)


def rows_in_order(batch, role: str) -> list[list[int]]:
    """The tokens of a role's rows, in the order that the contrasts count in."""
    rows = []
    for chunk in batch.chunks:
        if role in chunk.roles:
            tokens = [
                ids[real].tolist()
                for part in chunk.roles[role].parts
                for ids, real in zip(part.input_ids_BT, part.attention_mask_BT, strict=True)
            ]
            rows += [tokens[place] for place in chunk.roles[role].order.argsort().tolist()]
    return [rows[place] for place in batch.places[role].tolist()] if role in batch.places else rows


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
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown \(.+\)", record["commit"])


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


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The folder of the code in a checkout of its own."""
    code = tmp_path / "clone" / "training"
    code.mkdir(parents=True)
    (code / "train.py").write_text("1\n")
    git(code.parent, "init", "-q")
    git(code.parent, "add", ".")
    git(code.parent, "commit", "-qm", "first")
    return code


def test_the_commit_of_a_clean_checkout_is_its_head(checkout):
    (checkout / "notes.txt").write_text("what lies beside the code is no change of it\n")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_changed_or_an_added_file_of_the_code_makes_the_commit_dirty(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "more.py").write_text("2\n")
    assert git_commit(checkout) == f"{head}-dirty"
    (checkout / "more.py").unlink()
    (checkout / "train.py").write_text("3\n")
    assert git_commit(checkout) == f"{head}-dirty"


def test_without_git_or_a_checkout_the_commit_says_so(checkout, tmp_path, monkeypatch):
    copied = tmp_path / "copied"
    shutil.copytree(checkout, copied)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_commit(copied) == "unknown (not a git checkout)"
    stranger = checkout.parent / "environment" / "training"  # installed somewhere inside another project's checkout
    shutil.copytree(checkout, stranger)
    assert git_commit(stranger) == "unknown (not a git checkout)"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(checkout) == "unknown (git is not installed)"
