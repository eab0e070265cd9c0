"""The bench of the re-ranker: both ways give the same answers, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.bench.rerank import compare
from umr.errors import ConfigError
from umr.types import Candidate, Content, Query


def test_a_generated_answer_is_the_re_rankers(picture):
    """Pictures on both sides, rows of several lengths: the same share of yes to 1e-5, by a path that shares nothing."""
    query = Query(
        query_id="q", content=Content(image=picture("q.png", "teal"), text="make it red"), instruction="find it"
    )
    contents = [Content(image=picture(f"{n}.png", colour)) for n, colour in enumerate(("red", "green", "blue"))]
    contents += [Content(text="a mug"), Content(image=picture("e.png", "pink"), text="two of them on marble")]
    pool = [Candidate(candidate_id=str(n), content=content) for n, content in enumerate(contents)]
    found = compare(tiny_reranker(tiny_tokenizer()), [query], pool, depth=5, repeat=1, weights="tiny")
    assert [row["way"] for row in found] == ["generate", "reranker", "reranker, media seen before"]
    assert found[0]["largest_difference"] < 1e-5 and found[0]["ratio"] == 1.0
    assert all(row["pairs"] == 5 and row["candidates_per_s"] > 0 and row["weights"] == "tiny" for row in found)
    assert np.isfinite([row["ratio"] for row in found]).all()


def test_nothing_to_time_is_refused():
    with pytest.raises(ConfigError, match="at least 1 of both"):
        compare(tiny_reranker(tiny_tokenizer()), [], [], depth=0, repeat=1, weights="tiny")
