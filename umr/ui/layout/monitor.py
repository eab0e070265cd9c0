"""/healthz and /metrics of the page's server, and a line of the log for each request. Not the numbers (umr.ui.metrics).

Routes are a fixed list: what a stranger writes into an address is never a label, nor is it logged.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from gradio import Blocks
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umr.ui.metrics import OBSERVED, REQUEST_S, REQUESTS, Metrics
from umr.ui.searchers import Searchers
from umr.ui.visitors import Visitors

log = logging.getLogger(__name__)

HEALTH, METRICS, CARD = "/healthz", "/metrics", "/card.png"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"
#: Route -> addresses of it, after the root path.
ROUTES = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("page", r"/?"),
        (HEALTH, r"/healthz/?"),
        (METRICS, r"/metrics/?"),
        (CARD, re.escape(CARD)),
        ("config", r"/(config|info|theme\.css|manifest\.json|gradio_api/(info|config|startup-events|app_id).*)"),
        ("static", r"/(assets|static|svelte|favicon).*"),
        ("upload", r"/gradio_api/upload.*"),
        ("file", r"/gradio_api/file[=/].*"),
        ("queue/join", r"/gradio_api/queue/join/?"),
        ("queue/data", r"/gradio_api/queue/data"),
        ("call", r"/gradio_api/(call|run|api)/.*"),
        ("heartbeat", r"/gradio_api/heartbeat/.*"),
        ("mcp", r"/gradio_api/mcp.*"),
    )
)


class Monitor:
    """The outermost middleware: it counts and times every request, refused ones too."""

    def __init__(self, app: ASGIApp, root_path: str = "", metrics: Metrics = OBSERVED):
        """root_path: what a proxy may leave before the server's own addresses, or a whole address that ends in it."""
        self.app, self.root, self.metrics = app, prefix(root_path), metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(scope, self.root, self.metrics)
        try:
            await self.app(scope, receive, partial(request.send, send))
        except Exception:
            request.unanswered(500)
            raise
        request.unanswered(499)  # the client left before there was an answer


class _Request:
    """One request, until its answer begins: then it is counted, timed and logged, once."""

    def __init__(self, scope: Scope, root: str, metrics: Metrics):
        self.route = route_of(scope["path"], root)
        self.method = scope["method"] if scope["method"] in METHODS else OTHER
        self.metrics, self.start, self.is_told = metrics, time.perf_counter(), False

    async def send(self, send: Send, message: Message) -> None:
        """Passes a part of the answer on; the first one has its status."""
        if message["type"] == "http.response.start":
            self._tell(message["status"])
        await send(message)

    def unanswered(self, status: int) -> None:
        """It is over; status: what is told of it where no answer began."""
        if not self.is_told:
            self._tell(status)

    def _tell(self, status: int) -> None:
        self.is_told, seconds = True, time.perf_counter() - self.start
        self.metrics.count(REQUESTS, route=self.route, method=self.method, status=str(status))
        self.metrics.time(REQUEST_S, seconds, route=self.route)
        fields = {"route": self.route, "method": self.method, "status": status, "ms": round(1000 * seconds, 1)}
        log.info("request", extra={"fields": fields})


class Health:
    """Answers HEALTH and METRICS; behind the gate, so that what holds for every other address holds for them."""

    def __init__(self, app: ASGIApp, healthy: Callable[[], bool], root_path: str = "", metrics: Metrics = OBSERVED):
        """healthy: whether the page can answer a search, or will as soon as its model is read."""
        self.app, self.healthy, self.root, self.metrics = app, healthy, prefix(root_path), metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes on."""
        route = route_of(scope["path"], self.root) if scope["type"] == "http" else ""
        if route not in (HEALTH, METRICS):
            await self.app(scope, receive, send)
            return
        answer: Response
        if scope["method"] not in ("GET", "HEAD"):
            answer = JSONResponse({"detail": f"{route} is read with GET"}, 405, {"Allow": "GET, HEAD"})
        elif route == HEALTH:
            well = self.healthy()
            answer = JSONResponse({"status": "ok" if well else "failing"}, 200 if well else 503)
        else:
            answer = PlainTextResponse(self.metrics.text(), headers={"Content-Type": PROMETHEUS})
        answer.headers["Cache-Control"] = "no-store"
        await answer(scope, receive, send)


def prefix(root_path: str) -> str:
    """The path of a root path, which may be a whole address, without a "/" at its end."""
    return urlsplit(root_path).path.rstrip("/")


def route_of(path: str, root: str = "") -> str:
    """The name of an address's route in ROUTES, OTHER where it has none.

    Args:
        path: of the address.
        root: what may stand before it, as `prefix` gives it; a proxy may have taken it away already.
    """
    own = path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path
    return next((name for name, pattern in ROUTES if pattern.fullmatch(own)), OTHER)


def watch(page: Blocks, searchers: Searchers, visitors: Visitors, metrics: Metrics = OBSERVED) -> None:
    """Has the numbers tell of a page's queue, visitors, uploads and models too."""
    metrics.gauge("umr_queue_waiting", "Events that wait for their turn.", lambda: float(len(page._queue)))
    metrics.gauge(
        "umr_queue_running",
        "Events that are being answered.",
        lambda: float(sum(len(jobs or ()) for jobs in page._queue.active_jobs)),
    )
    metrics.gauge("umr_pages_open", "Pages that visitors have open.", lambda: float(visitors.open_pages()))
    metrics.gauge("umr_upload_bytes", "Bytes that uploads take on the disk.", lambda: float(visitors.upload_bytes()))
    metrics.gauge(
        "umr_models_open",
        "Encoders that are in memory.",
        lambda: float(sum(searchers.opened(name) is not None for name in searchers.names)),
    )
