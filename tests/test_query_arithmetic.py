"""The drawer's arithmetic: the stated formula, its limits, and the cut."""

from __future__ import annotations

import numpy as np
import pytest

from umr.errors import ConfigError
from umr.query_arithmetic import LESS, ONE_PART, QueryArithmetic, combined
from umr.search import Searcher
from umr.types import Content, Query

X, Y, Z, W = np.eye(4, dtype=np.float32)


def query(searcher: Searcher, text: str | None = "card", picture: bool = True) -> Query:
    image = searcher.collection["100:0"].content.image if picture else None
    return Query(query_id="q", content=Content(text=text, image=image), target_modality="image")


def test_a_balance_of_zero_is_the_composition_and_its_ends_are_the_parts():
    assert combined(X, Y, Z, None, 0.0) == pytest.approx(X)
    assert combined(X, Y, Z, None, -1.0) == pytest.approx(Y)
    assert combined(X, Y, Z, None, 1.0) == pytest.approx(Z)


def test_half_a_balance_is_the_unit_mean():
    assert combined(X, Y, Z, None, 0.5) == pytest.approx((X + Z) / np.sqrt(2))
    assert combined(X, Y, Z, None, -0.5) == pytest.approx((X + Y) / np.sqrt(2))


def test_less_of_is_taken_away_by_the_stated_factor():
    assert combined(X, None, None, W, 0.0) == pytest.approx((X - LESS * W) / np.sqrt(1 + LESS**2))


def test_parts_that_cancel_leave_the_composition():
    assert combined(X, Y, -X, None, 0.5) == pytest.approx(X)


def test_without_arithmetic_a_search_is_the_searchers_own(searcher):
    plain, moved = searcher.search(query(searcher), 5), searcher.search(query(searcher), 5, QueryArithmetic())
    assert moved.results == plain.results


def test_the_ends_of_the_balance_rank_as_each_part_alone_does(searcher):
    both, own = query(searcher), {"100:0"}
    words = searcher.search(query(searcher, picture=False), 20).results
    moved = searcher.search(both, 20, QueryArithmetic(balance=1.0)).results
    assert [r.hit.candidate_id for r in moved] == [r.hit.candidate_id for r in words if r.hit.candidate_id not in own]


def test_less_of_the_best_results_own_words_pushes_it_down(searcher):
    text = searcher.collection["100:20"].content.text
    asked = Query(query_id="q", content=Content(text=f"{text} and more"), target_modality="all")
    before = {r.hit.candidate_id: r.hit.score for r in searcher.search(asked, 24).results}
    after = {r.hit.candidate_id: r.hit.score for r in searcher.search(asked, 24, QueryArithmetic(less_of=text)).results}
    assert after["100:20"] < before["100:20"]


def test_a_balance_with_one_part_is_left_out_and_said(searcher):
    outcome = searcher.search(query(searcher, picture=False), 3, QueryArithmetic(balance=0.5))
    assert ONE_PART in outcome.notices
    assert outcome.results == searcher.search(query(searcher, picture=False), 3).results


def test_a_cut_keeps_the_results_near_the_best(searcher):
    scores = [r.hit.score for r in searcher.search(query(searcher), 12).results]
    kept = searcher.search(query(searcher), 12, QueryArithmetic(cut=0.5)).results
    assert len(kept) == sum(score >= 0.5 * scores[0] for score in scores) < len(scores)


@pytest.mark.parametrize(
    "values",
    [{"balance": 1.1}, {"balance": float("nan")}, {"balance": "0"}, {"cut": -0.1}, {"cut": True}, {"less_of": 3}],
)
def test_values_outside_are_refused_in_words(values):
    with pytest.raises(ConfigError, match=r"needed|words"):
        QueryArithmetic(**values)


def test_a_moved_search_is_timed_by_the_searcher_and_keeps_its_notices(searcher):
    long = Query(query_id="q", content=Content(text="word " * 999), target_modality="image")
    outcome = searcher.search(long, 3, QueryArithmetic(balance=0.5, less_of="red"))
    assert list(outcome.ms) == ["decode", "encode", "search", "total"]
    assert outcome.notices == (*searcher.search(long, 3).notices, ONE_PART) and len(outcome.notices) == 2


def test_words_of_only_spaces_beside_a_picture_leave_no_balance(searcher):
    blank = query(searcher, text="  ")
    assert not QueryArithmetic(balance=0.5).moves_query(blank)
    outcome = searcher.search(blank, 3, QueryArithmetic(balance=0.5))
    assert ONE_PART in outcome.notices and outcome.results == searcher.search(blank, 3).results
