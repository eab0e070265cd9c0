"""Measures of a ranking against judgements, intervals and tests over groups of queries. Pure functions; no files.

A query that is judged but has no results counts 0: the judged queries define the mean (ir_measures does so too).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from umr.errors import ConfigError
from umr.types import Hit, Qrels, Run

Measure = Callable[[Sequence[Hit], Mapping[str, int]], float]
DEPTH = 10  # hits kept per query, as deep as the deepest measure; MRR counts a first hit below it as 0 (MRR@10)
Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def _check(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k is {k}; a measure looks at 1 result or more")


def success(k: int) -> Measure:
    """1 if any relevant candidate is among the first k, else 0. M-BEIR, CIRR and CLIP tables print this as R@k."""
    _check(k)
    return lambda hits, judged: float(any(hit.candidate_id in judged for hit in hits[:k]))


def recall(k: int) -> Measure:
    """Share of the relevant candidates that are among the first k."""
    _check(k)
    return lambda hits, judged: sum(hit.candidate_id in judged for hit in hits[:k]) / len(judged)


def reciprocal_rank(k: int | None = None) -> Measure:
    """1 / rank of the first relevant candidate among the first k, 0 without one; its mean is MRR.

    Args:
        k: None: as deep as the run.
    """
    if k is not None:
        _check(k)

    def measure(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
        return next((1.0 / rank for rank, hit in enumerate(hits[:k], 1) if hit.candidate_id in judged), 0.0)

    return measure


def first_rank(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
    """Rank of the first relevant candidate, infinity without one; its median is the MdR of text-video tables."""
    return next((float(rank) for rank, hit in enumerate(hits, 1) if hit.candidate_id in judged), math.inf)


def ndcg(k: int, exponential: bool = False) -> Measure:
    """Discounted cumulative gain over that of the best order, with the discount log2(rank + 1).

    Args:
        k: results looked at.
        exponential: the gain is 2^relevance - 1 (Burges 2005), for answers of several grades; else the relevance
            itself (Jarvelin 2002). They are the same where relevance is 0 or 1.
    """
    _check(k)

    def gain(relevance: int) -> int:
        return 2**relevance - 1 if exponential else relevance

    def measure(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
        found = (gain(judged.get(hit.candidate_id, 0)) for hit in hits[:k])
        best = (gain(relevance) for relevance in sorted(judged.values(), reverse=True)[:k])
        return _discounted(found) / _discounted(best)

    return measure


def _discounted(gains: Iterable[int]) -> float:
    return sum(gained / math.log2(rank + 1) for rank, gained in enumerate(gains, 1))


def average_precision(k: int) -> Measure:
    """Mean over the min(k, relevant) reachable places of the precision at each relevant hit (CIRCO's mAP@k)."""
    _check(k)

    def measure(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
        found, total = 0, 0.0
        for rank, hit in enumerate(hits[:k], 1):
            if hit.candidate_id in judged:
                found += 1
                total += found / rank
        return total / min(k, len(judged))

    return measure


#: The names that the command line prints.
MEASURES: Mapping[str, Measure] = {
    "success@1": success(1),
    "success@5": success(5),
    "success@10": success(10),
    "recall@10": recall(10),
    "mrr": reciprocal_rank(),
    "ndcg@10": ndcg(10),
    "map@10": average_precision(10),
}


def per_query(measure: Measure, qrels: Qrels, run: Run) -> np.ndarray:
    """The measure of every judged query, in the order of qrels, (Q,) float64; 0 for a query without results.

    Raises:
        ConfigError: a query has no relevant candidate: no ranking can be right or wrong for it.
    """
    empty = next((query_id for query_id, judged in qrels.items() if not judged), None)
    if empty is not None:
        raise ConfigError(
            f"query {empty} has no relevant candidate, so no ranking can be measured; drop it from the qrels"
        )
    return np.array([measure(run.get(query_id, ()), judged) for query_id, judged in qrels.items()], np.float64)


def mean(measure: Measure, qrels: Qrels, run: Run) -> float:
    """The mean over all judged queries.

    Raises:
        ConfigError: there are none.
    """
    if not qrels:
        raise ConfigError("there is no judged query to measure; check the qrels file")
    return float(per_query(measure, qrels, run).mean())


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, n: int = 2000, seed: int = 0, groups: Sequence[int] | None = None
) -> tuple[float, float]:
    """95 % interval of the mean of shares by a bootstrap over independent groups of queries.

    Whole groups are drawn with replacement, as many as there are, and the mean over their queries is taken; the ends
    are percentiles (Efron and Tibshirani 1993, section 13; for groups Field and Welsh 2007). Queries that share
    pictures, clips or scenes repeat each other: drawn one by one, they pretend to more evidence than there is. With ten
    groups the percentiles are still about a fifth too narrow, which is why the number of groups stands beside every
    interval.

    Where all groups have the same mean (all right, all wrong, or a single group), drawing says nothing; then it is
    Wilson's interval with the groups as the count.

    Args:
        values: (Q,) a share from 0 to 1 for each query.
        n: draws.
        seed: of the draws; equal seeds give equal intervals.
        groups: (Q,) group of each query; None: every query is its own.

    Returns:
        Low and high end.

    Raises:
        ConfigError: there is no value, or the groups are not one for each.
    """
    sums_G, counts_G = _by_group(values, groups)
    means_G = sums_G / counts_G
    if means_G.max() == means_G.min():
        return wilson_interval(float(sums_G.sum() / counts_G.sum()), len(sums_G))
    return _percentiles(sums_G, counts_G, n, seed)


def paired_interval(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    n: int = 2000,
    seed: int = 0,
    groups: Sequence[int] | None = None,
) -> tuple[float, float]:
    """95 % interval of mean(b) - mean(a) over the same queries: both are resampled together, by groups.

    As `bootstrap_interval`, but without Wilson: where every group differs by the same, that is both ends.
    """
    return _percentiles(*_by_group(_differences(a, b), groups), n, seed)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share of `count` independent trials (Wilson 1927); never of width 0."""
    spread = Z95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_p(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    groups: Sequence[int] | None = None,
    n: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p value of mean(b) - mean(a) by exchanging a and b in whole groups (sign-flip permutation).

    Where a and b are alike, exchanging them in a group changes nothing but the sign of its difference. p is the share
    of sign patterns whose total is at least as far from 0 as the one seen: of all 2^G patterns where they are at most
    n, else of n random ones and the one seen (Phipson and Smyth 2010), so that it is never 0. G groups cannot give less
    than 2^(1 - G).

    Args:
        a: (Q,) values of one system.
        b: (Q,) of the other, for the same queries.
        groups: (Q,) group of each query; None: every query is its own.
        n: random patterns.
        seed: of the patterns.

    Returns:
        p, above 0 and at most 1.

    Raises:
        ConfigError: the lists are empty or not of one length.
    """
    sums_G, _ = _by_group(_differences(a, b), groups)
    seen = abs(sums_G.sum()) - 1e-9  # sums of the same numbers in another order may differ in their last bits
    sums_G = sums_G[sums_G != 0]  # their sign does not matter
    if 2 ** len(sums_G) <= n:
        bits_NG = np.arange(2 ** len(sums_G))[:, None] >> np.arange(len(sums_G)) & 1
        return float((np.abs((1 - 2 * bits_NG) @ sums_G) >= seen).mean())
    bits_NG = np.random.default_rng(seed).integers(2, size=(n, len(sums_G)), dtype=np.int8)
    totals_N = sums_G.sum() - 2 * (bits_NG @ sums_G)
    return float((1 + (np.abs(totals_N) >= seen).sum()) / (1 + n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values (Holm 1979): rejecting those below alpha keeps the chance of any false one at alpha or less.

    The i-th smallest of m is multiplied by m - i + 1; none becomes smaller than one before it, none larger than 1.
    """
    adjusted, reached = [0.0] * len(p_values), 0.0
    for place, row in enumerate(sorted(range(len(p_values)), key=lambda row: p_values[row])):
        reached = max(reached, min(1.0, (len(p_values) - place) * p_values[row]))
        adjusted[row] = reached
    return adjusted


def _by_group(values: Sequence[float] | np.ndarray, groups: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
    """(G,) sum and (G,) number of the values of each group, float64."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values):
        raise ConfigError(f"a bootstrap needs a list of at least one value, got shape {values.shape}")
    if groups is None:
        return values, np.ones_like(values)
    if len(groups) != len(values):
        raise ConfigError(f"{len(values)} values have {len(groups)} groups; each value needs one")
    number_Q = np.unique(np.asarray(groups), return_inverse=True)[1]
    return np.bincount(number_Q, values), np.bincount(number_Q).astype(np.float64)


def _differences(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> np.ndarray:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ConfigError(f"a paired interval needs the same queries on both sides, got {a.shape} and {b.shape}")
    return b - a


def _percentiles(sums_G: np.ndarray, counts_G: np.ndarray, n: int, seed: int) -> tuple[float, float]:
    """2.5 and 97.5 % percentile of sum / number over n draws of groups."""
    picks_NG = np.random.default_rng(seed).integers(len(sums_G), size=(n, len(sums_G)))
    low, high = np.percentile(sums_G[picks_NG].sum(axis=1) / counts_G[picks_NG].sum(axis=1), (2.5, 97.5))
    return float(low), float(high)
