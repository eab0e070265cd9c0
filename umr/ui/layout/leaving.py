"""What a visitor asked who has left since is dropped before it is encoded. Not what still waits in Gradio's queue.

Gradio takes that out of the queue itself, and lets what is running run to its end.
"""

from __future__ import annotations

from typing import Any

from gradio import Blocks

from umr.encoders.micro_batch import asked_by


def drop_who_left(page: Blocks) -> None:
    """Has queries of this page's events, the named endpoints' too, be asked only as long as their client is connected.

    Gradio has no setting for it; its queue notes that an event's client went (`alive`), and calls every function by
    `call_function`.
    """
    call = page.call_function

    async def called(
        block_fn: Any,
        processed: Any,
        iterator: Any = None,
        requests: Any = None,
        event_id: Any = None,
        *rest: Any,
        **named: Any,
    ) -> Any:
        event = page._queue.event_ids_to_events.get(event_id)
        if event is None:  # not of the queue: nobody can tell
            return await call(block_fn, processed, iterator, requests, event_id, *rest, **named)
        with asked_by(lambda: not event.alive):
            return await call(block_fn, processed, iterator, requests, event_id, *rest, **named)

    page.call_function = called  # type: ignore[assignment, method-assign]
