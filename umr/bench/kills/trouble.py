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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def forked(work: Callable[[], int], log: Path, hook: Hook | None = None) -> Ended:
    """Do the work in a process forked from this one; it is waited for, TIMEOUT_S at most.

    Args:
        work: returns an exit status.
        log: what it writes goes there.
        hook: is called with (number, name, arguments) of every one of EVENTS.
    """
    begin = time.monotonic()
    pid = start(work, log, hook)
    status = wait(pid)
    said = log.read_text("utf-8", "replace")
    counted = log.with_suffix(".events")
    events = int(counted.read_text() or 0) if counted.exists() else 0
    return Ended(status=status, said=said, seconds=time.monotonic() - begin, events=events)


def start(work: Callable[[], int], log: Path, hook: Hook | None = None) -> int:
    """As forked, but not waited for. Returns the process's id."""
    counted = log.with_suffix(".events")
    counted.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that may not become larger is an error to be told
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = sys.stderr = os.fdopen(handle, "w", buffering=1)
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


def wait(pid: int) -> int:
    """The exit status of a process, minus the signal's number where one ended it; it is killed after TIMEOUT_S."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"a command did not end in {TIMEOUT_S:.0f} s")


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
