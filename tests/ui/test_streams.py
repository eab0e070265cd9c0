"""Who waits is told the answer, however many others ask meanwhile; of these the oldest is forgotten first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal

from umr.ui.layout.streams import MOST, Messages, keep_streams


@pytest.fixture
def queue():
    return SimpleNamespace(pending_event_ids_session={}, event_ids_to_events={})


def asked(queue, session: str, waits: bool) -> None:
    """A session that asked something, which is still in the queue or is answered."""
    queue.pending_event_ids_session[session] = {f"{session}'s event"}
    if waits:
        queue.event_ids_to_events[f"{session}'s event"] = object()


def test_the_oldest_that_waits_for_nothing_goes_with_all_that_is_noted_of_it(queue):
    messages = Messages(queue, most=3)
    for session, waits in (("waits", True), ("answered", False), ("silent", False), ("new", False)):
        messages[session] = object()
        asked(queue, session, waits)
    assert list(messages) == ["waits", "silent", "new"]
    assert set(queue.pending_event_ids_session) == {"waits", "silent", "new"}
    queue.event_ids_to_events.clear()  # it is answered
    messages["newer"] = object()
    assert list(messages) == ["silent", "new", "newer"]


def test_where_all_wait_all_are_kept(queue):
    messages = Messages(queue, most=3)
    for number in range(5):
        messages[f"{number}"] = object()
        asked(queue, f"{number}", True)
    assert len(messages) == 5


def test_one_that_asks_again_is_the_newest(queue):
    messages = Messages(queue, most=2)
    for session in ("a", "b", "a", "c"):
        messages[session] = object()
    assert list(messages) == ["a", "c"]


def slow(text: str) -> int:
    return len(text)


def test_a_page_tells_one_that_waits_after_thousands_asked():
    """Events as Gradio's own queue takes them; nothing answers them."""
    with gr.Blocks() as page:
        gr.api(slow, api_name="slow")
    page.queue(max_size=MOST + 10)
    keep_streams(page)
    number, queue = next(iter(page.fns)), page._queue

    async def ask(session: str) -> str:
        body = PredictBodyInternal(data=["x"], fn_index=number, session_hash=session, request=None)
        done, event, _ = await queue.push(body, SimpleNamespace(scope={}), None)
        assert done
        return event

    async def come() -> str:
        first = await ask("first")
        for other in range(MOST + 5):
            queue.event_ids_to_events.pop(await ask(f"other {other}"))  # answered
            queue.event_queue_per_concurrency_id[page.fns[number].concurrency_id].queue.pop()
        return first

    first = asyncio.run(come())
    assert "first" in queue.pending_messages_per_session and first in queue.pending_event_ids_session["first"]
    assert len(queue.pending_messages_per_session) == MOST == len(queue.pending_event_ids_session)
