"""Pictures as an encoder sees them, decoded once: as their source is read, or as they are encoded. Not the decoding.

What is kept between the two is small, a square of the encoder's size; where there is no room for more, the rest is
decoded a second time. Hash and pixels are always of the same read of the file.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from umr import media
from umr.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from umr.types import Candidate

ROOM = 512 * 2**20  # bytes; 14,000 pictures of 112 px


@runtime_checkable
class Shrinks(Protocol):
    """An encoder that sees pictures at a size of its own."""

    def shrunk(self, image: Image.Image) -> np.ndarray | None:
        """What can stand for a picture, with the same vector; None where nothing smaller can."""


class Shrunk:
    """The pictures of a collection that is about to be encoded. Safe to use from several threads."""

    def __init__(self, encoder: object, room: int = ROOM) -> None:
        """Take an encoder.

        Args:
            encoder: whose pictures they are; one that does not shrink them gets candidates as they are.
            room: bytes that are kept.
        """
        self.serve(encoder)
        self._left, self._lock = room, threading.Lock()
        self._kept: dict[str, np.ndarray] = {}

    def serve(self, encoder: object) -> None:
        """Go on for the same encoder in another precision, so that the first need not stay in memory."""
        self._encoder = encoder if isinstance(encoder, Shrinks) else None

    def keep(self, content_hash: str, image: Image.Image) -> None:
        """Keep a decoded picture for `ready`, if there is room.

        Args:
            content_hash: of the bytes that it was decoded from.
            image: RGB.
        """
        if self._encoder is None or content_hash in self._kept or self._left <= 0:
            return
        found = self._encoder.shrunk(image)
        with self._lock:
            if found is not None and found.nbytes <= self._left and content_hash not in self._kept:
                self._kept[content_hash] = found
                self._left -= found.nbytes

    def ready(self, candidate: Candidate) -> Candidate:
        """The candidate with its picture decoded, where that leaves its vector as it is.

        Raises:
            MediaError: it cannot be read, or is no longer the file that was listed.
        """
        file, encoder = candidate.content.image, self._encoder
        if encoder is None or not candidate.content_hash or not isinstance(file, (str, Path)):
            return candidate
        found = self._kept.get(candidate.content_hash)
        if found is None:
            try:
                data = media.file_bytes(file)
                if media.content_hash(data) != candidate.content_hash:
                    raise changed(candidate, file)
                found = encoder.shrunk(media.open_image(data, name=Path(file).name, own=False))
            except MediaError as error:
                said, who = str(error), f"candidate {candidate.candidate_id}: "
                raise MediaError(said if said.startswith(who) else who + said) from error
        return candidate if found is None else replace(candidate, content=replace(candidate.content, image=found))


def changed(candidate: Candidate, file: str | Path) -> MediaError:
    """What is said of a file whose bytes are no longer those that its collection lists."""
    return MediaError(
        f"candidate {candidate.candidate_id}: {Path(file).name} changed since the collection was read; "
        "run the same command again, or save the collection anew where it is a saved one"
    )
