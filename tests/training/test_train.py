"""A training run: chunks change nothing, a killed run goes on to the same loss, the loss falls, an encoder results."""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.training.conftest import SIZE, SMALL
from training.checkpoint import has_checkpoint
from training.chunks import Tokenise
from training.config import TrainConfig
from training.objective import Objective
from training.provenance import weights_fingerprint
from training.recipes import RECIPES
from training.train import Trainer, build_optimizer, main, run, schedule, train, with_settings
from training.world_source.source import CODES, BatchBuilder
from umr.encoders import load_encoder
from umr.errors import ConfigError, MismatchError
from umr.lock import claimed

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
    threads=1,
)

#: The same from random weights, which `train` makes by itself.
FRESH = replace(DEBUG, image_size=SIZE, network=SMALL)

#: Families of a batch and of a chunk, where (4, 2) make no two chunks: these programmes take a share of the families.
IN_CHUNKS = {"passages": (4, 1), "motion": (4, 1), "clips": (6, 1), "everything": (18, 2)}


def step_and_gradients(world, encoder, config: TrainConfig) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    one = Trainer(config, world, encoder)
    batch = one.builder.build(0)
    assert bool(config.chunk_families) == (len(batch.chunks) > 1)
    terms = one.step(0, batch)
    named = [*one.encoder.named_parameters(), *one.objective.named_parameters()]
    return terms, {name: p.grad.clone() for name, p in named if p.grad is not None}


@pytest.mark.parametrize(
    ("recipe", "programme"), [(recipe, kind) for recipe, make in RECIPES.items() for kind in make().programmes]
)
def test_gradient_cached_chunks_equal_the_whole_batch(tiny_world, small_encoder, recipe, programme):
    families, size = IN_CHUNKS.get(programme, (4, 2))
    only = {"programmes": {programme: 1.0}, "families_per_batch": families}
    config = replace(RECIPES[recipe](), **only, bf16=False, clip_norm=1e9)
    plain, gradients = step_and_gradients(tiny_world, small_encoder(), config)
    cached, cached_gradients = step_and_gradients(tiny_world, small_encoder(), replace(config, chunk_families=size))
    assert cached == pytest.approx(plain, rel=1e-4, abs=1e-5)
    assert gradients.keys() == cached_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, cached_gradients[name], rtol=1e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize("batch", ["families", "random"])
def test_chunks_hold_the_rows_of_the_whole_batch(tiny_world, small_encoder, batch):
    """The mixed pool of many chunks: no row lost, none encoded apart from its picture."""
    config = replace(RECIPES["unified"](), programmes={"everything": 1.0}, families_per_batch=24, batch=batch)
    tokenise = Tokenise.of(small_encoder())
    plain, chunked = (BatchBuilder(tokenise, tiny_world, replace(config, chunk_families=size)) for size in (0, 2))
    built = ((chunked.build(step), step) for step in range(20))
    parts, step = next((batch, step) for batch, step in built if batch.places)  # of most steps the order stays
    whole = plain.build(step)
    assert len(whole.chunks) == 1 and len(parts.chunks) > 2
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


def test_resumed_run_has_the_same_next_loss(tiny_world, small_encoder, tmp_path):
    whole, first, second = (Trainer(DEBUG, tiny_world, small_encoder()) for _ in range(3))
    losses = [whole.step(n, whole.builder.build(n))["loss"] for n in range(4)]
    for n in range(2):
        first.step(n, first.builder.build(n))
    first.save_checkpoint(tmp_path / "c", 2)
    assert second.load_checkpoint(tmp_path / "c") == 2
    assert [second.step(n, second.builder.build(n))["loss"] for n in (2, 3)] == losses[2:]


def test_a_run_that_was_stopped_on_purpose_goes_on_as_if_it_never_had(tiny_world, small_encoder, tmp_path):
    whole, stopped = (Trainer(replace(DEBUG, steps=3), tiny_world, small_encoder()) for _ in range(2))
    run(whole, tmp_path / "whole")
    stopped.config = replace(stopped.config, stop_after=1)
    run(stopped, tmp_path / "stopped")
    again = Trainer(replace(DEBUG, steps=3), tiny_world, small_encoder())
    assert again.load_checkpoint(tmp_path / "stopped") == 1
    run(again, tmp_path / "stopped")
    for one, other in zip(whole.encoder.parameters(), again.encoder.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ConfigError, match="stop_after is 4; legal: 0 to steps, which is 3"):
        replace(DEBUG, steps=3, stop_after=4)


