"""What reaches the page's server, before Gradio sees it: from where, how much and how long, what browsers are told.

Not addresses that lead away (umr.ui.layout.outside), nor connections (umr.ui.layout.connections). Gradio has settings
for none of this but the size of one uploaded file; a middleware of its app is its own way to add it. Its own middleware
for other sites it puts before all of ours, so that one is replaced (`share_with_no_site`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

from gradio import routes
from gradio.utils import get_space
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umr.errors import ConfigError
from umr.ui.access import LOOPBACK, Access, host_of, is_loopback
from umr.ui.layout.bodies import Refused, check_json, check_work
from umr.ui.layout.turns import ADDRESS, ASKED, UPLOAD, refusal
from umr.ui.limits import Open, TooMuch
from umr.ui.visitors import UPLOAD_S, Arriving, Visitors

MAX_BODY = 24 << 20  # bytes of a request that is no upload: a data URI's picture of 18 MiB
MAX_BODIES = 256 << 20  # of all such requests that are being read
LISTED = 1 << 20  # bytes in which a request names its uploads; 500 files take a third of it
TOLD = 1 << 20  # bytes of an upload between two looks at the limits
STALL_S, BODY_S = 30.0, 300.0  # without a byte, and until a body must have come whole
SWEEP_S = 5.0
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/([^/]{1,100})$")
SESSION = re.compile(rb'"session_hash"\s*:\s*"([^"\\]{1,100})"')
#: A folder of Gradio's for one upload: it is named by a hash of the bytes.
FOLDER = re.compile(rb"[/\\]([0-9a-f]{40,128})[/\\]")
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
ASKS_BEFORE = "OPTIONS"  # a browser asks so whether another site's page may send what it wants to
SHARING = "access-control-"  # what the headers begin with that let other sites' pages read an answer
#: What the page itself needs: Gradio's page has scripts and styles within it, and compiles the page's own listeners.
#: It may be shown in a frame of itself and of the Hub, which shows a Space in one, and of no other site but those that
#: the operator adds, at the end.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Content-Security-Policy": POLICY}
NOT_FROM_HERE = "this page takes requests from itself and from programs, not from other web pages"
NOT_THIS_HOST = (
    "this server is for its own machine: ask it as localhost or 127.0.0.1, or start it with --host and the "
    "address that it is to be reached at, or with --hosts and the name that a proxy asks it by"
)
NOT_THESE_HOSTS = "this server answers to the names of --hosts (UMR_HOSTS) and to localhost; add this one there"
TOO_LARGE = f"a request may have {MAX_BODY >> 20} MiB; upload the picture as a file instead"
TOO_SLOW = "the request did not arrive in time; send it again"
BUSY = "this server is reading too many large requests at the moment; try again in a few seconds"


class Gate:
    """The middleware."""

    def __init__(
        self, app: ASGIApp, visitors: Visitors, host: str, access: Access | None = None, most_open: int | None = None
    ):
        """Guard an app.

        Args:
            app: what is behind it.
            visitors: whose uploads and pages these are.
            host: what the server listens on.
            access: what the operator allows; None: what holds where nothing is set.
            most_open: requests that one visitor may have open, where the operator's limits allow more; None: as many
                as those say.
        """
        self.app, self.visitors, self.access = app, visitors, access or Access()
        self.headers = HEADERS | {"Content-Security-Policy": " ".join((POLICY, *self.access.frames))}
        self.local = is_loopback(host)
        self.bound = host.strip("[]").lower()
        self.behind_proxy = get_space() is not None
        self.reading = 0
        limits = self.access.limits
        self.open = None if limits is None else Open(min(limits.open_at_once, most_open or limits.open_at_once))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send, headers = _with_headers(send, self.headers), Headers(scope=scope)
        try:
            self._check_host(headers)
            _check_origin(scope, headers)
            scope[ADDRESS] = self._address(scope, headers)
            with nullcontext() if self.open is None else self.open.held(scope[ADDRESS]):
                await self._answer(scope, receive, send, headers)
        except TooMuch as error:
            await refusal(error, "upload" if UPLOAD.search(scope["path"]) else "call")(scope, receive, send)
        except ClientDisconnect:  # in the middle of its body: there is nobody to answer
            return
        except Refused as refused:
            await _refusal(scope, refused)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        address = scope[ADDRESS]
        if beat := HEARTBEAT.search(scope["path"]):
            with self.visitors.beat(beat[1], address):
                await self.app(scope, receive, send)
        elif scope["method"] == "POST" and UPLOAD.search(scope["path"]):
            await self._upload(scope, receive, send, address)
        elif scope["method"] in CHANGES:
            async with self._body(receive, headers) as body:
                scope[ASKED] = check_json(body, headers.get("content-type", ""))
                self._use(body, address)
                await self.app(scope, _again(body, receive), send)
        else:
            await self.app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """A name that a stranger's page has brought to this machine is none of it.

        Raises:
            Refused: it must not pass.
        """
        if not self.local and not self.access.hosts:
            return
        name = host_of(headers.get("host", LOOPBACK))
        if name not in (self.bound, *self.access.hosts) and not is_loopback(name):
            raise Refused(403, NOT_THESE_HOSTS if self.access.hosts else NOT_THIS_HOST)

    def _address(self, scope: Scope, headers: Headers) -> str:
        """Who asks. In a Space everybody comes through its proxy, which says at the end of this header for whom."""
        peer, forwarded = (scope.get("client") or ("",))[0], ",".join(headers.getlist("x-forwarded-for"))
        if self.behind_proxy and not self.access.proxies:
            return forwarded.rpartition(",")[2].strip() or peer
        return self.access.visitor(peer, forwarded)

    def _use(self, body: bytes, address: str) -> None:
        session = SESSION.search(body)
        if session:
            folders = {name.decode("ascii") for name in FOLDER.findall(body, 0, LISTED)}
            self.visitors.use(session[1].decode("utf-8", "replace"), folders, address)

    @asynccontextmanager
    async def _body(self, receive: Receive, headers: Headers) -> AsyncIterator[bytes]:
        """The whole body.

        Raises:
            Refused: one that is too large, too slow, or too much work.
        """
        if _length(headers) > MAX_BODY:
            raise Refused(413, TOO_LARGE)
        parts: list[bytes] = []
        size = 0
        try:
            async for part in _chunks(receive, BODY_S):
                size, self.reading = size + len(part), self.reading + len(part)
                if size > MAX_BODY:
                    raise Refused(413, TOO_LARGE)
                if self.reading > MAX_BODIES:
                    raise Refused(503, BUSY)
                parts.append(part)
            body = b"".join(parts)
            check_work(body)
            yield body
        finally:
            self.reading -= size

    async def _upload(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        """Gradio's own upload, counted; its answer tells where the files lie.

        Raises:
            Refused: it must not pass.
        """
        try:
            with self.visitors.arriving(address, _length(Headers(scope=scope))) as upload:
                counted, answer = _Counted(receive, self.visitors, upload), _Kept()
                with suppress(ClientDisconnect):  # nobody is there to be told, unless it was refused here
                    await self.app(scope, counted, answer)
                if counted.refused is not None:
                    raise counted.refused
                if answer.status == 200:
                    self.visitors.keep(upload, json.loads(answer.body))
        except ConfigError as error:
            raise Refused(413, str(error)) from error
        for message in answer.messages:
            await send(message)


class _Counted:
    """The body of an upload as it comes; over a limit it ends as if the client had left, and `refused` says why."""

    def __init__(self, receive: Receive, visitors: Visitors, upload: Arriving):
        self.receive, self.visitors, self.upload = receive, visitors, upload
        self.refused: Refused | None = None
        self._until = asyncio.get_running_loop().time() + UPLOAD_S
        self._untold = 0

    async def __call__(self) -> Message:
        try:
            message = await _in_time(self.receive, self._until)
            self._untold += len(message.get("body", b""))
            if self._untold >= TOLD or not message.get("more_body"):
                self.visitors.take(self.upload, self._untold)
                self._untold = 0
        except ConfigError as error:
            self.refused = Refused(413, str(error))
        except Refused as refused:
            self.refused = refused
        return message if self.refused is None else {"type": "http.disconnect"}


class _Kept:
    """An answer that is held back."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int | None:
        """None where there was no answer."""
        return self.messages[0]["status"] if self.messages else None

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(message.get("body", b"") for message in self.messages)


