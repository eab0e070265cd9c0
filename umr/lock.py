"""One process at a time in a folder, by a lock that the system takes back when its holder dies. Not the work in it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from umr.disk import told_when_full
from umr.errors import ConfigError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
_FAR = 1 << 30  # Windows locks bytes, also against reading; this one is behind what the file says
_TRIES = 100  # each one follows a holder that gave the folder back at that very moment


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder that this block of code alone may write to, made by `claimed`."""

    folder: Path


@contextmanager
def claimed(folder: str | Path) -> Iterator[Claim]:
    """The folder, made where it is missing, for the caller alone until the end of the block.

    The lock is the kernel's, on folder/.lock: no crash leaves it behind. A folder made here goes again if it stays
    empty.

    Raises:
        ConfigError: another process, or another thread, has the folder (it is named where known), or the disk has no
            locks.
    """
    folder = Path(folder).absolute()
    made = not folder.exists()
    handle = _take(folder)
    try:
        yield Claim(folder)
    finally:
        if os.name != "nt":  # which does not remove open files; there it stays, unlocked and harmless
            with suppress(OSError):
                (folder / LOCK).unlink()  # while it is held: who waits at the old file sees that it is gone
        os.close(handle)
        if made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _take(folder: Path) -> int:
    """The handle of the locked file."""
    path = folder / LOCK
    for _ in range(_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except (FileExistsError, FileNotFoundError):  # the last holder took the folder with it, in either call
            if folder.is_file():
                raise
            continue
        try:
            _lock(handle, path)
            if _is_at(handle, path):
                _sign(handle, folder)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise ConfigError(f"{path} cannot be made or is removed again and again; choose another folder")


def hold(handle: int) -> None:
    """Takes the lock of an open file, until the handle is closed.

    Raises:
        BlockingIOError: another one has it; on Windows PermissionError.
        OSError: the disk has no locks.
    """
    if sys.platform == "win32":
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(handle: int, path: Path) -> None:
    """Lock the open file, or raise ConfigError: it is held, or cannot be locked."""
    try:
        hold(handle)
    except (BlockingIOError, PermissionError) as error:
        raise ConfigError(
            f"{path.parent} is being written by {_holder(path)}: wait until it is done or stop it, "
            "or choose another folder"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be locked ({error.strerror}), so two builds into one folder could not be told apart; "
            "choose a folder on a disk that has locks"
        ) from error


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int, folder: Path) -> None:
    """Says in the file who has it, for the refusal that another one reads."""
    row = {"pid": os.getpid(), "host": platform.node(), "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")}
    with told_when_full(folder):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(row).encode())


def _holder(path: Path) -> str:
    """Who says to have the lock; it may not have said so yet."""
    try:
        row = json.loads(path.read_bytes())
        return f"process {row['pid']} on {row['host']} since {row['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
