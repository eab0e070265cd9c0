"""The line to a process that decodes: the form of a request and of an answer, and that process's end of it.

Not who asks (umr.apart.workers), nor what is decoded. It imports neither numpy nor torch, as that process does not.

A request is a line of JSON, and the bytes that it announces. Answers are messages: a header, and what it announces. A
reader may ask for room before it takes much memory, or how much is wanted; it goes on when a line of JSON comes back.
"""

from __future__ import annotations

import json
import os
import queue
import struct
import threading
from typing import Any, BinaryIO, Literal, NamedTuple, NoReturn, Protocol

from umr.apart.arena import Arena
from umr.errors import MediaError

#: Kind of a message, then its three numbers.
HEADER = struct.Struct("<4sIII")
READY = b"redy"  # the process can be asked
FRAMES = b"frms"  # count, height, width of the RGB pixels that follow
LENGTH = b"leng"  # milliseconds that a clip is shown
PACE = b"pace"  # frames of a clip, and how many are shown a second, as numerator and denominator
REFUSED = b"refu"  # bytes of the sentence that follows
SPENT = b"spnt"  # as REFUSED, for want of memory: the process ends after it
ROOM = b"room"  # bytes of memory that the reader is about to take
MEMBER = b"memb"  # bytes of the name that follows, a file's mode, 1 if it is encrypted; as much as is answered is sent
PIECE = b"piec"  # bytes of a member that follow
BROKEN = b"brok"  # as REFUSED, of a member alone: the process goes on
DONE = b"done"  # nothing more comes of a member, or of all
SIZE = b"size"  # 1 for a picture in the arena, 0 for one whose rows follow in FRAMES; its height and width
MOST_NUMBER = 2**32 - 1  # that a header holds

WORDS, DATA = (REFUSED, SPENT, BROKEN), (FRAMES, PIECE)  # what sentences follow, and what much more than words does

ReaderName = Literal["clips", "pictures", "archives"]
#: What a process is started as -> the module that is its Reader.
READERS: dict[str, str] = {"clips": "umr.clips.reader", "pictures": "umr.pictures.reader",
                           "archives": "umr.archives.reader"}  # fmt: skip


class Spent(MediaError):
    """Refused for want of memory; after it the process that decodes is not to be trusted with more."""


class Request(NamedTuple):
    """What a reader is asked.

    Attributes:
        asked: what it needs to know, as JSON holds it; "processor_s" is the time that it may compute.
        data: the file's bytes, where they are not read from a path.
    """

    asked: dict[str, Any]
    data: bytes = b""

    def packed(self) -> bytes:
        """As it is sent."""
        return json.dumps(self.asked | {"bytes": len(self.data)}).encode() + b"\n" + self.data


class Reader(Protocol):
    """A module that decodes within the process."""

    def prepare(self) -> None:
        """Imports what decoding needs, before memory is counted and anything is taken from the process."""

    def answer(self, asked: dict[str, Any], data: bytes, line: Line) -> None:
        """Sends what one request asks for; raises MediaError where there is none."""


class Line:
    """The end of the process that decodes: requests come in, messages go out."""

    def __init__(self, source: BinaryIO, out: BinaryIO, arena: Arena | None = None) -> None:
        """Take both pipes.

        Args:
            source: where requests come from.
            out: where messages go to, unbuffered.
            arena: where pixels go, if there is one.
        """
        self._source, self._out, self.arena = source, out, arena
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def listen(self) -> None:
        """Take requests in a thread, which ends the process, whatever it decodes, once nobody is there to ask."""
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Request:
        """The next request, when it comes."""
        return self._requests.get()

    def send(self, kind: bytes, numbers: tuple[int, int, int] = (0, 0, 0), *parts: bytes | memoryview) -> None:
        """One message."""
        try:
            for part in (HEADER.pack(kind, *numbers), *parts):
                left = memoryview(part)
                while left:
                    left = left[self._out.write(left) :]
        except BrokenPipeError:
            end()

    def say(self, kind: bytes, words: str) -> None:
        """A sentence, as REFUSED or SPENT."""
        data = words.encode("utf-8", "replace")
        self.send(kind, (len(data), 0, 0), data)

    def ask_room(self, size: int) -> None:
        """Wait until so many bytes may be taken.

        Raises:
            MediaError: they may not, which the side that asks says in its own words.
        """
        self.send(ROOM, (min(size, MOST_NUMBER), 0, 0))
        if not self.answered():
            raise MediaError("there is no room")

    def answered(self) -> int:
        """Wait for how much the side that asks allows; 0: nothing."""
        return int(self._requests.get().asked["go"])

    def _listen(self) -> None:
        for text in iter(self._source.readline, b""):
            asked = json.loads(text)
            size = asked.pop("bytes")
            data = self._source.read(size) if size else b""
            if len(data) < size:
                break
            self._requests.put(Request(asked, data))
        end()


def end() -> NoReturn:
    """The end of this process, at once."""
    os._exit(0)
