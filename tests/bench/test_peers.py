"""The bench beside other programs: what it encodes, that the plain loop gives our vectors, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr.bench import peers
from umr.bench.fuzz.kinds import write_tiny_encoder
from umr.encoders import load_encoder
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder, device="cpu")


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (60, 60, 3), dtype=np.uint8))


def mixed_of(encoder, text: str) -> dict[str, list[Content]]:
    contents = [Content(image=picture(at)) for at in range(5)] + [Content(text=text), Content(text="a teal mug")]
    contents.insert(3, Content(image=picture(9), text="a teal mug"))
    rows = [Candidate(candidate_id=str(at), content=content) for at, content in enumerate(contents)]
    return peers.mixes(encoder, rows, 5)


@pytest.fixture(scope="module")
def mixed(encoder) -> dict[str, list[Content]]:
    return mixed_of(encoder, "a small mug on marble")


def test_the_mixtures_are_the_collections_and_texts_of_every_length(encoder):
    own, texts, pictures = mixed_of(encoder, "small teal mugs on marble " * 300).values()
    assert [one.modality for one in own] == ["image", "image", "image,text", "image", "text"]
    assert {one.modality for one in pictures} == {"image"} and {one.modality for one in texts} == {"text"}
    assert all(one.image.size == (encoder.config.image_size,) * 2 for one in pictures)
    counts = [len(encoder.tokenizer.encode(one.text, add_special_tokens=False).ids) for one in texts]
    assert np.abs(np.sort(counts) - np.linspace(2, 150, 5).astype(int)).max() <= 2


def test_a_plain_loop_of_transformers_gives_our_vectors_of_a_mixed_batch(folder, encoder, mixed):
    ways = {"umr": peers.own_way(encoder), "plain loop": peers.plain_way(folder, "float32")}
    rows = peers.bench_peers(ways, {"catalogue": mixed["catalogue"]}, 1, 0.9999)
    assert [(row["way"], row["items"]) for row in rows] == [("umr", 5), ("plain loop", 5)]
    assert rows[0]["times"] == {"s": 1.0, "cpu_s": 1.0} and rows[1]["cosine"] > 0.9999


def test_other_vectors_are_refused(mixed):
    ways = {"umr": lambda items: np.eye(len(items)), "plain loop": lambda items: np.eye(len(items))[::-1]}
    with pytest.raises(MismatchError, match=r"plain loop gives other vectors of catalogue \(cosine 0\.0000"):
        peers.bench_peers(ways, mixed, 1, 0.9999)


def test_without_sentence_transformers_the_way_out_is_told(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ConfigError, match=r"pip install 'sentence-transformers>=6'.*--only 'plain loop'"):
        peers.sentence_transformers_way(folder, "float32")


def test_more_than_there_is_and_no_runs_are_refused(encoder):
    rows = [Candidate(candidate_id="a", content=Content(image=picture(0)))]
    with pytest.raises(ConfigError, match="2 items were asked for; 1 to 1 can be had"):
        peers.mixes(encoder, rows, 2)
    with pytest.raises(ConfigError, match="0 runs"):
        peers.bench_peers({}, {}, 0, 1.0)


def test_the_command_prints_its_rows_or_says_why_there_are_none(monkeypatch, capsys, encoder, mixed):
    monkeypatch.setattr(peers, "load_encoder", lambda *_: encoder)
    monkeypatch.setattr(peers, "mixes", lambda *_: {"catalogue": mixed["catalogue"]})
    monkeypatch.setattr(peers, "plain_way", lambda *_: peers.own_way(encoder))
    assert peers.main(["--only", "plain loop", "--runs", "1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["way"] for row in rows] == ["umr", "plain loop"] and rows[1]["cosine"] == 1.0
    monkeypatch.setattr(peers, "load_encoder", lambda *_: object())
    assert peers.main(["--only", "plain loop"]) == 2 and "no encoder of one network" in capsys.readouterr().err
