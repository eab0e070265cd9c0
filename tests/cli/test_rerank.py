"""`rerank`, `search --rerank`, `evaluate --rerank`: a round trip over the tiny collection, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.cli.commands import main
from umr.eval.reports import RERANKED, read_report, reports_folder
from umr.formats import read_run
from umr.rerank import load_reranker
from umr.rerank.fuse import FILE, Fusion, fused, write_fusion
from umr.rerank.store import save_reranker


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A re-ranker of random weights."""
    folder = tmp_path_factory.mktemp("made") / "tiny"
    save_reranker(tiny_reranker(tiny_tokenizer()), folder)
    return folder


@pytest.fixture
def shipped(searcher, benchmark, made) -> Path:
    """The same in the folder of encoders, with a weight and a depth that were chosen."""
    folder = Path(shutil.copytree(made, benchmark.parents[1] / "reranker"))
    fingerprint = load_reranker(folder, device="cpu").fingerprint
    made = Fusion(reranker=fingerprint, encoder="unified", collection="c" * 64, run="it2i.ind.composed.run", n=6,
                  depth=3, weight=1.0, success_at_1=[0.5] * 21)  # fmt: skip
    write_fusion(folder, made)
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


def test_a_shipped_one_needs_no_name_and_brings_its_weight_and_depth(shipped, capsys):
    command = ["search", "--text", "This card is red.", "--in", "passages", "--top", "6", "--json"]
    assert main(command) == 0
    plain = [row["id"] for row in rows(capsys)]
    assert main([*command, "--rerank"]) == 0
    found = [row["id"] for row in rows(capsys)]
    assert set(found[:3]) == set(plain[:3]) and found[3:] == plain[3:]  # three were looked at again
    assert main([*command, "--rerank", "--weight", "1", "--depth", "3"]) == 0
    assert [row["id"] for row in rows(capsys)] == found
    assert main([*command, "--rerank", "--depth", "6", "--weight", "0"]) == 0
    assert [row["id"] for row in rows(capsys)] == plain


def test_info_lists_a_shipped_re_ranker_and_what_is_wrong_with_it(shipped, capsys):
    assert main(["info", "--json"]) == 0
    encoder, row = rows(capsys)
    assert (encoder["kind"], encoder["encoder"]) == ("encoder", "unified")
    reranker = load_reranker(shipped, device="cpu")
    count = sum(one.numel() for one in reranker.parameters())
    assert (row["kind"], row["encoder"], row["fingerprint"]) == ("re-ranker", "reranker", reranker.fingerprint)
    size = sum(file.stat().st_size for file in shipped.iterdir()) / 2**20
    assert row["parameters"] == count and row["encoder_mib"] == round(size, 2)
    assert main(["info", "--quick"]) == 0 and "re-ranker" in capsys.readouterr().out
    (shipped / "model.safetensors").write_bytes(b"other")
    assert main(["info", "--json"]) == 2
    out, message = capsys.readouterr()
    assert (
        json.loads(out)[1]["problem"] is True
        and "model.safetensors changed" in message
        and message.startswith("umr: reranker: ")
    )


def test_a_re_ranked_evaluation_is_stored_beside_the_encoders_own(shipped, benchmark, capsys):
    only = ["evaluate", "--task", "it2i", "--split", "ind", "--pool", "local", "--store", "--json"]
    assert main(only) == 0 and main([*only, "--rerank"]) == 0
    own = reports_folder("unified", benchmark.parents[1])
    before, after = read_report(own), read_report(own / RERANKED)
    assert "reranked" not in before and "rerank" not in before["rows"][0] and after["rows"][0]["rerank"] is True
    fingerprint = load_reranker(shipped, device="cpu").fingerprint
    assert after["reranked"] == {"reranker": "tiny", "fingerprint": fingerprint, "weight": 1.0, "depth": 3}
    assert after["command"] == "python -m umr evaluate --encoder unified --rerank --store"
    assert [path.name for path in (own / RERANKED / "runs").iterdir()] == ["it2i.ind.composed.run.xz"]
    assert {path.name for path in (own / RERANKED).iterdir()} == {"report.json", "runs"}
    old, new = (read_run(one / "runs" / "it2i.ind.composed.run.xz") for one in (own, own / RERANKED))
    assert all({hit.candidate_id for hit in new[q][:3]} == {hit.candidate_id for hit in old[q][:3]} for q in old)
    assert main(["evaluate", "--task", "it2i", "--split", "phrasing", "--pool", "local", "--store", "--rerank",
                 "--weight", "0.5"]) == 0  # fmt: skip
    assert [row["split"] for row in read_report(own / RERANKED)["rows"]] == ["phrasing"]  # of another weight


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
    stored = json.loads((made / FILE).read_text())
    assert (stored["weight"], stored["encoder"], stored["depth"]) == (row["weight"], "unified", 50) and row["n"] == 6
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
        ("evaluate --store --depth 50", "give --runs with --depth"),
        ("search --text red --rerank", "(--rerank DIR; of the commands rerank"),
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
