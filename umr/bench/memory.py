"""What the memory of the idle page is: what each import adds, then the encoder, its index and a first search.

    python -m umr.bench memory [--index DIR] [--markdown]

In one process without the server and without those that decode apart; `python -m umr.bench start` measures the page as
it is served, with them. MiB that are resident, of which libraries' files are shared with other processes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from umr.bench.rows import printed
from umr.memory import resident_mib
from umr.shipped import DEFAULT_ENCODER, index_folder
from umr.ui.layout.heap import share_heaps, unimportable

#: As the page imports them: what stands further down needs what stands above.
IMPORTS = ("numpy", "PIL.Image", "torch", "faiss", "pandas", "gradio", "umr.ui.layout.page")
TEXT = "a red mug"

Step = tuple[str, Callable[[], Any]]


def imports(names: Iterable[str] = IMPORTS) -> list[Step]:
    """A step for each module."""
    return [(f"import {name}", partial(import_module, name)) for name in names]


def searched(index: Path) -> list[Step]:
    """Opening an index, and a first search."""
    opened: list[Any] = []

    def open_it() -> None:
        from umr.search import Searcher

        opened.append(Searcher.open(index))

    def search() -> None:
        from umr.types import Content, Query

        opened[0].search(Query(query_id="first", content=Content(text=TEXT)), 10)

    return [("encoder, index and collection", open_it), ("a first search", search)]


def added(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """What each step adds to this process's resident memory, after what was there before.

    Returns:
        Rows {"what", "mib", "all_mib"}; nan where the system does not say.
    """
    before = resident_mib(os.getpid())
    rows: list[dict[str, Any]] = [{"what": "before", "mib": round(before, 1), "all_mib": round(before, 1)}]
    for what, step in steps:
        step()
        now = resident_mib(os.getpid())
        rows.append({"what": what, "mib": round(now - before, 1), "all_mib": round(now, 1)})
        before = now
    return rows


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of docs/performance.md."""
    lines = ["| what | MiB | in all |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {row['what']} | {row['mib']} | {row['all_mib']} |" for row in rows)])


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench memory", description=__doc__)
    parser.add_argument("--index", type=Path, help=f"an index folder (default: the bundled one of {DEFAULT_ENCODER})")
    parser.add_argument("--markdown", action="store_true", help="a table in place of JSON lines")
    options = parser.parse_args(arguments)
    index = options.index or index_folder(DEFAULT_ENCODER)

    def measured() -> list[dict[str, Any]]:
        share_heaps()
        with unimportable("pyarrow"):
            return added([*imports(), *searched(index)])

    return printed(measured, as_markdown if options.markdown else None)
