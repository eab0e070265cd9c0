"""How much memory all pictures being decoded may take together, in bytes. Not the decoding (umr.media).

A picture waits for room before its first pixel is read; one that would need more than there is at all is refused.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from umr.errors import MediaError

TOTAL = 512 * 2**20  # 64 megapixels of most formats, once; the page itself takes about as much
WAIT_S = 120.0
HELD_FROM = 4 * 2**20  # smaller results are not worth the counting
_LOOK_S = 0.05  # how often a wait looks for results that are gone; they leave without a word


class Share:
    """What one decode has of the budget."""

    def __init__(self, budget: DecodeBudget, size: int) -> None:
        self._budget, self.size = budget, size

    def keep_for(self, result: object, size: int) -> None:
        """Gives back all but `size`, and that as soon as `result` is gone."""
        if size >= HELD_FROM:
            size = min(size, self.size)
            weakref.finalize(result, self._budget.returned.append, size).atexit = False
            self._budget.returned.append(self.size - size)
            self.size = 0


class DecodeBudget:
    """Bytes for decodes, given in the order in which they are asked for. Safe to use from several threads."""

    def __init__(self, total: int = TOTAL, wait_s: float = WAIT_S) -> None:
        self.total, self.wait_s = total, wait_s
        #: Sizes that came back. Appended without a lock, as a result may go at any moment, in any thread.
        self.returned: deque[int] = deque()
        self._used = 0
        self._lock = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def room(self, size: int, name: str) -> Iterator[Share]:
        """Waits until `size` bytes are free, and gives them back at the end, but for what Share.keep_for keeps.

        Args:
            size: bytes that decoding takes at its peak.
            name: what errors call the picture.

        Raises:
            MediaError: it is more than the whole budget, or others do not finish in time.
        """
        if size > self.total:
            raise MediaError(
                f"{name} is too large: decoding it would take {size / 1e6:,.0f} MB, at most {self.total / 1e6:,.0f} MB "
                "are given to a picture of its format; make it smaller first"
            )
        self._enter(size, name)
        share = Share(self, size)
        try:
            yield share
        finally:
            self.returned.append(share.size)
            with self._lock:
                self._lock.notify_all()

    def used(self) -> int:
        """Bytes that are given out at the moment."""
        with self._lock:
            return self._count()

    def _enter(self, size: int, name: str) -> None:
        ticket, until = object(), time.monotonic() + self.wait_s
        with self._lock:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._count() + size > self.total:
                    if time.monotonic() > until:
                        raise MediaError(f"{name} cannot be read now: other large pictures are; try again in a minute")
                    self._lock.wait(_LOOK_S)
                self._used += size
            finally:
                self._queue.remove(ticket)
                self._lock.notify_all()

    def _count(self) -> int:
        while self.returned:
            self._used -= self.returned.popleft()
        return self._used


#: The one of this process.
PICTURES = DecodeBudget()
