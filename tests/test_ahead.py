"""Work that is done ahead: its order, its errors, its bounds."""

import threading
from contextvars import ContextVar

import pytest

from umr.ahead import in_order


def test_results_come_in_the_order_of_the_items_whatever_is_done_first():
    second = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second.wait(10)  # the first ends after the second
        second.set()
        return item * item

    assert list(in_order(work, range(20), threads=2)) == [item * item for item in range(20)]


def test_items_are_taken_only_as_far_as_needed():
    taken = []
    items = (taken.append(item) or item for item in range(1000))
    found = in_order(str, items, threads=2, ahead=3)
    assert next(found) == "0" and len(taken) == 4
    found.close()
    assert len(taken) == 4


def test_an_error_comes_in_its_place_and_ends_the_rest():
    def work(item: int) -> int:
        return 1 // (item - 3)

    found = in_order(work, range(1000), threads=2)
    assert [next(found) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_work_sees_the_context_of_its_caller():
    seen: ContextVar[str] = ContextVar("seen", default="nothing")
    seen.set("mine")
    assert set(in_order(lambda _: seen.get(), range(5), threads=2)) == {"mine"}


def test_a_thread_begins_once_before_its_first_item():
    begun: list[int] = []
    found = list(
        in_order(
            lambda _: threading.get_ident(), range(50), threads=2, begin=lambda: begun.append(threading.get_ident())
        )
    )
    assert len(begun) == len(set(begun)) <= 2 and set(found) <= set(begun)
