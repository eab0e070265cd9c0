"""A file that goes to a Space: its place there, and its bytes or the file that has them. Not which ones go (space)."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from umr.disk import replacing, told_when_full, write_text
from umr.errors import ConfigError

#: What huggingface_hub keeps in the folder itself, to go on after an interruption.
KEPT = ".cache"
#: Lies in a folder that was made here: only such a one, or an empty one, is made to hold other files.
_OURS = f"{KEPT}/made-by-umr"
_LEFT_OUT = frozenset(("__pycache__",))


@dataclass(frozen=True, slots=True)
class SpaceFile:
    """One file.

    Attributes:
        path: in the Space, with "/" between its parts.
        source: the file that it is a copy of; None where `content` is given.
        content: its bytes; None where `source` is given.
    """

    path: str
    source: Path | None = None
    content: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes.

        Raises:
            ConfigError: its source is not there.
        """
        if self.source is None:
            return len(self.content or b"")
        try:
            return self.source.stat().st_size
        except OSError as error:
            raise ConfigError(f"{self.source} cannot be sent: {error.strerror}") from error


def files_under(folder: Path, where: str, names: Collection[str] = ()) -> Iterator[SpaceFile]:
    """Every file below a folder, sorted by path; hidden ones and what Python compiled are left out.

    Args:
        folder: where they lie; one that is not there has none.
        where: the folder of the Space that they go to.
        names: only files of these names; none given: all.
    """
    for place, folders, found in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(found):
            if not name.startswith(".") and not name.endswith(".pyc") and (not names or name in names):
                path = Path(place, name)
                yield SpaceFile(f"{where}/{path.relative_to(folder).as_posix()}", source=path)


def check_folder(folder: Path) -> None:
    """Look whether a folder can be made to hold a Space's files and no others.

    Raises:
        ConfigError: it holds something else.
    """
    if folder.exists() and not (folder / _OURS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something else, which would be removed; name a new or an empty folder")


def write_folder(files: Sequence[SpaceFile], folder: Path) -> None:
    """Make a folder hold these files and no others; what is right already is left, so that a second call is quick.

    Raises:
        ConfigError: a file cannot be read, or not be written there, or the folder holds something else.
        DiskFullError: nothing more fits.
    """
    check_folder(folder)
    try:
        write_text(folder / _OURS, "")
        wanted = {file.path for file in files}
        for file in files:
            _write(file, folder / file.path)
        for place in sorted(folder.rglob("*"), reverse=True):
            path = place.relative_to(folder).as_posix()
            if path.partition("/")[0] == KEPT or path in wanted:
                continue
            if place.is_dir() and not place.is_symlink():
                if not any(place.iterdir()):
                    place.rmdir()
            else:
                place.unlink()
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be copied to {folder}: {error.strerror}") from error


def _write(file: SpaceFile, target: Path) -> None:
    if file.source is not None:
        if target.is_file() and filecmp.cmp(file.source, target, shallow=True):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with told_when_full(target):
            shutil.copy2(file.source, target)
    elif not target.is_file() or target.read_bytes() != file.content:
        with replacing(target) as draft:
            draft.write_bytes(file.content or b"")
