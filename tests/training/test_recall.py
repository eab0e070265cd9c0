"""Recall on examples, with an encoder whose vectors are known."""

from __future__ import annotations

import json

import numpy as np

from tests.training.shapes import ALL, draw
from training.recall import recall
from training.sources.readers import load_source
from training.sources.spec import parse
from umr.types import Embeddings


class Known:
    """Gives each content the vector that its text, or its picture's first pixel, stands for."""

    def __init__(self, vectors):
        self.vectors, self.asked = vectors, []

    def embed(self, items):
        rows = [self.vectors[item.content.text or item.content.image.name] for item in items]
        return Embeddings(ids=tuple(map(str, range(len(rows)))), vectors=np.array(rows, np.float32), encoder="known")

    def encode_queries(self, queries):
        self.asked = [query.instruction for query in queries]
        return self.embed(queries)

    encode_candidates = embed


def unit(*angles: float) -> list[list[float]]:
    return [[float(np.cos(angle)), float(np.sin(angle))] for angle in angles]


def load(tmp_path, rows):
    for number in range(3):
        draw(ALL[number], np.random.default_rng(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return load_source(parse(f"jsonl:{tmp_path / 'mine.jsonl'}"), tmp_path)


def test_a_right_answer_counts_from_its_rank_on(tmp_path):
    source = load(tmp_path, [{"text": "near", "target": "0.png"}, {"text": "far", "target": "1.png"}])
    names = dict(zip(("near", "far", "0.png", "1.png"), unit(0, 0.1, 0.0, 1.0), strict=True))
    encoder = Known(names)
    found = recall(encoder, source, {"text->image": ("Find it.",)})
    assert found == {"recall@1": 0.5, "recall@5": 1.0, "queries": 2, "candidates": 2}
    assert encoder.asked == ["Find it."] * 2


def test_a_copy_is_right_an_equal_score_is_not_enough_and_other_kinds_are_not_searched(tmp_path):
    rows = [{"text": "a", "target": "0.png", "negatives": ["copy.png"]}, {"text": "b", "target": "0.png"}]
    rows += [{"text": "c", "target": "some words"}, {"text": "d", "target": "1.png"}, {"text": "e", "target": "2.png"}]
    names = {"a": 0, "b": 2, "c": 0, "d": 0.5, "e": 0.5, "0.png": 2, "copy.png": 0, "some words": 1.4}
    vectors = {name: unit(angle)[0] for name, angle in (names | {"1.png": 0.5, "2.png": 0.5}).items()}
    found = recall(Known(vectors), load(tmp_path, rows), {"text->image": ("",), "text->text": ("",)}, depths=(1, 2))
    # a: its copy is first. b: first. c: the only text. d and e: equal scores for both pictures
    assert (found["recall@1"], found["recall@2"], found["candidates"]) == (0.6, 1.0, 5)


def test_the_pictures_of_composed_queries_are_searched_once_each(tmp_path):
    rows = [{"image": "0.png", "text": "a", "target": "1.png"}, {"image": "copy.png", "text": "b", "target": "2.png"}]
    names = dict(zip(("a", "b", "0.png", "1.png", "2.png"), unit(0, 0, 0, 0.3, 0.6), strict=True))
    found = recall(Known(names), load(tmp_path, rows), {"image,text->image": ("",)}, depths=(1, 2, 3))
    # the query's own picture is first, then the answer of a, then that of b
    assert [found[f"recall@{k}"] for k in (1, 2, 3)] == [0.0, 0.5, 1.0] and found["candidates"] == 3
