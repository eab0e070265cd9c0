"""Processes that decode, asked from any thread, so that no file can end this process. Not the decoding (process).

One is started by the first file that needs it, or waits warm; it is kept for the next, and replaced when it dies, when
it is over its limits, and after some hundred files. It ends with this process, however this one ends: its pipe closes.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from umr.apart.line import REFUSED, SPENT, Request
from umr.apart.worker import Died, Kind, Message, Worker
from umr.errors import MediaError

log = logging.getLogger(__name__)
Found = TypeVar("Found")

_HEED_S = 0.05  # how often a wait for a free process looks whether it was stopped
_OVER_TIME = frozenset({-24})  # statuses of a process that used up the processor's time that it had (SIGXCPU)
_stopping: ContextVar[Callable[[], object] | None] = ContextVar("umr_decoding_stopping", default=None)


class Refusal(Exception):
    """A process's sentence on a file. last: it ends after it."""

    def __init__(self, words: str, last: bool) -> None:
        super().__init__(words)
        self.last = last


@contextmanager
def stoppable(check: Callable[[], object]) -> Iterator[None]:
    """Within it, waiting for a file to be decoded calls `check` again and again, and ends with what that raises."""
    token = _stopping.set(check)
    try:
        yield
    finally:
        _stopping.reset(token)


class Talk:
    """What is said with one process about one file, by one thread."""

    def __init__(self, worker: Worker, name: str, seconds: float) -> None:
        self._worker, self._name, self._seconds = worker, name, seconds
        self._check = _stopping.get() or _nothing
        self._until = time.monotonic() + seconds
        self.arena = worker.arena

    def next(self, *kinds: bytes) -> Message:
        """The process's next message, which is to be of one of these kinds.

        Raises:
            Refusal: the process says why there is none.
            Died: it is gone, or says what none of ours does.
            MediaError: it takes too long; and whatever the check of `stoppable` raises.
        """
        try:
            message = self._worker.next(self._until, self._check)
        except queue.Empty:
            raise MediaError(_too_long(self._name, self._seconds)) from None
        if message is not None and message.kind in (REFUSED, SPENT):
            raise Refusal(message.data.tobytes().decode("utf-8", "replace"), message.kind == SPENT)
        if message is None or message.kind not in kinds:
            raise Died(self._worker.end())
        return message

    def go(self, allowed: int) -> None:
        """Answer a process that asked for room, or how much is wanted; the clock begins anew.

        Args:
            allowed: bytes, or just whether; 0: nothing.

        Raises:
            Died: it is gone.
        """
        self._until = time.monotonic() + self._seconds
        self._worker.send(Request({"go": allowed}))


class Workers:
    """A few processes of one kind, shared by all threads."""

    def __init__(self, kind: Kind) -> None:
        """Start nothing yet."""
        self.kind = kind
        self._begin()
        _EVERY.add(self)

    def _begin(self) -> None:
        self._room = threading.BoundedSemaphore(self.kind.workers)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._warm = 0

    def warm(self) -> None:
        """Have as many processes wait ready as the kind says, from now until `close`. Returns at once."""
        self._warm = self.kind.warm
        threading.Thread(target=self._fill, daemon=True, name=f"{self.kind.reader}-warm").start()

    def ask(self, request: Request, name: str, wall_s: float, converse: Callable[[Talk], Found]) -> Found:
        """What `converse` makes of a process's messages about one file.

        Args:
            request: what it is asked.
            name: what errors call the file.
            wall_s: seconds on the clock that it may take.
            converse: takes its messages; called again where the process died.

        Raises:
            MediaError: the file cannot be read, is over a limit, or ends the process twice.
        """
        check = _stopping.get() or _nothing
        while not self._room.acquire(timeout=_HEED_S):
            check()
        try:
            for _ in range(2):  # a death may have been another file's, or the system's want of memory: once more
                try:
                    return self._asked(request, name, wall_s, converse)
                except Died as died:
                    log.warning("a %s ended the process that decoded it, status %d", self.kind.noun, died.status)
                    if died.status in _OVER_TIME:
                        raise MediaError(_too_long(name, request.asked["processor_s"])) from None
        finally:
            self._room.release()
        raise MediaError(f"{name} cannot be read: it stops the decoder; it may be damaged, choose another file")

    def close(self) -> None:
        """End all processes. The next file starts new ones."""
        self._warm = 0
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.end()

    def forget(self) -> None:
        """For the child of a fork: the processes are the parent's, so it starts its own."""
        self._begin()

    def pids(self) -> list[int]:
        """The processes that run now."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def waiting(self) -> int:
        """How many of them are ready for a file."""
        with self._lock:
            return len(self._idle)

    def _asked(self, request: Request, name: str, wall_s: float, converse: Callable[[Talk], Found]) -> Found:
        worker = self._take()
        fit = False  # to be kept: it answered, and nothing stopped it halfway
        try:
            worker.asked += 1
            worker.send(request)
            found = converse(Talk(worker, name, wall_s))
            fit = True
            return found
        except Refusal as refusal:
            fit = not refusal.last
            raise MediaError(str(refusal)) from None
        finally:
            self._give_back(worker, fit and worker.asked < self.kind.uses)

    def _take(self) -> Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            worker = Worker(self.kind)
            self._all.add(worker)
        try:
            worker.wait_until_ready(_stopping.get() or _nothing)
        except BaseException:
            self._give_back(worker, False)
            raise
        return worker

    def _give_back(self, worker: Worker, fit: bool) -> None:
        with self._lock:
            if fit and worker in self._all and len(self._idle) < self.kind.workers:
                self._idle.append(worker)
                return
            known = worker in self._all
            self._all.discard(worker)
        worker.end()
        if known and self._warm:
            self.warm()

    def _fill(self) -> None:
        """Start processes until there are enough; the first one that does not start is the last."""
        while True:
            try:
                with self._lock:
                    if len(self._all) >= self._warm:
                        return
                    worker = Worker(self.kind)
                    self._all.add(worker)
                worker.wait_until_ready(_nothing)
            except MediaError as error:
                log.warning("%s", error)
                self._warm = 0
                return
            self._give_back(worker, True)


def _nothing() -> None:
    """What is checked where nothing can be stopped."""


def _too_long(name: str, seconds: float) -> str:
    return f"{name} takes more than {seconds:g} s to decode; cut it or make it smaller first"


_EVERY: weakref.WeakSet[Workers] = weakref.WeakSet()


def _close_all() -> None:
    for workers in list(_EVERY):
        workers.close()


def _forget_all() -> None:
    for workers in list(_EVERY):
        workers.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
