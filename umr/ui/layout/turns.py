"""What one visitor asks too much of is answered with status 429, before Gradio sees it. The numbers are umr.ui.limits'.

Behind the gate, which has found out who asks, and has read what.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
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
#: What tells the request that Gradio makes of an MCP call, with all of that one's headers, from one more call.
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
        self._ticket = secrets.token_hex(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        kind = self._kind(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        visitor = None if kind is None else visitor_of(scope.get(ADDRESS, ""))
        if kind is None or visitor is None:
            await self.app(scope, receive, send)
            return
        turn = Turn(visitor, kind)
        try:
            self._take(turn, Headers(scope=scope).get(TICKET, ""))
        except TooMuch as error:
            await _refusal(error, kind)(scope, receive, send)
            return
        if MCP.search(scope["path"]):  # which asks the queue by a request of its own
            ticket = (TICKET.encode(), self._ticket.encode())
            await self.app({**scope, "headers": [*scope["headers"], ticket]}, receive, send)
            return
        scope[TURN] = turn
        self._arriving.append(turn)
        try:
            await self.app(scope, receive, send)
        finally:
            self._arriving.remove(turn)

    def _take(self, turn: Turn, ticket: str) -> None:
        """Counts a request, unless its ticket says that it was counted.

        Raises:
            TooMuch: it is one too many.
        """
        if ticket.isascii() and secrets.compare_digest(ticket, self._ticket):
            return
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
    """What kind of request asks each function of a page: the named endpoints are calls, however they are asked."""
    kinds: dict[int, Kind] = {}
    for number, function in page.fns.items():
        if function.api_visibility == "public":
            kinds[number] = "call"
        elif function.concurrency_id in KINDS:
            kinds[number] = KINDS[function.concurrency_id]
    return kinds


def turns_of(page: Blocks) -> Iterator[Turn]:
    """The turns of everything in a page's queue, and of what is being answered."""
    for event in list(page._queue.event_ids_to_events.values()):
        turn = event.request.scope.get(TURN)
        if turn is not None:
            yield turn


def _refusal(error: TooMuch, kind: Kind) -> Response:
    """In the form that Gradio's page shows: of an upload the text itself."""
    headers = {"Retry-After": str(error.wait_s)}
    if kind == "upload":
        return PlainTextResponse(str(error), 429, headers)
    return JSONResponse({"detail": str(error)}, 429, headers)
