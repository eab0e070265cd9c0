"""Where stored evaluations lie: report.json and runs are found, belong to their encoder, and say what is wrong."""

import gzip
import json

import pytest

from umr.errors import ConfigError
from umr.eval.reports import diagnosed, find_run, read_report, read_stored, run_file
from umr.formats import read_run, write_run
from umr.types import Hit


@pytest.mark.parametrize("text", ["{", "{}", "[]", None])
def test_a_report_that_is_none_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(ConfigError, match="is no report"):
        read_report(tmp_path)


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


def test_a_compressed_run_is_the_plain_one_and_the_same_bytes_each_time(tmp_path):
    run = {"q": [Hit("a", 0.5, 1), Hit("b", 0.25, 2)]}
    for name in ("plain.run", "packed.run.gz", "again.run.gz", "packed.run.xz", "again.run.xz"):
        write_run(tmp_path / name, run, "tag", decimals=4)
    assert read_run(tmp_path / "packed.run.gz") == read_run(tmp_path / "plain.run") == run
    assert read_run(tmp_path / "packed.run.xz") == run
    assert (tmp_path / "packed.run.xz").read_bytes() == (tmp_path / "again.run.xz").read_bytes()
    assert gzip.decompress((tmp_path / "packed.run.gz").read_bytes()) == (tmp_path / "plain.run").read_bytes()
    assert (tmp_path / "packed.run.gz").read_bytes() == (tmp_path / "again.run.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again.run.gz",
        "again.run.xz",
        "packed.run.gz",
        "packed.run.xz",
        "plain.run",
    ]


@pytest.mark.parametrize("kind", ["gz", "xz"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no gzip at all"])
def test_a_damaged_compressed_run_is_named(tmp_path, damage, kind):
    path = tmp_path / f"x.run.{kind}"
    write_run(path, {"q": [Hit(str(n), 1 / (n + 1), n + 1) for n in range(200)]}, "tag")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=rf"x\.run\.{kind} cannot be read"):
        read_run(path)


def test_the_plain_run_is_found_where_no_compressed_one_is(tmp_path):
    assert find_run(tmp_path, "it2i", "ind", "text") == run_file(tmp_path, "it2i", "ind", "text")
    for kind in ("gz", "xz"):  # the second is what is stored today
        packed = tmp_path / "runs" / f"it2i.ind.text.run.{kind}"
        write_run(packed, {"q": [Hit("a", 1, 1)]}, "tag")
        assert find_run(tmp_path, "it2i", "ind", "text") == packed
