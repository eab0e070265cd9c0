"""The sha256 of large files, kept with what the file system says of them, so that none is read again for it.

Small files are read each time: that costs nothing, and vouches for their bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from pathlib import Path

from umr.disk import atomic_write, file_sha256
from umr.errors import DiskFullError
from umr.shipped import cache_root

log = logging.getLogger(__name__)

LARGE = 64 << 20  # bytes of a file, or of an index, from which on none is hashed at each opening
FOLDER = "hashes"  # in the cache
RACY_S = 2.0  # a file that changed so lately may change again without a later time


def known_sha256(path: str | Path) -> str:
    """The sha256 (hex) of a file; of a large one that has not changed since it was last asked for, as it was then.

    Changed means another inode, size, time of its bytes or time of its state, of which no program sets the last.
    Nothing is kept where the cache cannot be written.
    """
    path = Path(os.path.abspath(path))
    stamp = _stamp(path)
    if stamp[2] < LARGE:
        return file_sha256(path)
    kept = cache_root() / FOLDER / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    known = _read(kept)
    if known.get("stamp") == stamp and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    found = file_sha256(path)
    if _stamp(path) == stamp and time.time() - max(stamp[3:]) / 1e9 > RACY_S:
        _keep(kept, {"file": str(path), "stamp": stamp, "sha256": found})
    return found


def _stamp(path: Path) -> list[int]:
    said = path.stat()
    return [said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns]


def _read(kept: Path) -> dict[str, object]:
    try:
        row = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # none, or one that was cut off: the file is read
        return {}
    return row if isinstance(row, dict) else {}


def _keep(kept: Path, row: dict[str, object]) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as file:
            json.dump(row, file)
    except (OSError, DiskFullError) as error:
        log.info("%s is not kept, so the file is read each time: %r", kept, error)
