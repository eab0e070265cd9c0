"""The server's connections: how many there may be, and for how long one may wait before it asks. Not what is asked (gate).

uvicorn closes what has asked once and asks no more; a connection that never asks, or never ends its headers, it keeps for
ever. Its protocol may be another class (`http` of its Config), but Gradio's launch() makes that Config and passes none on,
so the class is set on the running server: every connection looks it up anew.
"""

from __future__ import annotations

import asyncio
import sys

from gradio import Blocks
from uvicorn.protocols.http.h11_impl import H11Protocol

if sys.platform != "win32":  # which has no such limit
    import resource

ASK_S = 20.0  # from the connection's beginning, or from the last answer, until the headers of a request are there
MOST, FEWEST = 4_096, 64
RESERVED = 256  # file descriptors for everything else: indexes, pictures, clips, logs


class Patient(H11Protocol):
    """HTTP/1.1 with an end to the patience."""

    most = MOST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection: where there are too many, the one that waits longest without asking makes room, or this."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._wait()
        if len(self.connections) > self.most:
            waiting = [other for other in self.connections if isinstance(other, Patient) and other.waits]
            min(waiting, key=lambda other: other.since).transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """An answer was sent; the next request may take its time again."""
        super().on_response_complete()
        self._wait()

    @property
    def waits(self) -> bool:
        """Whether no request is being answered."""
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.since = self.loop.time()
        self._timer = self.loop.call_later(ASK_S, self._lose_patience)

    def _lose_patience(self) -> None:
        if self.waits:
            self.transport.close()


def limit_connections(page: Blocks) -> None:
    """Has a served page's server end connections that wait for too long, or that are too many."""
    page.server.config.http_protocol_class = Patient


def raise_descriptor_limit() -> int:
    """Lets this process open as many files and connections as it may need, or as it may; no more connections than that
    leaves room for.

    Returns:
        The number of connections.
    """
    soft = MOST + RESERVED
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST + RESERVED if hard == resource.RLIM_INFINITY else min(hard, MOST + RESERVED)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        soft = most if soft == resource.RLIM_INFINITY else soft
    Patient.most = max(FEWEST, min(MOST, soft - RESERVED))
    return Patient.most
