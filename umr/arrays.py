"""Arrays on disk: written whole or not at all, read or mapped without trusting them. Not what they mean.

One as .npy; several as safetensors, which are mapped, so that only what is looked at comes into memory.
"""

from __future__ import annotations

import json
import mmap
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from umr.disk import check_target, replacing
from umr.errors import ConfigError, MismatchError

#: What numpy raises on bytes that are no array: it reads the header as Python's own words, and zips as archives.
_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError, MemoryError, OverflowError,
           SyntaxError, RuntimeError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip


def npy_target(path: str | Path) -> Path:
    """The path, where a file can be written.

    Raises:
        ConfigError: it is a folder, a device, a pipe or a socket.
    """
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; name the file to write, such as {target / 'vectors.npy'}")
    check_target(target)
    return target


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write a .npy that replaces `path` only once it is whole and on the disk (see npy_target).

    Raises:
        ConfigError: the target cannot be replaced.
        DiskFullError: nothing more fits.
    """
    # "w+b": into a file open for writing alone numpy writes past Python, and says only "992 written" when it is full
    with replacing(npy_target(path)) as draft, draft.open("w+b") as file:
        np.save(file, array)


def read_npy(path: str | Path) -> np.ndarray:
    """The array of a .npy file.

    Raises:
        MismatchError: it is cut off, or no array.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise MismatchError(f"{path} cannot be read as an array ({error or type(error).__name__})") from error
    if not isinstance(array, np.ndarray):
        raise MismatchError(f"{path} holds several arrays; one is needed")
    return array


#: Types of safetensors that are mapped here.
_TYPES = {"U8": np.uint8, "U32": np.uint32, "U64": np.uint64}
_SAID = "said"


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> None:
    """Write arrays and what is said of them into one safetensors file, whole or not at all.

    Args:
        path: the file.
        arrays: (N,) by name; uint8, uint32 or uint64.
        said: as JSON can hold it.

    Raises:
        DiskFullError: nothing more fits.
    """
    ordered = sorted(arrays.items(), key=lambda pair: (-pair[1].itemsize, pair[0]))  # so that each is aligned
    names = {np.dtype(kind): name for name, kind in _TYPES.items()}
    header: dict[str, Any] = {"__metadata__": {_SAID: json.dumps(dict(said), ensure_ascii=False)}}
    place = 0
    for name, array in ordered:
        offsets = [place, place := place + array.nbytes]
        header[name] = {"dtype": names[array.dtype], "shape": [len(array)], "data_offsets": offsets}
    words = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    with replacing(npy_target(path)) as draft, draft.open("wb") as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for _, array in ordered:  # each as it lies in memory: a copy of all would be as large again
            file.write(np.ascontiguousarray(array).data)


def map_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What write_arrays wrote, mapped: the arrays, read-only, and what is said of them.

    Raises:
        MismatchError: the file is no such file, or cut off.
    """
    try:
        mapped = map_file(path)
        start = 8 + int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8:start].decode("utf-8"))
        said = json.loads(header.pop("__metadata__")[_SAID])
        arrays = {}
        for name, one in header.items():
            first, last = (start + place for place in one["data_offsets"])
            kind = np.dtype(_TYPES[one["dtype"]])
            if len(one["shape"]) != 1 or not start <= first <= last <= len(mapped):
                raise ValueError(f"{name} lies outside of it")
            if last - first != kind.itemsize * one["shape"][0]:
                raise ValueError(f"{name} has another length than it says")
            arrays[name] = np.frombuffer(mapped, kind, one["shape"][0], first)
    except (*_BROKEN, RecursionError) as error:
        raise MismatchError(f"{path} cannot be read as arrays ({error or type(error).__name__})") from error
    if not isinstance(said, dict):
        raise MismatchError(f"{path} cannot be read as arrays (it does not say what they are)")
    return arrays, said


def map_file(path: str | Path) -> mmap.mmap:
    """A file's bytes, read-only, as the disk gives them when they are looked at.

    A file that is replaced by renaming stays what it was for whoever has it mapped; one that is written over, or cut,
    does not: write nothing into the files of an index.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is empty.
    """
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
