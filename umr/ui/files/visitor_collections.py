"""Which visitor has which own files, for how long, and the work on them.

Not the files themselves (umr.ui.files.uploads).
"""

from __future__ import annotations

import atexit
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from umr.errors import ConfigError
from umr.search import Searcher
from umr.types import Encoder, Modality
from umr.ui.files.asked import Asked
from umr.ui.files.uploads import Cancelled, OwnFiles, index_files
from umr.ui.upload_folder import OWN, remove
from umr.ui.visitors import Visitors
from umr.verdict import Verdicts

KEEP_S = 3600.0  # after the last use
GRACE_S = 30.0  # after the page was left: a connection that comes back within it keeps its files
MAX_VISITORS = 16  # collections at a time; with umr.ui.files.uploads.MAX_BYTES this bounds the disk
POLL_S = 0.25
STOP_S = 10.0  # that a removal waits for work which was told to end: for the file that is being read
CANCELLED = "Cancelled. Nothing of these files was kept."


@dataclass(slots=True)
class Job:
    """Work in progress, as the visitor sees it."""

    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    stage: str = "Taking in"
    done: int = 0
    total: int = 1

    def report(self, stage: str, done: int, total: int) -> None:
        """Called by the work. Raises Cancelled once the visitor asked for that."""
        if self.stop.is_set():
            raise Cancelled(CANCELLED)
        self.stage, self.done, self.total = stage, done, total


@dataclass(slots=True)
class VisitorCollection:
    """One visitor's collection; it stands where handlers expect the page's searchers.

    Attributes:
        own: the files.
        asked: what was asked of them.
        far: kinds of them that are far from what the model was trained on.
    """

    own: OwnFiles
    asked: Asked = field(default_factory=Asked)
    far: frozenset[Modality] = frozenset()

    def get(self, _name: str) -> Searcher:
        """The one searcher that there is, whatever model the rest of the page uses."""
        return self.own.searcher


