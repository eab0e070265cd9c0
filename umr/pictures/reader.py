"""What decodes pictures within a process of its own (umr.apart.process). Not the side that asks (umr.pictures.decoder).

The pixels are those of umr.pictures.decode, which decodes for whoever does not decode apart, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from umr.apart.line import FRAMES, SIZE, Line, Spent
from umr.errors import MediaError
from umr.pictures.decode import RGB_BYTES, decoded, formats, strips

STRIP = 2**18  # pixels of rows that are sent at a time
FREE = 16 * 2**20  # bytes that a worker takes without asking: 2 megapixels of most formats


def prepare() -> None:
    """Imports the formats that this machine reads."""
    formats()


class _Room:
    """The memory that the side that asks gives, which counts what all processes and itself take."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @contextmanager
    def room(self, size: int, name: str) -> Iterator[_Room]:  # noqa: ARG002  # the other side knows it
        """Wait until it may be taken; little is not worth the asking."""
        if size > FREE:
            self._line.ask_room(size)
        yield self

    def keep_for(self, result: object, size: int) -> None:
        """Nothing: the side that asks has the result."""


def answer(asked: dict[str, Any], data: bytes, line: Line) -> None:
    """Send the rows of one picture.

    Args:
        asked: "path" in hexadecimal, or "" for `data`; "name", "max_pixels" and "memory_mb".
        data: the bytes of a file.
        line: where they go.

    Raises:
        MediaError: there are none; Spent for want of memory.
    """
    source = Path(os.fsdecode(bytes.fromhex(asked["path"]))) if asked["path"] else data
    try:
        found = decoded(source, asked["max_pixels"], asked["name"], _Room(line), own=False)
    except MediaError as error:
        if not isinstance(error.__cause__, MemoryError):
            raise
        most = f"{asked['name']} needs more memory than a picture may use ({asked['memory_mb']:,} MB)"
        raise Spent(f"{most}; make it smaller first") from error
    _send(found, line)


def _send(found: Image.Image, line: Line) -> None:
    """Some rows at a time, so that no whole copy is made: to the arena, or where there is no room in it to the pipe."""
    size, arena, place = (found.height, found.width), line.arena, 0
    if arena is not None and RGB_BYTES * found.width * found.height <= arena.size:
        for box in strips(found, STRIP):
            rows = found.crop(box).tobytes("raw", "RGBX")
            arena.memory[place : place + len(rows)] = rows
            place += len(rows)
        return line.send(SIZE, (1, *size))
    line.send(SIZE, (0, *size))
    for box in strips(found, STRIP):
        line.send(FRAMES, (1, box[3] - box[1], found.width), found.crop(box).tobytes())
