"""What a large collection costs before it is indexed: read whole, by columns made in one pass, and by those again.

    python -m umr.bench collection [--rows 300000]

The candidates are made up, half of them pictures that nobody opens. Each way is a process of its own, which goes over
all candidates once, as an index that is built of them does. Not what an index costs (umr.bench.scale).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from umr.bench.rows import printed
from umr.bench.synthetic import write_candidates
from umr.collection import Collection
from umr.columns import COLUMNS, FEWEST
from umr.errors import ConfigError
from umr.index.manifest import IDS
from umr.memory import peak_mib
from umr.shipped import repository_root

#: What is measured -> how the collection of a folder is opened; the third finds what the second made.
WAYS: dict[str, Callable[[Path], Collection]] = {
    "whole": lambda folder: Collection.open(folder / "collection"),
    "made": lambda folder: Collection.streamed(folder / "collection", folder / COLUMNS, folder / IDS),
    "found": lambda folder: Collection.streamed(folder / "collection", folder / COLUMNS, folder / IDS),
}


def bench_collection(folder: Path, count: int) -> list[dict[str, Any]]:
    """Measure each way.

    Args:
        folder: an empty one.
        count: of the candidates.

    Returns:
        A row of each: "open_s", seconds until it can be searched; "peak_mib", memory at the most beyond the process's
        own, all candidates read; "bytes" of that for each candidate.

    Raises:
        ConfigError: there are too few for columns, or a measurement failed.
    """
    if count < FEWEST:
        raise ConfigError(f"{count} rows were asked for; fewer than {FEWEST:,} are read whole in any case")
    write_candidates(folder / "collection", count)
    rows = []
    for way in WAYS:
        words = [sys.executable, "-m", "umr.bench.collection", "--measure", way, str(folder)]
        done = subprocess.run(words, cwd=repository_root(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"the measurement of {way!r} failed: {done.stderr.strip()[-400:]}")
        rows.append({"way": way, "rows": count, **json.loads(done.stdout)})
        rows[-1]["bytes"] = round(rows[-1]["peak_mib"] * 2**20 / count)
    return rows


def measure(way: str, folder: Path) -> dict[str, Any]:
    """Open the collection in one way and read it; this process's."""
    before, start = peak_mib(), time.perf_counter()
    collection = WAYS[way](folder)
    opened = time.perf_counter() - start
    for _ in collection:
        pass
    return {"open_s": round(opened, 2), "peak_mib": round(peak_mib() - before, 1)}


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench collection", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, metavar="N", help="candidates (default: 300000)")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # what the own process is started with
    options = parser.parse_args(arguments)
    if options.measure is not None:
        way, folder = options.measure
        return printed(lambda: [measure(way, Path(folder))])

    def measured() -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            return bench_collection(Path(folder), options.rows)

    return printed(measured)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
