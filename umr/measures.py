"""Measures of a ranking against judgements, and bootstrap intervals. Pure functions; no files.

A query that is judged but has no results counts 0: the judged queries define the mean (ir_measures does so too)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from umr.errors import ConfigError
from umr.types import Hit, Qrels, Run

Measure = Callable[[Sequence[Hit], Mapping[str, int]], float]


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
    """1 / rank of the first relevant candidate among the first k (None: as deep as the run), 0 without one. Its
    mean is MRR."""
    if k is not None:
        _check(k)

    def measure(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
        return next((1.0 / rank for rank, hit in enumerate(hits[:k], 1) if hit.candidate_id in judged), 0.0)

    return measure


def ndcg(k: int) -> Measure:
    """Discounted cumulative gain over that of the best order; gain = relevance, discount = log2(rank + 1) (Jarvelin
    2002)."""
    _check(k)

    def measure(hits: Sequence[Hit], judged: Mapping[str, int]) -> float:
        gained = sum(judged.get(hit.candidate_id, 0) / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], 1))
        best = sorted(judged.values(), reverse=True)[:k]
        return gained / sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, 1))

    return measure


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

    Raises ConfigError for a query without any relevant candidate: no ranking can be right or wrong for it."""
    empty = next((query_id for query_id, judged in qrels.items() if not judged), None)
    if empty is not None:
        raise ConfigError(
            f"query {empty} has no relevant candidate, so no ranking can be measured; drop it from the qrels"
        )
    return np.array([measure(run.get(query_id, ()), judged) for query_id, judged in qrels.items()], np.float64)


def mean(measure: Measure, qrels: Qrels, run: Run) -> float:
    """The mean over all judged queries. Raises ConfigError if there are none."""
    if not qrels:
        raise ConfigError("there is no judged query to measure; check the qrels file")
    return float(per_query(measure, qrels, run).mean())


def bootstrap_interval(values: Sequence[float] | np.ndarray, n: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean, queries resampled n times (Efron and Tibshirani 1993, section 13)."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values):
        raise ConfigError(f"a bootstrap needs a list of at least one value, got shape {values.shape}")
    picks = np.random.default_rng(seed).integers(len(values), size=(n, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def paired_interval(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, n: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of mean(b) - mean(a) over the same queries: both are resampled together."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ConfigError(f"a paired interval needs the same queries on both sides, got {a.shape} and {b.shape}")
    return bootstrap_interval(b - a, n, seed)
