"""The study: its arms are what their names say, a run is made once, differences are paired by families of scenes."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from tests.training.conftest import SMALL
from training.sources.readers import load_source
from training.sources.spec import parse
from training.study import __main__ as command
from training.study import finished, plan, runs
from training.study.arm import Arm, Factor
from training.study.figures import Difference, forest
from training.study.plan import BASE, FACTORS, MEASURED, OUTSIDE, SECOND_HALF, SEEDS, arms, factor
from training.study.report import CUES, Runs, compared, conditions, cue_gaps, differences, section, write_report
from training.study.runs import RANKED, Place, configs, files_of, identity, read_results, run_arm, start
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.eval.judged import load
from umr.formats import read_run

ASKED = (("it2i", "ind", "local"), ("it2i", "phrasing", "local"))


@pytest.fixture
def place(tmp_path, benchmark, monkeypatch) -> Place:
    """Two steps of each stage, in a world that renders in a moment."""
    monkeypatch.setattr(runs, "MEASURED", ASKED)
    monkeypatch.setattr(runs, "NETWORK", SMALL)
    return Place(out=tmp_path / "study", benchmark=benchmark, steps=2, families=6)


def tiny(name: str, **changes) -> Arm:
    return replace(BASE, name=name, size=28, stages=("captions", "composed"), **changes)


def test_every_arm_has_settings_that_are_legal_and_every_factor_a_first_arm_to_compare_with(tmp_path):
    place = Place(out=tmp_path, benchmark=tmp_path)
    for arm in arms().values():
        made = configs(arm, 1, place)
        assert [config.name for config in made] == list(arm.stages) and {config.seed for config in made} == {1}
    assert all(one.arms[0] == BASE for one in FACTORS if not one.cues and one.arms[0].then is None)
    (negatives, distillation) = (factor(name).arms for name in ("negatives", "distillation"))
    assert distillation[0] in negatives and negatives[0].then is not None and not negatives[0].then.mined
    assert len({one.name for one in FACTORS}) == len(FACTORS)


def test_what_is_compared_has_equal_cost_or_pairs(tmp_path):
    place = Place(out=tmp_path, benchmark=tmp_path)
    base = configs(BASE, 0, place)
    costs = [
        sum(config.steps / (4 if config.name == "vision" else 1) for config in configs(arm, 0, place))
        for arm in factor("stages").arms
    ]
    assert max(costs) - min(costs) < 1
    for arm in factor("batch").arms[1:3]:
        last = configs(arm, 0, place)[-1]
        assert last.steps * last.families_per_batch == base[-1].steps * base[-1].families_per_batch
    assert all(replace(BASE, name=arm.name, changes=arm.changes, paper=arm.paper) == arm for arm in factor("mca").arms)


@pytest.mark.parametrize("name", ["mca", "tempted"])
def test_the_cues_of_all_arms_of_mca_are_equal(tmp_path, name):
    place = Place(out=tmp_path, benchmark=tmp_path)
    last = [configs(arm, 0, place)[-1] for arm in factor(name).arms if arm.name != "longer"]
    own = {"preference_weight": 0.0, "regularisation_weight": 0.0, "mixer": "gated", "stop_gradient": False}
    own |= {"mca_side": "query"}
    assert len({json.dumps(replace(config, **own).to_json(), sort_keys=True) for config in last}) == 1
    assert last[0].text_shortcut == last[0].picture_shortcut == 0.8


@pytest.mark.parametrize("name", ["sentence", "picture cue", "text cue", "strong cues", "biased"])
def test_where_cues_tempt_otherwise_plain_contrast_and_mca_differ_in_nothing_else(tmp_path, name):
    place = Place(out=tmp_path, benchmark=tmp_path)
    own = {"preference_weight": 0.0, "regularisation_weight": 0.0, "parts_asked": "alone"}
    plain, *others = (configs(arm, 0, place) for arm in factor(name).arms)
    for stages in others:
        assert stages[-1].preference_weight == 0.1 and stages[-1].regularisation_weight == 0.3
        assert [*stages[:-1], replace(stages[-1], **own)] == plain


def test_a_prompt_of_one_word_stands_behind_what_is_embedded(place, tmp_path):
    base, mean, *_ = factor("prompt").arms
    rows = [
        load_encoder(start(replace(arm, size=28), 0, tmp_path / name)).tokenise("a mug", "Find it.", "query")
        for name, arm in (("base", base), ("mean", mean))
    ]
    plain, asked = ([*row.ids] for row in rows)
    assert asked[: len(plain) - 1] == plain[:-1] and asked[-1] == plain[-1] and len(asked) > len(plain)


def test_a_change_of_a_stage_that_an_arm_has_not_is_refused(place):
    with pytest.raises(ConfigError, match="arm 'odd' changes motion, which is none of its stages"):
        configs(tiny("odd", changes={"motion": {"steps": 3}}), 0, place)
    with pytest.raises(ConfigError, match="'size2' is no factor of the study; legal: architecture, stages"):
        factor("size2")


def test_two_arms_of_one_name_are_refused(monkeypatch):
    double = Factor(name="double", question="?", arms=(BASE, replace(BASE, size=28)))
    monkeypatch.setattr(plan, "FACTORS", (double,))
    with pytest.raises(ConfigError, match="two arms of the study are called 'base'"):
        arms()


def test_the_network_attends_and_pools_as_the_arm_says(place, tmp_path):
    arm = tiny("causal", encoder={"attention": "causal", "pooling": "last"})
    encoder = load_encoder(start(arm, 0, tmp_path / "start"))
    assert (encoder.config.attention, encoder.config.pooling) == ("causal", "last")
    assert encoder.backbone.causal


def test_a_run_is_made_once_and_anew_where_the_arm_has_changed(place, monkeypatch):
    arm = tiny("made once")
    path = run_arm(arm, 0, place)
    result = json.loads(path.read_text())
    assert result["steps"] == {"captions": 2, "composed": 2}
    assert list(result["seconds"]) == ["captions", "composed"]
    assert [(row["task"], row["split"], row["pool"]) for row in result["rows"]] == list(ASKED)
    for row in result["rows"]:
        hits = result["hits"][f"{row['task']} {row['split']} {row['pool']}"]
        assert len(hits) == row["n"] and hits.count("1") / row["n"] == row["success@1"]
    assert [one.name for one in path.parent.iterdir()] == [path.name], "what a result does not need is not kept"
    for (task, split, pool), row in zip(ASKED, result["rows"], strict=True):
        (found,) = place.run_folder(arm, 0, "ranked").glob(f"{task}.{split}.composed.run.xz")
        run = read_run(found)
        assert len(run) == row["n"] and all(len(hits) <= RANKED for hits in run.values())
        qrels = load(place.benchmark, task, split).qrels
        first = [hits[0].candidate_id in qrels[query_id] for query_id, hits in run.items()]
        hits = result["hits"][f"{task} {split} {pool}"]
        assert sum(first) == hits.count("1")

    def nothing(*given):
        raise AssertionError("it is made")

    monkeypatch.setattr(runs, "train", nothing)
    assert run_arm(arm, 0, place) == path
    with pytest.raises(AssertionError, match="it is made"):
        run_arm(tiny("made once", changes={"composed": {"temperature": 0.1}}), 0, place)


def test_a_run_that_the_repository_holds_is_not_made_again(place, monkeypatch, tmp_path, capsys):
    arm = tiny("kept")
    made = json.loads(run_arm(arm, 0, place).read_text())
    archive = finished.beside(tmp_path / "STUDY.md")
    finished.write_finished([made], archive)
    assert finished.read_finished(archive) == [made] and finished.read_finished(tmp_path / "none") == []
    elsewhere = replace(place, out=tmp_path / "elsewhere", finished=finished.read_finished(archive))

    def nothing(*given):
        raise AssertionError("it is made")

    monkeypatch.setattr(runs, "train", nothing)
    (path,) = runs.run_all([arm], [0], elsewhere, workers=1)
    assert json.loads(path.read_text()) == made and path.is_relative_to(elsewhere.out)
    with pytest.raises(AssertionError, match="it is made"):
        run_arm(arm, 1, elsewhere)
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(ConfigError, match=r"STUDY\.runs\.jsonl\.xz"):
        finished.read_finished(archive)


def test_results_of_two_machines_are_joined_the_newer_first_and_none_of_an_arm_that_changed():
    def of(name, seed, commit, size=84):
        return {"arm": {"name": name, "size": size}, "seed": seed, "commit": commit}

    newer = [of("b", 1, "new"), of("b", 0, "new")]
    older = [of("b", 0, "old"), of("b", 2, "old"), of("b", 3, "old", size=56), of("a", 0, "old")]
    joined = finished.joined(newer, older)
    assert [(one["arm"]["name"], one["seed"], one["commit"]) for one in joined] == [
        ("a", 0, "old"),
        ("b", 0, "new"),
        ("b", 1, "new"),
        ("b", 2, "old"),
    ]


def test_what_a_killed_run_of_other_settings_left_is_not_gone_on_with(place, monkeypatch):
    """The second half takes what lies in its folder for its own."""

    def killed(*given):
        raise KeyboardInterrupt

    of = tiny("killed", then=replace(SECOND_HALF, mined=True, threshold=0.99))
    folder = place.run_folder(of, 0)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            run_arm(of, 0, place)
        mined = (folder / "mined.jsonl").read_bytes()
        with pytest.raises(KeyboardInterrupt):
            run_arm(of, 0, place)
        assert (folder / "mined.jsonl").read_bytes() == mined
        with pytest.raises(KeyboardInterrupt):
            run_arm(replace(of, then=replace(of.then, threshold=0.5)), 0, place)
    assert json.loads((folder / "mined.json").read_text())["threshold"] == 0.5


def test_files_of_other_specs_are_never_taken_for_these_and_make_another_run(place, monkeypatch):
    arm, world = tiny("files", then=SECOND_HALF), runs.world_of(place, 28)
    same, before = identity(tiny("files"), [], place, world), identity(arm, [], place, world)
    at = files_of(place, 28, workers=1)
    monkeypatch.setattr(runs, "COPIES", 0.3)
    assert files_of(place, 28, workers=1) != at and at.is_dir()
    assert identity(arm, [], place, world) != before
    assert identity(tiny("files"), [], place, world) == same  # of an arm without files


def test_what_runs_begin_with_alike_is_trained_once(place, monkeypatch):
    trained = []
    train = runs.train
    monkeypatch.setattr(
        runs, "train", lambda config, world, out: trained.append(config.name) or train(config, world, out)
    )
    first, second = (tiny(name, changes={"composed": {"temperature": t}}) for name, t in (("one", 0.1), ("two", 0.2)))
    wanted = [(first, 0), (second, 0), (first, 1)]
    assert [(arm.name, seed, depth) for arm, seed, _, depth in runs.shared(wanted, place, 1)] == [("one", 0, 1)]
    assert runs.shared(wanted, place, 2) == []
    for arm, seed in wanted[:2]:
        run_arm(arm, seed, place)
    assert trained == ["captions", "composed", "composed"]


def test_the_tower_is_trained_once_for_networks_that_read_otherwise_and_as_for_one_alone(place, monkeypatch):
    trained = []
    train = runs.train
    monkeypatch.setattr(
        runs, "train", lambda config, world, out: trained.append(config.name) or train(config, world, out)
    )
    stages = ("vision", "captions")
    plain, causal = (
        replace(tiny(name, encoder=given), stages=stages)
        for name, given in (("plain", {}), ("causal", {"attention": "causal", "pooling": "last"}))
    )
    assert len(runs.shared([(plain, 0), (causal, 0)], place, 1)) == 1
    assert runs.shared([(plain, 0), (causal, 0)], place, 2) == []
    made = [runs.staged(arm, 0, place, 2) for arm in (plain, causal)]
    assert trained == ["vision", "captions", "captions"] and made[0]["vision"] == made[1]["vision"]
    read = load_encoder(made[1]["captions"])
    assert (read.config.attention, read.config.pooling) == ("causal", "last") and read.backbone.causal
    monkeypatch.setattr(runs, "reads", lambda stage: True)
    alone = load_encoder(runs.staged(causal, 0, replace(place, out=place.out / "alone"), 2)["captions"])
    for name, value in read.state_dict().items():
        torch.testing.assert_close(alone.state_dict()[name], value, rtol=0, atol=0, msg=name)


def hits_of(arm: str, seed: int, **sets: str) -> dict:
    row = {"vector_sum_success@1": 0.25, "composed_over_sum": 0.1, "ci95_composed_over_sum": [0.02, 0.18]}
    hits = {name: sets["ind"] for heading in CUES.values() for name in heading}
    hits |= {name: sets["ind"] for name in (f"it2i {split} local" for split in OUTSIDE)} | {"it2i ind global": "0000"}
    hits |= {"t2i ind local": "1111", "i2t ind local": "1111"}
    return {
        "arm": {"name": arm}, "seed": seed, "hits": hits, "rows": [row], "seconds": {"composed": 10}, "memory_mb": 100,
        "commit": "abcdef",
    }  # fmt: skip


GROUPS = {f"{task} {split} {pool}": [(split, 0), (split, 0), (split, 1), (split, 2)] for task, split, pool in MEASURED}
TWO = Factor(name="two", question="What the second does", arms=(Arm(name="a"), Arm(name="b"), Arm(name="c")))


def test_differences_average_over_seeds_and_are_paired():
    found = {
        "a": Runs(results=(hits_of("a", 0, ind="0000"), hits_of("a", 1, ind="1000"))),
        "b": Runs(results=(hits_of("b", 0, ind="1100"), hits_of("b", 1, ind="1100"))),
    }
    (_, _, line) = compared(TWO, differences(TWO, found, GROUPS))
    # of four queries, the seeds' means: a has .5 0 0 0, b has 1 1 0 0; the mean difference is 1.5 / 4
    assert line.startswith("| b | +37.5 (")
    text = "\n".join(section(TWO, found, GROUPS))
    assert "| a | 2 | 12.5 (0.0 to 25.0)" in text and "Not run: c." in text and "Against *a*" in text


def test_what_a_cue_is_worth_is_paired_by_query():
    result = hits_of("a", 0, ind="0000")
    result["hits"] |= {"it2i shortcut-kept local": "1110", "it2i shortcut-broken local": "1000"}
    (*_, line) = cue_gaps(TWO.arms[:1], {"a": Runs(results=(result,))}, GROUPS)
    assert line.startswith("| a | +50.0 (") and "| +75.0 (" in line


def test_what_a_claim_presupposes_is_said_of_the_plain_model():
    results = [hits_of("a", seed, ind="1000") for seed in (0, 1)]
    for result in results:
        result["hits"] |= {"it2i shortcut-kept local": "1111", "it2i shortcut-broken local": "0000"}
    first, second = conditions(TWO.arms[0], {"a": Runs(results=tuple(results))}, GROUPS)
    assert "composes better than it adds: met." in first and "+10.0 points" in first and "in 2 of 2 runs" in first
    assert "learned the cue: met. Kept above broken is +100.0" in second
    results[1]["rows"][0] |= {"ci95_composed_over_sum": None}
    results[1]["hits"]["it2i shortcut-kept local"] = results[0]["hits"]["it2i shortcut-kept local"] = "0000"
    first, second = conditions(TWO.arms[0], {"a": Runs(results=tuple(results))}, GROUPS)
    assert "not met" in first and "in 1 of 2 runs" in first and "not met" in second


def test_a_figure_of_the_differences_stands_beside_the_report(tmp_path):
    found = {
        "a": Runs(results=(hits_of("a", 0, ind="0000"),)),
        "b": Runs(results=(hits_of("b", 0, ind="1111"),)),
    }
    said = replace(TWO, name="two words", papers=("They say 57.2 / 55.2.",))
    lines = section(said, found, GROUPS, tmp_path / "STUDY.md")
    assert "![Points of success@1 against a (95 %)](STUDY-two-words.svg)" in lines
    assert lines[-1] == "- They say 57.2 / 55.2."
    drawn = ElementTree.fromstring((tmp_path / "STUDY-two-words.svg").read_text())
    told = [one.text for one in drawn.iter() if one.tag.endswith("circle") for one in one]
    assert told == ["+100.0 points, +100.0 to +100.0"] * 2  # it2i ind and it2i outside
    assert not any(line.startswith("![") for line in section(said, found, GROUPS))


def test_a_figure_has_every_row_between_its_ends():
    rows = [Difference("one & two", -3.2, -7.9, 1.5), Difference("three", 12.0, 4.0, 20.4)]
    drawn = ElementTree.fromstring(forest("a < b", rows))
    at = [float(one.get("cx")) for one in drawn.iter() if one.tag.endswith("circle")]
    ticks = [one for one in drawn.iter() if one.tag.endswith("text") and (one.text or "").startswith(("+", "-"))]
    points, places = [int(one.text) for one in ticks], [float(one.get("x")) for one in ticks]
    assert points[0] <= -7.9 and points[-1] >= 20.4 and 0 in points
    assert np.interp([-3.2, 12.0], points, places) == pytest.approx(at, abs=0.1)
    assert "one & two" in [one.text for one in drawn.iter()]


def test_a_factor_that_has_not_run_says_so():
    assert section(TWO, {}, GROUPS)[-1] == "Not run."
    alone = section(
        replace(TWO, arms=(BASE, *TWO.arms)), {"base": Runs(results=(hits_of("base", 0, ind="0"),))}, GROUPS
    )
    assert alone[-1] == "Not run, but for *base*, which other factors have too."


def test_the_command_tells_each_run_as_it_comes(place, monkeypatch, capsys, tmp_path):
    path = run_arm(tiny("told"), 3, place)
    monkeypatch.setattr(command, "run_all", lambda *given: iter([path]))
    assert command.main(["--only", "mca", "--seeds", "3", "--out", str(tmp_path)]) == 0
    found = json.loads(path.read_text())
    first, seconds = 100 * found["rows"][0]["success@1"], sum(found["seconds"].values())
    assert f"1 of 11: told, seed 3: it2i ind {first:.1f}, {seconds} s" in capsys.readouterr().out


def test_a_report_is_written_of_what_is_finished_and_refused_of_nothing(place, tmp_path, capsys):
    with pytest.raises(ConfigError, match="no run of the study is finished"):
        write_report([], place.benchmark, tmp_path / "STUDY.md")
    assert command.main(["--report", "--out", str(tmp_path / "empty"), "--to", str(tmp_path / "STUDY.md")]) == 2
    assert "no run of the study is finished" in capsys.readouterr().err
    assert not (tmp_path / "STUDY.md").exists() and read_results(tmp_path / "empty") == []


def test_an_arm_that_is_none_is_refused(tmp_path, capsys):
    assert command.main(["--only", "mca", "--arms", "base", "--out", str(tmp_path)]) == 2
    assert "no arm is called 'base'; legal: plain contrast, preference .1" in capsys.readouterr().err
    for given, said in (
        (["--seeds", "-1"], "seed is -1; a number of at least 0 is needed"),
        (["--threads", "0"], "threads must be at least 1, not 0"),
        (["--workers", "0"], "--workers is 0; at least 1 run at a time"),
    ):
        assert command.main(["--only", "mca", *given, "--out", str(tmp_path / "none")]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "none").exists(), "nothing is rendered before"


@pytest.mark.parametrize("given", [["--arms", "base"], ["--seeds", "0"]])
@pytest.mark.parametrize("command_of", ["--list", "--report"])
def test_what_chooses_runs_is_refused_where_none_is_made(command_of, given, tmp_path, capsys):
    assert command.main([command_of, *given, "--out", str(tmp_path), "--to", str(tmp_path / "STUDY.md")]) == 2
    assert f"{given[0]} chooses what is run, but {command_of}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_factor_and_counts_the_runs(capsys):
    assert command.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(f"{one.name}: {one.question}" in out for one in FACTORS)
    assert f"{len(arms())} arms, {len(SEEDS)} seeds each: {3 * len(arms())} runs" in out


@pytest.mark.parametrize("pools", ["local", "both"])
def test_the_second_half_mines_ranks_teaches_and_distils(place, pools):
    arm = tiny("second half", then=replace(SECOND_HALF, mined=True, threshold=0.99, distilled=pools))
    result = json.loads(run_arm(arm, 0, place).read_text())
    assert list(result["seconds"]) == sorted(["captions", "composed", "negatives", "distilled"])
    assert result["steps"]["reranker"] == SECOND_HALF.reranker.steps


def test_copies_that_nothing_names_stand_in_the_pool_of_the_second_half(place):
    files = files_of(replace(place, families=20), 28, workers=1)
    source = load_source(parse(f"mbeir:{files}"), place.out, whole_pool=True)
    named = {did for example in source.examples for did in example.positives}
    hashes = [source.content_hash(content) for content in source.candidates.values() if content.modality == "image"]
    assert len(hashes) > len(set(hashes)), "the same bytes under two names"
    pictures = {did for did, content in source.candidates.items() if content.modality == "image"}
    assert pictures - named
