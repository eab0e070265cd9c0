"""`rerank`, `search --rerank`, `evaluate --rerank`: a round trip over the tiny collection, and what is refused."""

from __future__ import annotations

import json

import pytest

from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.cli.commands import main
from umr.formats import read_run
from umr.rerank.fuse import FILE, fused
from umr.rerank.store import save_reranker


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A re-ranker of random weights."""
    folder = tmp_path_factory.mktemp("made") / "tiny"
    save_reranker(tiny_reranker(tiny_tokenizer()), folder)
    return folder


def rows(capsys) -> list[dict]:
    return json.loads(capsys.readouterr().out)


def evaluated(tmp_path, *more: str) -> None:
    command = ["evaluate", "--task", "it2i", "--split", "ind", "--pool", "local", "--runs", str(tmp_path / "runs")]
    assert main([*command, "--json", *more]) == 0


def test_a_run_is_re_ordered_as_the_scores_say_and_as_evaluate_does(searcher, made, tmp_path, capsys):
    evaluated(tmp_path, "--depth", "12")
    assert "rerank" not in rows(capsys)[0]
    old = tmp_path / "runs" / "unified" / "it2i.ind.composed.run"
    assert {len(hits) for hits in read_run(old).values()} == {12}  # every image

    new = tmp_path / "new.run"
    command = ["rerank", str(old), "--out", str(new), "--reranker", str(made), "--weight", "1"]
    assert main([*command, "--depth", "4", "--json"]) == 0
    (said,) = rows(capsys)
    assert (said["task"], said["split"], said["n"], said["depth"], said["weight"]) == ("it2i", "ind", 6, 4, 1.0)
    before, after = read_run(old), read_run(new)
    assert said["other_first"] == sum(after[one][0].candidate_id != before[one][0].candidate_id for one in before) > 0
    for one, hits in after.items():
        ids = [hit.candidate_id for hit in hits]
        assert set(ids[:4]) == {hit.candidate_id for hit in before[one][:4]}
        assert ids[4:] == [hit.candidate_id for hit in before[one][4:]]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(line.endswith("unified+tiny") for line in new.read_text().splitlines())

    evaluated(tmp_path, "--rerank", str(made), "--depth", "12", "--weight", "1")
    (row,) = rows(capsys)
    assert row["rerank"] is True and 0 <= row["success@1"] <= 1
    both = read_run(tmp_path / "runs" / "unified+tiny" / "it2i.ind.composed.run")
    assert main(["rerank", str(old), "--out", str(new), "--reranker", str(made), "--weight", "1"]) == 0
    assert {q: [h.candidate_id for h in hits] for q, hits in both.items()} == {
        q: [h.candidate_id for h in hits] for q, hits in read_run(new).items()
    }


def test_weight_0_leaves_a_run_as_it_is(searcher, made, tmp_path, capsys):
    evaluated(tmp_path)
    old, new = tmp_path / "runs" / "unified" / "it2i.ind.composed.run", tmp_path / "new.run"
    assert main(["rerank", str(old), "--out", str(new), "--reranker", str(made), "--weight", "0"]) == 0
    assert read_run(new) == read_run(old) == fused(read_run(old), {}, 0.3)


def test_search_shows_the_new_order_and_no_verdict_of_the_old(searcher, made, capsys):
    command = ["search", "--text", "This card is red.", "--in", "passages", "--json"]
    assert main([*command, "--top", "6"]) == 0
    plain = rows(capsys)
    assert main([*command, "--top", "3", "--rerank", str(made), "--weight", "1"]) == 0
    found = rows(capsys)
    assert [row["rank"] for row in found] == [1, 2, 3] and {row["match"] for row in found} == {None}
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert {row["id"] for row in found} <= {row["id"] for row in plain} and all(0 <= row["score"] <= 1 for row in found)


def test_the_weight_is_chosen_on_validation_queries_never_on_the_bundled_ones(
    searcher, benchmark, made, tmp_path, capsys, monkeypatch
):
    evaluated(tmp_path)
    capsys.readouterr()
    run = str(tmp_path / "runs" / "unified" / "it2i.ind.composed.run")
    index = str(benchmark.parents[1] / "unified" / "catalogue")
    command = ["rerank", run, "--reranker", str(made), "--index", index, "--tune", "--json"]
    assert main(command) == 2 and "are the test, on which nothing is chosen" in capsys.readouterr().err
    assert not (made / FILE).exists()
    monkeypatch.setattr("umr.eval.tuning.available", lambda: [])
    assert main(command) == 0
    (row,) = rows(capsys)
    assert json.loads((made / FILE).read_text())["weight"] == row["weight"] and row["n"] == 6
    assert row["success@1"] >= max(row["recall_alone"], row["reranker_alone"])
    assert main(["rerank", run, "--reranker", str(made), "--out", str(tmp_path / "new.run"), "--json"]) == 0
    assert rows(capsys)[0]["weight"] == row["weight"]
    (made / FILE).unlink()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("rerank it2i.ind.composed.run --out new.run", "no re-ranker is shipped"),
        ("search --text red --rerank", "no re-ranker is shipped"),
        ("evaluate --rerank", "no re-ranker is shipped"),
        ("rerank it2i.ind.composed.run --out new.run --reranker nowhere", "there is no re-ranker 'nowhere'"),
        ("rerank it2i.ind.composed.run", "give either --out FILE"),
        ("rerank it2i.ind.composed.run --tune", "give --index with their index"),
        ("rerank it2i.ind.picture.run --out new.run", "only composed runs are re-ranked"),
        ("rerank mine.run --out new.run", "give --task and --split"),
        ("rerank it2i.ind.composed.run --out new.run --reranker MADE --weight 2", "the weight is 2.0"),
        ("rerank it2i.ind.composed.run --out new.run --reranker MADE --depth 0", "at least 1 hit must be re-ranked"),
        ("rerank lost.run --task it2i --split ind --out new.run --reranker MADE", "names candidate 9:9, which"),
        ("rerank asked.run --task it2i --split ind --out new.run --reranker MADE", "names query 9:9, which"),
        ("search --text red --weight 0.5", "give --rerank too"),
        ("search --text red --depth 5", "give --rerank too"),
        ("evaluate --depth 5", "at least 10 hits are needed"),
        ("evaluate --store --depth 50", "of the encoder alone"),
    ],
)
def test_what_cannot_be_re_ranked_is_told_in_words(searcher, made, tmp_path, capsys, monkeypatch, command, said):
    monkeypatch.chdir(tmp_path)
    for name in ("it2i.ind.composed", "it2i.ind.picture", "mine"):
        (tmp_path / f"{name}.run").write_text("100:0 Q0 100:1 1 0.5 tag\n")
    (tmp_path / "lost.run").write_text("100:0 Q0 9:9 1 0.5 tag\n")
    (tmp_path / "asked.run").write_text("9:9 Q0 100:1 1 0.5 tag\n")
    assert main([str(made) if word == "MADE" else word for word in command.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and not (tmp_path / "new.run").exists()