def share_with_no_site() -> None:
    """No page of another site may read what Gradio's pages answer from now on.

    Gradio lets every site read every answer, and with the visitor's cookies, where it is asked by another name than
    this machine's; launch() has no setting for it. Programs need no leave, and the page itself is of the same site.
    """
    routes.CustomCORSMiddleware = _as_it_is  # type: ignore[assignment, misc]  # what makes the middleware of each app


def _as_it_is(app: ASGIApp, **_: Any) -> ASGIApp:
    return app


def sweeping(visitors: Visitors) -> Callable[[Any], Any]:
    """The app's `lifespan`: uploads that nobody holds go while it runs, and all of them at its end."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await asyncio.to_thread(visitors.sweep)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(sweep())
        try:
            yield
        finally:
            task.cancel()
            visitors.clear()

    return lifespan


def _check_origin(scope: Scope, headers: Headers) -> None:
    """A browser says which page a request is from, a program does not.

    Sec-Fetch-Site cannot be set by a page, and tells the same behind any proxy; where a browser leaves it out (plain
    HTTP) the host of Origin must be the one that was asked, or that a proxy says was.

    Raises:
        Refused: another site's page.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    checked = scope["method"] in (*CHANGES, ASKS_BEFORE)
    if not checked or site in ("same-origin", "none") or (origin is None and site is None):
        return
    asked = f"{headers.get('host', '')},{headers.get('x-forwarded-host', '')}".lower().split(",")
    named = (origin or "").lower().partition("://")[2]
    if site is not None or named not in {host.strip() for host in asked} - {""}:
        raise Refused(403, NOT_FROM_HERE)


def _refusal(scope: Scope, refused: Refused) -> Response:
    """In the form that Gradio's page shows: of an upload the text itself."""
    if UPLOAD.search(scope["path"]):
        return PlainTextResponse(str(refused), refused.status)
    return JSONResponse({"detail": str(refused)}, refused.status)


def _with_headers(send: Send, told: Mapping[str, str]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.startswith(SHARING)]:
                del headers[name]
            for name, value in told.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


def _length(headers: Headers) -> int:
    """Content-Length, 0 where none is given; the server has checked that it is a number."""
    return int(headers.get("content-length", "0"))


async def _in_time(receive: Receive, until: float) -> Message:
    left = until - asyncio.get_running_loop().time()
    try:
        return await asyncio.wait_for(receive(), max(0.0, min(STALL_S, left)))
    except TimeoutError:
        raise Refused(408, TOO_SLOW) from None


async def _chunks(receive: Receive, limit_s: float) -> AsyncIterator[bytes]:
    """A body, part by part.

    Raises:
        Refused: it takes longer.
        ClientDisconnect: the client left.
    """
    until = asyncio.get_running_loop().time() + limit_s
    while True:
        message = await _in_time(receive, until)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, then what comes after it."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again
