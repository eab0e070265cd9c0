"""One row of a report from runs alone: every column, its interval, and what is said of typed and graded queries.

Not the searching (umr.eval.evaluate) and not the measures (umr.eval.measures).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from umr.eval.judged import Grades, Judged
from umr.eval.measures import MEASURES, bootstrap_interval, ndcg, paired_interval, paired_p, per_query
from umr.eval.pools import EVERYTHING, POOLS, Pool
from umr.eval.reports import Row, key_of
from umr.eval.splits import IN_DISTRIBUTION
from umr.eval.vector_sum import UNTUNED
from umr.types import Qrels, Run

COLUMNS = ("success@1", "success@5", "success@10", "recall@10", "mrr", "ndcg@10")
#: Column of the same queries asked otherwise -> the variant whose run it is read from.
SINGLE: Mapping[str, str] = {
    "picture_only_success@1": "picture",
    "text_only_success@1": "text",
    "vector_sum_success@1": "sum",
}
#: Column of graded queries alone.
KEPT = "edit_made_facts_kept"

#: b minus a over the same queries in a comparison's row; and in a report's, the composed query minus its vector sum.
PAIRED = ("difference", "ci95", "p")
OVER_SUM = ("composed_over_sum", "ci95_composed_over_sum", "p_composed_over_sum")

_GRADED_NDCG = ndcg(10, exponential=True)


class Sampled(NamedTuple):
    """A column's value for each query that it is the mean over, (Q,), and the query's group."""

    values: np.ndarray
    groups: Sequence[int]

    @property
    def mean(self) -> float | None:
        """None where there is no query to ask."""
        return float(self.values.mean()) if len(self.values) else None

    @property
    def interval(self) -> list[float] | None:
        """The 95 % bootstrap interval of the mean over groups."""
        return list(bootstrap_interval(self.values, groups=self.groups)) if len(self.values) else None


def sampled(judged: Judged, found: Mapping[str, Run]) -> dict[str, Sampled]:
    """Every column that follows from the runs.

    Where answers are graded, success@k, recall@10, mrr and those of one part are over the queries that have an exact
    answer, and exact answers alone are relevant; ndcg@10 is over all queries, with every grade.

    Args:
        judged: the queries.
        found: the run of each variant.
    """
    exact = judged if judged.grades is None else judged.at(judged.answered)
    columns = {name: _of(name, exact, found["composed"]) for name in COLUMNS}
    columns |= {name: _of("success@1", exact, found[variant]) for name, variant in SINGLE.items() if variant in found}
    if judged.grades is not None:
        graded = {query.query_id: judged.grades.graded[query.query_id] for query in judged.queries}
        columns["ndcg@10"] = Sampled(per_query(_GRADED_NDCG, graded, found["composed"]), judged.groups)
        columns[KEPT] = _kept(judged, judged.grades, found["composed"])
    return columns


def score(judged: Judged, found: Mapping[str, Run], text_weight: float = UNTUNED) -> Row:
    """The report's row from runs alone (unimodal_wins needs vectors: None here).

    Args:
        judged: the queries.
        found: the run of each variant.
        text_weight: of the text in the vector sum's run.

    Returns:
        The row that `umr.eval.evaluate.evaluate` describes.
    """
    columns = sampled(judged, found)
    first, summed = columns["success@1"], columns.get("vector_sum_success@1")
    row: Row = {
        "task": judged.task,
        "split": judged.split,
        "pool": judged.pool,
        "n": len(judged.queries),
        "groups": len(set(judged.groups)),
    }
    row |= {name: columns[name].mean for name in COLUMNS}
    row |= {name: columns[name].mean if name in columns else None for name in SINGLE}
    row |= {"vector_sum_weight": None if summed is None else text_weight, "unimodal_wins": None}
    row["ci95_success@1"] = first.interval
    over = paired(summed, first) if summed is not None and len(first.values) else dict.fromkeys(PAIRED)
    row |= dict(zip(OVER_SUM, (over[key] for key in PAIRED), strict=True))
    if judged.grades is not None:
        row |= {"exact_share": len(judged.answered) / len(judged.queries), KEPT: columns[KEPT].mean}
        row |= {f"{KEPT}_n": len(columns[KEPT].values), f"ci95_{KEPT}": columns[KEPT].interval}
    if judged.forms is not None:
        row["forms"] = _by_form(judged.forms, first)
    return row


def paired(a: Sampled, b: Sampled) -> Row:
    """B minus a over the same queries, its paired 95 % interval and p value, by groups."""
    interval = list(paired_interval(a.values, b.values, groups=a.groups))
    return dict(
        zip(
            PAIRED, (float((b.values - a.values).mean()), interval, paired_p(a.values, b.values, a.groups)), strict=True
        )
    )


def pool_means(rows: Sequence[Mapping[str, Any]], column: str = "success@1") -> dict[Pool, tuple[float, int]]:
    """Pool -> the mean of a column over the tasks asked in distribution in it, and how many tasks these are.

    Every task counts once, whatever its number of queries. `everything` is none of them.
    """
    found = {}
    for pool in POOLS:
        asked = [row for row in rows if row["split"] == IN_DISTRIBUTION and row["task"] not in EVERYTHING]
        values = [row[column] for row in asked if key_of(row)[2] == pool and row.get(column) is not None]
        if values:
            found[pool] = (float(np.mean(values)), len(values))
    return found


def _of(measure: str, judged: Judged, run: Run) -> Sampled:
    return Sampled(per_query(MEASURES[measure], judged.qrels, run), judged.groups)


def _kept(judged: Judged, grades: Grades, run: Run) -> Sampled:
    """Whether the first result has the edit made and the main facts kept.

    Of each query that has no exact answer, but such a picture.
    """
    ids = [query.query_id for query in judged.queries]
    asked = [place for place, one in enumerate(ids) if one not in grades.exact and grades.kept[one]]
    qrels: Qrels = {ids[place]: dict.fromkeys(grades.kept[ids[place]], 1) for place in asked}
    return Sampled(per_query(MEASURES["success@1"], qrels, run), [judged.groups[place] for place in asked])


def _by_form(forms: Sequence[str], first: Sampled) -> dict[str, Row]:
    """Form -> success@1 of its queries, its interval, their number and that of their groups."""
    rows = {}
    for form in dict.fromkeys(forms):
        places = [place for place, one in enumerate(forms) if one == form]
        part = Sampled(first.values[places], [first.groups[place] for place in places])
        rows[form] = {
            "success@1": part.mean,
            "ci95_success@1": part.interval,
            "n": len(places),
            "groups": len(set(part.groups)),
        }
    return rows
