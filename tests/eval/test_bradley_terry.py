"""Strengths from votes in pairs: closed forms, symmetry, and intervals that narrow with votes."""

from __future__ import annotations

import numpy as np
import pytest

from umr.eval.bradley_terry import ENDS, PRIOR, standings


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


def test_after_one_vote_the_interval_is_wide_and_holds_an_even_chance():
    low, high = standings([("x", "y", 1.0)])["x"].interval
    assert low < 0.5 < 0.75 < high and high - low > 0.5
    low, high = standings([("x", "y", 1.0)])["y"].interval
    assert low < 0.25 < 0.5 < high


def test_after_two_hundred_votes_that_agree_it_is_narrow_and_near_one():
    low, high = standings([("x", "y", 1.0)] * 200)["x"].interval
    assert 0.9 < low < high < 1 and high - low < 0.05


@pytest.mark.parametrize(("wins", "losses"), [(3, 1), (10, 2), (1, 0), (40, 60)])
def test_of_two_models_without_draws_it_is_the_beta_distributions(wins, losses):
    """Of Jeffreys' prior: drawn here from its definition, with other random numbers than the module's."""
    drawn = np.random.default_rng(7).beta(wins + PRIOR, losses + PRIOR, size=200_000)
    found = standings([("x", "y", 1.0)] * wins + [("x", "y", 0.0)] * losses, draws=20_000)
    assert found["x"].interval == pytest.approx(np.percentile(drawn, ENDS), abs=0.012)


def test_equal_votes_give_symmetric_intervals():
    for votes in ([("x", "y", 1.0), ("x", "y", 0.0)] * 6, [("x", "y", 0.5)] * 12):
        low, high = standings(votes, draws=20_000)["x"].interval
        assert low < 0.5 < high and low + high == pytest.approx(1, abs=0.02)


def test_intervals_are_the_same_each_time_and_their_seed_is_of_little_account():
    votes = [("x", "y", 1.0)] * 9 + [("y", "z", 0.5)] * 3 + [("z", "x", 0.0)] * 4
    assert standings(votes) == standings(votes)
    other = standings(votes, seed=1)
    assert other != standings(votes)
    for name, one in standings(votes).items():
        assert other[name].interval == pytest.approx(one.interval, abs=0.05)


def test_no_votes_no_standings_and_one_model_alone_is_even():
    assert standings([]) == {}
    assert standings([("x", "x", 0.5)])["x"].share == pytest.approx(0.0, abs=0.5)
