"""Several ways of the same work timed in turns within one run, so that what else the machine does falls on all of them.

Not what they do, nor what is printed (umr.bench.rows).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

Made = TypeVar("Made")


class Spent(NamedTuple):
    """Seconds of one run: on the clock, and of the processor."""

    s: float
    cpu_s: float


def in_turns(
    ways: Mapping[str, Callable[[], Any]], runs: int, processor: Callable[[], float] = time.process_time
) -> dict[str, list[Spent]]:
    """Run every way once, then every way again, and so on.

    Args:
        ways: by name, in the order in which they run.
        runs: of each.
        processor: seconds of the processor that all who work have used so far.
    """
    took: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            took[name].append(timed(way, processor)[0])
    return took


def timed(way: Callable[[], Made], processor: Callable[[], float] = time.process_time) -> tuple[Spent, Made]:
    """What one run of a way takes, and what it makes."""
    wall, cpu = time.perf_counter(), processor()
    made = way()
    return Spent(time.perf_counter() - wall, processor() - cpu), made


def medians(spent: Sequence[Spent], of: Sequence[Spent]) -> tuple[Spent, dict[str, float]]:
    """The median of what a way took, and by name of what share of another's that is, run by run, two digits."""
    middle, times = {}, {}
    for at, name in enumerate(Spent._fields):
        middle[name] = statistics.median(one[at] for one in spent)
        times[name] = round(statistics.median(one[at] / other[at] for one, other in zip(spent, of, strict=True)), 2)
    return Spent(**middle), times
