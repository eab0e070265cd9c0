"""The folder that a page's server keeps its visitors' files in: its own, and gone with it, however it ends.

Not whose they are (umr.ui.visitors).

A process that is killed removes nothing. Its folder is known by a lock that the system took back, whatever the folder's
age, and goes when the next server starts; that of a living server stays.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

from umr.lock import LOCK, hold

log = logging.getLogger(__name__)

VARIABLE = "GRADIO_TEMP_DIR"  # Gradio's own: where it keeps uploads; read before it is imported, and at each use
PREFIX = "umr-page-"
OWN = "own-files-"  # how the folder of a visitor's collection begins
REMOVED = "removed-"  # and one that is being removed
DRAFT = tempfile.gettempprefix()  # and the file of an upload that is on its way, in the folder itself
BEING_MADE_S = 60.0  # the age until which a folder without a lock may be a server's that starts at this moment
#: The lock of each folder of this process, held until it ends: the system gives it back with the handle.
_held: dict[Path, int] = {}
#: Of each of these, its drafts by name and number, and when they were seen first, as time.monotonic() says it.
_drafts: dict[Path, dict[tuple[Path, int], float]] = {}


def claim() -> Path:
    """Makes this process's folder, and has Gradio use it; to be called before Gradio is imported.

    Removes what dead processes left beside it.

    Returns:
        The folder, under $GRADIO_TEMP_DIR or the system's folder for temporary files. `give_up` removes it, and so does
        the end of the interpreter.
    """
    base = Path(os.environ.get(VARIABLE) or Path(tempfile.gettempdir()) / "gradio").resolve()
    base.mkdir(parents=True, exist_ok=True)
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # mode 0700: other users of this machine read nothing
    _held[folder] = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not _locked(_held[folder]):
        log.warning("%s has no locks: what this server leaves if it is killed will stay there", base)
    os.environ[VARIABLE] = str(folder)
    atexit.register(give_up, folder)
    return folder


def give_up(folder: Path) -> None:
    """Removes the folder of this process and all in it."""
    if os.environ.get(VARIABLE) == str(folder):
        os.environ[VARIABLE] = str(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.error("%s cannot be removed whole; remove it by hand", folder)
    if folder in _held:
        os.close(_held.pop(folder))
        _drafts.pop(folder, None)


def remove_drafts(folder: Path, age_s: float) -> None:
    """Removes the files of uploads that broke off, which Gradio leaves as tmp* in the folder itself.

    In a folder that is not this process's own nothing is touched: another program's upload may be on its way there.

    Args:
        folder: where they lie.
        age_s: seconds since one was seen here first: the times of files are of a clock that can be set.
    """
    if folder not in _held:
        return
    now, before = time.monotonic(), _drafts.get(folder, {})
    seen: dict[tuple[Path, int], float] = {}
    for path in folder.glob(f"{DRAFT}*"):
        try:
            known = path.stat()
        except FileNotFoundError:  # it came whole, and was moved to its place
            continue
        if not stat.S_ISREG(known.st_mode):
            continue
        since = before.get((path, known.st_ino), now)
        if now - since >= age_s:
            path.unlink(missing_ok=True)
        else:
            seen[path, known.st_ino] = since
    _drafts[folder] = seen


def remove(folder: Path) -> None:
    """Removes a folder of visitors' files whole.

    It is renamed before: what is still being written into it finds its place no more. What stays nevertheless is tried
    again by `remove_rest`.
    """
    gone = folder.with_name(f"{REMOVED}{secrets.token_hex(16)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    except OSError:  # a file in it is open, where the system refuses that
        gone = folder
    shutil.rmtree(gone, ignore_errors=True)
    if gone.exists():
        log.error("%s, which was to be removed, is still there", gone)


def remove_rest(root: Path) -> None:
    """Removes what `remove` could not, of the folders in `root`."""
    for folder in root.glob(f"{REMOVED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def bytes_below(path: Path) -> int:
    """The size of a file, or of all files below a folder; of what is not there, or goes meanwhile, nothing."""
    try:
        known = path.lstat()
        if stat.S_ISDIR(known.st_mode):
            return sum(map(bytes_below, path.iterdir()))
    except FileNotFoundError:
        return 0
    return known.st_size if stat.S_ISREG(known.st_mode) else 0


def free_bytes(folder: Path) -> int:
    """How much the disk of a folder has left, also of one that is not there yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir())).free


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        try:
            dead = _is_dead(folder)
        except OSError as error:  # another user's, or another server that starts removed it meanwhile
            log.info("%s is left alone: %s", folder, error)
            continue
        if dead:
            shutil.rmtree(folder, ignore_errors=True)


def _is_dead(folder: Path) -> bool:
    """Whether the process that made the folder has ended.

    Raises:
        OSError: that cannot be seen.
    """
    if not (folder / LOCK).exists():
        return abs(time.time() - folder.stat().st_mtime) > BEING_MADE_S  # younger than now: the clock was set back
    handle = os.open(folder / LOCK, os.O_RDWR)
    try:
        return _locked(handle)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Takes the lock of a file if nobody has it; False also where there are no locks."""
    if sys.platform == "win32":  # a file that is locked there cannot be removed: what a killed process left stays
        return False
    try:
        hold(handle)
    except OSError:
        return False
    return True
