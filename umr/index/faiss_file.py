"""Opens a file of FAISS, whoever damaged it. What must be in it is said by those who open it (flat, coarse).

FAISS takes memory for as many rows as a file states, gigabytes where that is damaged. Mapping one that ends within a
number, it takes that for a whole one, counts the bytes that are left below zero, and goes on in memory that is not the
file's. So the sizes that a file states are added up before FAISS opens it; no row is read for that.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import faiss

from umr.errors import MismatchError, reason


def read_faiss(path: str | Path, mapped: bool) -> Any:
    """Read, or map, an index.

    Args:
        path: the file.
        mapped: leave the rows on the disk until they are looked at. A kind that none of ours is of is read.

    Raises:
        MismatchError: FAISS cannot read it, it ends early, or could not be searched.
    """
    whole = _is_whole(Path(path))
    flags = faiss.IO_FLAG_MMAP_IFC if mapped and whole else 0
    try:
        index: Any = faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError) as error:
        raise MismatchError(f"{path} cannot be read by FAISS ({reason(error)[:120]}); rebuild it") from error
    if not index.is_trained:
        raise MismatchError(f"{path} says that it was never trained, and would answer no search; rebuild it")
    return index


def _is_whole(path: Path) -> bool:
    """Whether a file has all that it states; False where it is of a kind whose sizes are not known here.

    Raises:
        MismatchError: it ends early.
    """
    try:
        with path.open("rb") as file:
            return _Walk(path, file).index()
    except OSError as error:
        raise MismatchError(f"{path} cannot be read ({reason(error)[:120]}); copy the index again") from error


class _Walk:
    """Goes over a file by the sizes that it states; the names are those of FAISS's own parts."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size

    def index(self) -> bool:
        """One index, whole; False: of an unknown kind, or holding one."""
        kind = self._bytes(4)
        if kind not in (b"IxSQ", b"IxFI", b"IwSq", b"IwPQ"):
            return False
        self._header()
        if kind == b"IxSQ":
            self._scalar_quantizer()
            self._vector(1)
        elif kind == b"IxFI":
            self._vector(4)
        else:
            return self._inverted(kind)
        return True

    def _inverted(self, kind: bytes) -> bool:
        nlist = self._number()
        self._check(4 * nlist)  # each has a centre
        self._skip(8)  # nprobe
        if not self.index():
            return False
        mapping = self._bytes(1)  # from rows to lists, which none of ours has
        self._vector(8)
        if mapping == b"\2":
            self._vector(16)
        if kind == b"IwSq":
            self._scalar_quantizer()
            self._skip(9)  # code_size, by_residual
        else:
            self._skip(9 + 24)  # by_residual, code_size; d, M, nbits
            self._vector(4)
        return self._lists(nlist)

    def _lists(self, nlist: int) -> bool:
        if self._bytes(4) != b"ilar":
            return False
        found, code_size = self._number(), self._number()
        if found != nlist:
            raise MismatchError(f"{self._path} has {nlist:,} centres for {found:,} lists; rebuild it")
        form, count = self._bytes(4), self._number()
        stated = struct.unpack(f"<{count}Q", self._bytes(8 * count))
        lengths = stated if form == b"full" else dict(zip(stated[::2], stated[1::2], strict=False)).values()
        self._skip(sum(lengths) * (code_size + 8))
        return form in (b"full", b"sprs")

    def _header(self) -> None:
        self._skip(4 + 3 * 8 + 1)  # d, ntotal and two that mean nothing, is_trained
        (metric,) = struct.unpack("<i", self._bytes(4))
        self._skip(4 if metric > 1 else 0)

    def _scalar_quantizer(self) -> None:
        self._skip(3 * 4 + 2 * 8)  # qtype, rangestat and its argument; d, code_size
        self._vector(4)

    def _vector(self, width: int) -> None:
        self._skip(self._number() * width)

    def _number(self) -> int:
        (found,) = struct.unpack("<Q", self._bytes(8))
        return int(found)

    def _bytes(self, count: int) -> bytes:
        self._check(count)
        return self._file.read(count)

    def _skip(self, count: int) -> None:
        self._check(count)
        self._file.seek(count, os.SEEK_CUR)

    def _check(self, count: int) -> None:
        needed = self._file.tell() + count
        if needed > self._size:
            raise MismatchError(
                f"{self._path} ends early: by its own sizes it has {needed:,} bytes at least, and here are "
                f"{self._size:,}; copy the index again, or rebuild it"
            )
