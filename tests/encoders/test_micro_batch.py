"""Queries that come together are encoded together: the same vectors as alone, everybody's own error, nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from umr.encoders.fake import FakeEncoder
from umr.encoders.micro_batch import AskerLeft, MicroBatcher, asked_by
from umr.errors import ConfigError, MediaError
from umr.types import Candidate, Content, Query

PATIENCE_S = 60.0


def ask(text: str) -> Query:
    return Query(query_id="page", content=Content(text=text))


class Held(FakeEncoder):
    """Holds its first batch until it is let go; notes the texts of every batch."""

    def __init__(self) -> None:
        super().__init__(dim=16)
        self.let_go, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[str | None]] = []

    def encode_queries(self, queries):
        items = list(queries)
        self.batches.append([one.content.text for one in items])
        if len(self.batches) == 1:
            self.begun.set()
            assert self.let_go.wait(PATIENCE_S)
        return super().encode_queries(items)


class Crowd:
    """Threads that ask, each with what it got or was told."""

    def __init__(self, batcher: MicroBatcher) -> None:
        self.batcher = batcher
        self.answers: dict[str, object] = {}
        self.threads: list[threading.Thread] = []

    def ask(self, text: str, queries: list[Query] | None = None, gone: Callable[[], bool] | None = None) -> None:
        """Begins a call, and waits until it is in the batcher's hands."""

        def call() -> None:
            with asked_by(gone or (lambda: False)):
                try:
                    self.answers[text] = self.batcher.encode_queries([ask(text)] if queries is None else queries)
                except Exception as error:
                    self.answers[text] = error

        before = len(self.batcher._waiting)
        self.threads.append(threading.Thread(target=call, daemon=True))
        self.threads[-1].start()
        if len(self.threads) > 1:
            until = time.monotonic() + PATIENCE_S
            while len(self.batcher._waiting) == before and time.monotonic() < until:
                time.sleep(0.001)

    def end(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self.threads)


@pytest.fixture
def held() -> Held:
    return Held()


def gathered(held: Held, crowd: Crowd, *texts: str) -> None:
    """One call that is being encoded, and others that come meanwhile."""
    crowd.ask("first")
    assert held.begun.wait(PATIENCE_S)
    for text in texts:
        crowd.ask(text)


def test_what_comes_while_a_batch_is_encoded_goes_together_in_the_next(held):
    pauses: list[float] = []
    crowd = Crowd(MicroBatcher(held, window_s=0.25, pause=pauses.append))
    gathered(held, crowd, "a", "b", "c")
    held.let_go.set()
    crowd.end()
    assert held.batches == [["first"], ["a", "b", "c"]] and pauses == [0.25]
    for text, found in crowd.answers.items():
        assert found.ids == ("page",) and found.encoder == held.fingerprint
        np.testing.assert_array_equal(found.vectors, FakeEncoder(16).encode_queries([ask(text)]).vectors)


def test_a_lone_query_never_waits():
    def never(seconds: float) -> None:
        raise AssertionError(f"a lone query waited {seconds} s")

    batcher = MicroBatcher(FakeEncoder(), pause=never)
    for text in "abc":
        assert len(batcher.encode_queries([ask(text)])) == 1


def test_a_full_batch_does_not_wait_for_more_and_the_rest_is_the_one_after(held):
    pauses: list[float] = []
    crowd = Crowd(MicroBatcher(held, most_rows=2, window_s=0.25, pause=pauses.append))
    gathered(held, crowd, "a", "b", "c")
    held.let_go.set()
    crowd.end()
    assert held.batches == [["first"], ["a", "b"], ["c"]] and pauses == [0.25]  # of the last alone


def test_a_call_of_many_queries_is_a_batch_by_itself_and_keeps_its_place(held):
    many = [ask(f"many {number}") for number in range(5)]
    crowd = Crowd(MicroBatcher(held, most_rows=3, window_s=0))
    gathered(held, crowd, "a")
    crowd.ask("many", many)
    crowd.ask("b")
    held.let_go.set()
    crowd.end()
    assert held.batches == [["first"], ["a"], [one.content.text for one in many], ["b"]]
    assert len(crowd.answers["many"]) == 5


def test_an_error_of_one_query_reaches_that_query_alone(held):
    crowd = Crowd(MicroBatcher(held, window_s=0))
    gathered(held, crowd, "a", "", "b")  # the text of the second is empty
    held.let_go.set()
    crowd.end()
    assert isinstance(crowd.answers[""], MediaError)
    for text in ("first", "a", "b"):
        np.testing.assert_array_equal(crowd.answers[text].vectors, FakeEncoder(16).encode_queries([ask(text)]).vectors)


def test_who_has_left_is_dropped_and_costs_nothing(held):
    crowd, left = Crowd(MicroBatcher(held, window_s=0)), threading.Event()
    gathered(held, crowd, "a")
    crowd.ask("leaver", gone=left.is_set)
    crowd.ask("b")
    left.set()
    held.let_go.set()
    crowd.end()
    assert isinstance(crowd.answers["leaver"], AskerLeft)
    assert held.batches == [["first"], ["a", "b"]]


def test_where_the_thread_that_encodes_is_ended_the_others_go_on(held):
    class Ended(BaseException):
        """As SystemExit is."""

    told: list[BaseException] = []

    batcher = MicroBatcher(held, window_s=0)
    whole = held.encode_queries

    def first() -> None:
        try:
            batcher.encode_queries([ask("first")])
        except Ended as error:
            told.append(error)

    def stopped(queries):
        held.begun.set()
        assert held.let_go.wait(PATIENCE_S)
        held.encode_queries = whole
        raise Ended

    held.encode_queries = stopped
    leader = threading.Thread(target=first, daemon=True)
    leader.start()
    assert held.begun.wait(PATIENCE_S)
    crowd = Crowd(batcher)
    crowd.threads.append(leader)
    crowd.ask("a")
    held.let_go.set()
    crowd.end()
    assert len(told) == 1 and len(crowd.answers["a"]) == 1


def test_many_threads_get_their_own_rows():
    batcher, wrong = MicroBatcher(FakeEncoder(16), most_rows=4, window_s=0), []

    def asks(number: int) -> None:
        for turn in range(20):
            query = ask(f"{number} {turn}")
            expected = FakeEncoder(16).encode_queries([query]).vectors
            if not np.array_equal(batcher.encode_queries([query]).vectors, expected):
                wrong.append(query)

    threads = [threading.Thread(target=asks, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not wrong and not batcher._busy and not batcher._waiting


def test_it_is_the_encoder_in_everything_else():
    inner = FakeEncoder(16, "unified")
    batcher, long = MicroBatcher(inner), Content(text="word " * 200)
    assert (batcher.name, batcher.dim, batcher.max_tokens) == (inner.name, inner.dim, inner.max_tokens)
    assert batcher.fingerprint == inner.fingerprint
    assert batcher.dropped_tokens(long) == inner.dropped_tokens(long) > 0
    query = Query(query_id="q", content=long)
    assert batcher.notices(query) == inner.notices(query) != ()
    assert batcher.uninstructed(query) is False
    candidates = [Candidate(candidate_id="c", content=Content(text="a"))]
    np.testing.assert_array_equal(
        batcher.encode_candidates(candidates).vectors, inner.encode_candidates(candidates).vectors
    )
    with pytest.raises(ConfigError, match="at least 1"):
        MicroBatcher(inner, most_rows=0)
