"""Damaged things read in a process of their own, which may end, hang or grow. Not what they are."""

from __future__ import annotations

import logging
import multiprocessing
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from umr.bench.fuzz.kinds import KINDS, Kind
from umr.errors import UMRError
from umr.media import decoding_apart
from umr.memory import peak_mib

OPENED, REFUSED, FAULT = "opened", "refused", "FAULT"
WORKERS_ENDED = "ended a decoding worker"  # of those refused: a process apart is there for that
TIMEOUT_S = 90.0  # a clip may take 60
START_S = 120.0  # until a process that reads must be ready
MEMORY_MIB = 1536  # that one file may add to the process's highest
FEWEST = 5  # of each kind, however short the time is
_BATCH = 25  # of one kind, before the next one's turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one damaged thing.

    Attributes:
        outcome: OPENED, REFUSED or FAULT.
        why: the words of a refusal, or what the fault is.
    """

    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A thing that was neither opened nor refused, and how it is made again.

    Attributes:
        data: it itself, where what it is made of is not at hand later.
    """

    kind: str
    number: int
    name: str
    why: str
    data: bytes = b""


def damaged(kind: Kind, label: str, seed: int, number: int) -> tuple[str, bytes]:
    """The number-th thing of a kind: its name and bytes, the same for the same seed on every machine."""
    made = kind.made()
    name = sorted(made)[number % len(made)]
    return name, kind.damage(made[name], random.Random(f"{seed} {label} {number}"))


def judged(kind: Kind, name: str, data: bytes) -> Verdict:
    """Read one here; only the end of this process is not a verdict."""
    folder = Path(tempfile.mkdtemp(prefix="umr-fuzz-"))
    try:
        kind.read(name, data, folder)
    except UMRError as error:
        return Verdict(outcome=REFUSED, why=str(error))
    except Exception as error:  # the very thing that is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {str(error)[-200:]} ({Path(frame.filename).name}:{frame.lineno})"
        return Verdict(outcome=FAULT, why=why)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Verdict(outcome=OPENED)


def serve(connection: Connection, kinds: Mapping[str, Kind], seed: int, folder: str) -> None:
    """What the process apart does: answers (label, number) with a verdict and its highest memory, until it is left.

    Pictures are decoded as a served page has them decoded, by workers. All that it writes lies in `folder`, as it may
    be ended before it removes anything.
    """
    tempfile.tempdir = folder
    logging.disable(logging.ERROR)  # what is refused is told here
    connection.send(None)
    with suppress(EOFError, OSError), decoding_apart():  # the first: whoever asked is gone
        while True:
            label, number = connection.recv()
            name, data = damaged(kinds[label], label, seed, number)
            connection.send((name, judged(kinds[label], name, data), peak_mib()))


class Apart:
    """A process that reads for others; a new one takes the place of one that ended."""

    def __init__(self, kinds: Mapping[str, Kind], seed: int, timeout_s: float = TIMEOUT_S) -> None:
        """The seed of the damage; a reader that takes longer than `timeout_s` is at fault."""
        self._kinds, self._seed, self._timeout_s = kinds, seed, timeout_s
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._folder = tempfile.mkdtemp(prefix="umr-fuzz-")
        asked = theirs, self._kinds, self._seed, self._folder
        self._process = context.Process(target=serve, args=asked, daemon=False)
        self._process.start()
        theirs.close()
        self._peak = 0.0
        if not self._connection.poll(START_S):
            self.close()
            raise TimeoutError(f"a process that reads was not ready in {START_S:.0f} s")
        self._connection.recv()

    def verdict(self, label: str, number: int) -> tuple[str, Verdict]:
        """(name, what became of it); "" for the name of one that gave no answer."""
        if self._connection.closed:  # the last one ended
            self._start()
        self._connection.send((label, number))
        if not self._connection.poll(self._timeout_s):
            self.close()
            return "", Verdict(outcome=FAULT, why=f"no answer in {self._timeout_s:.0f} s")
        try:
            name, verdict, peak = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            status = self._process.exitcode
            self.close()
            return "", Verdict(outcome=FAULT, why=f"it ended the process that read it (status {status})")
        grown, self._peak = peak - self._peak if self._peak else 0.0, max(peak, self._peak)
        if grown > MEMORY_MIB:
            return name, Verdict(outcome=FAULT, why=f"{grown:.0f} MiB more memory")
        return name, verdict

    def close(self) -> None:
        """Ends the process and removes what it wrote."""
        self._connection.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def turns(labels: Sequence[str], seconds: float) -> Iterator[tuple[str, int]]:
    """(kind, number) until the time is over: some of each kind, then the next ones of each."""
    until, start, size = time.monotonic() + seconds, 0, FEWEST
    while start == 0 or time.monotonic() < until:
        for label in labels:
            for number in range(start, start + size):
                if start and time.monotonic() >= until:
                    return
                yield label, number
        start, size = start + size, _BATCH


def fuzz(labels: Sequence[str], seconds: float, seed: int) -> tuple[dict[str, Counter[str]], list[Fault]]:
    """Damages and reads things of these kinds, in turns.

    Args:
        labels: names of KINDS.
        seconds: as long as it goes on; FEWEST of each kind at least.
        seed: of the damage.

    Returns:
        {kind: numbers of each outcome}, and the faults.
    """
    found: dict[str, Counter[str]] = {label: Counter() for label in labels}
    faults: list[Fault] = []
    with Apart(KINDS, seed) as apart:
        for label, number in turns(labels, seconds):
            name, verdict = apart.verdict(label, number)
            found[label][verdict.outcome] += 1
            found[label][WORKERS_ENDED] += "stops the decoder" in verdict.why
            if verdict.outcome == FAULT:
                faults.append(Fault(kind=label, number=number, name=name, why=verdict.why))
    return found, faults
