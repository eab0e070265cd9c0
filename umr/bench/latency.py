"""How long a query takes, step by step, beside FAISS alone. Not how good its results are (umr.eval.evaluate)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from umr.candidate_rows import Pool
from umr.errors import ConfigError
from umr.eval.evaluate import Judged
from umr.eval.familiar import PictureCheck
from umr.index.flat import FlatIndex
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.search import Searcher
from umr.types import Embeddings

STEPS = ("decode", "encode", "search", "total")
_WARM_UP = 5


def bench_query(
    searcher: Searcher, judged: Judged, k: int = 24, repeat: int = 100, check: PictureCheck | None = None
) -> list[dict[str, Any]]:
    """Milliseconds of each step of warm single queries, of FAISS alone on the same vectors, and the difference.

    Args:
        searcher: what is timed.
        judged: whose queries are asked.
        k: results of each.
        repeat: queries that are timed.
        check: what is asked, once for each picture, whether it is unlike the training; timed beside the query.

    Returns:
        A row for each step: p50 and p95.

    Raises:
        ConfigError: repeat is below 1.
    """
    if repeat < 1:
        raise ConfigError(f"repeat is {repeat}; at least 1 query must be timed")
    queries = [judged.queries[place % len(judged.queries)] for place in range(repeat + _WARM_UP)]
    outcomes = [searcher.search(query, k) for query in queries][_WARM_UP:]
    rows = [row(step, [outcome.ms[step] for outcome in outcomes]) for step in STEPS]
    pictures = dict.fromkeys(query.content.image for query in queries if query.content.image is not None)
    if check is not None and pictures:
        rows.append(row("picture check, once a picture", [_ms(check.notices, picture) for picture in pictures]))
    pool = searcher.collection.pool(judged.queries[0].target_modality)
    vectors = searcher.encoder.encode_queries(judged.queries[:repeat])
    return rows + _against_raw(searcher.index, vectors, k, max(repeat, 200), pool)


def bench_vectors(count: int, dim: int, k: int = 24, repeat: int = 50) -> list[dict[str, Any]]:
    """The same comparison over `count` made-up unit vectors: what umr adds to FAISS at that size.

    Raises:
        ConfigError: there is nothing to search.
    """
    if count < 1 or dim < 1:
        raise ConfigError(f"{count} vectors of {dim} numbers cannot be searched; give at least 1 of 1")
    rng = np.random.default_rng(0)
    flat = FlatIndex.empty(dim)
    for start in range(0, count, 50_000):
        flat.add(_unit(rng, min(50_000, count - start), dim))
    ids = tuple(f"{row:08}" for row in range(count))
    manifest = IndexManifest(
        encoder="bench",
        encoder_name="bench",
        encoder_at="",
        collection="",
        collection_name="bench",
        collection_at="",
        dim=dim,
        count=count,
    )
    index = Index(manifest, flat, ids, np.zeros((0, dim), np.float32))
    queries = Embeddings(ids=tuple(map(str, range(repeat))), vectors=_unit(rng, repeat, dim), encoder="bench")
    return _against_raw(index, queries, k, repeat, None)


def _against_raw(index: Index, queries: Embeddings, k: int, repeat: int, pool: Pool | None) -> list[dict[str, Any]]:
    """Index.search and faiss's own search over the same rows, in turns, so that a busy machine slows both alike."""
    rows = np.arange(len(index)) if pool is None else pool.rows
    raw = faiss.IndexScalarQuantizer(index.manifest.dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    raw.add(index.vectors([index.ids[row] for row in rows.tolist()]))
    singles = [
        Embeddings(ids=queries.ids[i : i + 1], vectors=queries.vectors[i : i + 1], encoder=queries.encoder)
        for i in range(len(queries))
    ]
    ours, theirs = [], []
    for turn in range(repeat + _WARM_UP):
        one = singles[turn % len(singles)]
        theirs.append(_ms(raw.search, one.vectors, min(k, len(rows))))
        ours.append(_ms(index.search, one, k, pool))
    ours, theirs = ours[_WARM_UP:], theirs[_WARM_UP:]
    return [
        row(f"index.search, {len(rows)} rows", ours),
        row(f"raw faiss, {len(rows)} rows", theirs),
        row("added by umr", list(np.subtract(ours, theirs))),
    ]


def row(step: str, ms: list[float]) -> dict[str, Any]:
    """A step's line of a report: p50 and p95 of its milliseconds."""
    p50, p95 = np.percentile(ms, (50, 95))
    return {"step": step, "p50_ms": round(float(p50), 4), "p95_ms": round(float(p95), 4), "n": len(ms)}


def _ms(call: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return 1000 * (time.perf_counter() - start)


def _unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
