"""How much of what takes minutes may wait, so that it never takes the places of everybody's searches.

Gradio counts all that waits together, whatever it is for, and refuses the next search once that is full.
"""

from __future__ import annotations

from gradio import Blocks
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.ui.layout.turns import ASKED, NUMBERED, functions_of, refusal
from umr.ui.limits import TooMuch
from umr.ui.parts.wiring import INDEXING

MOST_WAITING = 16  # of all that the queue holds
WAIT_S = 60
FULL = (
    "{count} visitors already wait to have their files indexed or asked of every model, one after the other. Send this "
    "again in a minute; searches are answered meanwhile."
)


class Room:
    """Answers 429 in words, which Gradio's page shows, where too many wait for the same work that takes minutes."""

    def __init__(self, app: ASGIApp, page: Blocks):
        """Guard an app; behind the gate, which has read what is asked.

        Args:
            app: what is behind it.
            page: whose queue it is.
        """
        self.app, self.page = app, page
        self.slow = frozenset(number for number, kind in functions_of(page).items() if kind == "index")
        self._passing = 0  # that were let through and may not be in the queue yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if not self._takes_minutes(scope):
            await self.app(scope, receive, send)
        elif (count := self._waiting() + self._passing) >= MOST_WAITING:
            await refusal(TooMuch(FULL.format(count=count), WAIT_S), "index")(scope, receive, send)
        else:
            self._passing += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self._passing -= 1

    def _takes_minutes(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or not NUMBERED.search(scope["path"]):
            return False
        return (scope.get(ASKED) or {}).get("fn_index") in self.slow

    def _waiting(self) -> int:
        line = self.page._queue.event_queue_per_concurrency_id.get(INDEXING["concurrency_id"])
        return 0 if line is None else len(line.queue)
