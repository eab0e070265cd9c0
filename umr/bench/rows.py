"""What a measurement's command prints: its rows, or why there are none. Not the measuring."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umr.errors import exit_status


def printed(
    measure: Callable[[], Sequence[Mapping[str, Any]]],
    table: Callable[[Sequence[Mapping[str, Any]]], str] | None = None,
) -> int:
    """Print every row of a measurement.

    Args:
        measure: makes the rows.
        table: all of them as one text; None: each as JSON.

    Returns:
        The exit status: 2, with a message, where it cannot be made.
    """
    with exit_status("umr") as ended:
        rows = measure()
        for text in map(json.dumps, rows) if table is None else [table(rows)]:
            print(text)
    return ended.status
