"""Stored reports as one CSV table: a row for each (model, task, split, pool). Not the page's tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from umr.eval.reports import Row, Stored, key_of
from umr.eval.scores import COLUMNS, KEPT, SINGLE

MEASURES = (*COLUMNS, *SINGLE, KEPT)
HEAD = ("model", "task", "split", "pool", "n", "groups", *MEASURES, "vector_sum_weight", "composed_over_sum")
ENDS = tuple(f"{name} {end}" for name in MEASURES for end in ("low", "high"))


def as_csv(stored: Sequence[Stored]) -> str:
    """The table: fractions from 0 to 1, the ends of the 95 % intervals, and what made each row; empty: not measured."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow([*HEAD, *ENDS, "encoder", "collection", "measured_at", "command"])
    for one in stored:
        made = [one.report.get(key, "") for key in ("encoder", "collection", "built_at", "command")]
        for row in one.report["rows"]:
            table.writerow([_text(value) for value in (*_values(one, row), *_ends(row), *made)])
    return out.getvalue()


def _values(one: Stored, row: Row) -> list[object]:
    keys = (*MEASURES, "vector_sum_weight", "composed_over_sum")
    return [one.name, *key_of(row), row.get("n"), row.get("groups"), *(row.get(key) for key in keys)]


def _ends(row: Row) -> list[object]:
    found: list[object] = []
    for name in MEASURES:
        interval = row.get("intervals", {}).get(name) or row.get(f"ci95_{name}") or (None, None)
        found += interval
    return found


def _text(value: object) -> object:
    """A cell; one that a spreadsheet would take for a formula begins with an apostrophe."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