def test_what_is_saved_at_the_end_can_be_decided_when_the_steps_are_done(tiny_world, small_encoder, tmp_path):
    """How much is kept of the start is chosen on validation, of a run that has ended, and its name with it."""
    Trainer(DEBUG, tiny_world, small_encoder()).save_checkpoint(tmp_path / "c", 2)
    kept = replace(DEBUG, name="kept", init="start", kept_start=0.5, kept_of="other")
    assert Trainer(kept, tiny_world, small_encoder()).load_checkpoint(tmp_path / "c") == 2
    with pytest.raises(ConfigError, match=r"other settings \(seed\)"):
        Trainer(replace(kept, seed=9), tiny_world, small_encoder()).load_checkpoint(tmp_path / "c")


def test_checkpoint_of_another_world_or_other_starting_weights_is_refused(tiny_world, small_encoder, tmp_path):
    first = Trainer(DEBUG, tiny_world, small_encoder(0))
    first.save_checkpoint(tmp_path / "c", 0)
    other_world = replace(tiny_world, manifest=tiny_world.manifest | {"seed": 4})
    for given, mine, theirs in (
        (Trainer(DEBUG, other_world, small_encoder(0)), other_world.fingerprint, tiny_world.fingerprint),
        (Trainer(DEBUG, tiny_world, small_encoder(1)), weights_fingerprint(small_encoder(1)), first.start),
    ):
        before = weights_fingerprint(given.encoder)
        with pytest.raises(MismatchError, match=f"{theirs[:12]}.*{mine[:12]}.*another --out"):
            given.load_checkpoint(tmp_path / "c")
        assert weights_fingerprint(given.encoder) == before  # refused before anything was filled
    assert Trainer(DEBUG, tiny_world, small_encoder(0)).load_checkpoint(tmp_path / "c") == 0


def test_a_start_that_moved_is_still_the_same_start(tiny_world, small_encoder, tmp_path):
    Trainer(replace(DEBUG, init="here/vision"), tiny_world, small_encoder()).save_checkpoint(tmp_path / "c", 3)
    assert Trainer(replace(DEBUG, init="there/old"), tiny_world, small_encoder()).load_checkpoint(tmp_path / "c") == 3


