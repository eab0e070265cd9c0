"""A teacher's lists, and a student that follows them: what is listed, what is read back, what the student learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from training.config import DistillConfig
from training.distill import DistillTrainer, ListBatches, main
from training.losses import distill_kl
from training.mine import parts_of
from training.sources.readers import load_source
from training.sources.spec import parse
from training.teacher import main as teacher
from training.teacher import read_lists, teach
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.rerank.fuse import UNTUNED
from umr.rerank.order import Reordering
from umr.rerank.store import begin_reranker, save_reranker

CONFIG = DistillConfig(name="student", init="none", steps=20, queries_per_batch=4, chunk_queries=0, bf16=False,
                       threads=1, warmup_steps=2, learning_rate=3e-3, muon_rate=1e-2, shift=0, light=0.0)  # fmt: skip
TEXTS = ("a red mug", "a blue mug", "a green lamp", "a yellow rug", "a red sofa", "a blue vase")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_encoder) -> Path:
    """An encoder, a re-ranker that starts from it, triplets with two kinds of candidates, and a teacher's file."""
    root = tmp_path_factory.mktemp("distil")
    small_encoder().save(root / "small")
    save_reranker(begin_reranker(root / "small", "tiny"), root / "tiny")
    Image.new("RGB", (8, 8), "red").save(root / "1.png")
    entry = {"image": "1.png", "text": "a mug of the town"}
    rows = [
        {"text": f"find {text}", "target": {"text": text}, "negatives": [entry], "instruction": ["Find it.", "Which?"]}
        for text in TEXTS
    ]
    (root / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ["--encoder", str(root / "small"), "--reranker", str(root / "tiny"), "--depth", "3"]
    assert teacher([*command, "--data", f"jsonl:{root / 'mine.jsonl'}", "--out", str(root / "teacher.jsonl")]) == 0
    return root


def test_every_list_has_the_answer_both_pools_and_the_fused_score(folder):
    rows = [json.loads(line) for line in (folder / "teacher.jsonl").read_text().splitlines()]
    assert len(rows) == len(TEXTS)
    for row in rows:
        listed = row["candidates"]
        (right,) = [one for one in listed if one["right"]]
        assert row["text"] == f"find {right['text']}" and right["pools"] == ["global", "local"]
        assert all("local" not in one["pools"] for one in listed if "image" in one)
        for pool in ("local", "global"):
            assert 3 <= sum(pool in one["pools"] for one in listed) <= 4  # three, and the answer where it is no part
        for one in listed:
            assert one["score"] == pytest.approx((1 - UNTUNED) * one["cosine"] + UNTUNED * one["yes"], abs=2e-6)
        assert [one["cosine"] for one in listed] == sorted((one["cosine"] for one in listed), reverse=True)


def test_the_papers_own_lists_are_local_alone(folder):
    source = load_source(parse(f"jsonl:{folder / 'mine.jsonl'}"), folder, whole_pool=True)
    order = Reordering.open(str(folder / "tiny"), depth=2)
    rows = list(teach(load_encoder(folder / "small", device="cpu"), order, source, ("local",), folder))
    assert {pool for row in rows for one in row["candidates"] for pool in one["pools"]} == {"local"}
    (folder / "local.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lists, student = read_lists(folder / "local.jsonl"), load_encoder(folder / "small", device="cpu")
    with pytest.raises(ConfigError, match="lists of the pools local; local, global are asked for"):
        ListBatches(lists, student, CONFIG)
    assert ListBatches(lists, student, replace(CONFIG, pools="local")).build(0)[0].present_PQU.shape[0] == 1


def test_lists_are_read_back_as_they_were_written(folder):
    lists = read_lists(folder / "teacher.jsonl")
    rows = [json.loads(line) for line in (folder / "teacher.jsonl").read_text().splitlines()]
    assert len(lists.source.examples) == len(rows) and lists.source.refused == []
    for row, example in zip(rows, lists.source.examples, strict=True):
        mine = lists.of[example.group]
        found = {json.dumps(parts_of(lists.source.candidates[did], folder)): one for did, one in mine.items()}
        assert len(found) == len(row["candidates"])
        for one in row["candidates"]:
            parts = json.dumps({key: one[key] for key in ("image", "text") if key in one})
            assert (found[parts].score, sorted(found[parts].pools)) == (one["score"], one["pools"])
        assert lists.source.instructions[example.instruction] == ("Find it.", "Which?")


def test_a_copy_of_the_answer_does_not_take_its_pools_and_a_score_that_is_none_is_refused(tmp_path):
    """The same words under two names are one candidate: found in the local pool alone, it stays in both lists."""
    more = {"cosine": 0.5, "yes": 0.5, "score": 0.5}
    answer = {"text": "a red mug", "pools": ["global", "local"], "right": True, **more}
    row = {"text": "find a red mug", "candidates": [answer, answer | {"pools": ["local"], "right": False}]}
    bad = {"text": "find a lamp", "candidates": [answer | {"score": "NaN"}]}
    (tmp_path / "teacher.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(bad) + "\n")
    lists = read_lists(tmp_path / "teacher.jsonl")
    (example,) = lists.source.examples
    (listed,) = lists.of[example.group].values()
    assert listed.pools == {"global", "local"} and example.negatives == ()
    (refused,) = lists.source.refused
    assert "the score nan; a finite number is needed" in refused.reason


def test_the_loss_is_the_mean_of_both_lists_and_pieces_give_the_whole(folder):
    lists = read_lists(folder / "teacher.jsonl")
    run, pieces = (
        DistillTrainer(replace(CONFIG, chunk_queries=size), lists, load_encoder(folder / "small", device="cpu"))
        for size in (0, 3)
    )
    (whole,) = run.builder.build(0)
    with torch.no_grad():
        seen = run.encoder.see_all(whole.pixels) if whole.pixels else None
        query, candidate = run.encoder.embed(whole.queries, seen), run.encoder.embed(whole.candidates, seen)
        cosines = (query @ candidate.T).gather(1, whole.columns_QU)
        parts = [distill_kl(cosines, whole.scores_QU, CONFIG.temperature, present) for present in whole.present_PQU]
    assert len(parts) == 2 and float(run.loss(whole).detach()) == pytest.approx(float(sum(parts)) / 2, rel=1e-5)
    assert [len(piece.scores_QU) for piece in pieces.builder.build(0)] == [3, 1]
    found = [one.step(0, one.builder.build(0)) for one in (run, pieces)]
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-4)
    assert found[0]["gradient"] == pytest.approx(found[1]["gradient"], rel=1e-3)


def test_the_student_follows_the_teacher_and_a_killed_run_goes_on(folder, tmp_path):
    lists = read_lists(folder / "teacher.jsonl")
    whole, first, second = (
        DistillTrainer(CONFIG, lists, load_encoder(folder / "small", device="cpu")) for _ in range(3)
    )
    losses = [whole.step(n, whole.builder.build(n))["loss"] for n in range(CONFIG.steps)]
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3]), losses
    for n in range(2):
        first.step(n, first.builder.build(n))
    first.save_checkpoint(tmp_path / "c", 2)
    assert second.load_checkpoint(tmp_path / "c") == 2
    assert [second.step(n, second.builder.build(n))["loss"] for n in (2, 3)] == losses[2:4]


