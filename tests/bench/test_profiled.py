"""The profile: whose time is told, by which names, and that shares are of the whole."""

from __future__ import annotations

import json
import time

import pytest

from umr.bench import profiled
from umr.errors import ConfigError


def slow() -> int:
    total = 0
    for number in range(300_000):
        total += number * number
    return total


def quick() -> None:
    for _ in range(3):
        sorted([3, 1, 2])


def test_the_dearest_function_comes_first_and_shares_are_of_the_whole():
    rows = profiled.profiled({"both": lambda: (slow(), quick()), "one": quick}, first=2)
    assert [row["work"] for row in rows] == ["both"] * 3 + ["one"] * 3
    assert rows[0]["function"] == "tests/bench/test_profiled.py:slow" and rows[0]["calls"] == 1
    assert rows[0]["share"] >= rows[1]["share"] and rows[2]["function"] == "everything else"
    assert sum(row["share"] for row in rows[:3]) == pytest.approx(100, abs=0.2)
    assert sum(row["calls"] for row in rows[3:]) >= 4  # quick itself, and three times sorted


def test_the_run_that_warms_up_is_not_counted():
    runs: list[float] = []
    rows = profiled.profiled({"work": lambda: runs.append(time.time())}, first=9)
    appended = [row["calls"] for row in rows if "append" in row["function"]]
    assert len(runs) == 2 and appended == [1]


def test_functions_of_one_name_in_one_file_are_added():
    def two() -> None:
        sum(n for n in range(10))
        sum(n for n in range(20))

    rows = profiled.profiled({"two": two}, first=9)
    assert [row["calls"] for row in rows if row["function"].endswith("<genexpr>")] == [32]


def test_names_say_nothing_of_this_machine():
    import torch

    assert profiled.called("~", 0, "<built-in method torch._C._nn.linear>") == "torch._C._nn.linear"
    assert profiled.called("~", 0, "<method 'to' of 'torch._C.TensorBase' objects>") == (
        "'to' of 'torch._C.TensorBase' objects"
    )
    assert profiled.called(torch.__file__, 3, "one") == "torch/__init__.py:one"
    assert profiled.called(json.__file__, 3, "two") == "json/__init__.py:two"
    assert profiled.called(profiled.__file__, 3, "three") == "umr/bench/profiled.py:three"


def test_a_table_names_each_work_once():
    rows = [
        {"work": "a", "function": "f", "share": 60.0, "calls": 1000},
        {"work": "a", "function": "g", "share": 40.0, "calls": 2},
    ]
    assert profiled.as_markdown(rows).splitlines()[2:] == ["| a | `f` | 60.0 % | 1,000 |", "|  | `g` | 40.0 % | 2 |"]


def test_no_functions_are_refused():
    with pytest.raises(ConfigError, match="0 functions"):
        profiled.profiled({}, 0)
    assert profiled.main(["--first", "0", "--markdown"]) == 2
