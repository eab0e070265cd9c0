"""Measures against values computed by hand."""

import math

import numpy as np
import pytest

from umr.errors import ConfigError
from umr.eval.measures import (
    MEASURES,
    average_precision,
    bootstrap_interval,
    holm,
    mean,
    ndcg,
    paired_interval,
    paired_p,
    per_query,
    recall,
    reciprocal_rank,
    success,
    wilson_interval,
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


def test_wilson_interval_equals_the_value_computed_by_hand():
    squared = 1.959963984540054**2
    assert wilson_interval(1.0, 10) == pytest.approx((10 / (10 + squared), 1.0))
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, squared / (10 + squared)))
    assert wilson_interval(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)  # Newcombe 1998, table I's method 3


def test_all_right_and_all_wrong_have_wilsons_interval_of_the_group_count():
    groups = [0, 0, 0, 1, 1, 2]
    assert bootstrap_interval([1] * 6, groups=groups) == wilson_interval(1.0, 3)
    assert bootstrap_interval([0] * 6, groups=groups) == wilson_interval(0.0, 3)
    assert bootstrap_interval([1] * 6) == wilson_interval(1.0, 6)


def test_one_group_has_wilsons_interval_of_one_trial():
    assert bootstrap_interval([1, 0, 1, 1], groups=[7] * 4) == wilson_interval(0.75, 1)


def test_groups_of_one_query_are_the_bootstrap_over_queries():
    """The bootstrap over queries, spelt out, with the same draws."""
    values = np.random.default_rng(3).random(80)
    picks = np.random.default_rng(0).integers(80, size=(2000, 80))
    spelt_out = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    assert bootstrap_interval(values) == pytest.approx(tuple(spelt_out))
    assert bootstrap_interval(values, groups=list(range(80))) == bootstrap_interval(values)


def test_repeated_queries_within_their_groups_do_not_narrow_an_interval():
    values = (np.random.default_rng(4).random(60) < 0.7).astype(float)
    groups = np.arange(60) // 3
    once, five_times = (
        bootstrap_interval(values, groups=groups),
        bootstrap_interval(values.repeat(5), groups=groups.repeat(5)),
    )
    assert five_times == pytest.approx(once)
    over_queries = bootstrap_interval(values.repeat(5))
    assert over_queries[1] - over_queries[0] < 0.6 * (once[1] - once[0])
    a, b = values, np.roll(values, 1)
    assert paired_interval(a.repeat(5), b.repeat(5), groups=groups.repeat(5)) == pytest.approx(
        paired_interval(a, b, groups=groups)
    )
    assert paired_p(a.repeat(5), b.repeat(5), groups.repeat(5)) == pytest.approx(paired_p(a, b, groups))


def test_groups_that_answer_alike_widen_an_interval_as_their_number_says():
    """Queries that repeat their group's answer are worth one query: the interval is that of the groups alone."""
    answers = (np.random.default_rng(5).random(40) < 0.6).astype(float)
    found = bootstrap_interval(answers.repeat(10), groups=np.arange(40).repeat(10))
    assert found == pytest.approx(bootstrap_interval(answers))


def test_groups_of_other_sizes_weigh_as_many_queries_as_they_hold():
    low, high = bootstrap_interval([1.0] * 9 + [0.0], groups=[0] * 9 + [1])
    assert (low, high) == (0.0, 1.0)  # a quarter of the draws each holds one group twice
    assert paired_interval([0.0] * 10, [1.0] * 9 + [0.0], groups=[0] * 9 + [1]) == (0.0, 1.0)


def test_groups_that_are_not_one_for_each_value_are_refused():
    with pytest.raises(ConfigError, match="3 values have 2 groups"):
        bootstrap_interval([1, 0, 1], groups=[0, 1])


@pytest.mark.parametrize(
    ("differences", "groups", "expected"),
    [
        ([1, 1, 1], [0, 1, 2], 2 / 8),  # +++ and --- are as far from 0
        ([1, 1, 1], [0, 0, 1], 2 / 4),  # totals 3, 1, -1, -3
        ([1, 1, -1], [0, 1, 2], 1.0),  # 1 is the nearest that three signs can come to 0
        ([0, 0, 0], [0, 1, 2], 1.0),
        ([1, 1, 1, 1], [5, 5, 5, 5], 1.0),  # one group proves nothing
    ],
)
def test_the_p_value_counts_the_sign_patterns_of_groups(differences, groups, expected):
    assert paired_p(np.zeros(len(groups)), differences, groups) == pytest.approx(expected)


def test_the_p_value_of_many_groups_is_near_the_binomial_one_and_never_zero():
    differences = np.array([1.0] * 14 + [-1.0] * 6)
    exact = 2 * sum(math.comb(20, k) for k in range(14, 21)) / 2**20
    assert paired_p(np.zeros(20), differences) == pytest.approx(exact, abs=0.01)
    assert paired_p(np.zeros(100), np.ones(100)) == 1 / 10_001


def test_holm_on_an_example_computed_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([]) == []


def test_graded_gains_are_two_to_the_grade_less_one():
    grades = {"best": 4, "good": 2, "loose": 1}
    best = 15 + 3 / math.log2(3) + 1 / 2
    found = ndcg(10, exponential=True)
    assert found(ranked("best", "good", "loose"), grades) == pytest.approx(1)
    assert found(ranked("x", "good", "best"), grades) == pytest.approx((3 / math.log2(3) + 15 / 2) / best)
    assert found(ranked("x", "y"), grades) == 0
    assert ndcg(1, exponential=True)(ranked("good"), grades) == pytest.approx(3 / 15)


def test_both_gains_agree_where_relevance_is_yes_or_no():
    judged, hits = {"a": 1, "b": 1}, ranked("x", "a", "b")
    assert ndcg(10, exponential=True)(hits, judged) == ndcg(10)(hits, judged)
