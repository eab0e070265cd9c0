"""Measures an encoder on a benchmark that a reader gave: index, search, one row for each part. Not the reading.

The index and the search are those of everything else (umr.index); the measures are umr.eval.measures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.eval.benchmarks.benchmark import Benchmark, Part, View
from umr.eval.measures import first_rank, per_query
from umr.formats import write_qrels, write_run
from umr.index.index import Index, build_index
from umr.index.manifest import IndexManifest
from umr.index.versions import made_with
from umr.shipped import MANIFEST
from umr.types import Embeddings, Encoder, Hit, Query, Run

BATCH = 256  # queries encoded and searched at a time
SLOW_BATCH = 8  # of those whose hits are re-ranked, which takes seconds for each
MEDIAN = "MdR"
Row = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reordered:
    """In which other order the first hits of each query come.

    Attributes:
        order: hits and their queries to the same hits in their new order.
        depth: hits of a query that it looks at.
        by: what a report says of it.
    """

    order: Callable[[Run, Sequence[Query]], Run]
    depth: int
    by: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What measuring gave.

    Attributes:
        rows: {"benchmark", "split", "part", "n"} and the columns of the part, shares from 0 to 1; last "rerank", true,
            where the hits came in another order.
        runs: by the label of their part, to the depth that is kept.
        collection: fingerprint of the candidates.
        reordered_by: what a report says of what put the hits in another order; None: they stayed as they were found.
    """

    rows: list[Row]
    runs: dict[str, Run]
    collection: str
    reordered_by: Mapping[str, object] | None = None


def open_index(
    encoder: Encoder,
    benchmark: Benchmark,
    work: Path,
    encoder_at: str = "../encoder",
    precision: str = "float32",
    progress: Progress | None = None,
) -> Index:
    """The index of a benchmark's candidates in work/index: as it is there, or built; interrupted, it goes on.

    Args:
        encoder: what makes the vectors.
        benchmark: whose candidates.
        work: a folder to write to.
        encoder_at: where the encoder can be loaded from again.
        precision: what the encoder computes in.
        progress: called with (done, total) candidates.

    Raises:
        ConfigError: there is no candidate, or another build has the folder.
        MediaError: a candidate, which is named, cannot be read.
        DiskFullError: the disk is full; the next call goes on.
    """
    folder = work / "index"
    collection = benchmark.collection
    if collection.folder is None:
        collection = collection.save(work / "collection")
    if (folder / MANIFEST).is_file():
        manifest = IndexManifest.read(folder)
        built = (manifest.encoder, manifest.collection, manifest.precision)
        if built == (encoder.fingerprint, collection.fingerprint, precision):
            return Index.open(folder, encoder, collection)
    build_index(encoder, collection, folder, encoder_at=encoder_at, precision=precision, progress=progress)
    return Index.open(folder, encoder, collection)


def measure(
    encoder: Encoder,
    benchmark: Benchmark,
    index: Index,
    progress: Progress | None = None,
    reordered: Reordered | None = None,
) -> Outcome:
    """Encode and search every part's queries.

    Args:
        encoder: what made the index.
        benchmark: what is asked.
        index: of its candidates.
        progress: called with (done, total) queries.
        reordered: in which other order the hits are measured; None: as they were found.

    Returns:
        A row for each row of its table, means last, and the runs.
    """
    total, done = sum(len(part.queries) for part in benchmark.parts), 0
    size = BATCH if reordered is None else SLOW_BATCH
    rows: dict[str, Row] = {}
    measured: dict[str, dict[str, list[float]]] = {}
    runs: dict[str, Run] = {}
    for part in benchmark.parts:
        views = _views(part)
        values: list[dict[str, list[np.ndarray]]] = [{} for _ in views]
        run = runs.setdefault(part.label, {})
        for start in range(0, len(part.queries), size):
            queries = part.queries[start : start + size]
            found = _searched(index, encoder.encode_queries(queries), part, queries, reordered)
            for view, collected in zip(views, values, strict=True):
                for column, values_Q in _values(view, found).items():
                    collected.setdefault(column, []).append(values_Q)
            run |= {query_id: hits[: part.kept] for query_id, hits in found.items()}
            done += len(queries)
            if progress is not None:
                progress(done, total)
        for view, collected in zip(views, values, strict=True):
            n = len(part.queries) if view.row == part.row else len(view.qrels)
            named = {"benchmark": benchmark.name, "split": benchmark.split, "part": view.row, "n": n}
            rows.setdefault(view.row, named)
            columns = measured.setdefault(view.row, {})
            for column, batches in collected.items():
                values_Q = np.concatenate(batches)
                middle = np.median(values_Q) if column == MEDIAN else values_Q.mean()
                columns.setdefault(column, []).append(float(middle))
    for name, columns in measured.items():
        rows[name] |= {column: float(np.mean(values)) for column, values in columns.items()}
    made = [row for row in rows.values() if len(row) > 4]  # without judgements there is nothing to print
    made += _means(benchmark, rows)
    by = None if reordered is None else reordered.by
    if reordered is not None:
        made = [row | {"rerank": True} for row in made]
    return Outcome(rows=made, runs=runs, collection=index.manifest.collection, reordered_by=by)


def _views(part: Part) -> list[View]:
    """A part's own judgements, and what else its hits are measured by."""
    measures = {**part.measures, MEDIAN: first_rank} if part.ranks else part.measures
    return [View(row=part.row, qrels=part.qrels, measures=measures), *part.views]


