"""Which of a page's questions was asked last, so that an older one's late answer does not come in its place."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST = 10_000  # pages that are remembered; of more, those that asked longest ago are forgotten


class Newest:
    """Numbers the questions of every page; safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._count, self._last = 0, OrderedDict[str, int]()

    def asked(self, page: str | None) -> int:
        """The number of a question that begins now.

        Args:
            page: who asks, as Gradio's session_hash; None: nobody that asks again.
        """
        with self._lock:
            self._count += 1
            if page is not None:
                self._last[page] = self._count
                self._last.move_to_end(page)
                if len(self._last) > self._most:
                    self._last.popitem(last=False)
            return self._count

    def is_last(self, page: str | None, number: int) -> bool:
        """Whether the page has asked nothing since; also of a page that was forgotten."""
        with self._lock:
            return page is None or self._last.get(page, number) == number
