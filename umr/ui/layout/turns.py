"""What one visitor asks too much of is answered with status 429, before Gradio sees it. The numbers are umr.ui.limits'.

Behind the gate, which has found out who asks, and has read what.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gradio import Blocks
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.ui.limits import Accounts, Kind, TooMuch, visitor_of
from umr.ui.parts.wiring import COMPARING, INDEXING, SEARCHING

ADDRESS, ASKED, TURN = "umr.address", "umr.asked", "umr.turn"  # in the scope of a request
UPLOAD = re.compile(r"/gradio_api/upload/?$")
#: By the name of an endpoint, and by the number of a function; the page asks what does not wait by /run/predict.
NAMED = re.compile(r"/gradio_api/(?:call|run|api)/(?!predict/?$)")
NUMBERED = re.compile(r"/gradio_api/(?:queue/join|(?:run|api)/predict)/?$")
MCP = re.compile(r"/gradio_api/mcp(?:/|$)")
#: What tells whose turn the request is that Gradio makes of an MCP call, with all of that one's headers.
TICKET = "x-umr-ticket"
KINDS: dict[str, Kind] = {
    SEARCHING["concurrency_id"]: "search",
    COMPARING["concurrency_id"]: "search",
    INDEXING["concurrency_id"]: "index",
}


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A request that was let through."""

    visitor: str
    kind: Kind


class Turns:
    """The middleware."""

    def __init__(
        self,
        app: ASGIApp,
        accounts: Accounts,
        functions: dict[int, Kind],
        queued: Callable[[], Iterator[Turn]],
    ):
        """Count for an app.

        Args:
            app: what is behind it.
            accounts: what each visitor has left.
            functions: number of a function of the page -> what kind of request asks it; a function that is not there is
                asked as often as one likes.
            queued: the turns of all that waits or is being answered.
        """
        self.app, self.accounts, self.functions, self.queued = app, accounts, functions, queued
        self._arriving: list[Turn] = []  # not yet in the queue
        self._tickets: dict[str, Turn] = {}  # of those

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        counted = self._tickets.get(Headers(scope=scope).get(TICKET, ""))
        if counted is not None:
            scope[TURN] = counted
            await self.app(scope, receive, send)
            return
        kind = self._kind(scope)
        visitor = None if kind is None else visitor_of(scope.get(ADDRESS, ""))
        if kind is None or visitor is None:
            await self.app(scope, receive, send)
            return
        turn = Turn(visitor, kind)
        try:
            self._take(turn)
        except TooMuch as error:
            await refusal(error, kind)(scope, receive, send)
            return
        with self._let_through(turn) as ticket:
            if MCP.search(scope["path"]):  # which asks the queue by a request of its own, with the headers of this one
                others = [pair for pair in scope["headers"] if pair[0] != TICKET.encode()]
                scope = {**scope, "headers": [*others, (TICKET.encode(), ticket.encode())]}
            scope[TURN] = turn
            await self.app(scope, receive, send)

    @contextmanager
    def _let_through(self, turn: Turn) -> Iterator[str]:
        """Counts a turn as running until it is answered; its ticket is what requests made for it show."""
        ticket = secrets.token_hex(16)
        self._arriving.append(turn)
        self._tickets[ticket] = turn
        try:
            yield ticket
        finally:
            del self._tickets[ticket]
            self._arriving.remove(turn)

    def _take(self, turn: Turn) -> None:
        """Counts a request.

        Raises:
            TooMuch: it is one too many.
        """
        alike = (turn.visitor, turn.kind)
        running = {one for one in (*self.queued(), *self._arriving) if (one.visitor, one.kind) == alike}
        self.accounts.take(turn.visitor, turn.kind, len(running))

    def _kind(self, scope: Scope) -> Kind | None:
        """What a request asks, None for what may be asked as often as one likes."""
        path, asked = scope["path"], scope.get(ASKED) or {}
        if UPLOAD.search(path):
            return "upload"
        if MCP.search(path):
            return "call" if asked.get("method") == "tools/call" else None
        if NAMED.search(path):
            return "call"
        return self.functions.get(asked.get("fn_index", -1)) if NUMBERED.search(path) else None


def functions_of(page: Blocks) -> dict[int, Kind]:
    """What kind of request asks each function of a page: the named endpoints are calls, however they are asked.

    Every other one is a step, also one that waits for nothing or that the browser does alone: whoever asks for them by
    the queue takes its places.
    """
    kinds: dict[int, Kind] = {}
    for number, function in page.fns.items():
        if function.api_visibility == "public":
            kinds[number] = "call"
        else:
            kinds[number] = KINDS.get(function.concurrency_id or "", "step")
    return kinds


def turns_of(page: Blocks) -> Iterator[Turn]:
    """The turns of everything in a page's queue, and of what is being answered."""
    for event in list(page._queue.event_ids_to_events.values()):
        turn = event.request.scope.get(TURN)
        if turn is not None:
            yield turn


def refusal(error: TooMuch, kind: Kind) -> Response:
    """In the form that Gradio's page shows: of an upload the text itself."""
    headers = {"Retry-After": str(error.wait_s)}
    if kind == "upload":
        return PlainTextResponse(str(error), 429, headers)
    return JSONResponse({"detail": str(error)}, 429, headers)