def _values(view: View, found: Run) -> dict[str, np.ndarray]:
    """Column -> its value for each query of a batch that is judged."""
    qrels = {query_id: view.qrels[query_id] for query_id in found if query_id in view.qrels}
    return {column: per_query(one, qrels, found) for column, one in view.measures.items()} if qrels else {}


def _searched(
    index: Index, embeddings: Embeddings, part: Part, queries: Sequence[Query], reordered: Reordered | None
) -> Run:
    """The hits of some queries of a part, in the order in which they are measured."""
    exclude = {query.query_id: query.exclude for query in queries}
    if part.galleries is None:
        deepest = 0 if reordered is None else reordered.depth
        whole = part.depth is None or part.groups is not None
        depth = len(index) if whole else max(part.depth or 0, part.kept, deepest)
        run = index.search(embeddings, depth, part.pool, exclude)
    else:
        run = _in_galleries(index, embeddings, part.galleries, exclude)
    if reordered is not None:
        run = reordered.order(run, queries)
    if part.galleries is not None:
        return {query_id: _repeated(hits, part.galleries[query_id]) for query_id, hits in run.items()}
    return run if part.groups is None else _grouped(run, part.groups)


def _in_galleries(
    index: Index,
    embeddings: Embeddings,
    galleries: Mapping[str, tuple[str, ...]],
    exclude: Mapping[str, Sequence[str]],
) -> Run:
    """Each query among its own candidates, once each."""
    run: Run = {}
    for place, query_id in enumerate(embeddings.ids):
        gallery = galleries[query_id]
        alone = Embeddings(ids=(query_id,), vectors=embeddings.vectors[place : place + 1], encoder=embeddings.encoder)
        run |= index.search(alone, len(gallery), frozenset(gallery), exclude)
    return run


def _grouped(run: Run, groups: Mapping[str, str]) -> Run:
    """The ranking of groups: each stands where its best candidate does."""
    found = {}
    for query_id, hits in run.items():
        best: dict[str, float] = {}
        for hit in hits:
            best.setdefault(groups[hit.candidate_id], hit.score)
        found[query_id] = [Hit(group, score, rank) for rank, (group, score) in enumerate(best.items(), 1)]
    return found


def _repeated(hits: list[Hit], gallery: Sequence[str]) -> list[Hit]:
    """The hits with what stands in the gallery several times as often, the later ones as ID#2, ID#3."""
    times = Counter(gallery)
    if len(times) == len(gallery):
        return hits
    again = [
        (hit.candidate_id if time == 1 else f"{hit.candidate_id}#{time}", hit.score)
        for hit in hits
        for time in range(1, times[hit.candidate_id] + 1)
    ]
    return [Hit(one, score, rank) for rank, (one, score) in enumerate(again, 1)]


def _means(benchmark: Benchmark, rows: Mapping[str, Row]) -> list[Row]:
    """The plain mean of rows over the columns that all of them have; every row counts once, whatever its queries."""
    made = []
    for name, parts in benchmark.means.items():
        over = [rows[part] for part in parts]
        if len(over) < 2:
            continue
        shared = [one for one in over[0] if isinstance(over[0][one], float) and all(one in row for row in over)]
        named = {"benchmark": benchmark.name, "split": benchmark.split, "part": name}
        named |= {"n": sum(row["n"] for row in over)}
        made.append(named | {column: float(np.mean([row[column] for row in over])) for column in shared})
    return made


def write_outcome(folder: Path, encoder: Encoder, benchmark: Benchmark, outcome: Outcome, command: str) -> list[Path]:
    """Write runs, judgements in TREC's four fields, the rows and what the benchmark's server takes.

    Args:
        folder: where to.
        encoder: whose runs they are.
        benchmark: what was asked.
        outcome: of `measure`.
        command: what makes them again.

    Returns:
        The files.
    """
    written = []
    for part in benchmark.parts:
        stem = f"{benchmark.name}.{part.label}"
        run = {query.query_id: outcome.runs[part.label][query.query_id] for query in part.queries}
        written.append(folder / f"{stem}.run")
        write_run(written[-1], run, encoder.name)
        if part.qrels:
            written.append(folder / f"{stem}.qrels")
            write_qrels(written[-1], part.qrels)
    made = {} if benchmark.submissions is None else benchmark.submissions(outcome.runs)
    report = {
        "encoder": encoder.fingerprint,
        "encoder_name": encoder.name,
        "benchmark": benchmark.name,
        "split": benchmark.split,
        "collection": outcome.collection,
        **made_with(),
        "command": command,
        **({} if outcome.reordered_by is None else {"reranked": dict(outcome.reordered_by)}),
        "notices": list(benchmark.notices),
        "rows": outcome.rows,
    }
    files: dict[str, Any] = {**made, f"{benchmark.name}.{benchmark.split}.json": report}
    for name, value in files.items():
        written.append(folder / name)
        with atomic_write(written[-1]) as file:
            file.write(json.dumps(value, indent=1 if name.endswith(f"{benchmark.split}.json") else None) + "\n")
    return written


def check_measured(benchmark: Benchmark, kept: bool) -> None:
    """Refuse a split whose answers only its server has where no file would be written.

    Args:
        benchmark: what was read.
        kept: whether runs and submissions are written.

    Raises:
        ConfigError: nothing would come of it.
    """
    if not kept and not any(part.qrels for part in benchmark.parts):
        raise ConfigError(
            f"the answers of {benchmark.name} {benchmark.split} are on its server alone, so there is nothing to print; "
            "give --runs DIR, which gets the files to submit"
        )
