"""The measurement of a collection's memory: each way gives all candidates, and too few are refused."""

from umr.bench import collection
from umr.bench.synthetic import write_candidates


def test_every_way_reads_all_candidates(tmp_path, monkeypatch):
    monkeypatch.setattr("umr.collection.FEWEST", 1)
    write_candidates(tmp_path / "collection", 30)
    for way, opened in collection.WAYS.items():
        assert [one.candidate_id for one in opened(tmp_path)] == [f"{row:08}" for row in range(30)]
        assert set(collection.measure(way, tmp_path)) == {"open_s", "peak_mib"}
    assert (tmp_path / "columns.safetensors").is_file()


def test_too_few_rows_are_refused(capsys):
    assert collection.main(["--rows", "10"]) == 2
    assert "10 rows were asked for; fewer than 20,000 are read whole" in capsys.readouterr().err
