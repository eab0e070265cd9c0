"""Pictures from processes of their own, so that none can end this one. Not the decoding (umr.pictures.decode)."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from umr.ahead import processors
from umr.apart.line import FRAMES, REFUSED, ROOM, SIZE, Request
from umr.apart.worker import Died, Kind, Message
from umr.apart.workers import Refusal, Talk, Workers
from umr.decode_budget import PICTURES
from umr.errors import MediaError
from umr.pictures.decode import RGB_BYTES

MEMORY_MB = 768  # of one process: what all pictures being decoded share (umr.decode_budget), and its libraries
PROCESSOR_S, WALL_S = 20.0, 60.0  # for one picture, as for a clip
WARM = 2  # processes that wait ready
ARENA_MB = 48  # shared with each: 12 megapixels, kept for the next; what is larger comes through the pipe


class PictureDecoder:
    """A few workers, shared by all threads; `workers.warm()` has some wait ready."""

    def __init__(
        self, memory_mb: int = MEMORY_MB, workers: int | None = None, wall_s: float = WALL_S, arena_mb: int = ARENA_MB
    ) -> None:
        """Start nothing yet.

        Args:
            memory_mb: of each worker, beyond what it takes when it starts.
            workers: processes at a time; None: one for each processor and one more, for who asks meanwhile.
            wall_s: seconds on the clock that a picture may take.
            arena_mb: memory that each shares with this process; 0: none, and all pixels come through the pipe.
        """
        most = max(WARM, processors()) + 1 if workers is None else workers
        kind = Kind(reader="pictures", noun="picture", memory_mb=memory_mb, workers=most, warm=min(WARM, most),
                    arena_mb=arena_mb)  # fmt: skip
        self.workers, self.wall_s = Workers(kind), wall_s

    def picture(self, source: Path | bytes, max_pixels: int, name: str) -> Image.Image:
        """A picture as RGB, pixel by pixel that of umr.pictures.decode.

        Args:
            source: an existing file, or its bytes.
            max_pixels: larger ones are refused before they are decoded.
            name: what errors call it.

        Raises:
            MediaError: it cannot be read, is over a limit, or ends the worker twice.
        """
        path, data = (os.fsencode(source.absolute()).hex(), b"") if isinstance(source, Path) else ("", source)
        asked = {"path": path, "name": name, "max_pixels": max_pixels, "memory_mb": self.workers.kind.memory_mb}
        request = Request(asked | {"processor_s": PROCESSOR_S}, data)
        return self.workers.ask(request, name, self.wall_s, lambda talk: _received(talk, max_pixels, name))


def _received(talk: Talk, max_pixels: int, name: str) -> Image.Image:
    """What a worker sends of a picture, once there is room for it: at its peak in the worker, at its end here."""
    first = talk.next(ROOM, SIZE)
    if first.kind == SIZE:
        return _pixels(talk, first, max_pixels)
    with ExitStack() as stack:
        try:
            share = stack.enter_context(PICTURES.room(first.numbers[0], name))
        except MediaError as error:
            talk.go(False)
            with suppress(Refusal):  # in the worker's words; then it is free again
                talk.next(REFUSED)
            raise Refusal(str(error), last=False) from error
        talk.go(True)
        found = _pixels(talk, talk.next(SIZE), max_pixels)
        share.keep_for(found, RGB_BYTES * found.width * found.height)
        return found


def _pixels(talk: Talk, told: Message, max_pixels: int) -> Image.Image:
    """The picture that a worker told the size of."""
    in_arena, height, width = told.numbers
    size, used = (width, height), RGB_BYTES * width * height
    if not 0 < width * height <= max_pixels:  # as no worker of ours says
        raise Died(0)
    if in_arena:
        if talk.arena is None or used > talk.arena.size:
            raise Died(0)
        pixels = np.frombuffer(talk.arena.memory, np.uint8, used)
        return Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1).convert("RGB")  # its own copy
    found, top = Image.new("RGB", size), 0
    while top < height:
        (strip,) = talk.next(FRAMES).data
        found.paste(Image.fromarray(strip), (0, top))
        top += len(strip)
    return found
