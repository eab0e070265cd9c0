"""What becomes of the first result as the pool grows: the stored curves of `training.pool_size` as plots."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from umr.eval import splits
from umr.eval.reports import Stored
from umr.shipped import shown_path
from umr.ui.markup import NOTHING, macros
from umr.ui.plots import Line, Spot, curve
from umr.ui.queries import task_name

log = logging.getLogger(__name__)

FILE = "pool_size.json"  # of `python -m training.pool_size --json FILE`, beside an encoder's reports


def curves(stored: Sequence[Stored]) -> Markup:
    """One plot for each (task, split) that some model has a curve of; "" where none has."""
    found = [(place, one, _rows(one)) for place, one in enumerate(stored, 1)]
    pairs = sorted({(row["task"], row["split"]) for _, _, rows in found for row in rows})
    plots = [_plot(task, split, found) for task, split in pairs]
    files = ", ".join(shown_path(one.folder / FILE) for _, one, rows in found if rows)
    return macros("benchmarks").curves(plots, files) if plots else NOTHING


def _plot(task: str, split: str, found: Sequence[tuple[int, Stored, list[dict[str, Any]]]]) -> tuple[str, Markup]:
    lines = []
    for place, one, rows in found:
        spots = [
            Spot(row["pool"], row["success@1"], tuple(row["ci95_success@1"]))
            for row in rows
            if (row["task"], row["split"]) == (task, split)
        ]
        if spots:
            lines.append(Line(one.name, f"u-s{place}", tuple(sorted(spots))))
    return f"{task_name(task)}, {splits.title(split)}", curve(lines, "pictures searched")


def _rows(one: Stored) -> list[dict[str, Any]]:
    """The rows of a model's curve; none where there is no file, one of other weights, or one that holds no curve."""
    path = one.folder / FILE
    if not path.is_file():
        return []
    try:
        made = json.loads(path.read_text("utf-8"))
        if made["fingerprint"] != one.report["encoder"]:
            return []
        return [row for row in made["rows"] if _is_row(row)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s is no curve: %r", path, error)
        return []


def _is_row(row: Any) -> bool:
    numbers = [row["pool"], row["success@1"], *row["ci95_success@1"]]
    return len(numbers) == 4 and all(isinstance(number, (int, float)) for number in numbers) and row["pool"] > 0
