"""What comes between a command and its end, and the process in which it does. Not what the command is (deeds).

A process is forked from one that has computed nothing yet, so that fifty of them need not import everything anew. Its
work is counted in events of Python's audit hook (a file opened, renamed, removed, a folder made): trouble comes at one
of them, or at a moment between them.
"""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from umr.errors import UMRError, reason

EVENTS = frozenset(("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree",
                    "shutil.copyfile", "fcntl.flock", "fcntl.lockf"))  # fmt: skip
_CHANGES = EVENTS - {"open", "fcntl.flock", "fcntl.lockf"}
TIMEOUT_S = 300.0
Hook = Callable[[int, str, tuple[Any, ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a forked process ended.

    Attributes:
        status: its exit status, or minus the number of the signal.
        said: what it wrote to its error output.
        seconds: that it took.
        events: that it counted, 0 where it was killed.
    """

    status: int
    said: str
    seconds: float
    events: int

    @property
    def refused(self) -> bool:
        """Whether it ended with a sentence, and not with a traceback."""
        return self.status == 2 and "Traceback" not in self.said and bool(self.said.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process that was forked.

    Attributes:
        pid: its id.
        pipe: the end of its outputs, from which a limit on its files takes nothing.
        counted: the file that it writes its number of events to.
        begin: when, as time.monotonic() says it.
    """

    pid: int
    pipe: int
    counted: Path
    begin: float


def forked(work: Callable[[], int], log: Path, hook: Hook | None = None) -> Ended:
    """Do the work in a process forked from this one; it is waited for, TIMEOUT_S at most.

    Args:
        work: returns an exit status.
        log: what it writes goes there.
        hook: is called with (number, name, arguments) of every one of EVENTS.
    """
    return wait(start(work, log, hook), log)


def start(work: Callable[[], int], log: Path, hook: Hook | None = None) -> Started:
    """As forked, but not waited for."""
    counted = log.with_suffix(".events")
    counted.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pipe, said = os.pipe()
    pid = os.fork()
    if pid:
        os.close(said)
        os.set_blocking(pipe, False)
        return Started(pid=pid, pipe=pipe, counted=counted, begin=time.monotonic())
    status = 70
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that may not become larger is an error to be told
        os.close(pipe)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = sys.stderr = os.fdopen(said, "w", buffering=1)
        status = _counted(work, counted, hook)
    finally:
        os._exit(status)


def _counted(work: Callable[[], int], counted: Path, hook: Hook | None) -> int:
    number, on = 0, True

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        if on and name in EVENTS:
            number += 1
            if hook is not None:
                hook(number, name, arguments)

    sys.addaudithook(audit)
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
        status = 1
    on = False
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    counted.write_text(str(number))
    return status


def wait(started: Started, log: Path) -> Ended:
    """How a process ended; it is killed after TIMEOUT_S. What it said is in the log then.

    Raises:
        TimeoutError: it had to be killed.
    """
    with log.open("wb") as file:
        try:
            status = _status(started, file)
        finally:
            _read(started.pipe, file)
            os.close(started.pipe)  # who is left of its children writes to nobody
    events = int(started.counted.read_text() or 0) if started.counted.exists() else 0
    said, seconds = log.read_text("utf-8", "replace"), time.monotonic() - started.begin
    return Ended(status=status, said=said, seconds=seconds, events=events)


def _status(started: Started, log: IO[bytes]) -> int:
    """The exit status, minus the signal's number where one ended it."""
    until = started.begin + TIMEOUT_S
    while time.monotonic() < until:
        _read(started.pipe, log)
        ended, status = os.waitpid(started.pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(started.pid, signal.SIGKILL)
    os.waitpid(started.pid, 0)
    raise TimeoutError(f"a command did not end in {TIMEOUT_S:.0f} s")


def _read(pipe: int, log: IO[bytes]) -> None:
    """Write to the log what is in the pipe now."""
    with suppress(BlockingIOError):  # there is nothing more
        while said := os.read(pipe, 1 << 16):
            log.write(said)


def killed(rng: random.Random, usual: Ended) -> Hook:
    """A hook that kills its process, at a random event or at a random moment after it."""
    at, later = rng.randint(1, max(1, usual.events)), rng.random() < 0.5
    delay = rng.random() * usual.seconds / 20

    def hook(number: int, *_: object) -> None:
        if number == at and later:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def without_room(rng: random.Random, usual: Ended, out: Path) -> Hook:
    """A hook after which nothing new fits under `out`; half the time no file there may become large either."""
    at, size = rng.randint(1, max(1, usual.events)), rng.choice((0, 512, 4096, 40_000))

    def hook(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number == at and size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        elif number >= at and not size and _writes(name, arguments, out, makes=True):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    return hook


def read_only(out: Path) -> Hook:
    """A hook under which nothing under `out`, the place of results and of drafts beside them, can be changed."""

    def hook(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if _writes(name, arguments, out, makes=False):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))

    return hook


def vanishing(rng: random.Random, usual: Ended, source: Path) -> Hook:
    """A hook that removes a file of the source at a random event: the process that looks at it finds it gone."""
    at = rng.randint(1, max(1, usual.events))

    def hook(number: int, *_: object) -> None:
        if number == at:
            os.unlink(rng.choice(sorted(source.iterdir())))

    return hook


def changing(rng: random.Random, usual: Ended, source: Path) -> Hook:
    """A hook that writes over a file of the source at a random event: with less, with more, or with another's bytes."""
    at = rng.randint(1, max(1, usual.events))

    def hook(number: int, *_: object) -> None:
        if number == at:
            path, other = rng.choices(sorted(source.iterdir()), k=2)
            data = path.read_bytes()
            path.write_bytes(rng.choice((b"", data[: len(data) // 2], data + data, other.read_bytes())))

    return hook


def jumping(rng: random.Random, usual: Ended, work: Path) -> Hook:
    """A hook that sets the clock, back or forth, at a random event, as far as a process can do that to itself.

    Half the time what `time` tells jumps, and half the time the files that are there, beside those that are still to
    be written. `datetime` asks the system's clock, which stays.

    Args:
        rng: of the moment, and of how far.
        usual: how the command ends when it is left alone.
        work: files under it are as much older as the clock is set forth, or younger as it is set back.
    """
    at, of_files = rng.randint(1, max(1, usual.events)), rng.random() < 0.5
    seconds = rng.choice((-1, 1)) * rng.choice((5, 3_600, 400 * 86_400))

    def hook(number: int, *_: object) -> None:
        if number == at and of_files:
            age(work, seconds)
        elif number == at:
            set_clock(seconds)

    return hook


def set_clock(seconds: int) -> None:
    """Has `time` tell a time that is so much later, in this process."""
    told, told_ns = time.time, time.time_ns
    setattr(time, "time", lambda: told() + seconds)  # noqa: B010  # what a type checker takes for a constant
    setattr(time, "time_ns", lambda: told_ns() + seconds * 10**9)  # noqa: B010


def age(work: Path, seconds: int) -> None:
    """Makes a folder and all in it so much older."""
    for folder, _, names in os.walk(work):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            with suppress(FileNotFoundError):  # another thread, or another process, removed it
                known = os.lstat(path)
                times = known.st_atime_ns - seconds * 10**9, known.st_mtime_ns - seconds * 10**9
                os.utime(path, ns=times, follow_symlinks=False)


def _writes(name: str, arguments: tuple[Any, ...], out: Path, makes: bool) -> bool:
    """Whether an event changes something under `out`.

    Args:
        name: the event's.
        arguments: of it.
        out: the folder.
        makes: only where it takes room: what is removed takes none.
    """
    path = arguments[0] if arguments else None
    if not isinstance(path, (str, bytes, os.PathLike)) or not Path(os.fsdecode(path)).is_relative_to(out):
        return False
    if name == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return name in ("os.mkdir", "os.link") if makes else name in _CHANGES


def looked_at(look: Callable[[Path], Mapping[str, str] | None], folder: Path, log: Path) -> tuple[dict[str, str], str]:
    """What `look` finds, asked in a process of its own: (its answer, ""), or ({}, why there is none)."""

    def told() -> int:
        try:
            print(json.dumps(look(folder) or {}))
        except (UMRError, OSError) as error:
            print(f"{type(error).__name__}: {reason(error)}", file=sys.stderr)
            return 2
        return 0

    ended = forked(told, log)
    if ended.status:
        return {}, ended.said.strip()[-300:] or f"status {ended.status}"
    return dict(json.loads(ended.said.splitlines()[-1])), ""
