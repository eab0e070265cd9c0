"""The measurement at scale: rows that lie as described, the same ones each time, and what it says of an index."""

import json

import numpy as np
import pytest

from umr.bench import __main__ as command
from umr.bench import scale
from umr.bench.synthetic import BLOCK, SyntheticEncoder, SyntheticRows, write_candidates
from umr.collection import Collection
from umr.errors import ConfigError
from umr.index.manifest import QDRANT
from umr.index.qdrant_server import EDGE, URL
from umr.types import Candidate, Content

MADE = SyntheticRows(3 * BLOCK + 100, 16)


def test_any_row_is_made_alone_as_it_is_with_all_others():
    every = MADE.rows(np.arange(MADE.count))
    some = np.array([1_600, 3, 3, 700])
    assert every.dtype == np.float32 and np.allclose(np.linalg.norm(every, axis=1), 1, atol=1e-6)
    assert (MADE.rows(some) == every[some]).all() and (SyntheticRows(MADE.count, 16).rows(some) == every[some]).all()
    assert not np.allclose(SyntheticRows(MADE.count, 16, seed=1).rows(some), every[some])


def test_rows_are_clustered_and_queries_are_near_rows_but_are_none():
    made = SyntheticRows(20_000, 64)
    rows, queries = made.rows(np.arange(made.count)), made.queries(100)
    best = np.sort(queries @ rows.T, axis=1)[:, ::-1]
    assert (best[:, 0] < 0.99).all() and best[:, 0].mean() > 0.7 and best[:, 5_000].mean() < 0.4
    assert (queries == made.queries(100)).all() and np.allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)
    spread = np.sort(rows.var(axis=0))[::-1]
    assert spread[:16].sum() > 0.5 * spread.sum()  # a quarter of the axes has more than half of what differs


def test_the_encoder_gives_the_rows_by_the_ids():
    encoder = SyntheticEncoder(MADE)
    asked = [Candidate(candidate_id=f"{row:08}", content=Content(text="x")) for row in (5, 1_000)]
    assert (encoder.encode_candidates(asked).vectors == MADE.rows(np.array([5, 1_000]))).all()


def test_the_candidates_are_half_pictures_half_passages(tmp_path):
    write_candidates(tmp_path, 11)
    assert Collection.open(tmp_path).counts() == {"image": 5, "text": 6}


@pytest.fixture
def here(monkeypatch):
    """Measures in this process, which is quicker and says as much of the results."""
    monkeypatch.setattr(scale, "_in_own_process", scale.measure)


def test_what_it_finds_is_compared_with_the_exact_search(here, tmp_path):
    rows = scale.bench_scale(MADE, tmp_path, ["IVF8,SQ8"], [1, 8], queries=20)
    assert [(row["factory"], row["nprobe"]) for row in rows] == [("SQfp16", None), ("IVF8,SQ8", 1), ("IVF8,SQ8", 8)]
    assert rows[0]["recall@10"] == rows[2]["recall@10"] == 1.0 > rows[1]["recall@10"] > 0.3
    assert all(set(row) == set(scale.COLUMNS) and row["open_s"] > 0 and row["p50_ms"] > 0 for row in rows)
    assert rows[1]["disk_mib"] > rows[0]["disk_mib"] > MADE.count * 16 * 2 / 2**20
    assert not (tmp_path / "index").exists()


def test_each_row_is_shown_when_it_is_measured_and_an_interruption_leaves_it(here, monkeypatch, capsys):
    measured = scale.measure

    def interrupted(at, made, nprobe):
        if "SQ8" in scale.IndexManifest.read(at).factory:
            raise ConfigError("interrupted")
        return measured(at, made, nprobe)

    monkeypatch.setattr(scale, "_in_own_process", interrupted)
    words = ["--vectors", "300", "--dim", "8", "--queries", "4", "--factory", "IVF2,SQ8"]
    assert scale.main(words) == 2
    out, said = capsys.readouterr()
    head, row = out.splitlines()
    assert tuple(head.split()) == scale.COLUMNS and row.split()[:2] == ["SQfp16", "-"] and len(head) == len(row)
    assert "building IVF2,SQ8 over 300 vectors of 8 numbers" in said and "built SQfp16 in " in said
    assert scale.main([*words, "--json"]) == 2
    out, said = capsys.readouterr()
    assert out == "" and row.split()[0] in said  # stdout holds one whole document or nothing


def test_a_factory_that_does_not_fit_is_refused_before_any_is_built(here, tmp_path, capsys):
    with pytest.raises(ConfigError, match="IVF99,SQ8 needs at least 39"):
        scale.bench_scale(MADE, tmp_path, ["IVF2,SQ8", "IVF99,SQ8"], queries=2)
    assert capsys.readouterr().err == ""


def test_the_command_measures_in_a_process_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["umr.bench", "scale", "--vectors", "300", "--dim", "8", "--json", "--queries", "4",
                                     "--factory", "SQfp16"])  # fmt: skip
    assert command.main() == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["factory"], row["recall@10"]) == ("SQfp16", 1.0)


def test_what_cannot_be_measured_is_said(here, tmp_path, monkeypatch, capsys):
    assert scale.main(["--vectors", "0"]) == 2 and "at least 1 vector" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="IVF99,SQ8 needs at least 39"):
        scale.bench_scale(MADE, tmp_path, ["IVF99,SQ8"], queries=2)
    monkeypatch.setattr("sys.argv", ["umr.bench", "speed"])
    assert (
        command.main() == 2
        and "name what is to be measured: apart, indexing, peers, start, scale" in capsys.readouterr().err
    )


def test_a_measurement_that_fails_is_said_with_its_last_words(tmp_path):
    with pytest.raises(ConfigError, match=r"the measurement of .* failed"):
        scale._in_own_process(tmp_path, MADE, 0)


def test_qdrants_engine_is_measured_by_the_same_searches_and_its_bytes_are_those_on_the_disk(
    here, tmp_path, monkeypatch
):
    for package in ("qdrant_client", "qdrant_edge"):
        pytest.importorskip(package, reason="needs requirements-edge.txt")
    monkeypatch.setenv(URL, f"{EDGE}{tmp_path / 'server'}")
    (exact,) = scale.bench_scale(MADE, tmp_path, [], queries=5, engine=QDRANT)
    assert exact["factory"] == "SQfp16" and exact["recall@10"] == 1.0 and exact["p50_ms"] > 0
    assert exact["disk_mib"] > MADE.count * (16 * 2 + 100) / 2**20  # vectors, and ids and payload beside them
    assert not list((tmp_path / "server").iterdir())
