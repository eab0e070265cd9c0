"""The benches of training: the plain loop computes what ours does, both sides take the same rows, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training.bench.__main__ import main
from training.bench.batch import batch
from training.bench.plain import PlainLoop
from training.bench.steps import Asked, _check_losses, in_turns, mca, median_ratio, pairs
from training.config import TrainConfig
from training.train import Trainer
from umr.errors import ConfigError, MismatchError

CONFIG = TrainConfig(
    name="timed", batch="random", families_per_batch=3, bf16=False, muon_rate=0.0, learning_rate=1e-4, clip_norm=1e9
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_world, small_encoder) -> Asked:
    folder = tmp_path_factory.mktemp("timed") / "small"
    small_encoder().save(folder)
    return Asked(encoder=folder, world=tiny_world, steps=1, families=3)


@pytest.mark.parametrize("programme", ["pictures", "passages", "entries"])
def test_the_plain_loop_has_the_loss_and_gradients_of_ours(tiny_world, small_encoder, programme):
    """Rows of words, of pictures and of both, by a path that shares the weights and the objective alone."""
    ours = Trainer(replace(CONFIG, programmes={programme: 1.0}), tiny_world, small_encoder())
    drawn = ours.builder.build(0)
    plain = PlainLoop(ours.config, small_encoder())
    torch.testing.assert_close(plain.step(plain.collated(drawn), drawn), ours.step(0, drawn)["loss"], rtol=1e-5, atol=0)
    for (name, mine), theirs in zip(ours.encoder.named_parameters(), plain.encoder.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None), name
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-6, msg=name)


def test_three_ways_begin_with_one_loss(asked):
    rows = pairs(asked, "captions")
    assert rows[0]["ratio"] == 1.0 and all(row["pairs_per_s"] > 0 for row in rows)
    assert max(row["first_loss"] for row in rows) == pytest.approx(min(row["first_loss"] for row in rows), rel=2e-2)


def test_ways_that_do_not_do_the_same_are_not_compared():
    with pytest.raises(MismatchError, match="do not compute the same"):
        _check_losses({"one": 1.0, "other": 1.1})


def test_mca_encodes_the_parts_besides_the_same_rows(asked):
    plain, parts = mca(replace(asked, steps=2))
    assert (plain["way"], parts["way"], plain["ratio"]) == ("contrastive", "mca", 1.0)
    assert parts["rows"] > plain["rows"] > 0 and plain["programmes"] == parts["programmes"]


def test_a_large_batch_is_one_contrast_in_chunks(asked):
    (row,) = batch(asked, size=6, chunk=2)
    assert (row["pairs"], row["chunks"]) == (6, 3) and row["peak_gib"] >= row["before_the_step_gib"] > 0
    (whole,) = batch(asked, size=6, chunk=0)
    assert whole["chunks"] == 1 and row["loss"] == pytest.approx(whole["loss"], rel=2e-2)


def test_who_begins_changes_and_the_ratio_is_the_median():
    calls: list[tuple[str, int]] = []
    ways = {name: lambda number, name=name: calls.append((name, number)) or 0.5 for name in ("a", "b")}
    seconds, losses = in_turns(ways, 2)
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 2), ("a", 2)]
    assert losses == {"a": 0.5, "b": 0.5} and all(len(spent) == 2 for spent in seconds.values())
    assert median_ratio([4.0, 9.0, 2.0], [2.0, 3.0, 2.0]) == 2.0


def test_what_cannot_be_timed_is_refused(asked, tmp_path, small_encoder, capsys):
    with pytest.raises(ConfigError, match="at least 1 and 0 are needed"):
        replace(asked, steps=0)
    with pytest.raises(ConfigError, match="1 to 6, the world's families"):
        batch(asked, size=7, chunk=2)
    with pytest.raises(ConfigError, match="takes a batch at once, not in 2 chunks"):
        config = replace(CONFIG, programmes={"captions": 1.0}, families_per_batch=4, chunk_families=2)
        made = Trainer(config, asked.world, small_encoder())
        PlainLoop(config, small_encoder()).collated(made.builder.build(0))
    with pytest.raises(ConfigError, match="takes no clips, which steps of 'clips' have"):
        pairs(asked, "clips")
    assert main(["pairs", "--world", str(tmp_path), "--encoder", str(asked.encoder)]) == 2
    assert "is not a finished world" in capsys.readouterr().err
