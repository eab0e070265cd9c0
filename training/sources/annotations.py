"""What the readers of composed-retrieval annotations share: JSON lists, checked fields. Not one format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umr import media
from umr.errors import ConfigError


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
    """(place, entry) of a JSON list; the place counts entries from 1."""
    for number, entry in enumerate(read_json(path, list), 1):
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
