"""How long the page takes from its process's start to its first answer, and what it holds then.

    python -m umr.bench start [--runs 5] [--beside CHECKOUT] [-- ARGUMENTS OF app.py]

Every run is a process of its own; another checkout of this repository is started in turns with this one. Not how fast a
warm page answers (umr.bench.load_test).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from umr.bench.load_test import connect_plain, processor_s
from umr.bench.rows import printed
from umr.bench.server import served_page
from umr.errors import ConfigError
from umr.memory import children, resident_bytes, resident_mib

TEXT = "a red mug"
SETTLE_S = 3.0  # after the first answer, until the memory is looked at
COLUMNS = ("page_s", "answer_s", "cpu_s", "idle_mib", "workers_mib")  # the last is part of the one before


def bench_start(runs: int, checkouts: Sequence[Path | None], arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Start a page of each checkout in turns.

    Args:
        runs: of each.
        checkouts: folders with an app.py; None: this repository.
        arguments: of app.py.

    Returns:
        For each checkout its medians: seconds to the page and to the first answer, processor seconds until then, MiB
        some seconds later, and those of them that the processes which decode apart have; from the second on also
        "times", what the first takes of the same, run by run.

    Raises:
        ConfigError: runs is below 1, or a folder holds no app.py.
        MismatchError: a page does not answer.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs: give at least 1")
    for folder in checkouts:
        if folder is not None and not (folder / "app.py").is_file():
            raise ConfigError(f"{folder} holds no app.py; give a checkout of this repository")
    found: list[list[dict[str, float]]] = [[] for _ in checkouts]
    for _ in range(runs):
        for rows, folder in zip(found, checkouts, strict=True):
            rows.append(_started(folder, arguments))
    return [_row(rows, found[0], folder) for rows, folder in zip(found, checkouts, strict=True)]


def _row(rows: list[dict[str, float]], first: list[dict[str, float]], folder: Path | None) -> dict[str, Any]:
    told: dict[str, Any] = {"checkout": "this one" if folder is None else folder.name}
    told |= {key: round(statistics.median(row[key] for row in rows), 2) for key in COLUMNS}
    if rows is not first:
        pairs = [(own[key] / row[key], key) for own, row in zip(first, rows, strict=True) for key in COLUMNS]
        told["times"] = {key: round(statistics.median(x for x, of in pairs if of == key), 2) for key in COLUMNS}
    return told


def _started(folder: Path | None, arguments: Sequence[str]) -> dict[str, float]:
    """One start: its figures, by COLUMNS."""
    begin = time.monotonic()
    with served_page(None, arguments, at=folder) as (address, process):
        page = time.monotonic() - begin
        if process is None or not connect_plain(address)(TEXT, None):
            raise ConfigError("the page found nothing; start it with an index that has pictures")
        answered, cpu = time.monotonic() - begin, processor_s(process.pid)
        time.sleep(SETTLE_S)
        workers = (resident_bytes(children(process.pid)) or 0.0) / 2**20
        return dict(zip(COLUMNS, (page, answered, cpu, resident_mib(process.pid), workers), strict=True))


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench start", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="starts of each (default: 5)")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another checkout, started in turns")
    parser.add_argument("page", nargs="*", help="arguments of app.py, behind --")
    options = parser.parse_args(arguments)
    return printed(lambda: bench_start(options.runs, [None, *options.beside], options.page))
