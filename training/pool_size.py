"""How success falls as the pool grows: the benchmark's queries among further pictures that answer none of them.

Not the making of those pictures' vectors (training.catalogue.distractors), not the measures (umr.eval).

    python -m training.pool_size --encoder unified --vectors DIR --json pool_size.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.catalogue.distractors import Distractors, load_distractors
from training.catalogue.unasked import check_unasked
from umr.disk import atomic_write
from umr.errors import ConfigError, MismatchError, UMRError
from umr.eval.evaluate import Judged, all_tasks_and_splits, load, retrieve
from umr.eval.measures import DEPTH, MEASURES, bootstrap_interval, per_query
from umr.index.flat import FlatIndex, Rows
from umr.search import Searcher
from umr.shipped import index_folder
from umr.types import Embeddings, Hit, Run

#: What is measured, where the benchmark has it: searches of pictures whose right answers the added scenes are not.
ASKED = (("t2i", "ind"), ("t2i", "typed"), ("it2i", "ind"))
COLUMNS = ("success@1", "success@5")
FIRST = 5000  # the first step of the curve; each further one is twice the one before

Row = dict[str, Any]


def steps(count: int) -> list[int]:
    """So many pictures are added, one step after the other: none, FIRST, its doubles below `count`, all."""
    added, step = [0], FIRST
    while step < count:
        added.append(step)
        step *= 2
    return [*added, count]


def curve(searcher: Searcher, root: Path, distractors: Distractors) -> list[Row]:
    """Measure every (task, split) of ASKED that the benchmark has, at every step.

    Args:
        searcher: what is measured; without added pictures it finds what `umr evaluate` finds.
        root: the benchmark's folder.
        distractors: vectors of the searcher's encoder, and what they show.

    Returns:
        A row for each (task, split) and number of added pictures: "added", "pool" (pictures searched), and for each of
        COLUMNS its mean and "ci95_" interval over families of queries.

    Raises:
        ConfigError: the benchmark has none of ASKED, or does not say what its queries ask for.
        MismatchError: an added scene answers one of the queries, or the vectors have another length.
    """
    wanted = asked_of(root, distractors)
    added = with_added(FlatIndex.empty(searcher.encoder.dim), distractors.vectors)
    rows: list[Row] = []
    for task, split in wanted:
        rows += _curve_of(searcher, load(root, task, split), added)
    return rows


def asked_of(root: Path, distractors: Distractors) -> list[tuple[str, str]]:
    """What of ASKED a benchmark has.

    Raises:
        ConfigError: nothing, or it does not say what its queries ask for.
        MismatchError: an added scene answers one of the queries.
    """
    wanted = [asked for asked in ASKED if asked in all_tasks_and_splits(root)]
    if not wanted:
        raise ConfigError(f"{root} has no queries of {' or '.join(f'{task} {split}' for task, split in ASKED)}")
    check_unasked(root, wanted, distractors.scenes)
    return wanted


def opened(options: argparse.Namespace) -> tuple[Searcher, Path, Distractors]:
    """The searcher, its benchmark's folder and the added pictures that a command names (`which`).

    Raises:
        UMRError: one cannot be opened, or they do not belong together.
    """
    searcher = Searcher.open(options.index or index_folder(options.encoder))
    distractors = load_distractors(options.vectors, searcher.encoder)
    root = searcher.collection.folder
    if root is None:
        raise ConfigError("this index is of a collection in memory, which has no queries")
    return searcher, root, distractors


def which(one: argparse.ArgumentParser) -> None:
    """Give a command the options that `opened` reads."""
    index = one.add_mutually_exclusive_group(required=True)
    index.add_argument("--encoder", metavar="NAME", help="a shipped encoder, over its bundled index")
    index.add_argument("--index", type=Path, metavar="DIR", help="an index of a benchmark of training.catalogue")
    one.add_argument(
        "--vectors", type=Path, required=True, metavar="DIR", help="what `training.catalogue distractors` wrote"
    )


def with_added(index: FlatIndex, vectors: np.ndarray) -> FlatIndex:
    """The index, with the added vectors behind its rows.

    Raises:
        MismatchError: they have another length.
    """
    if vectors.ndim != 2 or vectors.shape[1] != index.dim:
        raise MismatchError(f"the added vectors are {vectors.shape}; this encoder's have {index.dim} numbers each")
    index.add(vectors)
    return index


def _curve_of(searcher: Searcher, judged: Judged, added: FlatIndex) -> list[Row]:
    """The rows of one (task, split)."""
    queries = searcher.encoder.encode_queries(judged.queries)
    excluded = {query.query_id: searcher.excluded(query) for query in judged.queries}
    found = retrieve(searcher, queries, judged, excluded)
    pool = judged.candidates or searcher.collection.pool(judged.queries[0].target_modality)
    size = len(searcher.collection if pool is None else pool)
    rows: list[Row] = []
    for count in steps(len(added)):
        run = _merged(found, _nearest(added, queries, count))
        row: Row = {
            "task": judged.task,
            "split": judged.split,
            "n": len(judged.queries),
            "groups": len(set(judged.groups)),
            "added": count,
            "pool": size + count,
        }
        for name in COLUMNS:
            values = per_query(MEASURES[name], judged.qrels, run)
            interval = list(bootstrap_interval(values, groups=judged.groups))
            row |= {name: float(values.mean()), f"ci95_{name}": interval}
        rows.append(row)
    return rows


def _nearest(added: FlatIndex, queries: Embeddings, count: int) -> dict[str, list[tuple[str, float]]]:
    """Of the first `count` added pictures the nearest DEPTH to each query, as (id, score)."""
    if not count:
        return {}
    within = Rows(np.arange(count), len(added))
    scores_QK, rows_QK = added.search(np.asarray(queries.vectors, np.float32), min(DEPTH, count), within)
    return {
        query_id: [(f"added:{row:06}", score) for score, row in zip(scores, rows, strict=True)]
        for query_id, scores, rows in zip(queries.ids, scores_QK.tolist(), rows_QK.tolist(), strict=True)
    }


def _merged(found: Run, nearest: Mapping[str, list[tuple[str, float]]]) -> Run:
    """The first DEPTH of both, best first; ties in the order of the ids, as in every search."""
    run: Run = {}
    for query_id, hits in found.items():
        both = [(hit.candidate_id, hit.score) for hit in hits] + nearest.get(query_id, [])
        both.sort(key=lambda pair: (-pair[1], pair[0]))
        run[query_id] = [Hit(one, score, rank) for rank, (one, score) in enumerate(both[:DEPTH], 1)]
    return run


def parser() -> argparse.ArgumentParser:
    """The command's settings."""
    one = argparse.ArgumentParser(
        prog="python -m training.pool_size",
        description="success@1 and @5 of the benchmark's picture searches as pictures that answer none are added",
        epilog="Intervals are 95 % bootstrap intervals over families of queries, as those of `umr evaluate`.",
    )
    which(one)
    one.add_argument("--json", type=Path, metavar="FILE", help="also write the curve to FILE")
    return one


def main(arguments: list[str] | None = None) -> int:
    """Prints the curve; returns the exit status. Errors that a person can act on are one line on stderr."""
    options = parser().parse_args(arguments)
    try:
        searcher, root, distractors = opened(options)
        rows = curve(searcher, root, distractors)
        if options.json:
            _write(options.json, searcher, rows)
    except UMRError as error:
        print(f"training.pool_size: {error}", file=sys.stderr)
        return 2
    for row in rows:
        if row["added"] == 0:
            print(f"{row['task']} {row['split']}: {row['n']:,} queries of {row['groups']:,} families")
        shares = (
            f"{name} {row[name]:.3f} [{row[f'ci95_{name}'][0]:.3f}, {row[f'ci95_{name}'][1]:.3f}]" for name in COLUMNS
        )
        print(f"  {row['pool']:7,} pictures  " + "  ".join(shares))
    return 0


def _write(path: Path, searcher: Searcher, rows: list[Row]) -> None:
    """The curve as JSON, with whose it is."""
    encoder = searcher.encoder
    made = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "collection": searcher.collection.fingerprint,
        "rows": rows,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
