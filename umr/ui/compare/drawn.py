"""Benchmark queries to compare on: any, or those that some models get right and others do not. From stored runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from umr.errors import ConfigError
from umr.eval import evaluate
from umr.eval.diagnosis import right_first
from umr.eval.judged import load
from umr.eval.reports import RERANKED, beside, find_run
from umr.formats import read_run
from umr.ui.compare.columns import RERANK, split, title
from umr.ui.queries import judged_queries, task_order
from umr.ui.searchers import Searchers

ANY, ALL, NONE, ONLY = "", "all", "none", "only:"
COMPOSED = "it2"  # how a task begins whose queries have picture and text
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which benchmark queries are drawn.

    Attributes:
        task: ANY, or one of the benchmark's.
        split: ANY, or one of the benchmark's.
        winner: ANY; ALL or NONE of the columns has a right result first; or ONLY + a column.
        differ: some column has a right result first, and some has not.
    """

    task: Any = ANY
    split: Any = ANY
    winner: Any = ANY
    differ: bool = False

    @property
    def needs_runs(self) -> bool:
        """Whether stored runs decide."""
        return self.differ or self.winner != ANY


def pairs(benchmark: Path, wanted: Filter | None = None) -> list[Pair]:
    """(task, split) of the benchmark, in the order of the Benchmarks tab's tasks.

    Args:
        benchmark: its folder.
        wanted: which; None: all. Where it names no task, composed ones alone if there are such.
    """
    every = sorted(evaluate.all_tasks_and_splits(benchmark), key=lambda pair: (task_order(pair[0]), pair[1]))
    if wanted is None:
        return every
    found = [pair for pair in every if wanted.task in (ANY, pair[0]) and wanted.split in (ANY, pair[1])]
    return found if wanted.task != ANY else [pair for pair in found if pair[0].startswith(COMPOSED)] or found


def draw(searchers: Searchers, benchmark: Path, columns: Sequence[str], wanted: Filter, chance: random.Random) -> str:
    """A benchmark query as "task split query-id".

    Raises:
        ConfigError: none is like that.
    """
    found = pairs(benchmark, wanted)
    chance.shuffle(found)
    for task, split_name in found:
        ids = (
            _like(searchers, benchmark, columns, (task, split_name), wanted)
            if wanted.needs_runs
            else judged_queries(benchmark, task, split_name)[0]
        )
        if ids:
            return f"{task} {split_name} {chance.choice(sorted(ids))}"
    raise ConfigError(_none(columns, wanted, bool(found)))


def _like(
    searchers: Searchers, benchmark: Path, columns: Sequence[str], pair: Pair, wanted: Filter
) -> frozenset[str] | list[str]:
    """The queries of one (task, split) that the filter lets through; none where a column has no stored run of it."""
    asked, right = _asked(benchmark, *pair), {}
    for column in columns:
        wins = _right(_folder(searchers, column), benchmark, *pair, _variant(column))
        if wins is None:
            return []
        right[column] = wins
    return [one for one in asked if _passes({column: one in wins for column, wins in right.items()}, wanted)]


def _passes(right: dict[str, bool], wanted: Filter) -> bool:
    values = list(right.values())
    if wanted.differ and len(set(values)) < 2:
        return False
    if wanted.winner in (ALL, NONE):
        return all(value is (wanted.winner == ALL) for value in values)
    if wanted.winner == ANY:
        return True
    winner = str(wanted.winner).removeprefix(ONLY)
    return right.get(winner, False) and sum(values) == 1


def _folder(searchers: Searchers, column: str) -> Path:
    name, part = split(column)
    own = beside(searchers.folders[name])
    return own / RERANKED if part == RERANK else own


def _variant(column: str) -> str:
    part = split(column)[1]
    return "composed" if part in ("", RERANK) else part


@lru_cache(maxsize=128)
def _asked(benchmark: Path, task: str, split_name: str) -> tuple[str, ...]:
    """Ids of the queries that have an exact answer."""
    judged = load(benchmark, task, split_name)
    return tuple(query.query_id for query in judged.at(judged.answered).queries)


def _right(folder: Path, benchmark: Path, task: str, split_name: str, variant: str) -> frozenset[str] | None:
    """The queries whose first result is right in a stored run; None where there is none."""
    path = find_run(folder, task, split_name, variant)
    if not path.is_file():
        return None
    return _right_of(path, path.stat().st_mtime_ns, benchmark, task, split_name)


@lru_cache(maxsize=256)
def _right_of(path: Path, _written: int, benchmark: Path, task: str, split_name: str) -> frozenset[str]:
    return right_first(load(benchmark, task, split_name).qrels, read_run(path))


def _none(columns: Sequence[str], wanted: Filter, known: bool) -> str:
    if not known:
        return "There are no benchmark queries of this task and split."
    winner = str(wanted.winner).removeprefix(ONLY)
    if str(wanted.winner).startswith(ONLY) and winner not in columns:
        return f"{title(winner)} is none of the columns. Tick it, or ask for any winner."
    return (
        "No stored query is like that for these columns. Ask for another task, split or winner, or store what is "
        "missing: python -m umr evaluate --encoder NAME --store (of a re-ranked column: --rerank --store)"
    )
