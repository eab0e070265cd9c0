"""Batches computed side by side on a CPU, each on threads of its own. Not what is computed (umr.encoders.encoding).

Threads of torch that share a small product wait for each other at its end, thousands of times a second, and the longer
the more else runs on the machine. Threads that have a batch each do not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch

from umr.ahead import MOST_THREADS, in_order

Item = TypeVar("Item")
Made = TypeVar("Made")

ENOUGH = 2  # batches to a thread: with fewer, some threads would have none while others work


def abreast(work: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """work(item) of each item, in their order, several at a time where torch may use several threads.

    Args:
        work: called in several threads at once, with torch's threads shared out among them.
        items: batches.
    """
    whole = torch.get_num_threads()
    threads = min(whole, MOST_THREADS)
    if threads == 1 or len(items) < ENOUGH * threads:
        return map(work, items)
    return in_order(work, items, threads, ahead=threads, begin=partial(_take, whole // threads, whole))


def _take(own: int, whole: int) -> None:
    """Has torch use `own` threads for what this thread computes; threads that begin later get `whole`, as before."""
    torch.get_num_threads()  # else it is set at the first product, to what all get
    torch.set_num_threads(own)  # of this thread, and of those that begin from now on
    others = threading.Thread(target=torch.set_num_threads, args=(whole,))
    others.start()
    others.join()
