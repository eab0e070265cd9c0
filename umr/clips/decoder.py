"""Frames of clips from processes of their own, so that no clip can end this one. Not the decoding (umr.clips.worker).

A worker is started by the first clip that needs it, kept for the next, and replaced when it dies, when it is over its
limits, and after some hundred clips. It ends with this process, however this one ends: its pipe closes then.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NamedTuple, TypedDict

import numpy as np

from umr.clips.limits import FRAMES, HEADER, READY, SPENT, ClipLimits, Reader
from umr.errors import MediaError

log = logging.getLogger(__name__)

WORKERS = 2
CLIPS = 500  # that one worker reads: what a library forgets to free goes with it
START_S = 30.0  # until a worker answers; it takes a third of a second on an idle machine
_HEED_S = 0.05  # how often a wait looks whether it was stopped
_MOST_WORDS = 4096  # bytes of a sentence that are believed
#: Of the environment, what Python and its libraries need to start; no keys and tokens.
_KEPT = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR")
_stopping: ContextVar[Callable[[], object] | None] = ContextVar("umr_clip_stopping", default=None)


class Died(NamedTuple):
    """A worker that ended without an answer. status: what the system says of its end, negative for a signal."""

    status: int


class _Request(TypedDict):
    """One clip, as the worker is asked for it. path: its bytes in hexadecimal."""

    path: str
    n: int
    reader: Reader
    limits: dict[str, Any]


@contextmanager
def stoppable(check: Callable[[], object]) -> Iterator[None]:
    """Within it, reading a clip calls `check` again and again, and ends with whatever that raises."""
    token = _stopping.set(check)
    try:
        yield
    finally:
        _stopping.reset(token)


class ClipDecoder:
    """A few workers, shared by all threads. Nothing is started before the first clip."""

    def __init__(self, limits: ClipLimits | None = None, workers: int = WORKERS, clips: int = CLIPS) -> None:
        """Start nothing yet.

        Args:
            limits: of each clip; None: the usual ones.
            workers: processes at a time.
            clips: how many one worker reads before another takes its place.
        """
        self.limits, self._workers, self._clips = limits or ClipLimits(), workers, clips
        self._begin()

    def _begin(self) -> None:
        self._room = threading.BoundedSemaphore(self._workers)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def frames(self, path: Path, n: int, limits: ClipLimits | None = None, reader: Reader = "pyav") -> np.ndarray:
        """N frames of a clip, evenly spaced from the first to the last, uint8 (n, H, W, 3).

        Args:
            path: an existing file.
            n: how many; short clips repeat frames.
            limits: instead of this decoder's own; their memory is what workers were started with.
            reader: what decodes in the worker.

        Returns:
            Frames of one size; those over max_shown_pixels come smaller.

        Raises:
            MediaError: it cannot be read, is over a limit, or ends the worker twice.
        """
        within = limits or self.limits
        request = _Request(path=os.fsencode(path.absolute()).hex(), n=n, reader=reader, limits=asdict(within))
        check = _stopping.get() or _nothing
        while not self._room.acquire(timeout=_HEED_S):
            check()
        try:
            for _ in range(2):  # a death may have been another clip's, or the system's want of memory: once more
                answer = self._ask(request, path.name, check)
                if not isinstance(answer, Died):
                    return answer
                log.warning("the reader of clips ended at %s with status %d", path.name, answer.status)
                if answer.status in _OVER_TIME:
                    raise MediaError(_too_long(path.name, within.processor_s))
        finally:
            self._room.release()
        raise MediaError(f"{path.name} cannot be read: it stops the decoder; it may be damaged, choose another file")

    def close(self) -> None:
        """End all workers. The next clip starts new ones."""
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.end()

    def forget(self) -> None:
        """For the child of a fork: the workers are the parent's, so it starts its own."""
        self._begin()

    def pids(self) -> list[int]:
        """The processes that run now."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def _ask(self, request: _Request, name: str, check: Callable[[], object]) -> np.ndarray | Died:
        worker = self._take(check)
        fit = False  # to be kept: it answered, and nothing stopped it halfway
        try:
            answer = worker.ask(request, name, check)
            fit = not isinstance(answer, Died)
            return answer
        except _Refusal as refusal:
            fit = not refusal.last
            raise MediaError(str(refusal)) from None
        finally:
            self._give_back(worker, fit and worker.asked < self._clips)

    def _take(self, check: Callable[[], object]) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        worker = _Worker(self.limits.memory_mb)
        with self._lock:
            self._all.add(worker)
        try:
            worker.wait_until_ready(check)
        except BaseException:
            self._give_back(worker, False)
            raise
        return worker

    def _give_back(self, worker: _Worker, fit: bool) -> None:
        with self._lock:
            if fit and worker in self._all:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.end()


class _Refusal(Exception):
    """The worker's sentence. last: it ends after it."""

    def __init__(self, words: str, last: bool) -> None:
        super().__init__(words)
        self.last = last


