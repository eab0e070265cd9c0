"""What the readers of annotations share: JSON files, checked fields, pictures that must be there. Not one format."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from umr import media
from umr.errors import ConfigError, MediaError


def read_json(path: Path, kind: type) -> Any:
    """The JSON value of a file, which must be of a kind (list or dict).

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(value, kind):
        raise ConfigError(f"{path} holds a {type(value).__name__}; a {kind.__name__} is needed")
    return value


def entries(path: Path) -> Iterator[tuple[str, Any]]:
    """(place, entry) of a JSON list; the place counts entries from 1.

    Raises:
        ConfigError: it cannot be read, or has no entry.
    """
    listed = read_json(path, list)
    if not listed:
        raise ConfigError(f"{path} is an empty list; copy the file of the benchmark's makers again")
    for number, entry in enumerate(listed, 1):
        yield f"{path.name}: entry {number}", entry


def words(entry: Any, key: str) -> str:
    """The text of a field.

    Raises:
        ConfigError: the entry is no object, or the field is absent, empty or no text.
    """
    if not isinstance(entry, dict):
        raise ConfigError(f"a JSON object is needed, got {type(entry).__name__}")
    value = entry.get(key)
    if not isinstance(value, str) or not media.clean_text(value):
        raise ConfigError(f"{key} is {value!r}; a text is needed")
    return media.clean_text(value)


def said(entry: Any, key: str) -> str:
    """As words, but "" where the field has space alone: a few entries of the makers' own files have no words.

    Raises:
        ConfigError: the entry is no object, or the field is absent or no text.
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    return "" if isinstance(value, str) and not value.strip() else words(entry, key)


def needed(path: Path, layout: str) -> Path:
    """The path of a file that a layout has.

    Raises:
        ConfigError: it is not there; the layout is told.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is missing. {layout}")
    return path


def listing(data: Path, name: str) -> Path:
    """The path of a list, in the data's folder or in one of those in it, as the archives of the lists unpack to.

    Raises:
        ConfigError: several folders in it have such a file.
    """
    found = [] if (data / name).is_file() else sorted(data.glob(f"*/{name}"))
    if len(found) > 1:
        raise ConfigError(f"{name} is in {', '.join(str(path.parent) for path in found)}; keep one")
    return found[0] if found else data / name


def all_there(files: Mapping[str, Path], layout: str) -> None:
    """Check the files of all candidates before anything is encoded.

    Raises:
        ConfigError: some are missing; their number and the first are told, and the layout.
    """
    lost = [path for path in files.values() if not path.is_file()]
    if lost:
        raise ConfigError(
            f"{len(lost)} of {len(files)} files of candidates are missing, the first is {lost[0]}: a number over the "
            f"others would not be the benchmark's. {layout}"
        )


def number(entry: Any, key: str) -> int:
    """The whole number of a field.

    Raises:
        ConfigError: the entry is no object, or the field is absent or no whole number.
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    if type(value) is not int:
        raise ConfigError(f"{key} is {value!r}; a whole number is needed")
    return value


def numbered(entry: Any, key: str) -> int:
    """As number, also of one that is written as a text of digits.

    Raises:
        ConfigError: the entry is no object, or the field is absent or neither.
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else number(entry, key)


def all_or_none_answered(answered: int, total: int, key: str, path: Path) -> None:
    """Check that a split has answers throughout, or none, as those have that only a server judges.

    Raises:
        ConfigError: some of the entries of the file have no `key`.
    """
    if 0 < answered < total:
        raise ConfigError(f"{path}: {total - answered} of {total} entries have no {key}")


def stands_once(name: str, key: str, known: Container[str]) -> str:
    """The name of an entry, by which its answers are kept.

    Raises:
        ConfigError: an entry before it has the same one.
    """
    if name in known:
        raise ConfigError(f"the {key} {name} stands twice in the file; each query needs one of its own")
    return name


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Errors inside name the place, as "cap.rc2.val.json: entry 3: ..."."""
    try:
        yield
    except (ConfigError, MediaError) as error:
        raise ConfigError(f"{place}: {error}") from error
