"""What opens zips within a process of its own (umr.apart.process). Not the side that asks (umr.archives.opener).

Sizes that an archive states are never believed: it is read in small pieces, up to what the other side takes.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from umr.apart.line import BROKEN, DONE, MEMBER, PIECE, Line, Spent
from umr.errors import MediaError, reason

MAX_DIRECTORY = 4 << 20  # bytes of an archive's table of contents; enough for some 50,000 names
CHUNK = 1 << 16
_WORDS = 200  # characters of what a library says
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, NotImplementedError,
           RuntimeError, ValueError, IndexError)  # fmt: skip


def prepare() -> None:
    """Imports what names of old archives are written in."""
    b"".decode("cp437")


def answer(asked: dict[str, Any], data: bytes, line: Line) -> None:  # noqa: ARG001  # it is read from its path
    """Tell every member in turn, and send as many of its bytes as are asked for.

    Args:
        asked: "path" in hexadecimal, "name" and "memory_mb".
        data: none.
        line: where they go.

    Raises:
        MediaError: the whole is no zip; Spent for want of memory.
    """
    path = Path(os.fsdecode(bytes.fromhex(asked["path"])))
    try:
        with path.open("rb") as raw, zipfile.ZipFile(_Bounded(raw)) as opened:
            for member in opened.infolist():
                if not member.filename.endswith("/"):  # not is_dir(), which an empty name breaks
                    _tell(opened, member, line)
    except MemoryError as error:
        most = f"{asked['name']} needs more memory than a zip may use ({asked['memory_mb']:,} MB)"
        raise Spent(f"{most}; split it") from error
    except _BROKEN as error:
        raise MediaError(f"not a zip that can be read: {reason(error)[:_WORDS]}") from error
    line.send(DONE)


def _tell(opened: zipfile.ZipFile, member: zipfile.ZipInfo, line: Line) -> None:
    name = member.orig_filename if "\0" in member.orig_filename else member.filename
    data = name.encode("utf-8", "replace")
    line.send(MEMBER, (len(data), member.external_attr >> 16, member.flag_bits & 1), data)
    most = line.answered()
    if not most:
        return
    try:
        with opened.open(member) as source:
            while most > 0 and (piece := source.read(min(CHUNK, most))):
                most -= len(piece)
                line.send(PIECE, (len(piece), 0, 0), piece)
    except _BROKEN as error:
        return line.say(BROKEN, f"it cannot be unpacked: {reason(error)[:_WORDS]}")
    line.send(DONE)


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
