"""One process that decodes, as this one holds it: started, asked, listened to, ended. Not which is asked (workers)."""

from __future__ import annotations

import io
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from umr.apart.arena import Arena
from umr.apart.line import DATA, FRAMES, HEADER, MEMBER, PIECE, READY, WORDS, ReaderName, Request
from umr.errors import MediaError, reason

START_S = 30.0  # until a process answers; it takes a third of a second on an idle machine
_HEED_S = 0.05  # how often a wait looks whether it was stopped
#: Bytes that follow a message, at most: what says more is none of ours.
_MOST = dict.fromkeys(WORDS, 4096) | {FRAMES: 2**31, PIECE: 2**20, MEMBER: 2**19}
_AHEAD = 4  # messages of DATA that are read before somebody takes the first of them
#: Of the environment, what Python and its libraries need to start; no keys and tokens.
_KEPT = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR")
#: Threads and heaps take their share of the address space. Of freed memory 32 MiB are at hand for the next file, but
#: not the 16 MiB that Pillow asks for at a time: those of a large picture would stay in the heap for good.
_FRUGAL = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
           "MALLOC_MMAP_THRESHOLD_": str(2**23), "MALLOC_TRIM_THRESHOLD_": str(2**25)}  # fmt: skip


class Message(NamedTuple):
    """One message as it arrived.

    Attributes:
        kind: see umr.apart.line.
        numbers: those of its header.
        data: uint8; the pixels of FRAMES (count, height, width, 3), the bytes of words, a name or a piece, else empty.
    """

    kind: bytes
    numbers: tuple[int, int, int]
    data: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What processes are for.

    Attributes:
        reader: what they decode.
        noun: what messages call one of its files.
        memory_mb: of each, beyond what it takes when it starts.
        workers: processes that decode at a time.
        warm: processes that wait ready, once Workers.warm was called.
        uses: files that one decodes: what a library forgets to free goes with it.
        arena_mb: memory that each shares with this process, where the system has such; 0: none.
    """

    reader: ReaderName
    noun: str
    memory_mb: int
    workers: int = 2
    warm: int = 0
    uses: int = 500
    arena_mb: int = 0


class Died(Exception):
    """A process that ended without an answer. status: what the system says of its end, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Worker:
    """One process, used by one thread at a time; a thread of its own reads what it sends."""

    def __init__(self, kind: Kind) -> None:
        """Start it.

        Raises:
            MediaError: the system does not let it start.
        """
        kept = {key: value for key, value in os.environ.items()
                if key in _KEPT or key.startswith(("PYTHON", "LD_", "DYLD_", "LC_"))}  # fmt: skip
        root = str(Path(__file__).resolve().parents[2])
        kept |= _FRUGAL | {"PYTHONPATH": os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))}
        self.arena = _arena(kind)
        shared = [] if self.arena is None else [self.arena.file]
        told = [] if self.arena is None else [str(self.arena.file), str(self.arena.size)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "umr.apart.process", kind.reader, str(kind.memory_mb), *told], env=kept,
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=shared,
                start_new_session=True,  # without the page's terminal, into which it could type
            )  # fmt: skip
        except OSError as error:  # no descriptors, processes or memory left
            raise MediaError(f"{kind.noun}s cannot be read: {reason(error)}; try again") from error
        finally:
            if self.arena is not None:
                self.arena.passed()
        self._in, self._out = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self.pid, self.asked, self._noun = self._process.pid, 0, kind.noun
        self._answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._ahead, self._ended = threading.Semaphore(_AHEAD), False
        self._reading = threading.Thread(target=self._read, daemon=True, name=f"{kind.noun}-worker-{self.pid}")
        self._reading.start()

    def wait_until_ready(self, check: Callable[[], object]) -> None:
        """Wait for its first word.

        Raises:
            MediaError: no process can be started at all.
        """
        try:
            message = self.next(time.monotonic() + START_S, check)
        except queue.Empty:
            message = None
        if message is None or message.kind != READY:
            raise MediaError(
                f"{self._noun}s cannot be read: the process for it does not start (status {self.end()}); try again"
            )

    def send(self, request: Request) -> None:
        """Ask it, or answer it.

        Raises:
            Died: it is gone.
        """
        left = memoryview(request.packed())
        try:
            while left:
                left = left[self._in.write(left) :]
        except OSError:  # since the last file
            raise Died(self.end()) from None

    def next(self, until: float, check: Callable[[], object]) -> Message | None:
        """The next message, None at the end of the process. Raises queue.Empty after that time."""
        while True:
            try:
                message = self._answers.get(timeout=max(0.0, min(_HEED_S, until - time.monotonic())))
            except queue.Empty:
                check()
                if time.monotonic() >= until:
                    raise
            else:
                if message is not None and message.kind in DATA:
                    self._ahead.release()
                return message

    def end(self) -> int:
        """Kill the process and wait for it.

        Returns:
            Its exit status, negative for a signal.
        """
        self._process.kill()
        status = self._process.wait()
        self._ended = True
        self._ahead.release()
        if threading.current_thread() is not self._reading:
            self._reading.join()
        self._in.close()
        self._out.close()
        return status

    def _read(self) -> None:
        """Puts messages in the queue, and None at their end, or at one that no process of ours sends."""
        while True:
            header = self._bytes(HEADER.size)
            if header is None:
                return self._answers.put(None)
            kind, *numbers = HEADER.unpack(header.tobytes())
            count, height, width = numbers
            most = _MOST.get(kind, 0)
            size = 0 if not most else count * height * width * 3 if kind == FRAMES else count
            if size > most:
                return self._answers.put(None)
            if kind in DATA:
                self._ahead.acquire()
            data = None if self._ended else self._bytes(size)
            if data is None:
                return self._answers.put(None)
            shaped = data.reshape(count, height, width, 3) if kind == FRAMES else data
            self._answers.put(Message(kind, (count, height, width), shaped))

    def _bytes(self, size: int) -> np.ndarray | None:
        data = np.empty(size, np.uint8)
        left = data.data
        while left:
            got = self._out.readinto(left)
            if not got:
                return None
            left = left[got:]
        return data


def _arena(kind: Kind) -> Arena | None:
    try:
        return Arena.made(kind.arena_mb * 2**20) if kind.arena_mb else None
    except OSError as error:
        raise MediaError(f"{kind.noun}s cannot be read: {reason(error)}; try again") from error


def _pipe(end: IO[bytes] | None) -> io.FileIO:
    """An end of a process's pipe, unbuffered, as bufsize=0 makes it."""
    if not isinstance(end, io.FileIO):
        raise TypeError(f"a pipe is {type(end).__name__}; the process was started without it")
    return end
