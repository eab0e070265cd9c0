"""Stored evaluations: one command writes them, they are compact, and every number follows from them."""

import json

import pytest

from umr.cli.commands import main
from umr.eval.judged import load
from umr.eval.measures import MEASURES, bootstrap_interval, per_query
from umr.eval.reports import reports_folder
from umr.eval.scores import score
from umr.eval.store import DEPTHS, intervals

VARIANTS = ("composed", "picture", "text", "sum")


def test_one_command_writes_report_runs_and_diagnoses(searcher, benchmark, capsys):
    assert main(["evaluate", "--store", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["task"] for row in json.loads(out)] == ["it2i", "it2i", "it2i", "t2t", "t2t"]
    assert "mean success@1 of the tasks in distribution, %: local pool 100.0 (2 tasks), global pool " in err
    folder = reports_folder("unified", benchmark.parents[1])
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        "runs",
        "diagnosis.it2i.ind.json.xz",
        "diagnosis.it2i.phrasing.json.xz",
    }
    names = {path.name for path in (folder / "runs").iterdir()}
    assert len(names) == 3 * 4 + 2 and {"t2t.ind.composed.run.xz", "t2t.ind.composed.global.run.xz"} <= names
    assert json.loads((folder / "report.json").read_text())["command"] == (
        "python -m umr evaluate --encoder unified --store"
    )


def test_runs_and_store_together_are_refused(searcher, tmp_path, capsys):
    assert main(["evaluate", "--store", "--runs", str(tmp_path)]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_row_follows_from_the_stored_runs(stored, benchmark):
    runs = {variant: stored.run("it2i", "ind", variant) for variant in VARIANTS}
    row = stored.row("it2i", "ind")
    again = score(load(benchmark, "it2i", "ind"), runs)
    assert {key: row[key] for key in again if key != "unimodal_wins"} == {
        key: value for key, value in again.items() if key != "unimodal_wins"
    }


def test_a_stored_run_is_no_deeper_than_its_measures_look(stored):
    for variant, depth in DEPTHS.items():
        assert max(len(hits) for hits in stored.run("it2i", "ind", variant).values()) == min(depth, 12)


def test_intervals_are_those_of_each_column_over_the_queries(stored, benchmark):
    judged = load(benchmark, "it2i", "ind")
    runs = {variant: stored.run("it2i", "ind", variant) for variant in VARIANTS}
    found = intervals(judged, runs)
    assert stored.row("it2i", "ind")["intervals"] == found
    expected = bootstrap_interval(per_query(MEASURES["mrr"], judged.qrels, runs["composed"]), groups=judged.groups)
    assert found["mrr"] == pytest.approx(expected, abs=1e-5)
    assert "picture_only_success@1" in found and "picture_only_success@1" not in stored.row("t2t", "ind")["intervals"]