def test_the_command_writes_an_encoder_with_its_record(folder, tmp_path, capsys):
    command = [
        "--init",
        str(folder / "small"),
        "--teacher",
        str(folder / "teacher.jsonl"),
        "--out",
        str(tmp_path / "s"),
    ]
    assert main([*command, "--set", "steps=2", "threads=1", "bf16=false"]) == 0
    made = load_encoder(tmp_path / "s", device="cpu")
    record = json.loads((tmp_path / "s" / "train_config.json").read_text())
    assert made.name == "s" and made.config.instructions["text->text"] == "Find it."
    assert record["data"][0]["kind"] == "teacher" and len(record["stages"]) == 1
    assert main([*command, "--set", "pools=global"]) == 2 and "legal: both, local" in capsys.readouterr().err
    assert main([*command, "--set", "temperature=0"]) == 2 and "above 0" in capsys.readouterr().err
    (tmp_path / "bad.jsonl").write_text('{"text": "a", "candidates": [{"text": "b", "score": 1}]}\n')
    command[3] = str(tmp_path / "bad.jsonl")
    assert main(command) == 2 and "candidate 1 has no score, pools or right" in capsys.readouterr().err


def test_a_teacher_needs_a_re_ranker(folder, capsys):
    data = ["--data", f"jsonl:{folder / 'mine.jsonl'}", "--out", str(folder / "x.jsonl")]
    assert teacher(["--encoder", str(folder / "small"), "--reranker", "nobody", *data]) == 2
    assert "there is no re-ranker 'nobody'" in capsys.readouterr().err
