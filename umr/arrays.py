"""Arrays on disk as .npy: written whole or not at all, read without trusting them. Not what they mean."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from umr.disk import check_target, replacing
from umr.errors import ConfigError, MismatchError

#: What numpy raises on bytes that are no array: it reads the header as Python's own words, and zips as archives.
_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError, MemoryError, OverflowError,
           SyntaxError, RuntimeError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip


def npy_target(path: str | Path) -> Path:
    """The path, where a file can be written. Raises ConfigError where it is a folder, a device, a pipe or a socket."""
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; name the file to write, such as {target / 'vectors.npy'}")
    check_target(target)
    return target


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write a .npy that replaces `path` only once it is whole and on the disk (see npy_target).

    Raises ConfigError for a target that cannot be replaced, DiskFullError.
    """
    # "w+b": into a file open for writing alone numpy writes past Python, and says only "992 written" when it is full
    with replacing(npy_target(path)) as draft, draft.open("w+b") as file:
        np.save(file, array)


def read_npy(path: str | Path) -> np.ndarray:
    """The array of a .npy file. Raises MismatchError if it is cut off or no array."""
    try:
        array = np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise MismatchError(f"{path} cannot be read as an array ({error or type(error).__name__})") from error
    if not isinstance(array, np.ndarray):
        raise MismatchError(f"{path} holds several arrays; one is needed")
    return array
