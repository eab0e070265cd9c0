"""Strengths from votes in pairs: closed forms, symmetry, and intervals that narrow with votes."""

from __future__ import annotations

import pytest

from umr.eval.bradley_terry import PRIOR, standings


@pytest.mark.parametrize(("wins", "losses"), [(3, 1), (10, 0), (0, 4), (7, 7)])
def test_two_models_have_their_share_of_wins_with_the_prior(wins, losses):
    found = standings([("x", "y", 1.0)] * wins + [("x", "y", 0.0)] * losses)
    expected = (wins + PRIOR) / (wins + losses + 2 * PRIOR)
    assert found["x"].share == pytest.approx(expected, abs=1e-6)
    assert found["x"].share + found["y"].share == pytest.approx(1)


def test_the_side_of_a_vote_makes_no_difference():
    votes = [("x", "y", 1.0), ("y", "z", 0.5), ("z", "x", 0.0), ("x", "z", 1.0)]
    turned = [(b, a, 1 - score) for a, b, score in votes]
    found, other = standings(votes), standings(turned)
    assert list(found) == list(other)
    assert [one.share for one in found.values()] == pytest.approx([one.share for one in other.values()])


def test_a_model_that_never_met_another_is_placed_through_a_third():
    found = standings([("a", "b", 1.0)] * 9 + [("b", "a", 1.0)] * 3 + [("b", "c", 1.0)] * 9 + [("c", "b", 1.0)] * 3)
    assert list(found) == ["a", "b", "c"] and found["a"].share > found["b"].share > found["c"].share


def test_intervals_hold_the_share_and_narrow_with_votes():
    few, many = (standings([("x", "y", 1.0)] * (3 * n) + [("x", "y", 0.0)] * n) for n in (3, 300))
    for found in (few, many):
        low, high = found["x"].interval
        assert 0 < low < found["x"].share < high < 1
    assert (many["x"].interval[1] - many["x"].interval[0]) < (few["x"].interval[1] - few["x"].interval[0]) / 3
    assert many["x"].battles == 1200


def test_no_votes_no_standings_and_one_model_alone_is_even():
    assert standings([]) == {}
    assert standings([("x", "x", 0.5)])["x"].share == pytest.approx(0.0, abs=0.5)
