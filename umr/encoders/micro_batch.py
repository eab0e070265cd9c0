"""Queries that several threads ask at the same time, encoded as one batch. Not the encoder, which it stands before.

A query that comes alone is encoded at once. Those that come while a batch is being encoded wait for its end, and go
together in the next one (continuous batching as in Orca, Yu et al., OSDI 2022, section 3, for requests of one step).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from umr.errors import ConfigError, UMRError
from umr.types import Candidate, Content, Embeddings, Encoder, Query

#: Rows of a batch: of the shipped encoders a row takes the least time on a CPU at 8 to 16.
MOST_ROWS = 16
#: How long a batch that follows another one waits for more; a query that finds nothing running never waits for it.
WINDOW_S = 0.002
_gone: ContextVar[Callable[[], bool] | None] = ContextVar("umr_asker_gone", default=None)


class AskerLeft(UMRError):
    """Whoever asked has left before the query's turn came; nobody reads this."""


@contextmanager
def asked_by(gone: Callable[[], bool]) -> Iterator[None]:
    """Within it, queries of this thread are dropped from their batch once `gone` says that nobody waits for them."""
    token = _gone.set(gone)
    try:
        yield
    finally:
        _gone.reset(token)


@dataclass(slots=True, eq=False)
class _Asked:
    """The queries of one call.

    Attributes:
        gone: whether nobody waits for them any more; None: it is not known.
        called: set once there is an answer, or where it is this call's turn to encode for all that wait.
    """

    queries: tuple[Query, ...]
    gone: Callable[[], bool] | None
    called: threading.Event = field(default_factory=threading.Event)
    found: Embeddings | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a result or an error."""
        return self.found is not None or self.error is not None


class MicroBatcher:
    """An encoder whose queries are encoded together where they come at the same time. Safe to use from many threads.

    Vectors are those of a single query but for the order in which floating-point sums are made: 2e-6 in a number of a
    float32 vector. An error of one query reaches only the call that asked it.
    """

    def __init__(
        self,
        encoder: Encoder,
        most_rows: int = MOST_ROWS,
        window_s: float = WINDOW_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Stand before an encoder.

        Args:
            encoder: what encodes.
            most_rows: queries of a batch; a call that has more is a batch by itself.
            window_s: seconds that a batch which follows another one waits for more queries.
            pause: waits so many seconds.

        Raises:
            ConfigError: a batch would hold nothing.
        """
        if most_rows < 1:
            raise ConfigError(f"a batch of {most_rows} queries cannot be encoded; at least 1 is needed")
        self.inner, self.most_rows, self.window_s = encoder, most_rows, window_s
        self._pause = pause
        self._waiting: deque[_Asked] = deque()
        self._busy = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.inner.name

    @property
    def fingerprint(self) -> str:
        """The encoder's own: the vectors are its."""
        return self.inner.fingerprint

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.inner.dim

    @property
    def max_tokens(self) -> int:
        """So many tokens of a text are read."""
        return self.inner.max_tokens

    def uninstructed(self, query: Query) -> bool:
        """As the encoder says."""
        return self.inner.uninstructed(query)

    def dropped_tokens(self, content: Content) -> int:
        """As the encoder says."""
        return self.inner.dropped_tokens(content)

    def notices(self, query: Query) -> tuple[str, ...]:
        """As the encoder says."""
        return self.inner.notices(query)

    def encode_candidates(self, candidates: Iterable[Candidate]) -> Embeddings:
        """The encoder's own: candidates come in batches already."""
        return self.inner.encode_candidates(candidates)

    def encode_queries(self, queries: Iterable[Query]) -> Embeddings:
        """Vectors of the queries, in their order, encoded together with those of other threads.

        Raises:
            MediaError: a content of these queries cannot be read.
            ConfigError: the encoder has no instruction for one of them.
            AskerLeft: nobody waits for them any more.
        """
        asked = _Asked(tuple(queries), _gone.get())
        with self._lock:
            first, self._busy = not self._busy, True
            if not first:
                self._waiting.append(asked)
        if first:
            self._lead([asked])
        else:
            asked.called.wait()
            if not asked.answered:
                self._lead(self._gathered())
        if asked.error is not None:
            raise asked.error
        if asked.found is None:
            raise RuntimeError("a batch of queries was broken off")
        return asked.found

    def _gathered(self) -> list[_Asked]:
        """The calls of the next batch, the first of which is the one that leads it; the window is over then."""
        with self._lock:
            full = sum(len(one.queries) for one in self._waiting) >= self.most_rows
        if not full and self.window_s:
            self._pause(self.window_s)
        with self._lock:
            batch = [self._waiting.popleft()]
            rows = len(batch[0].queries)
            while self._waiting and (rows := rows + len(self._waiting[0].queries)) <= self.most_rows:
                batch.append(self._waiting.popleft())
        return batch

    def _lead(self, batch: list[_Asked]) -> None:
        """Encodes for all of a batch, and calls the first of those that came meanwhile to do the same."""
        try:
            self._answer(batch)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
            if following is not None:
                following.called.set()
            for one in batch:
                if not one.answered:  # by an exception that ends the thread, which is none of the others'
                    one.error = RuntimeError("a batch of queries was broken off")
                one.called.set()

    def _answer(self, batch: list[_Asked]) -> None:
        """Every call of a batch gets its rows, or its error."""
        here = []
        for one in batch:
            if one.gone is not None and one.gone():
                one.error = AskerLeft("whoever asked this has left")
            else:
                here.append(one)
        if len(here) > 1:
            with suppress(Exception):  # of one of them: each alone gets its own
                self._share(here, self.inner.encode_queries([query for one in here for query in one.queries]))
                return
        for one in here:
            try:
                one.found = self.inner.encode_queries(one.queries)
            except Exception as error:  # it is raised again where the query was asked
                one.error = error

    @staticmethod
    def _share(batch: list[_Asked], made: Embeddings) -> None:
        """Gives every call its own rows."""
        start = 0
        for one in batch:
            end = start + len(one.queries)
            one.found = replace(made, ids=made.ids[start:end], vectors=made.vectors[start:end].copy())
            start = end


if TYPE_CHECKING:
    _DECLARED: type[Encoder] = MicroBatcher