def test_seconds_add_up_over_the_processes_of_a_run(tiny_world, small_encoder, tmp_path, monkeypatch):
    clock = itertools.count(step=10.0)
    monkeypatch.setattr("training.train.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    config = replace(DEBUG, steps=4, checkpoint_every=1)
    killed = Trainer(config, tiny_world, small_encoder())
    build = killed.builder.build
    killed.builder.build = lambda step: build(step) if step < 2 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        run(killed, tmp_path / "c")
    again = Trainer(config, tiny_world, small_encoder())
    assert run(again, tmp_path / "c") == killed.seconds + 20.0 and killed.seconds > 0


def test_checkpoint_of_other_settings_is_refused(tiny_world, small_encoder, tmp_path):
    Trainer(DEBUG, tiny_world, small_encoder()).save_checkpoint(tmp_path / "c", 0)
    with pytest.raises(ConfigError, match="learning_rate"):
        Trainer(replace(DEBUG, learning_rate=0.5), tiny_world, small_encoder()).load_checkpoint(tmp_path / "c")
    told = replace(DEBUG, threads=1, log_every=3, checkpoint_every=5)  # how it is computed, told and kept is its own
    assert Trainer(told, tiny_world, small_encoder()).load_checkpoint(tmp_path / "c") == 0


def test_loss_falls_in_twenty_steps_and_the_result_opens_as_an_encoder(tiny_world, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="training"):
        made = train(FRESH, tiny_world, tmp_path / "debug")
    losses = [float(line.split("  loss ")[1].split()[0]) for line in caplog.messages if "  loss " in line]
    assert len(losses) == 20 and sum(losses[-4:]) < 0.8 * sum(losses[:4])
    opened = load_encoder(tmp_path / "debug")
    assert opened.fingerprint == made.fingerprint
    record = json.loads((tmp_path / "debug" / "train_config.json").read_text())
    assert record["config"]["steps"] == 20 and record["world"]["seed"] == 3
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown \(.+\)", record["commit"])


def test_warm_start_takes_the_weights_of_the_given_encoder(tiny_world, tmp_path):
    first = train(replace(FRESH, steps=1), tiny_world, tmp_path / "first")
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


def test_run_continues_from_its_checkpoint_folder(tiny_world, small_encoder, tmp_path):
    config = replace(DEBUG, steps=4, checkpoint_every=2)
    first = Trainer(config, tiny_world, small_encoder())
    run(first, tmp_path / "c")
    again = Trainer(config, tiny_world, small_encoder())
    run(again, tmp_path / "c")  # nothing left to do: the finished weights are restored
    for a, b in zip(first.encoder.state_dict().values(), again.encoder.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_that_another_run_writes_are_refused_and_a_dead_ones_drafts_go(tiny_world, small_encoder, tmp_path):
    config = replace(DEBUG, steps=1)
    (tmp_path / ".step-00000001.writing").mkdir()
    with claimed(tmp_path), pytest.raises(ConfigError, match="is being written by process"):
        run(Trainer(config, tiny_world, small_encoder()), tmp_path)
    assert not has_checkpoint(tmp_path)
    run(Trainer(config, tiny_world, small_encoder()), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000001"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_builds_and_steps_once(tiny_world, small_encoder, recipe):
    one = Trainer(replace(RECIPES[recipe](), families_per_batch=3, warmup_steps=0), tiny_world, small_encoder())
    before = {name: value.clone() for name, value in one.encoder.named_parameters()}
    terms = one.step(0, one.builder.build(0))
    assert math.isfinite(terms["loss"]) and terms["gradient"] > 0 and terms["rate"] == 1.0
    moved = {name for name, value in one.encoder.named_parameters() if not torch.equal(value, before[name])}
    assert {name.split(".")[2] for name in moved} >= {"visual"}  # every programme sees something


@pytest.mark.parametrize("muon_rate", [0.0, 0.02])
def test_every_weight_is_optimised_once_with_the_rate_and_decay_of_its_kind(small_encoder, muon_rate):
    config = replace(DEBUG, muon_rate=muon_rate, vision_weight=1.0)
    encoder = small_encoder()
    objective = Objective(config, encoder.dim, CODES)
    kinds = {}
    for group in build_optimizer(config, encoder, objective).param_groups:
        for parameter in group["params"]:
            assert id(parameter) not in kinds
            kinds[id(parameter)] = (group["muon"], group["weight_decay"], group["peak"])
    matrix = (True, config.weight_decay, muon_rate) if muon_rate else (False, config.weight_decay, config.learning_rate)
    decays, plain = (False, config.weight_decay, config.learning_rate), (False, 0.0, config.learning_rate)
    for name, parameter in encoder.named_parameters():
        inside = "embed" not in name and parameter.ndim > 1
        expected = matrix if inside and parameter.ndim == 2 else decays if inside else plain
        assert kinds.pop(id(parameter)) == expected, name
    for name, parameter in objective.named_parameters():
        assert kinds.pop(id(parameter)) == (decays if parameter.ndim > 1 else plain), name
    assert not kinds


def test_a_fixed_temperature_is_not_optimised(small_encoder):
    objective = Objective(replace(DEBUG, learn_temperature=False), small_encoder().dim, CODES)
    optimizer = build_optimizer(DEBUG, small_encoder(), objective)
    assert id(objective.log_temperature) not in {id(p) for group in optimizer.param_groups for p in group["params"]}


def test_without_muon_a_step_is_that_of_torch_adamw(tiny_world, small_encoder):
    config = replace(DEBUG, muon_rate=0.0, warmup_steps=0, clip_norm=1e9)
    mine, reference = (Trainer(config, tiny_world, small_encoder()) for _ in range(2))
    groups = [
        {"params": group["params"], "weight_decay": group["weight_decay"], "peak": group["peak"]}
        for group in reference.optimizer.param_groups
    ]
    reference.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8)
    for number in range(2):
        batch = mine.builder.build(number)
        mine.step(number, batch)
        reference.step(number, batch)
    for one, other in zip(mine.encoder.parameters(), reference.encoder.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_command_trains_a_recipe_from_a_world_on_disk(tiny_folder, tmp_path, capsys):
    short = ["steps=1", "families_per_batch=2", f"image_size={SIZE}", f"network={json.dumps(SMALL)}"]
    out = tmp_path / "made"
    assert main(["captions", "--world", str(tiny_folder), "--out", str(out), "--set", *short]) == 0
    assert load_encoder(out).dim == 48
    places = ["--world", str(tiny_folder), "--init", str(out), "--out", str(tmp_path / "next")]
    assert main(["vision", *places, "--set", *short[:2]]) == 0
    record = json.loads((tmp_path / "next" / "train_config.json").read_text())
    assert record["config"]["init"] == "made" and [stage["name"] for stage in record["stages"]] == ["captions"]
    assert main(["vision", "--world", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")]) == 2
    assert "nowhere is not a finished world" in capsys.readouterr().err
