"""Measures against values computed by hand."""

import math

import numpy as np
import pytest

from umr.errors import ConfigError
from umr.measures import (
    MEASURES,
    average_precision,
    bootstrap_interval,
    mean,
    ndcg,
    paired_interval,
    per_query,
    recall,
    reciprocal_rank,
    success,
)
from umr.types import Hit


def ranked(*ids: str) -> list[Hit]:
    return [Hit(found, 1 - rank / 10, rank) for rank, found in enumerate(ids, 1)]


QRELS = {"q1": {"a": 1, "b": 1}, "q2": {"c": 2, "a": 1}, "q3": {"d": 1}}
RUN = {"q1": ranked("x", "a", "y", "b"), "q2": ranked("a", "c"), "unjudged": ranked("a")}  # q3 has no results


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (success(1), [0, 1, 0]),
        (success(2), [1, 1, 0]),
        (recall(2), [0.5, 1, 0]),
        (recall(4), [1, 1, 0]),
        (reciprocal_rank(), [0.5, 1, 0]),
        (reciprocal_rank(1), [0, 1, 0]),
        (average_precision(4), [(1 / 2 + 2 / 4) / 2, 1, 0]),
        (average_precision(2), [(1 / 2) / 2, 1, 0]),
        (
            ndcg(4),
            [
                (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3)),
                (1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)),
                0,
            ],
        ),
    ],
)
def test_measure_equals_the_value_computed_by_hand(measure, expected):
    assert per_query(measure, QRELS, RUN) == pytest.approx(expected)


def test_a_judged_query_without_results_counts_zero():
    assert mean(success(4), QRELS, RUN) == pytest.approx(2 / 3)
    assert mean(success(4), QRELS, {}) == 0


def test_results_of_unjudged_queries_do_not_count():
    assert mean(success(1), {"q2": {"a": 1}}, RUN) == 1


def test_a_query_without_relevant_candidates_is_refused():
    with pytest.raises(ConfigError, match="q1 has no relevant"):
        mean(recall(1), {"q1": {}}, RUN)


def test_no_judged_query_is_refused():
    with pytest.raises(ConfigError, match="no judged query"):
        mean(success(1), {}, RUN)


@pytest.mark.parametrize("make", [success, recall, reciprocal_rank, ndcg, average_precision])
def test_k_below_one_is_refused(make):
    with pytest.raises(ConfigError, match="k is 0"):
        make(0)


@pytest.mark.parametrize("name", MEASURES)
def test_a_perfect_ranking_scores_one_and_an_empty_one_zero(name):
    judged = {"q": {"a": 1, "b": 1}}
    assert mean(MEASURES[name], judged, {"q": ranked("b", "a")}) == 1
    assert mean(MEASURES[name], judged, {"q": ranked("x", "y")}) == 0


def test_bootstrap_interval_holds_the_mean_and_has_the_width_of_the_normal_one():
    values = np.array([1] * 300 + [0] * 100)
    low, high = bootstrap_interval(values)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)
    assert bootstrap_interval(values) == (low, high)


def test_paired_interval_of_equal_gains_is_their_value():
    a = np.random.default_rng(0).random(50)
    assert paired_interval(a, a + 0.125) == pytest.approx((0.125, 0.125))


def test_paired_interval_is_narrower_than_that_of_independent_lists():
    rng = np.random.default_rng(1)
    a = rng.random(200)
    b = a + 0.1 + 0.01 * rng.random(200)
    low, high = paired_interval(a, b)
    assert 0.1 < low < high < 0.11


@pytest.mark.parametrize("values", [[], [[1.0]]])
def test_bootstrap_of_no_list_is_refused(values):
    with pytest.raises(ConfigError, match="at least one value"):
        bootstrap_interval(values)


def test_paired_interval_refuses_unequal_lists():
    with pytest.raises(ConfigError, match="same queries"):
        paired_interval([1.0], [1.0, 0.0])
