"""What lists over compressed rows find of what all rows hold, for the benchmark's own queries in a large pool.

Made-up rows stand in clusters and are easy to find (umr.bench.scale); here rows and queries are an encoder's: pictures
of the benchmark and further scenes, asked for by pictures and words together. Not what an index costs.

    python -m training.pool_recall --encoder unified --vectors DIR --factory IVF,SQ8 IVF,PQ32 --nprobe 4 16 64
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.pool_size import Distractors, asked_of, opened, which, with_added
from umr.errors import ConfigError, UMRError
from umr.eval.evaluate import Judged, load
from umr.eval.measures import bootstrap_interval
from umr.index.coarse import Coarse, CoarseIndex
from umr.index.flat import FlatIndex
from umr.search import Searcher

K = 10
COLUMNS = ("task", "split", "n", "groups", "pool", "factory", "nprobe", "recall@10", "ci95_recall@10", "success@1",
           "exact_success@1")  # fmt: skip

Row = dict[str, Any]


class Asked(NamedTuple):
    """Queries of a task and split, Q of them, with what all rows hold for them.

    Attributes:
        judged: the queries, their right answers and families.
        vectors: (Q, D) float32.
        hidden: for each the rows that it must not find, such as its own picture.
        right: for each the rows of its right answers.
        exact: for each the first K rows of the exact search.
    """

    judged: Judged
    vectors: np.ndarray
    hidden: list[frozenset[int]]
    right: list[frozenset[int]]
    exact: list[list[int]]


def measure(
    searcher: Searcher, root: Path, distractors: Distractors, factories: Sequence[str], nprobes: Sequence[int] = ()
) -> list[Row]:
    """Compare every factory and nprobe with the exact search, for every (task, split) of ASKED.

    Args:
        searcher: whose encoder made the rows.
        root: the benchmark's folder.
        distractors: further pictures, vectors of this encoder.
        factories: as `umr index --factory` takes them, with lists.
        nprobes: lists that a query looks into, each measured; none: the index's own number.

    Returns:
        Rows of COLUMNS. "recall@10" is the mean share of the exact first ten that the lists lead to, with its 95 %
        bootstrap interval over families; "success@1" is that of the lists, "exact_success@1" of all rows.

    Raises:
        ConfigError: a factory has no lists, does not fit the rows, or nprobe its lists.
        MismatchError: the vectors have another length, or an added scene answers one of the queries.
    """
    pool = tuple(searcher.collection.pool("image") or ())
    flat = FlatIndex.empty(searcher.encoder.dim, on_gpu=False)
    flat.add(searcher.index.vectors(pool))
    with_added(flat, distractors.vectors)
    wanted = [_coarse(factory, flat, nprobe) for factory in factories for nprobe in nprobes or (0,)]
    place = {candidate_id: row for row, candidate_id in enumerate(pool)}
    asked = [_asked(searcher, load(root, task, split), flat, place) for task, split in asked_of(root, distractors)]
    rows: list[Row] = []
    made: dict[str, CoarseIndex] = {}
    for one in wanted:
        if str(one) not in made:
            made[str(one)] = CoarseIndex.made(one, flat)
        made[str(one)].nprobe = one.nprobe
        rows += [_row(queries, made[str(one)], one, len(flat)) for queries in asked]
    return rows


def _coarse(factory: str, flat: FlatIndex, nprobe: int) -> Coarse:
    wanted = Coarse.read(factory, len(flat), flat.dim, nprobe)
    if wanted is None:
        raise ConfigError(f"{factory} is the exact search, with which others are compared; give IVF,SQ8 or the like")
    return wanted


def _asked(searcher: Searcher, judged: Judged, flat: FlatIndex, place: dict[str, int]) -> Asked:
    made = searcher.encoder.encode_queries(judged.queries)
    vectors = np.asarray(made.vectors, np.float32)
    hidden = [frozenset(place[one] for one in searcher.excluded(query) if one in place) for query in judged.queries]
    right = [
        frozenset(place[one] for one, grade in judged.qrels[query.query_id].items() if grade > 0 and one in place)
        for query in judged.queries
    ]
    _, found = flat.search(vectors, _deep(hidden))
    return Asked(judged, vectors, hidden, right, _first(found, hidden))


def _row(asked: Asked, lists: CoarseIndex, wanted: Coarse, pool: int) -> Row:
    found = lists.search(asked.vectors, _deep(asked.hidden))
    if found is None:  # as in a search: lists that hold too few are not asked
        raise ConfigError(f"{wanted} leads to fewer than {K} rows with nprobe {wanted.nprobe}; give a larger one")
    first = _first(found[1], asked.hidden)
    recalls = [len(set(mine) & set(its)) / K for mine, its in zip(first, asked.exact, strict=True)]
    judged = asked.judged
    return {
        "task": judged.task,
        "split": judged.split,
        "n": len(judged.queries),
        "groups": len(set(judged.groups)),
        "pool": pool,
        "factory": str(wanted),
        "nprobe": wanted.nprobe,
        "recall@10": float(np.mean(recalls)),
        "ci95_recall@10": list(bootstrap_interval(recalls, groups=judged.groups)),
        "success@1": _right(first, asked.right),
        "exact_success@1": _right(asked.exact, asked.right),
    }


def _deep(hidden: list[frozenset[int]]) -> int:
    """Results to ask for, so that K are left."""
    return K + max(map(len, hidden), default=0)


def _first(found: np.ndarray, hidden: list[frozenset[int]]) -> list[list[int]]:
    return [[row for row in rows if row not in out][:K] for rows, out in zip(found.tolist(), hidden, strict=True)]


def _right(first: list[list[int]], right: list[frozenset[int]]) -> float:
    return float(np.mean([rows[0] in answers for rows, answers in zip(first, right, strict=True)]))


def parser() -> argparse.ArgumentParser:
    """The command's settings."""
    one = argparse.ArgumentParser(
        prog="python -m training.pool_recall",
        description="recall@10 of lists over compressed rows against the exact search, on the benchmark's queries",
    )
    which(one)
    one.add_argument("--factory", nargs="+", default=["IVF,SQ8"], metavar="STRING", help="default IVF,SQ8")
    one.add_argument(
        "--nprobe", nargs="+", type=int, default=[], metavar="N", help="each is measured (default: one list of 16)"
    )
    one.add_argument("--json", action="store_true", help="a JSON array")
    return one


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each row; returns the exit status. Errors that a person can act on are one line on stderr."""
    options = parser().parse_args(arguments)
    try:
        rows = measure(*opened(options), options.factory, options.nprobe)
    except UMRError as error:
        print(f"training.pool_recall: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        low, high = row["ci95_recall@10"]
        print(
            f"{row['task']:>4} {row['split']:5}  {row['pool']:,} pictures  "
            f"{row['factory']}, {row['nprobe']} lists a query  recall@10 {row['recall@10']:.4f} [{low:.4f}, {high:.4f}]"
            f"  success@1 {row['success@1']:.3f}, exact {row['exact_success@1']:.3f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
