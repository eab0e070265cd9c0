"""Zips from processes of their own, so that none can end this one. Not the unpacking (umr.archives.reader)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from umr.apart.line import BROKEN, DONE, MEMBER, PIECE, Request
from umr.apart.worker import Kind, Message
from umr.apart.workers import Talk, Workers
from umr.errors import MediaError

MEMORY_MB = 256  # of one process: 50,000 names as Python holds them take 50
PROCESSOR_S, WALL_S = 60.0, 60.0  # for a whole archive, and between two looks at a member of it


class Member:
    """One file of an archive, while it is its turn.

    Attributes:
        name: as the archive says it; nothing of it is to be trusted.
        mode: of Unix, 0 where the archive knows none.
        encrypted: whether it needs a password.
    """

    def __init__(self, told: Message, talk: Talk) -> None:
        """Take what the process told."""
        _, self.mode, encrypted = told.numbers
        self.name, self.encrypted = told.data.tobytes().decode("utf-8", "replace"), bool(encrypted)
        self._talk, self._open, self._asked = talk, False, False

    def pieces(self, most: int) -> Iterator[bytes]:
        """Its bytes, up to so many; to be called once.

        Raises:
            MediaError: it is damaged.
        """
        self._talk.go(most)
        self._open = self._asked = True
        while (message := self._next()).kind == PIECE:
            yield message.data.tobytes()
        if message.kind == BROKEN:
            raise MediaError(message.data.tobytes().decode("utf-8", "replace"))

    def leave(self) -> None:
        """Read what is still sent of it, so that the next one can be told."""
        if not self._asked:
            self._talk.go(0)
        while self._open:
            self._next()

    def _next(self) -> Message:
        message = self._talk.next(PIECE, DONE, BROKEN)
        self._open = message.kind == PIECE
        return message


class ArchiveOpener:
    """A few workers, shared by all threads."""

    def __init__(self, memory_mb: int = MEMORY_MB, workers: int = 2, wall_s: float = WALL_S) -> None:
        """Start nothing yet.

        Args:
            memory_mb: of each worker, beyond what it takes when it starts.
            workers: archives that are opened at a time.
            wall_s: seconds on the clock that a member may take.
        """
        self.workers = Workers(Kind(reader="archives", noun="zip", memory_mb=memory_mb, workers=workers))
        self.wall_s = wall_s

    def visit(self, archive: Path, each: Callable[[Member], None]) -> None:
        """Call `each` with every member of a zip that is no folder, in its order.

        Where a member ends the process, the next ones come from another; where one does so again, they end.

        Args:
            archive: an existing file.
            each: asks for its bytes, or does not; what it leaves is skipped. What it raises ends the visit.

        Raises:
            MediaError: the whole is no zip, or is over a limit.
        """
        visited = 0

        def converse(talk: Talk) -> None:
            nonlocal visited
            place = 0
            while (told := talk.next(MEMBER, DONE)).kind == MEMBER:
                place += 1
                if place <= visited:  # before a process ended
                    talk.go(0)
                    continue
                visited += 1
                member = Member(told, talk)
                each(member)
                member.leave()

        path, memory_mb = os.fsencode(archive.absolute()).hex(), self.workers.kind.memory_mb
        request = Request({"path": path, "name": archive.name, "memory_mb": memory_mb, "processor_s": PROCESSOR_S})
        self.workers.ask(request, archive.name, self.wall_s, converse)
