"""Who is here, and which uploads are whose: kept while their visitor's page is open, then removed.

Not how they arrive (umr.ui.layout.gate), and not the collections made of them (umr.ui.files.visitor_collections).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from umr.errors import ConfigError
from umr.ui import upload_folder

#: All limits on what visitors send, in one place. A visitor is an address here: an upload names no session.
SERVER_BYTES, SERVER_FILES = 2 << 30, 20_000
VISITOR_BYTES, VISITOR_FILES = 400_000_000, 1_000
FREE_SHARE = 0.5  # of the free disk that uploads may take
LEFT_S = 30.0  # after a page's heartbeat ended: a connection that comes back within it keeps its files
UNCLAIMED_S = 600.0  # after its last use, for what no open page holds
UNUSED_S = 3600.0  # after the last use by a page that is still open
UPLOAD_S = 600.0  # until an upload must have come whole
FULL = "This server has no room for more uploads at the moment. Try again in a few minutes."
ENOUGH = (
    "You have sent {files:,} files or {megabytes} MB, and no more is kept at a time. Press Remove in Your files, or "
    "close this page's other tabs, and send it again."
)


@dataclass(slots=True)
class _Session:
    """One page, or a client without one.

    Attributes:
        beats: its heartbeats that are connected.
        paged: whether it ever had any.
        used: when something was asked.
        left: when the last heartbeat ended.
    """

    address: str
    beats: int = 0
    paged: bool = False
    used: float = field(default_factory=time.monotonic)
    left: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Upload:
    """One folder that the server keeps an upload in. Two visitors who send the same bytes share it.

    Attributes:
        size: bytes, with what the page made of it: a picture that browsers show, the strip of a clip.
        files: that were sent.
        awaited: it came, perhaps once more, and no session has named it since.
    """

    size: int = 0
    files: int = 0
    used: float = field(default_factory=time.monotonic)
    addresses: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    awaited: bool = False


@dataclass(slots=True)
class Arriving:
    """An upload on its way.

    Attributes:
        taken: its bytes so far.
    """

    address: str
    taken: int = 0


class Visitors:
    """Sessions, and the uploads under `root`, which lie in a folder each. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        """root: where the page's server puts what visitors send."""
        self.root = root
        #: Bytes and files that are kept of one visitor, where not the limits above hold.
        self.own: tuple[int, int] | None = None
        self._sessions: dict[str, _Session] = {}
        self._uploads: dict[str, _Upload] = {}
        self._arriving: list[Arriving] = []
        self._at_end: list[Callable[[], None]] = []
        self._lock = threading.RLock()

    @contextmanager
    def beat(self, session: str, address: str) -> Iterator[None]:
        """While this lasts, the session's page is open."""
        with self._lock:
            known = self._sessions.setdefault(session, _Session(address))
            known.beats, known.paged = known.beats + 1, True
        try:
            yield
        finally:
            with self._lock:
                known.beats -= 1
                known.left = time.monotonic()

    def lives(self, session: str | None) -> bool:
        """Whether the session's page is open."""
        with self._lock:
            return session in self._sessions and self._sessions[session].beats > 0

    def open_pages(self) -> int:
        """How many pages are open."""
        with self._lock:
            return sum(known.beats > 0 for known in self._sessions.values())

    def upload_bytes(self) -> int:
        """Bytes on the disk of what visitors sent, or are sending, and of all that was made of it.

        Their collections' indexes count too; copies of the page's own pictures, which Gradio keeps there, do not.
        """
        with self._lock:
            held = set(self._uploads)
        starts = (upload_folder.DRAFT, upload_folder.OWN, upload_folder.REMOVED)
        theirs = (path for path in self.root.glob("*") if path.name in held or path.name.startswith(starts))
        return sum(map(upload_folder.bytes_below, theirs))

    def address_of(self, session: str) -> str:
        """Where a session's page was opened, "" where it never was."""
        with self._lock:
            return self._sessions[session].address if session in self._sessions else ""

    @contextmanager
    def arriving(self, address: str, announced: int = 0) -> Iterator[Arriving]:
        """While this lasts, an upload comes in; what an upload that broke off has left is removed at its end.

        Args:
            address: who sends it.
            announced: the bytes that it says it has.

        Raises:
            ConfigError: there is no room for it.
        """
        upload = Arriving(address)
        with self._lock:
            self._check(address, max(1, announced))
            self._arriving.append(upload)
        try:
            yield upload
        finally:
            with self._lock:
                self._arriving.remove(upload)
                upload_folder.remove_drafts(self.root, UPLOAD_S if self._arriving else 0.0)

    def take(self, upload: Arriving, count: int) -> None:
        """Counts bytes of an upload that came.

        Raises:
            ConfigError: over a limit.
        """
        with self._lock:
            self._check(upload.address, count)
            upload.taken += count

    def keep(self, upload: Arriving, paths: Iterable[str]) -> None:
        """An upload has come whole, and lies in these files.

        Raises:
            ConfigError: they are too many: they are gone.
        """
        with self._lock:
            upload.taken = 0
            names = {Path(path).parent.name for path in paths}
            for name in names:
                known = self._uploads.setdefault(name, _Upload())
                known.files = sum(path.is_file() for path in (self.root / name).iterdir())
                known.size = upload_folder.bytes_below(self.root / name)
                known.used, known.awaited = time.monotonic(), True
                known.addresses.add(upload.address)
            try:
                self._check(upload.address, 0)
            except ConfigError:
                for name in names:
                    self._let_go(name)
                raise

    def use(self, session: str, names: Iterable[str], address: str) -> None:
        """A session asks something, and these folders of uploads are part of it: from now on they are its own too."""
        now = time.monotonic()
        with self._lock:
            held = [name for name in names if name in self._uploads]
            if session not in self._sessions and held:
                self._sessions[session] = _Session(address)
            if session in self._sessions:
                self._sessions[session].used = now
            for name in held:
                known = self._uploads[name]
                known.sessions.add(session)
                known.used, known.awaited = now, False
                known.size = upload_folder.bytes_below(self.root / name)

    def release(self, session: str | None) -> None:
        """Removes a session's uploads from the disk; what another session holds as well, or is about to, stays."""
        with self._lock:
            for name in [name for name, upload in self._uploads.items() if session in upload.sessions]:
                self._uploads[name].sessions.discard(session)
                if not self._uploads[name].awaited:
                    self._let_go(name)

    def sweep(self, now: float | None = None) -> None:
        """Removes the uploads of pages that were left, or that were not used for long.

        Args:
            now: time.monotonic().
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            for session, known in list(self._sessions.items()):
                if known.beats:  # the page is open, and stays known
                    if now - known.used > UNUSED_S:
                        self.release(session)
                elif now - known.left > LEFT_S if known.paged else now - known.used > UNCLAIMED_S:
                    self.release(session)
                    del self._sessions[session]
            for name, upload in list(self._uploads.items()):
                if not upload.sessions and now - upload.used > UNCLAIMED_S:
                    self._remove(name)
            upload_folder.remove_rest(self.root)
            upload_folder.remove_drafts(self.root, UPLOAD_S if self._arriving else 0.0)

    def at_end(self, action: Callable[[], None]) -> None:
        """Has this called when the server ends."""
        self._at_end.append(action)

    def clear(self) -> None:
        """Forgets everybody and removes all of their uploads; the end of the server."""
        for action in self._at_end:
            action()
        with self._lock:
            for name in list(self._uploads):
                self._remove(name)
            self._sessions.clear()

    def _check(self, address: str, more: int) -> None:
        """Raises ConfigError where `more` bytes, or one more file, are too many."""
        own = [known for known in self._uploads.values() if address in known.addresses]
        coming = sum(other.taken for other in self._arriving if other.address == address)
        most_bytes, most_files = self.own or (VISITOR_BYTES, VISITOR_FILES)
        large = sum(known.size for known in own) + coming + more > most_bytes
        if large or sum(known.files for known in own) + bool(more) > most_files:
            raise ConfigError(ENOUGH.format(files=most_files, megabytes=most_bytes // 1_000_000))
        coming = sum(other.taken for other in self._arriving)
        used = sum(known.size for known in self._uploads.values()) + coming
        free = int(FREE_SHARE * upload_folder.free_bytes(self.root))
        if used + more > SERVER_BYTES or more > free or sum(k.files for k in self._uploads.values()) >= SERVER_FILES:
            raise ConfigError(FULL)

    def _let_go(self, name: str) -> None:
        if not self._uploads[name].sessions:
            self._remove(name)

    def _remove(self, name: str) -> None:
        del self._uploads[name]
        upload_folder.remove(self.root / name)