class VisitorCollections:
    """Session -> its collection.

    Safe to use from several threads. A collection and its folder go together, for certain.
    """

    def __init__(
        self, root: Path, keep_s: float = KEEP_S, grace_s: float = GRACE_S, visitors: Visitors | None = None
    ) -> None:
        """root: a folder that the page's server gives files from, under names that nobody can guess.

        Args:
            root: a folder that the page's server gives files from.
            keep_s: seconds after the last use.
            grace_s: seconds after the page was left.
            visitors: whose pages are open, and whose uploads are whose; None: nobody's and nothing is known.
        """
        self.root, self.keep_s, self.grace_s, self.visitors = root, keep_s, grace_s, visitors
        self._own: dict[str, VisitorCollection] = {}  # the one that was used longest ago first
        self._jobs: dict[str, Job] = {}
        self._timers: dict[str, threading.Timer] = {}
        self._lock = threading.RLock()
        atexit.register(self.clear)
        if visitors is not None:
            visitors.at_end(self.clear)

    def get(self, session: str | None) -> VisitorCollection:
        """This visitor's collection, kept for longer by the use.

        Raises:
            ConfigError: there is none (any more).
        """
        with self._lock:
            known = self._own.get(session or "")
            if session is None or known is None:
                raise ConfigError("There are no files of yours here (any more). Add some first.")
            self._own[session] = self._own.pop(session)
            self._expire(session, self.keep_s)
            return known

    def build(
        self,
        session: str,
        sources: Sequence[tuple[str, Path]],
        encoder: Encoder,
        segment_s: float = 0.0,
        verdicts: Verdicts | None = None,
    ) -> Iterator[Job]:
        """Index files for a visitor, instead of those that they had; yields the job again and again until it is done.

        Longer clips are cut into parts of segment_s seconds; with 0 they stay whole. verdicts: what the encoder's
        scores are worth.

        Closing the iterator cancels. Raises what the work raises, and ConfigError where too much goes on at once.
        """
        job = self._begin(session)
        folder = self.root / f"{OWN}{secrets.token_hex(16)}"
        with ThreadPoolExecutor(1, "own-files") as pool:
            work = pool.submit(index_files, sources, folder, encoder, job.report, segment_s, verdicts)
            try:
                while not work.done():
                    yield job
                    wait([work], POLL_S)
            except GeneratorExit:
                job.stop.set()
                raise
            finally:
                wait([work])
                self._end(session, job, work)
        if job.stop.is_set():
            raise Cancelled(CANCELLED)
        work.result()

    def cancel(self, session: str | None) -> None:
        """Stops this visitor's work, if there is any."""
        with self._lock:
            if session in self._jobs:
                self._jobs[session].stop.set()

    def leave(self, session: str | None) -> None:
        """The visitor closed the page: the work ends now, the files go after the grace."""
        with self._lock:
            self.cancel(session)
            if session in self._own:
                self._expire(session, self.grace_s)

    def remove(self, session: str | None) -> bool:
        """Ends a visitor's work and removes everything of theirs from the disk, the files as they were sent too.

        Returns:
            Whether all of it is gone: False where the work has not ended yet, whose files go when it does.
        """
        with self._lock:
            job = self._jobs.get(session or "")
            self.cancel(session)
        ended = job is None or job.ended.wait(STOP_S)
        self.drop(session)
        if self.visitors is not None:
            self.visitors.release(session)
        return ended

    def drop(self, session: str | None) -> None:
        """Forgets a visitor's files and removes them from the disk."""
        with self._lock:
            timer = self._timers.pop(session or "", None)
            known = self._own.pop(session or "", None)
        if timer is not None:
            timer.cancel()
        if known is not None:
            remove(known.own.folder)

    def clear(self) -> None:
        """Forgets everything; the end of the process."""
        for session in list(self._jobs):
            self.cancel(session)
        for session in list(self._own):
            self.drop(session)

    def _begin(self, session: str) -> Job:
        with self._lock:
            if session in self._jobs:
                raise ConfigError("Your files are being indexed already. Wait for it, or cancel it.")
            if len({*self._own, *self._jobs, session}) > MAX_VISITORS:
                self._make_room(session)
            self._jobs[session] = Job()
            return self._jobs[session]

    def _end(self, session: str, job: Job, work: Future[OwnFiles]) -> None:
        with self._lock:
            self._jobs.pop(session, None)
            if work.exception() is None and job.stop.is_set():  # too late for the work to hear it
                remove(work.result().folder)
            elif work.exception() is None:
                self.drop(session)
                self._own[session] = VisitorCollection(work.result())
                self._expire(session, self.keep_s)
            job.ended.set()

    def _make_room(self, session: str) -> None:
        """Removes the collection that was used longest ago of those whose page is not open.

        Where there are none: of those whose address has more than one and at least as many as any other.

        Raises:
            ConfigError: every visitor has one and is here.
        """
        idle = [known for known in self._own if known not in (session, *self._jobs)]
        gone = [known for known in idle if self.visitors is not None and not self.visitors.lives(known)]
        if not gone and self.visitors is not None:
            counts = Counter(map(self.visitors.address_of, self._own))
            most = max(counts.values(), default=0)
            gone = [known for known in idle if counts[self.visitors.address_of(known)] == most > 1]
        if not gone:
            raise ConfigError("Too many visitors have files here at the moment. Try again in a few minutes.")
        self.drop(gone[0])

    def _expire(self, session: str, after: float) -> None:
        old = self._timers.pop(session, None)
        if old is not None:
            old.cancel()
        timer = self._timers[session] = threading.Timer(after, self._end_of, (session, after))
        timer.daemon = True
        timer.start()

    def _end_of(self, session: str, after: float) -> None:
        """The time of a collection is over, unless its visitor had only lost the connection and is back."""
        with self._lock:
            if after == self.grace_s and self.visitors is not None and self.visitors.lives(session):
                self._expire(session, self.keep_s)
                return
        self.drop(session)
