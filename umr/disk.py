"""Files that are whole or absent, even after a power cut: flushed to the disk, then renamed. Not their formats."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import lzma
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from umr.errors import ConfigError, DiskFullError

#: What the system says when nothing more fits -> in words.
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on this disk is used up",
    errno.EFBIG: "a file may not become that large here",
}
_FICLONE = 0x40049409  # of Linux: btrfs, XFS and others copy so
_SPECIAL = {stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


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

    A file replaces what is there, a folder only an empty one. Both must be on one file system.

    Raises:
        ConfigError: a file would replace something that is none (see check_target).
        DiskFullError: nothing more fits.
    """
    draft, target = Path(draft), Path(target)
    if not draft.is_dir():
        check_target(target)
    with told_when_full(target):
        for path in sorted(draft.rglob("*"), reverse=True) if draft.is_dir() else ():
            sync(path)
        sync(draft)
        os.replace(draft, target)
        sync(target.parent)


@contextmanager
def replacing(target: str | Path, make_folder: bool = True) -> Iterator[Path]:
    """A draft to write in the block, that replaces `target` once it is whole and on the disk.

    For what opens its file by itself; texts are written by atomic_write.

    Args:
        target: the file's name.
        make_folder: the target's folder is made where it is not.

    Yields:
        The draft, which is not there yet.

    Raises:
        ConfigError: the target is something that a file must not replace (see check_target).
        DiskFullError: nothing more fits; what was there stays.
        FileNotFoundError: there is no such folder, and none is to be made.
    """
    target = Path(target)
    check_target(target)
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(target)
    try:
        with told_when_full(target):
            yield draft
        put(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[str]]:
    """A text file to write, that replaces `path` once it is whole and on the disk.

    It is compressed where its name ends in .gz or .xz; compressed bytes hold neither name nor time, so that equal
    content makes equal files.

    Args:
        path: the file's name.

    Yields:
        The open file: UTF-8, lines end in a line feed on every system.

    Raises:
        ConfigError: the target is something that a file must not replace (see check_target).
        DiskFullError: nothing more fits; what was there stays.
    """
    with replacing(path) as draft, _text_file(draft, Path(path).suffix) as file:
        yield file


@contextmanager
def _text_file(draft: Path, suffix: str) -> Iterator[IO[str]]:
    if suffix == ".xz":
        with lzma.open(draft, "wt", preset=9, encoding="utf-8", newline="\n") as packed:
            yield packed
        return
    if suffix != ".gz":
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    with (
        draft.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def write_text(path: str | Path, text: str) -> None:
    """Write a text file with atomic_write. Raises as it does."""
    with atomic_write(path) as file:
        file.write(text)


def copied(source: Path, target: Path, shared: bool = False) -> None:
    """Make `target` the file that `source` is.

    Args:
        source: what a link leads to, where it is one.
        target: not there yet.
        shared: nobody changes the source in place, so that both may be one file on the disk, where it has hard links.
            Else they are two that share what neither changes, where the disk can that.
    """
    if shared:
        with suppress(OSError):  # another disk, or one without hard links
            os.link(os.path.realpath(source), target)
            return
    with target.open("wb") as file:
        whole = _cloned(source, file)
    if not whole:
        shutil.copyfile(source, target)


def room_for_copy(source: Path, folder: Path, shared: bool = False) -> int:
    """Bytes that `copied` of a file into a folder, which may not be there yet, takes of the disk; leaves nothing there.

    Args:
        source: the file.
        folder: where to.
        shared: as of `copied`.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    size = source.stat().st_size
    if shared and source.stat().st_dev == there.stat().st_dev:
        return 0
    with suppress(OSError), tempfile.TemporaryFile(dir=there) as file:  # it may not be written to: the copy says it
        return 0 if _cloned(source, file) else size
    return size


def _cloned(source: Path, target: IO[bytes]) -> bool:
    """Whether an empty file was made one that shares the blocks of another until one of both is changed."""
    try:
        import fcntl

        with source.open("rb") as file:
            fcntl.ioctl(target.fileno(), _FICLONE, file.fileno())
    except (ImportError, OSError):  # another system, another disk, or one without such copies
        return False
    return True


def file_sha256(path: str | Path) -> str:
    """The sha256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_target(target: str | Path) -> None:
    """Look, before any work is done, at what a file to be written would replace.

    Raises:
        ConfigError: a folder, a device, a pipe or a socket is there, or a link to one; or a name that stands for
            an open file of this process, as the standard output has one.
    """
    target = Path(target)
    there = "a folder" if target.is_dir() else special(target)
    if there is None and target.is_symlink() and os.readlink(target).startswith("/proc/"):
        there = "an open file of this process"
    if there is not None:
        raise ConfigError(f"{target} is {there}, which a file must not replace; name a file to write")


def special(path: str | Path) -> str | None:
    """The "a device", "a pipe" or "a socket", in words, at the end of all links; None for a file, a folder, or nothing.

    To open one can wait for ever, and to rename a file over one takes it from everybody.
    """
    try:
        return _SPECIAL.get(stat.S_IFMT(os.stat(path).st_mode))
    except FileNotFoundError:
        return None


def draft_of(target: Path) -> Path:
    """Where a file is written before it takes its name: beside it, hidden, and of this process alone."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def clear_drafts(*folders: Path) -> None:
    """Remove what processes that died left under draft_of in folders that nobody else writes to now."""
    for folder in folders:
        for draft in folder.glob(".*.[0-9]*.part"):
            draft.unlink(missing_ok=True)


@contextmanager
def told_when_full(target: str | Path) -> Iterator[None]:
    """A block that writes `target`.

    Raises:
        DiskFullError: in place of the error that nothing more fits, the system's or that of a library which passes it
            on as words; it names the target and the way out.
    """
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number not in _FULL:
            raise
        raise DiskFullError(
            f"{target} cannot be written: {_FULL[number]} ({os.strerror(number)}). Make room, or choose another place, "
            "and run the same command again; what is finished is kept"
        ) from error


def _number(error: Exception) -> int:
    """The system's number of an error, 0 where it has none; safetensors tells it as words, "(os error 28)"."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0
