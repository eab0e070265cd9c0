"""Results of finished runs, as one small file beside the report: a study goes on on another machine. Not the runs.

A line for each run, compressed: what training.study.runs.run_arm wrote, per-query outcomes and settings included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from umr.formats import read_jsonl, write_jsonl

Result = Mapping[str, Any]

ENDING = ".runs.jsonl.xz"  # in place of the report's


def beside(report: Path) -> Path:
    """Where the results lie that a report is of."""
    return report.with_name(report.stem + ENDING)


def read_finished(path: Path) -> list[Result]:
    """The results that a file holds; none where there is no file.

    Raises:
        ConfigError: it is no such file, or not whole.
    """
    return [row for _, row in read_jsonl(path)] if path.is_file() else []


def write_finished(results: Iterable[Result], path: Path) -> None:
    """Write the file that `read_finished` reads, by arm and seed."""
    write_jsonl(path, sorted(results, key=_place))


def joined(newer: Iterable[Result], older: Iterable[Result]) -> list[Result]:
    """Both, sorted; of an arm and seed that both have, the newer, and none of an arm as it was before it changed."""
    kept = {_place(result): result for result in newer}
    arms = {result["arm"]["name"]: result["arm"] for result in kept.values()}
    for result in older:
        if arms.get(result["arm"]["name"], result["arm"]) == result["arm"]:
            kept.setdefault(_place(result), result)
    return [kept[place] for place in sorted(kept)]


def _place(result: Result) -> tuple[str, int]:
    return result["arm"]["name"], result["seed"]
