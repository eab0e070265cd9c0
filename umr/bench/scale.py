"""What an index costs at a size, and what it finds: opening, memory, milliseconds, recall@10 against the exact search.

    python -m umr.bench scale --vectors 1000000 --dim 128 [--factory IVF4096,SQ8 ...] [--nprobe 16 64 256]
    python -m umr.bench scale --vectors 100000 --engine qdrant      # Qdrant's own engine (requirements-edge.txt)

Rows and queries are made up (umr.bench.synthetic says how); index, collection and searches are real ones, opened in a
process of its own. Not how good an encoder is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from umr.bench.synthetic import SyntheticEncoder, SyntheticRows, write_candidates
from umr.candidate_rows import Pool
from umr.collection import Collection
from umr.columns import COLUMNS as COLUMNS_FILE
from umr.errors import ConfigError, UMRError
from umr.index.build import Form, build_claimed
from umr.index.engines import store_asked
from umr.index.index import Index
from umr.index.manifest import ENGINES, FACTORY, FAISS, IDS, QDRANT, IndexManifest
from umr.index.qdrant_server import EDGE, URL, connect
from umr.index.qdrant_store import HNSW, QUANTISED
from umr.index.stored import open_collection
from umr.lock import claimed
from umr.memory import resident_mib
from umr.shipped import repository_root
from umr.types import Embeddings

K = 10
_WARM_UP = 3
_MIB = 2**20
_FACTORY, _NUMBER = len("IVF16384,PQ32"), len("1234.567")  # characters of a cell
_SHARD = 8192  # rows encoded between two saves, as they cost nothing to make
COLUMNS = ("factory", "nprobe", "build_s", "disk_mib", "open_s", "open_mib", "searched_mib", "of_float32",
           "p50_ms", "cpu_ms", "first_kind_ms", "kind_p50_ms", "kind_cpu_ms", "recall@10")  # fmt: skip


def bench_scale(
    made: SyntheticRows,
    folder: Path,
    factories: Sequence[str],
    nprobes: Sequence[int] = (),
    queries: int = 200,
    engine: str = FAISS,
    shown: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Build an index of each factory and measure it; what is being done is told on stderr.

    Args:
        made: the rows.
        folder: an empty one, for what is built.
        factories: the exact one is measured first in any case, as what is found is compared with it.
        nprobes: lists that are looked into, each measured; none: the index's own number.
        queries: how many.
        engine: what holds the rows; for QDRANT the environment names an empty folder, edge:DIR, whose bytes are told.
        shown: called with each row as soon as it is measured.

    Returns:
        For each factory and nprobe a row of COLUMNS. "disk_mib" is without the log of what is sent. Memory is what the
        process has beyond what it had before opening:
        "open_mib" after it, "searched_mib" after all searches, with the pages of mapped files that it looked at;
        "of_float32" is the latter's share of N x D x 4 bytes. "p50_ms" is of the clock, and "cpu_ms" the mean of the
        processor alone, which a busy machine changes less; "kind" is a search among the pictures, half of all rows.

    Raises:
        ConfigError: a factory does not fit, or a measurement failed.
    """
    asked = tuple(dict.fromkeys((FACTORY, *factories)))
    for factory in asked:
        store_asked(engine, factory, 0, made.count, made.dim)  # refused before the first is built
    write_candidates(folder / "collection", made.count)
    collection = Collection.streamed(folder / "collection", folder / "rows" / COLUMNS_FILE, folder / "rows" / IDS)
    np.save(folder / "queries.npy", made.queries(queries))
    rows: list[dict[str, Any]] = []
    exact: list[list[str]] = []
    for factory in asked:
        at = folder / "index"
        manifest, built = _built(at, made, collection, Form(shard=_SHARD, engine=engine, factory=factory))
        _say(f"built {manifest.factory} in {built:.1f} s; searching it with {queries} queries")
        disk = (sum((at / name).stat().st_size for name in manifest.files) + _on_server(manifest)) / _MIB
        for nprobe in nprobes if manifest.factory != FACTORY and nprobes else (0,):
            found = _in_own_process(at, made, nprobe)
            runs = found.pop("found")
            exact = exact or runs
            recall = np.mean([len(set(mine) & set(its)) / K for mine, its in zip(runs, exact, strict=True)])
            row = found | {"factory": manifest.factory, "build_s": built, "disk_mib": disk, "recall@10": float(recall)}
            row["of_float32"] = row["searched_mib"] * _MIB / (made.count * made.dim * 4)
            rows.append({name: row[name] for name in COLUMNS})
            if shown is not None:
                shown(rows[-1])
        shutil.rmtree(at)
        if manifest.rows_at:
            connect().delete_collection(manifest.rows_at)
    return rows


def _built(at: Path, made: SyntheticRows, collection: Collection, form: Form) -> tuple[IndexManifest, float]:
    """Build an index. Returns its manifest, and the seconds that it took."""
    _say(f"building {form.factory} over {made.count:,} vectors of {made.dim} numbers")
    start = time.perf_counter()
    with claimed(at) as claim:
        manifest = build_claimed(claim, SyntheticEncoder(made), collection, form, encoder_at="none")
    return manifest, time.perf_counter() - start


def _on_server(manifest: IndexManifest) -> int:
    """Bytes of the rows in a folder in the place of a Qdrant server, which the next process may then open."""
    if not manifest.rows_at:
        return 0
    connect().close()
    place = Path(os.environ[URL].removeprefix(EDGE)) / manifest.rows_at
    files = (path for path in place.rglob("*") if path.is_file() and path.parent.name != "wal")
    return sum(512 * path.stat().st_blocks for path in files)  # as they lie there: some are longer than what is in them


