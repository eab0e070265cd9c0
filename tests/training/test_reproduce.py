"""The chain of a shipped encoder runs from nothing, goes on where it was killed, redoes nothing that is finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training import reproduce as module
from training.recipes import RECIPES
from training.reproduce import CHAINS, SHIPPED, STAGES, WORLDS, Plan, main, plan, reproduce, settings, table
from training.train import Trainer, record_config, with_settings
from umr.encoders import load_encoder
from umr.errors import ConfigError, MismatchError
from umr.eval.reports import key_of
from umr.shipped import default_root


def test_every_stage_starts_from_one_before_it_and_sets_only_what_its_recipe_has():
    known: set[str] = set()
    for stage in STAGES:
        assert stage.recipe in RECIPES and set(stage.worlds) <= set(WORLDS)
        assert stage.init is None or stage.init in known
        assert with_settings(
            RECIPES[stage.recipe](), [f"{key}={json.dumps(value)}" for key, value in stage.changes.items()]
        )
        known.add(stage.name)
    assert len(known) == len(STAGES)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_last_stage_is_what_the_shipped_encoder_says_of_itself(name):
    """Every setting that its train_config.json holds, but how many threads ran it and the name of the start."""
    shipped = json.loads((default_root() / name / "encoder" / "train_config.json").read_text())["config"]
    planned = record_config(settings(plan(name).stages[-1], Path("encoders")))
    same = shipped.keys() - {"init", "threads"}
    assert {key: planned[key] for key in same} == {key: shipped[key] for key in same}


def test_chains_are_whole_and_quick_ones_have_the_same_stages():
    assert [stage.name for stage in plan("mca").stages] == ["small_vision", "small_captions", "mca"]
    assert [stage.name for stage in plan("unified").stages] == [
        "vision",
        "captions",
        "joint",
        "longer",
        "deeper",
        "company",
        "anykind",
        "crowded",
        "unified",
    ]
    for name in CHAINS:
        full, quick = plan(name), plan(name, quick=True)
        assert full.name == quick.name == name
        assert [(s.name, s.recipe, s.worlds, s.init) for s in full.stages] == [
            (s.name, s.recipe, s.worlds, s.init) for s in quick.stages
        ]
        assert (full.then is None) == (quick.then is None)
    umarvel = plan("umarvel")
    assert [stage.name for stage in umarvel.stages] == ["small_vision", "small_captions", "contrastive"]
    assert umarvel.then is not None and umarvel.then.negatives.init == umarvel.stages[-1].name
    assert {umarvel.then.reranker.init, umarvel.then.student.init} == {umarvel.then.negatives.name}


def test_an_unknown_name_is_refused_with_the_legal_ones(capsys):
    with pytest.raises(ConfigError, match="unified, contrastive, mca, umarvel"):
        plan("unifed")
    assert main(["unifed"]) == 2
    assert "there is no chain that makes 'unifed'; legal: unified, contrastive, mca, umarvel" in capsys.readouterr().err


def smaller(one: Plan) -> Plan:
    """The same stages in worlds that render in a moment."""
    worlds = {key: replace(world, families=4, clip_families=1, size=28) for key, world in one.worlds.items()}
    first, *others = (replace(stage, changes={**stage.changes, "threads": 1}) for stage in one.stages)
    return replace(one, worlds=worlds, stages=(replace(first, changes={**first.changes, "image_size": 28}), *others))


def test_a_killed_chain_goes_on_and_a_finished_one_is_only_read(tmp_path, benchmark, monkeypatch):
    short = smaller(plan("mca", quick=True))
    taken, step = [], Trainer.step

    def counted(trainer, number, batch):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append((trainer.config.name, number))
        return step(trainer, number, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            reproduce(short, tmp_path / "out", benchmark, workers=1)
    assert taken == [("small_vision", 0), ("small_vision", 1), ("small_captions", 0)]

    monkeypatch.setattr(Trainer, "step", lambda *given: taken.append((given[0].config.name, given[1])) or step(*given))
    rows = reproduce(short, tmp_path / "out", benchmark, workers=1)
    names = [stage.name for stage in short.stages]
    assert taken == [(name, number) for name in names for number in range(2)]  # each step of each stage, once
    record = json.loads((tmp_path / "out" / "encoders" / "mca" / "train_config.json").read_text())
    assert [stage["name"] for stage in record["stages"]] == names[:-1]
    assert load_encoder(tmp_path / "out" / "encoders" / "mca").name == "mca"
    assert [key_of(row) for row in rows] == [("it2i", "ind", "local"), ("it2i", "ind", "global")]
    assert all(0 <= row["success@1"] <= 1 for row in rows)

    def nothing(*given, **named):
        raise AssertionError("finished work is not done again")

    for function in ("build_world", "train", "build_index", "evaluate_job"):
        monkeypatch.setattr(module, function, nothing)
    assert reproduce(short, tmp_path / "out", benchmark, workers=1) == rows

    longer = replace(short, stages=(replace(short.stages[0], changes={**short.stages[0].changes, "steps": 9}),))
    with pytest.raises(MismatchError, match="vision is finished, but its config"):
        reproduce(longer, tmp_path / "out", benchmark)
    larger = replace(short, worlds={key: replace(world, families=5) for key, world in short.worlds.items()})
    with pytest.raises(MismatchError, match="a world of families 4, the plan says 5"):
        reproduce(larger, tmp_path / "out", benchmark)


@pytest.mark.parametrize(("distilled", "name"), [("", "umarvel"), ("both", "distilled")])
def test_the_second_half_goes_on_from_the_composed_stage_on_files(tmp_path, benchmark, distilled, name):
    short = smaller(plan("umarvel", quick=True))
    then = replace(short.then, distilled=distilled)
    cut = {stage: replace(getattr(then, stage), threads=1) for stage in ("negatives", "student")}
    cut["reranker"] = replace(then.reranker, threads=1, prior=False)  # two steps taught the cosine nothing
    short = replace(short, then=replace(then, **cut))
    rows = reproduce(short, tmp_path / "out", benchmark, workers=1)
    assert short.name == name
    assert [key_of(row) for row in rows] == [("it2i", "ind", "local"), ("it2i", "ind", "global")]
    made = tmp_path / "out" / name / ("distilled" if distilled else "negatives")
    assert load_encoder(made).name == name
    record = json.loads((made / "train_config.json").read_text())
    before = ["small_vision", "small_captions", "contrastive", *(["umarvel"] if distilled else [])]
    assert [stage["name"] for stage in record["stages"]] == before
    assert (tmp_path / "out" / "worlds" / "files" / "mbeir" / "query" / "train").is_dir()
    assert reproduce(short, tmp_path / "out", benchmark, workers=1) == rows
    otherwise = [({"threshold": 0.5}, "mined.json is finished, but its threshold is 0.8, the plan's 0.5")]
    slower = replace(short.then.negatives, learning_rate=1e-5)
    otherwise.append(
        ({"negatives": slower}, "negatives is finished, but its learning_rate is 0.0006, the plan's 1e-05")
    )
    if distilled:
        otherwise.append(({"weight": 0.75}, "lists.json is finished, but its weight is 0.5, the plan's 0.75"))
    for changes, said in otherwise:  # what is finished is not taken for what was made otherwise
        with pytest.raises(MismatchError, match=said):
            reproduce(replace(short, then=replace(short.then, **changes)), tmp_path / "out", benchmark)
    same = replace(short.then.negatives, threads=2, log_every=9)
    assert reproduce(replace(short, then=replace(short.then, negatives=same)), tmp_path / "out", benchmark) == rows


def test_the_table_sets_made_beside_stored_and_says_where_nothing_is_stored():
    made = [{"task": "it2i", "split": "ind", "success@1": 0.5}, {"task": "t2i", "split": "ind", "success@1": 0.25}]
    lines = table(made, [{"task": "it2i", "split": "ind", "success@1": 0.916}])
    assert lines[1].split() == ["it2i", "ind", "local", "50.0", "91.6", "-41.6"]
    assert lines[2].split() == ["t2i", "ind", "local", "25.0", "-", "-"]
    in_all = [made[0] | {"pool": "global"}, made[1] | {"success@1": None}]
    lines = table(in_all, [made[0], made[1]])
    assert lines[1].split() == ["it2i", "ind", "global", "50.0", "-", "-"], "the local number is not its like"
    assert lines[2].split() == ["t2i", "ind", "local", "-", "25.0", "-"]
