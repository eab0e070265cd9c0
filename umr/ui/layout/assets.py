"""What the page itself is made of, given out from memory: each file is read and packed once, and a browser keeps it.

These are the scripts and styles of Gradio's page. Their names change with what is in them. Files
of a collection or of a visitor are never kept here.
"""

from __future__ import annotations

import gzip
import re

import brotli  # Gradio's own
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umr.ui.layout.monitor import prefix

FILES = r"/assets/[\w.-]+"  # one name: a path that leads to the same file by a detour is answered for itself
HASHED = re.compile(r"-[\w-]{8}\d?\.\w+$")  # Index-Akn07EZk2.js: a name of its own for each content
FOR_EVER = "public, max-age=31536000, immutable"
ALONE = ("range", "if-none-match", "if-modified-since")  # a request with one of them is answered for itself
PACKERS = {"br": lambda body: brotli.compress(body, quality=5), "gzip": gzip.compress}  # the first accepted is taken
WORDS = ("javascript", "css", "json", "svg", "text/")  # of media types that packing makes smaller
LEAST = 500  # bytes that are packed
MOST_BYTES = 32 * 2**20  # that are kept; what comes after is given out as it was
OVERHEAD = 1024  # bytes of an answer beside its body


class Assets:
    """The middleware; the last one before Gradio, so that what holds for every other address holds for these.

    Gradio's own for packing and the gate are outside of it: each answer is a copy, which they may change.
    """

    def __init__(self, app: ASGIApp, root_path: str = "", most: int = MOST_BYTES):
        """most: bytes that are kept."""
        self.app, self.room = app, most
        self.files = re.compile(f"(?:{re.escape(prefix(root_path))})?{FILES}", re.ASCII)
        self.kept: dict[tuple[str, str], tuple[Message, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers from memory, or passes on and keeps the answer."""
        asked = scope["type"] == "http" and scope["method"] == "GET" and self.files.fullmatch(scope["path"])
        headers = Headers(scope=scope) if asked else None  # a lifespan has none
        if headers is None or any(name in headers for name in ALONE):
            await self.app(scope, receive, send)
            return
        accepted = headers.get("accept-encoding", "")
        key = scope["path"], next((packing for packing in PACKERS if packing in accepted), "")
        if key not in self.kept:
            await self.app(scope, receive, self._keeping(key, send))
            return
        start, body = self.kept[key]
        await send({**start, "headers": list(start["headers"])})
        await send({"type": "http.response.body", "body": body})

    def _keeping(self, key: tuple[str, str], send: Send) -> Send:
        """What sends an answer on, and keeps it once it has been sent whole."""
        started: list[Message] = []
        body = bytearray()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                if HASHED.search(key[0]):
                    MutableHeaders(scope=message)["Cache-Control"] = FOR_EVER
                started.append({**message, "headers": list(message["headers"])})
            body.extend(message.get("body", b""))
            last = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)
            if started and last:
                self._keep(key, started[0], bytes(body))

        return sent

    def _keep(self, key: tuple[str, str], start: Message, body: bytes) -> None:
        if key in self.kept or len(body) + OVERHEAD > self.room:
            return
        headers, packing = MutableHeaders(scope=start), key[1]
        if packing and len(body) >= LEAST and any(word in headers.get("content-type", "") for word in WORDS):
            body = PACKERS[packing](body)
            headers["Content-Encoding"] = packing
            headers.add_vary_header("Accept-Encoding")
        headers["Content-Length"] = str(len(body))
        self.room -= len(body) + OVERHEAD
        self.kept[key] = start, body
