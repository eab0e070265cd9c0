"""Arrays on disk as .npy: written whole or not at all, read without trusting them. Not what they mean."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from umr.disk import put
from umr.errors import ConfigError, MismatchError

_BROKEN = (OSError, EOFError, ValueError, MemoryError, OverflowError, SyntaxError, zipfile.BadZipFile)


def npy_target(path: str | Path) -> Path:
    """The path, where a file can be written. Raises ConfigError where it is a folder."""
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; name the file to write, such as {target / 'vectors.npy'}")
    return target


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write a .npy that replaces `path` only once it is whole and on the disk (see npy_target)."""
    target = npy_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            np.save(file, array)
        put(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def read_npy(path: str | Path) -> np.ndarray:
    """The array of a .npy file. Raises MismatchError if it is cut off or no array."""
    try:
        array = np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise MismatchError(f"{path} cannot be read as an array ({error or type(error).__name__})") from error
    if not isinstance(array, np.ndarray):
        raise MismatchError(f"{path} holds several arrays; one is needed")
    return array
