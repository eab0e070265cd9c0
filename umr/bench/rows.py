"""What a measurement's command prints: its rows, or why there are none. Not the measuring."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umr.errors import UMRError


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
    try:
        rows = measure()
    except UMRError as error:
        print(f"umr: {error}", file=sys.stderr)
        return 2
    for text in map(json.dumps, rows) if table is None else [table(rows)]:
        print(text)
    return 0
