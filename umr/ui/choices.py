"""The choices of the Diagnose and Benchmarks tabs: what there is to choose, and how an address holds what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from umr.ui.benchmarks import actions as benchmarks
from umr.ui.benchmarks.html import MEASURE
from umr.ui.diagnose import actions as diagnose
from umr.ui.searchers import Searchers

DIAGNOSE_KEYS = ("d-model", "d-split")
BENCHMARK_KEYS = ("b-measure", "b-a", "b-b")


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a tab. key: its name in an address.  what: what a notice calls it.  first: chosen from the start."""

    key: str
    what: str
    names: Sequence[str]
    first: str


def diagnose_choices(searchers: Searchers) -> tuple[Choice, ...]:
    """Model, task and split, in the order of `umr.ui.diagnose.show`."""
    names = diagnose.choices(searchers)
    given = (("model", searchers.names, searchers.default), ("task and split", names, names[0]))
    return tuple(Choice(key, *choice) for key, choice in zip(DIAGNOSE_KEYS, given, strict=True))


def benchmark_choices(searchers: Searchers) -> tuple[Choice, ...]:
    """The measure of the tables, and the two models whose difference is shown."""
    a, b = benchmarks.first_pair(searchers)
    given = (("measure", tuple(MEASURE), "success@1"), ("model", searchers.names, a), ("model", searchers.names, b))
    return tuple(Choice(key, *choice) for key, choice in zip(BENCHMARK_KEYS, given, strict=True))


def write(choices: Sequence[Choice], *values: Any) -> str:
    """A tab's part of the address, with its question mark. What is chosen from the start, or is no choice, stays out."""
    moved = {
        choice.key: value
        for choice, value in zip(choices, values, strict=True)
        if value in choice.names and value != choice.first
    }
    return "?" + urlencode(moved)
