"""Stored reports: one command writes them, they are compact and equal each time, and every number follows from them."""

import gzip
import json

import pytest

from umr.cli.commands import main
from umr.errors import ConfigError
from umr.eval.evaluate import find_run, load, run_file, score
from umr.eval.measures import MEASURES, bootstrap_interval, per_query
from umr.eval.reports import DEPTHS, diagnosed, intervals, paired, read_stored, reports_folder, store
from umr.formats import read_run, write_run
from umr.types import Hit

VARIANTS = ("composed", "picture", "text", "sum")


@pytest.fixture
def stored(searcher, benchmark):
    """The reports of the tiny benchmark, beside its index."""
    folder = benchmark.parents[1] / "unified" / "reports"
    store(searcher, benchmark, folder)
    return read_stored("unified", benchmark.parents[1] / "unified" / "catalogue")


def test_one_command_writes_report_runs_and_diagnoses(searcher, benchmark, capsys):
    assert main(["evaluate", "--store", "--json"]) == 0
    assert [row["task"] for row in json.loads(capsys.readouterr().out)] == ["it2i", "it2i", "t2t"]
    folder = reports_folder("unified", benchmark.parents[1])
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        "runs",
        "diagnosis.it2i.ind.json",
        "diagnosis.it2i.phrasing.json",
    }
    assert len(list((folder / "runs").iterdir())) == 2 * 4 + 1
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


def test_a_report_of_other_weights_is_not_current(stored, benchmark):
    assert stored.current
    path = stored.folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"encoder": "0" * 64}))
    assert not read_stored("unified", benchmark.parents[1] / "unified" / "catalogue").current


def test_an_index_without_reports_is_answered_with_the_command(searcher, benchmark):
    with pytest.raises(ConfigError, match=r"is no report.*umr evaluate"):
        read_stored("unified", benchmark.parents[1] / "unified" / "catalogue")


def test_the_stored_diagnoses_are_listed_by_their_names(stored):
    assert diagnosed(stored.folder) == [("it2i", "ind"), ("it2i", "phrasing")]
    assert diagnosed(stored.folder / "none") == []


def test_compare_reads_the_stored_reports_where_no_folder_is_given(stored, capsys):
    assert main(["compare", "unified", "unified", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["task"], row["difference"]) for row in rows] == [("it2i", 0), ("it2i", 0), ("t2t", 0)]
    assert list(paired(stored, stored)) == rows


def test_a_compressed_run_is_the_plain_one_and_the_same_bytes_each_time(tmp_path):
    run = {"q": [Hit("a", 0.5, 1), Hit("b", 0.25, 2)]}
    for name in ("plain.run", "packed.run.gz", "again.run.gz"):
        write_run(tmp_path / name, run, "tag", decimals=4)
    assert read_run(tmp_path / "packed.run.gz") == read_run(tmp_path / "plain.run") == run
    assert gzip.decompress((tmp_path / "packed.run.gz").read_bytes()) == (tmp_path / "plain.run").read_bytes()
    assert (tmp_path / "packed.run.gz").read_bytes() == (tmp_path / "again.run.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.run.gz", "packed.run.gz", "plain.run"]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no gzip at all"])
def test_a_damaged_compressed_run_is_named(tmp_path, damage):
    path = tmp_path / "x.run.gz"
    write_run(path, {"q": [Hit(str(n), 1 / (n + 1), n + 1) for n in range(200)]}, "tag")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=r"x\.run\.gz cannot be read"):
        read_run(path)


def test_the_plain_run_is_found_where_no_compressed_one_is(tmp_path):
    assert find_run(tmp_path, "it2i", "ind", "text") == run_file(tmp_path, "it2i", "ind", "text")
    packed = tmp_path / "runs" / "it2i.ind.text.run.gz"
    write_run(packed, {"q": [Hit("a", 1, 1)]}, "tag")
    assert find_run(tmp_path, "it2i", "ind", "text") == packed
