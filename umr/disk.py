"""Files that are whole or absent, even after a power cut: flushed to the disk, then renamed. Not their formats."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: str | Path) -> None:
    """Flush a written file, or a folder's list of names, to the disk."""
    folder = os.path.isdir(path)
    if folder and os.name == "nt":  # Windows opens no folder, and keeps its names itself
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(draft: str | Path, target: str | Path) -> None:
    """Rename a finished draft, a file or a folder with all in it, to `target`; a crash leaves the old one or the new.

    A file replaces what is there, a folder only an empty one. Both must be on one file system."""
    draft, target = Path(draft), Path(target)
    for path in sorted(draft.rglob("*"), reverse=True) if draft.is_dir() else ():
        sync(path)
    sync(draft)
    os.replace(draft, target)
    sync(target.parent)
