"""What Gradio itself refuses is refused in words: values that are none of a field's, bodies, functions and streams.

Not what the page's handlers refuse, which is theirs. Gradio has no setting for it: an exception that is not its own
Error reaches a visitor as an error without a word, and a stream of a session that it does not know ends in silence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.processing_utils import check_all_files_in_cache
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.errors import printable
from umr.ui.layout.turns import ASKED

log = logging.getLogger(__name__)

NO_VALUES = "the request's values are none that this page's fields can hold, or not as many; reload the page"
NO_FUNCTION = "“fn_index” is the number of something that the browser does alone; the server has nothing to do there"
NO_STREAM = "there is nothing to tell of this session or event: ask first, and read each answer once"
NO_SUCH_FUNCTION = "this page has no such function; gradio_api/info lists those that are asked by name"
MOST_WRONG = 10  # places of a request that its refusal names
#: Routes that ask a function by the name at their end, or by a number that the body gives: JOIN's by that alone.
ASK = re.compile(r"/gradio_api/(?:(call/v2|call|run|api)/([^/]+)|queue/join)/?$")
#: Routes whose stream tells what became of a session's events, or of one event.
STREAM = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]+/(.+?))/?$")


class Streams:
    """Answers 404 in words for a stream of nobody."""

    def __init__(self, app: ASGIApp, page: gr.Blocks):
        """Guard an app.

        Args:
            app: what is behind it.
            page: whose streams these are.
        """
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        asked = STREAM.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if asked is not None and self._whose(scope, asked[1]) not in self.page._queue.pending_messages_per_session:
            await JSONResponse({"detail": NO_STREAM}, 404)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _whose(self, scope: Scope, event: str | None) -> str:
        """The session that a stream is of; that of an event is the event's own name where it was asked in none."""
        if event is None:
            return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[-1]
        told, waits = self.page._queue.pending_event_ids_session, self.page._queue.event_ids_to_events.get(event)
        if waits is not None:
            return str(waits.session_hash)
        return next((session for session, events in list(told.items()) if event in events), event)


class Functions:
    """Answers 404 in words where a function is asked that a page lacks, and 400 where named arguments are not its."""

    def __init__(self, app: ASGIApp, page: gr.Blocks):
        """Guard an app; behind the gate, which has read what is asked.

        Args:
            app: what is behind it.
            page: whose functions these are.
        """
        self.app, self.numbers = app, frozenset(page.fns)
        self.names = {function.api_name for function in page.fns.values() if function.api_name}
        self.public = {one.api_name for one in page.fns.values() if one.api_name and one.api_visibility == "public"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        asked = ASK.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if asked is None or scope.get(ASKED) is None:
            await self.app(scope, receive, send)
        elif not self._has(asked[1], asked[2], scope[ASKED].get("fn_index")):
            await JSONResponse({"detail": NO_SUCH_FUNCTION}, 404)(scope, receive, send)
        elif asked[1] == "call/v2":
            try:
                await self.app(scope, receive, send)
            except (TypeError, ValueError) as error:  # Gradio's word on arguments, which come before the queue
                log.warning("/call/v2/%s was refused: %s", asked[2], type(error).__name__)
                await JSONResponse({"detail": printable(str(error))}, 400)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _has(self, way: str | None, name: str | None, number: int | None) -> bool:
        if way == "call/v2":
            return name in self.public
        if number is not None and way != "call":  # of which Gradio reads no number
            return number in self.numbers
        return name is None or name in self.names


async def tell_what_is_wrong(_: Request, error: RequestValidationError) -> JSONResponse:
    """Where a body is not what its route reads: an exception handler of the app.

    In FastAPI's own form, but for what it quotes of the body: that may be large, and may be no text that can be sent.
    """
    told = [
        {"type": one["type"], "loc": [printable(str(part)) for part in one["loc"]], "msg": printable(one["msg"])}
        for one in error.errors()[:MOST_WRONG]
    ]
    return JSONResponse({"detail": told}, 422)


def refuse_in_words(page: gr.Blocks) -> None:
    """Has what is no value of a field, too many of them, or no event be refused by a sentence, without a traceback.

    To be called last of what wraps these methods of a page, before it is asked anything.
    """
    preprocess, call = page.preprocess_data, page.call_function

    async def read(block_fn: Any, *rest: Any, **named: Any) -> Any:
        with _told():
            return await preprocess(block_fn, *rest, **named)

    async def called(block_fn: Any, *rest: Any, **named: Any) -> Any:
        if getattr(block_fn, "fn", block_fn) is None:  # what only the browser does
            raise gr.Error(NO_FUNCTION, print_exception=False)
        for pressed in (*rest, *named.values()):
            if isinstance(pressed, gr.EventData):
                with _told():  # as Gradio does itself, where nothing tells what it raises
                    check_all_files_in_cache(pressed._data)
        return await call(block_fn, *rest, **named)

    page.preprocess_data = read  # type: ignore[method-assign]  # no setting
    page.call_function = called  # type: ignore[method-assign]


@contextmanager
def _told() -> Iterator[None]:
    """Turns what Gradio, pydantic or the system raise at values that a stranger made up into a sentence."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        log.info("values that no field holds: %s", type(error).__name__)
        raise gr.Error(NO_VALUES, print_exception=False) from error
