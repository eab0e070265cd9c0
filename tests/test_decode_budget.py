"""The memory of pictures being decoded: who waits, who is refused, and when it comes back."""

from __future__ import annotations

import threading

import pytest

from umr.decode_budget import HELD_FROM, DecodeBudget
from umr.errors import MediaError


class Result:
    """Something that lives for a while."""


def test_more_than_the_whole_is_refused_by_name():
    told = "a.png is too large: decoding it would take 101 MB, at most 100 MB"
    with pytest.raises(MediaError, match=told), DecodeBudget(100_000_000).room(101_000_000, "a.png"):
        pass


def test_room_comes_back_at_the_end_and_after_an_error():
    budget = DecodeBudget(100)
    with budget.room(60, "a"):
        assert budget.used() == 60
    assert budget.used() == 0
    with pytest.raises(ValueError), budget.room(60, "a"):
        raise ValueError("damaged")
    assert budget.used() == 0


def test_what_is_kept_comes_back_with_its_result():
    budget, result = DecodeBudget(4 * HELD_FROM), Result()
    with budget.room(3 * HELD_FROM, "a") as share:
        share.keep_for(result, 2 * HELD_FROM)
    assert budget.used() == 2 * HELD_FROM
    del result
    assert budget.used() == 0


def test_a_small_result_is_not_counted():
    budget, result = DecodeBudget(HELD_FROM), Result()
    with budget.room(HELD_FROM, "a") as share:
        share.keep_for(result, HELD_FROM - 1)
    assert budget.used() == 0 and result


def test_who_finds_no_room_waits_in_order_and_says_so_in_the_end():
    budget = DecodeBudget(100, wait_s=0.1)
    with budget.room(60, "a"), pytest.raises(MediaError, match=r"b.png cannot be read now"), budget.room(60, "b.png"):
        pass
    budget.wait_s = 30
    entered, first = [], threading.Event()

    def enter(size: int) -> None:
        with budget.room(size, "a"):
            entered.append(size)

    with budget.room(60, "a"):
        threads = [threading.Thread(target=enter, args=(size,)) for size in (90, 10)]
        threads[0].start()
        while len(budget._queue) < 1:
            first.wait(0.01)
        threads[1].start()  # there is room for it, but the large one would never be served
        while len(budget._queue) < 2:
            first.wait(0.01)
        assert entered == []
    [thread.join() for thread in threads]
    assert entered == [90, 10] and budget.used() == 0
