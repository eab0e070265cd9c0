"""What is told to each visitor is kept while they wait. Not what they wait for (Gradio's queue), nor their state.

Gradio keeps the messages of the 2,000 sessions that asked last. A caller of the API is a session for each call, so that
on a busy page who waits a few minutes for their files would be forgotten, and their stream end without an answer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from gradio import Blocks
from gradio.queueing import Queue

MOST = 2_000  # sessions whose messages are kept, beside all that wait


def keep_streams(page: Blocks) -> None:
    """Has a page forget the messages of no session that waits; to be called once it has its queue."""
    page._queue.pending_messages_per_session = Messages(page._queue)  # type: ignore[assignment]


class Messages(OrderedDict[str, Any]):
    """Messages by session, in the order in which these first asked; the oldest that waits for nothing goes first."""

    def __init__(self, queue: Queue, most: int = MOST) -> None:
        """Begin without any.

        Args:
            queue: what is waited in. What it notes of a session goes with the messages.
            most: sessions that are kept, where no more wait.
        """
        super().__init__()
        self._queue, self._most = queue, most

    def __setitem__(self, session: str, messages: Any) -> None:
        if session in self:
            self.move_to_end(session)
        elif len(self) >= self._most:
            gone = next((one for one in self if not self._waits(one)), None)
            if gone is not None:
                del self[gone]
                self._queue.pending_event_ids_session.pop(gone, None)
        super().__setitem__(session, messages)

    def _waits(self, session: str) -> bool:
        events = self._queue.pending_event_ids_session.get(session, ())
        return any(event in self._queue.event_ids_to_events for event in tuple(events))