def measure(at: Path, made: SyntheticRows, nprobe: int) -> dict[str, Any]:
    """Open an index, search it with each query alone, in all kinds and in one, and say what that took."""
    queries, encoder = np.load(at.parent / "queries.npy"), SyntheticEncoder(made)
    singles = [Embeddings(ids=("q",), vectors=row[None], encoder=encoder.fingerprint) for row in queries]
    manifest = IndexManifest.read(at)
    if manifest.engine == QDRANT:
        connect()  # whose package is not what an index costs
    before, start = _resident(), time.perf_counter()
    index, collection = Index.open(at, encoder), open_collection(at, manifest)
    index.check_collection(collection)
    opened, after = time.perf_counter() - start, _resident()
    if nprobe:
        index.nprobe = nprobe
    found, times = _timed(index, collection, singles, None)
    first, start = collection.pool("image"), time.perf_counter()
    index.search(singles[0], K, first)
    first_ms = 1000 * (time.perf_counter() - start)
    _, kind = _timed(index, collection, singles, first)
    return {
        "open_s": opened,
        "open_mib": after - before,
        "searched_mib": _resident() - before,
        "p50_ms": times[0],
        "cpu_ms": times[1],
        "first_kind_ms": first_ms,
        "kind_p50_ms": kind[0],
        "kind_cpu_ms": kind[1],
        "nprobe": index.nprobe,
        "found": found,
    }


def _timed(
    index: Index, collection: Collection, singles: Sequence[Embeddings], pool: Pool | None
) -> tuple[list[list[str]], tuple[float, float]]:
    """The ids that each finds, whose candidates are read too, and milliseconds: the clock's median, the CPU's mean."""
    found, ms, spent = list[list[str]](), list[float](), 0.0
    warm = list(singles[:_WARM_UP])
    for single in (*warm, *singles):
        if len(ms) == len(warm):
            spent = time.process_time()
        start = time.perf_counter()
        ids = [hit.candidate_id for hit in index.search(single, K, pool)["q"]]
        for one in ids:
            _ = collection[one]
        ms.append(1000 * (time.perf_counter() - start))
        found.append(ids)
    cpu = 1000 * (time.process_time() - spent) / len(singles)
    return found[len(warm) :], (float(np.median(ms[len(warm) :])), cpu)


def _resident() -> float:
    return resident_mib(os.getpid())


def _in_own_process(at: Path, made: SyntheticRows, nprobe: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "umr.bench.scale", "--measure", str(at), "--vectors", str(made.count)]
    words += ["--dim", str(made.dim), "--seed", str(made.seed), "--nprobe", str(nprobe)]
    done = subprocess.run(words, cwd=repository_root(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"the measurement of {at} failed: {done.stderr.strip()[-400:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m umr.bench scale", description="What an index costs at a size, over made-up vectors."
    )
    parser.add_argument("--vectors", type=int, default=200_000, metavar="N", help="rows (default 200000)")
    parser.add_argument("--dim", type=int, default=128, metavar="D", help="numbers in a row (default 128)")
    parser.add_argument(
        "--factory",
        nargs="+",
        metavar="STRING",
        help="beside SQfp16 (default: IVF,SQ8 and IVF,PQD/4; of qdrant: HNSW and HNSW,SQ8)",
    )
    parser.add_argument("--engine", choices=ENGINES, default=FAISS, help="what holds the rows (default: faiss)")
    parser.add_argument("--nprobe", nargs="+", type=int, default=[], metavar="N", help="each is measured (default: 1)")
    parser.add_argument("--queries", type=int, default=200, metavar="Q", help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the rows (default 0)")
    parser.add_argument("--json", action="store_true", help="a JSON array")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # what the own process is started with
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a row for each factory and nprobe. Returns 2 with a message where it cannot be measured, else 0."""
    options = _parser().parse_args(arguments)
    made = SyntheticRows(options.vectors, options.dim, options.seed)
    try:
        if options.measure is not None:
            print(json.dumps(measure(options.measure, made, options.nprobe[0])))
            return 0
        if options.vectors < 1 or options.dim < 8 or options.queries < 1:
            raise ConfigError("at least 1 vector of 8 numbers and 1 query are needed")
        of_faiss = ["IVF,SQ8", *([f"IVF,PQ{options.dim // 4}"] if options.dim % 4 == 0 else [])]
        factories = options.factory or ([HNSW, QUANTISED] if options.engine == QDRANT else of_faiss)
        with tempfile.TemporaryDirectory(prefix="umr-scale-") as folder:
            if options.engine == QDRANT:
                os.environ[URL] = f"{EDGE}{folder}/server"
            table = sys.stderr if options.json else sys.stdout  # where an interruption leaves what was measured
            print(_line(COLUMNS), file=table, flush=True)
            rows = bench_scale(
                made, Path(folder), factories, options.nprobe, options.queries, options.engine,
                lambda row: print(_line([_shown(row[name]) for name in COLUMNS]), file=table, flush=True),
            )  # fmt: skip
    except UMRError as error:
        print(f"umr.bench.scale: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0


def _say(what: str) -> None:
    print(f"umr.bench.scale: {what}", file=sys.stderr, flush=True)


def _line(cells: Sequence[str]) -> str:
    """A line of the table, in columns that do not wait for the widest cell of all."""
    widths = (max(len(name), _FACTORY if name == "factory" else _NUMBER) for name in COLUMNS)
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