class _Worker:
    """One process, used by one thread at a time; a thread of its own reads what it sends."""

    def __init__(self, memory_mb: int) -> None:
        kept = {key: value for key, value in os.environ.items()
                if key in _KEPT or key.startswith(("PYTHON", "LD_", "DYLD_", "LC_"))}  # fmt: skip
        root = str(Path(__file__).resolve().parents[2])
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "umr.clips.worker", str(memory_mb)], env=kept, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._in, self._out = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self.pid, self.asked = self._process.pid, 0
        self._answers: queue.SimpleQueue[tuple[bytes, np.ndarray] | None] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, daemon=True, name=f"clip-worker-{self.pid}")
        self._reading.start()

    def wait_until_ready(self, check: Callable[[], object]) -> None:
        """Wait for its first word.

        Raises:
            MediaError: no worker can be started at all.
        """
        answer = self._next(START_S, check)
        if answer is None or answer[0] != READY:
            raise MediaError(
                f"clips cannot be read: the process for it does not start (status {self.end()}); try again"
            )

    def ask(self, request: _Request, name: str, check: Callable[[], object]) -> np.ndarray | Died:
        """Frames, or the end of this worker.

        Raises:
            _Refusal: the worker says why there are none.
            MediaError: it takes too long; and whatever `check` raises.
        """
        self.asked += 1
        try:
            self._in.write(json.dumps(request).encode() + b"\n")
        except OSError:  # it is gone since the last clip
            return Died(self.end())
        seconds = request["limits"]["wall_s"]
        try:
            answer = self._next(seconds, check)
        except queue.Empty:
            raise MediaError(_too_long(name, seconds)) from None
        if answer is None:
            return Died(self.end())
        kind, data = answer
        if kind == FRAMES:
            return data
        raise _Refusal(data.tobytes().decode("utf-8", "replace"), kind == SPENT)

    def end(self) -> int:
        """Kill the process and wait for it.

        Returns:
            Its exit status, negative for a signal.
        """
        self._process.kill()
        status = self._process.wait()
        if threading.current_thread() is not self._reading:
            self._reading.join()
        self._in.close()
        self._out.close()
        return status

    def _next(self, seconds: float, check: Callable[[], object]) -> tuple[bytes, np.ndarray] | None:
        """The next answer, None at the end of the process. Raises queue.Empty after that time."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self._answers.get(timeout=max(0.0, min(_HEED_S, until - time.monotonic())))
            except queue.Empty:
                check()
                if time.monotonic() >= until:
                    raise

    def _read(self) -> None:
        """Puts answers in the queue, and None at their end, or at one that no worker sends."""
        while True:
            header = self._bytes(HEADER.size)
            if header is None:
                return self._answers.put(None)
            kind, count, height, width = HEADER.unpack(header.tobytes())
            size = count * height * width * 3 if kind == FRAMES else count
            if kind != FRAMES and size > _MOST_WORDS:
                return self._answers.put(None)
            data = self._bytes(size)
            if data is None:
                return self._answers.put(None)
            self._answers.put((kind, data.reshape(count, height, width, 3) if kind == FRAMES else data))

    def _bytes(self, size: int) -> np.ndarray | None:
        data = np.empty(size, np.uint8)
        left = data.data
        while left:
            got = self._out.readinto(left)
            if not got:
                return None
            left = left[got:]
        return data


def _pipe(end: IO[bytes] | None) -> io.FileIO:
    """An end of a process's pipe, unbuffered, as bufsize=0 makes it."""
    if not isinstance(end, io.FileIO):
        raise TypeError(f"a pipe is {type(end).__name__}; the process was started without it")
    return end


def _nothing() -> None:
    """What is checked where nothing can be stopped."""


def _too_long(name: str, seconds: float) -> str:
    return f"{name} takes more than {seconds:g} s to decode; cut it or make it smaller first"


#: Statuses of a process that the system ended for the processor's time it took (SIGXCPU).
_OVER_TIME = frozenset({-24})

#: The one of this process.
CLIPS_OF_THIS_PROCESS = ClipDecoder()
atexit.register(CLIPS_OF_THIS_PROCESS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CLIPS_OF_THIS_PROCESS.forget)
