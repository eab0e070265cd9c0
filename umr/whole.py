"""Folders that are whole or absent: filled beside their place, then renamed. Not single files (umr.disk)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from umr.disk import put, told_when_full
from umr.errors import ConfigError
from umr.lock import claimed


def check_absent(target: str | Path) -> None:
    """Look, before any work is done, whether a folder that must not replace another can be made there.

    Raises:
        ConfigError: something is there.
    """
    if os.path.lexists(target):
        raise ConfigError(f"{target} exists; choose another --out, or remove it")


@contextmanager
def replacing_folder(target: str | Path) -> Iterator[Path]:
    """An empty folder to fill in the block, that replaces `target` once it is whole and on the disk.

    It lies beside the target under a name of the target's, locked, so that whoever comes after a process that died
    clears what that one left, and what is being written by a living one stays.

    Args:
        target: the folder's name; its parent is made where it is missing.

    Yields:
        The folder.

    Raises:
        ConfigError: another process is writing this target, or the disk has no locks.
        DiskFullError: nothing more fits; what was there stays.
    """
    target = Path(os.path.realpath(target))  # a link stays one
    beside = target.with_name(f".{target.name}.draft")
    try:
        with claimed(beside) as claim, told_when_full(target):
            new, old = claim.folder / "new", claim.folder / "old"
            _clear(target, new, old)
            try:
                new.mkdir()
                yield new
                new.chmod(0o755)
                if target.exists():
                    os.replace(target, old)
                put(new, target)
            finally:
                _clear(target, new, old)
    finally:
        with suppress(OSError):  # another process has it by now, or it was not made
            beside.rmdir()


def _clear(target: Path, new: Path, old: Path) -> None:
    """Remove what was not finished; what was there before goes back where nothing took its place."""
    if old.exists() and not target.exists():
        os.replace(old, target)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)
