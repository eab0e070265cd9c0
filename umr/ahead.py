"""Work done by some threads ahead of who takes its results, in order. Not what is done: decoding lets threads run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST_THREADS = 8


def processors() -> int:
    """How many this process may use, 8 at most."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST_THREADS)


def in_order(
    work: Callable[[Item], Made],
    items: Iterable[Item],
    threads: int | None = None,
    ahead: int | None = None,
    begin: Callable[[], object] | None = None,
) -> Iterator[Made]:
    """work(item) of each item, in the order of the items, which are taken in the caller's thread.

    An exception of `work` is raised where its result would come; what was not begun by then is not done. Each call sees
    the context variables that its item was taken with.

    Args:
        work: called in several threads at once.
        items: taken only as far as needed.
        threads: None: one for each processor.
        ahead: results that may wait to be taken; None: twice as many as threads.
        begin: called once in each thread before its first item.
    """
    threads = threads or processors()
    ahead = ahead or 2 * threads
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead", initializer=begin) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
