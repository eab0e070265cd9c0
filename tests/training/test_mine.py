"""Mined negatives: what is dropped and why, local against global, and that training reads them back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.sources.test_mbeir import HEADER, candidate, jsonl, query
from training.mine import MineSettings, main, mine, nearest, rows_of, write
from training.sources.readers import load_source
from training.sources.spec import parse
from umr.encoders.config import EncoderConfig
from umr.errors import ConfigError
from umr.types import Content, Embeddings

#: Degrees from the query "find a mug" (0): its cosine with each text of the pool.
ANGLES = {"a mug": 10, "nearly a mug": 30, "a cup": 60, "a bowl": 70, "a lamp": 80, "a sofa": 90, "a town": 50}
#: "a mug, shown" is an entry: another kind than the passages that are asked for.
SENTENCES = ("Find a passage.", "Which text answers?")


class Turned:
    """An encoder of texts by their angle, in degrees; what it does not know lies at 180."""

    name, fingerprint = "turned", "f" * 64
    config = EncoderConfig(name="turned", dim=2)

    def encode_queries(self, queries):
        queries = list(queries)
        self.asked = [one.instruction for one in queries]
        return self._rows([one.query_id for one in queries], [one.content for one in queries])

    def encode_candidates(self, candidates):
        candidates = list(candidates)
        return self._rows([one.candidate_id for one in candidates], [one.content for one in candidates])

    def _rows(self, ids, contents):
        degrees = [0.0 if "find" in one.text else ANGLES.get(one.text, 180.0) for one in contents]
        angles = np.radians(degrees)
        rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
        return Embeddings(ids=tuple(ids), vectors=rows, encoder=self.fingerprint)


@pytest.fixture
def folder(tmp_path) -> Path:
    """An M-BEIR folder: a query with two answers, a copy of one, a near one, a far one, an entry nobody names."""
    root = tmp_path / "mbeir"
    (root / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(root / "images" / "1.png")
    jsonl(
        root / "query/train/mbeir_webqa_train.jsonl",
        query("2:1", "text", ["2:1", "2:3"], query_txt="find a mug"),
        query("2:2", "text", ["2:5"], query_txt="find a lamp"),
    )
    jsonl(
        root / "cand_pool/global/mbeir_union_train_cand_pool.jsonl",
        candidate("2:1", "text", "a mug"),
        candidate("2:11", "text", "a mug"),
        candidate("2:2", "text", "nearly a mug"),
        candidate("2:3", "text", "a cup"),
        candidate("2:4", "text", "a bowl"),
        candidate("2:14", "text", "a bowl"),
        candidate("2:5", "text", "a lamp"),
        candidate("2:6", "text", "a sofa"),
        candidate("2:7", "image,text", "a town", "images/1.png"),
    )
    (root / "instructions").mkdir()
    row = "text\ttext\tWebQA\t2\t" + "\t".join(SENTENCES) + "\n"
    (root / "instructions/query_instructions.tsv").write_text(HEADER + row)
    return root


def source_of(folder, whole=True):
    return load_source(parse(f"mbeir:{folder}"), folder, whole_pool=whole)


def test_the_whole_pool_is_kept_only_where_it_is_asked_for(folder):
    assert set(source_of(folder, whole=False).candidates) == {"2:1", "2:3", "2:5"}
    assert len(source_of(folder).candidates) == 9


def test_answers_their_copies_near_ones_and_copies_of_negatives_are_dropped(folder):
    encoder = Turned()
    mined = mine(encoder, source_of(folder), MineSettings(keep=3))
    # the first query: 2:1 and 2:3 are answers, 2:11 a copy of one, 2:2 too near (cos 30 = 0.87), 2:14 a copy of 2:4
    assert mined.negatives[0] == ("2:4", "2:5", "2:6")
    # the second: 2:5 is its answer; 2:1, 2:11 (cos 10) and 2:2 lie above the threshold
    assert mined.negatives[1] == ("2:3", "2:4", "2:6")
    assert mined.counts == {"known": 3, "duplicates": 1, "own": 0, "copies": 2, "above_threshold": 4, "queries": 2,
                            "candidates": 9, "mined": 6, "short": 0}  # fmt: skip
    assert encoder.asked == [SENTENCES[0]] * 2


def test_unfiltered_keeps_what_is_near_but_no_answer(folder):
    mined = mine(Turned(), source_of(folder), MineSettings(keep=2, threshold=None))
    assert mined.negatives[0] == ("2:2", "2:4") and mined.counts["above_threshold"] == 0
    assert mined.negatives[1] == ("2:1", "2:2")  # and the copy of 2:1 only once


def test_a_threshold_that_cuts_nothing_and_one_that_cuts_all(folder):
    cuts = mine(Turned(), source_of(folder), MineSettings(threshold=math.cos(math.radians(85))))
    assert cuts.negatives[0] == ("2:6",) and cuts.counts["short"] == 2


def test_global_finds_the_other_kind_local_does_not(folder):
    wide = mine(Turned(), source_of(folder), MineSettings(pool="global", keep=2))
    assert wide.negatives[0] == ("2:7", "2:4")
    assert all("2:7" not in found for found in mine(Turned(), source_of(folder), MineSettings()).negatives)


def test_what_the_data_call_wrong_is_no_presumed_answer(folder):
    path = folder / "query/train/mbeir_webqa_train.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    jsonl(path, rows[0] | {"neg_cand_list": ["2:2"]}, rows[1])
    assert mine(Turned(), source_of(folder), MineSettings(keep=1)).negatives[0] == ("2:2",)


def test_a_querys_own_picture_is_left_out_as_in_serving(tmp_path):
    for name, colour in (("own", "red"), ("copy", "red"), ("right", "blue"), ("wrong", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    row = {"image": "own.png", "text": "find it", "target": "right.png", "negatives": ["copy.png", "wrong.png"]}
    (tmp_path / "mine.jsonl").write_text(json.dumps(row))

    class Flat(Turned):
        def _rows(self, ids, contents):
            rows = np.tile(np.float32([1, 0]), (len(ids), 1))
            return Embeddings(ids=tuple(ids), vectors=rows, encoder=self.fingerprint)

    source = load_source(parse(f"jsonl:{tmp_path / 'mine.jsonl'}"), tmp_path, whole_pool=True)
    mined = mine(Flat(), source, MineSettings(threshold=None))
    assert [source.candidates[did].image.name for did in mined.negatives[0]] == ["wrong.png"]
    assert (mined.counts["own"], mined.counts["known"], mined.counts["short"]) == (1, 1, 1)


def test_rows_are_read_back_with_examples_answers_sentences_and_negatives(folder, tmp_path):
    source, encoder, settings = source_of(folder), Turned(), MineSettings(pool="global", keep=3)
    mined = mine(encoder, source, settings)
    out = tmp_path / "mined" / "rows.jsonl"
    record = json.loads(write(out, encoder, source, settings, mined).read_text())
    again = load_source(parse(f"jsonl:{out}"), tmp_path)
    assert again.refused == [] and len(again.examples) == len(source.examples) == 2
    assert max(len(example.positives) for example in again.examples) == 2, "a row may have several answers"

    def shown(of, dids):
        return {(one.text, one.image and one.image.resolve()) for one in (of.candidates[did] for did in dids)}

    for example in again.examples:
        number = ["find a mug", "find a lamp"].index(example.query.text)
        old = source.examples[number]
        assert shown(again, example.positives) == shown(source, old.positives)
        assert shown(again, example.negatives) == shown(source, mined.negatives[number])
        assert (example.wanted, example.group) == (old.wanted, old.group)
        assert again.instructions[example.instruction] == SENTENCES
    assert record["encoder"] == encoder.fingerprint and record["data_fingerprint"] == source.fingerprint
    assert (record["threshold"], record["pool"], record["counts"]) == (0.7, "global", mined.counts)
    assert str(tmp_path) not in json.dumps(record)


def test_media_beside_the_file_are_named_relative_to_it(folder):
    source = source_of(folder)
    (row, *_) = rows_of(source, [("2:7",), ()], folder / "mined")
    assert row["negatives"] == [{"image": "../images/1.png", "text": "a town"}]
    assert isinstance(source.candidates["2:7"], Content)


def test_blocks_of_candidates_give_what_one_product_gives(monkeypatch):
    monkeypatch.setattr("training.mine.CANDIDATES", 7)
    generator = torch.Generator().manual_seed(0)
    query_BD, candidate_MD = (torch.randn(n, 5, generator=generator) for n in (4, 40))
    scores, rows = nearest(query_BD, candidate_MD, 9)
    wanted = (query_BD @ candidate_MD.T).topk(9, dim=1)
    assert torch.allclose(scores, wanted.values) and torch.equal(rows, wanted.indices)
    assert nearest(query_BD, candidate_MD, 100)[0].shape == (4, 40)


def test_the_command_mines_with_a_real_encoder_and_prints_the_counts(folder, small_encoder, tmp_path, capsys):
    small_encoder().save(tmp_path / "small")
    out = tmp_path / "out.jsonl"
    command = ["--encoder", str(tmp_path / "small"), "--data", f"mbeir:{folder}", "--out", str(out), "--unfiltered"]
    assert main([*command, "--pool", "global"]) == 0
    assert "queries: 2" in capsys.readouterr().out
    assert json.loads(out.with_suffix(".json").read_text())["threshold"] is None
    assert len(load_source(parse(f"jsonl:{out}"), tmp_path).examples) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--keep", "6", "--depth", "5"], "1 <= keep <= depth"),
        (["--threshold", "1.5"], "a cosine above -1 and up to 1"),
        (["--threshold", "0.5", "--unfiltered"], "contradict each other"),
        (["--out", "x.txt"], "ends in .jsonl"),
        (["--data", "world:here"], "has no pool to mine"),
        (["--data", "jsonl:x.jsonl", "--out", "x.jsonl"], "which is read"),
        (["--encoder", "nobody"], "there is no encoder 'nobody'"),
    ],
)
def test_what_cannot_be_mined_is_refused(more, said, folder, tmp_path, capsys):
    command = ["--encoder", "unified", "--data", f"mbeir:{folder}", "--out", str(tmp_path / "x.jsonl"), *more]
    assert main(command) == 2 and said in capsys.readouterr().err


def test_a_pool_of_another_name_is_refused():
    with pytest.raises(ConfigError, match="legal: local, global"):
        MineSettings(pool="both")
