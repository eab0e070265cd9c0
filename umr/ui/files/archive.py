"""Opens a zip that a stranger made: every member is checked and streamed with counters. Not what its files mean (ingest).

Sizes that an archive states are never believed; what is not taken is returned with its reason, and the rest goes on.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from umr.errors import ConfigError, MediaError, UMRError, reason
from umr.types import Refused

#: Endings of archives; one inside another is not opened, so that nothing can nest without end.
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".iso", ".cab"))
CHUNK = 1 << 16
MAX_DIRECTORY = 4 << 20  # bytes of an archive's table of contents; enough for some 50,000 names
MAX_REASONS = 200  # refusals told one by one; the others are counted
MAX_DEPTH = 32  # folders within each other
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError,
           IndexError)  # fmt: skip


@dataclass(slots=True)
class Budget:
    """What may still be taken, over everything that one visitor gives: files, bytes, and bytes of one file."""

    files: int
    total: int
    one: int

    def check(self) -> None:
        """Raises MediaError where nothing more may be taken."""
        if self.files <= 0:
            raise MediaError("the limit on the number of files is reached")
        if self.total <= 0:
            raise MediaError("the limit on all files together is reached")


def unpack(archive: Path, folder: Path, budget: Budget, kinds: Collection[str]) -> list[Refused]:
    """Writes the members of a zip whose endings are in `kinds` (lower case, with a dot) into `folder`, under their own
    paths.

    budget: is used up by what is read, of refused members too, so that a bomb ends the reading.  Links, members that
    lead out of the folder, encrypted and nested ones are refused. Raises MediaError where the whole is no zip.
    """
    refused: list[Refused] = []
    try:
        with archive.open("rb") as raw, zipfile.ZipFile(_Bounded(raw)) as opened:
            for member in opened.infolist():
                if member.filename.endswith("/"):  # not is_dir(), which an empty name breaks
                    continue
                try:
                    _take(opened, member, folder, budget, kinds)
                except UMRError as error:
                    _refuse(refused, member.filename, str(error))
                except _BROKEN as error:
                    _refuse(refused, member.filename, f"it cannot be unpacked: {reason(error)[:200]}")
    except _BROKEN as error:
        raise MediaError(f"not a zip that can be read: {reason(error)[:200]}") from error
    if len(refused) > MAX_REASONS:
        refused[MAX_REASONS:] = [Refused(f"{len(refused) - MAX_REASONS:,} more", "refused as those above")]
    return refused


def safe_path(name: str) -> PurePosixPath:
    """A member's name as a relative path. Raises MediaError for one that leads out, or that no file should have."""
    path = PurePosixPath(name)
    if "\\" in name or path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise MediaError("its path leads out of the archive")
    if not path.parts:
        raise MediaError("it has no name")
    if len(path.parts) > MAX_DEPTH:
        raise MediaError(f"it lies {len(path.parts) - 1:,} folders deep; at most {MAX_DEPTH - 1} are read")
    if not name.isprintable():
        raise MediaError("its name holds characters that cannot be printed; rename it")
    return path


class _Bounded(io.RawIOBase):
    """A file of which no single read is large: a table of contents of any size would be read whole otherwise."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(MAX_DIRECTORY + 1 if size < 0 else min(size, MAX_DIRECTORY + 1))
        if len(data) > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its table of contents is too large")
        return data


def _take(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, budget: Budget, kinds: Collection[str]
) -> None:
    path = safe_path(member.orig_filename if "\0" in member.orig_filename else member.filename)
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise MediaError("a link" if stat.S_ISLNK(mode) else "neither a file nor a folder")
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        raise MediaError("a hidden file of the system that made the archive")
    kind = path.suffix.lower()
    if kind in ARCHIVES:
        raise MediaError("an archive within an archive; unpack it first")
    if kind not in kinds:
        raise MediaError(wrong_kind(kind))
    if member.flag_bits & 1:
        raise MediaError("it is encrypted; give it without a password")
    budget.check()
    target = folder / path
    if target.exists():
        raise ConfigError("its name stands twice in the archive")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".part")
    try:
        with opened.open(member) as source, draft.open("xb") as out:
            copy(source, out, budget)
        os.replace(draft, target)
        budget.files -= 1
    finally:
        draft.unlink(missing_ok=True)


def copy(source: IO[bytes], out: IO[bytes], budget: Budget) -> None:
    """Copies a stream, counting what really comes. Raises MediaError over the limit of one file or of all together."""
    taken = 0
    while chunk := source.read(CHUNK):
        taken += len(chunk)
        budget.total -= len(chunk)
        if taken > budget.one:
            raise MediaError(f"it is larger than {budget.one / 1e6:.0f} MB, whatever size it states")
        if budget.total < 0:
            raise MediaError("the limit on all files together is reached")
        out.write(chunk)


def wrong_kind(kind: str) -> str:
    """The reason to refuse a file by its ending."""
    return f"{kind or 'a file without ending'} is no picture, text (.txt, .md, .jsonl) or clip that is read"


def _refuse(refused: list[Refused], name: str, reason: str) -> None:
    refused.append(Refused(name[:200] or "a member without a name", reason))
