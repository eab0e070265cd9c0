"""What the page itself is made of, given out from memory: each file is read and packed once, and a browser keeps it.

These are the scripts and styles of Gradio's page, over 70 of each visit. Their names change with what is in them. Files
of a collection or of a visitor are never kept here.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umr.ui.layout.monitor import prefix

FOLDER = "/assets/"
HASHED = re.compile(r"-[\w-]{8}\d?\.\w+$")  # Index-Akn07EZk2.js: a name of its own for each content
FOR_EVER = "public, max-age=31536000, immutable"
PACKED = ("br", "gzip")  # what Gradio chooses of a request's Accept-Encoding, the first that it names
ALONE = ("range", "if-none-match", "if-modified-since")  # a request with one of them is answered for itself
TO_OTHERS = ("access-control-allow-origin", "access-control-allow-credentials")  # of no use to the page itself
MOST_BYTES = 32 * 2**20  # that are kept; what comes after is given out as it was


class Assets:
    """The middleware; the last one before Gradio, so that what holds for every other address holds for these."""

    def __init__(self, app: ASGIApp, root_path: str = "", most: int = MOST_BYTES):
        """most: bytes that are kept."""
        self.app, self.folders = app, (FOLDER, prefix(root_path) + FOLDER)
        self.room = most
        self.kept: dict[tuple[str, str], tuple[Message, Message]] = {}  # the two messages of an answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers from memory, or passes on and keeps the answer."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(self.folders):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        from_others = "origin" in headers and headers.get("sec-fetch-site") != "same-origin"
        if from_others or any(name in headers for name in ALONE):
            await self.app(scope, receive, send)
            return
        accepted = headers.get("accept-encoding", "")
        key = scope["path"], next((packed for packed in PACKED if packed in accepted), "")
        if key not in self.kept:
            await self.app(scope, receive, self._keeping(key, send))
            return
        for message in self.kept[key]:
            await send(message)

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
            await send(message)
            if started and message["type"] == "http.response.body" and not message.get("more_body"):
                self._keep(key, started[0], bytes(body))

        return sent

    def _keep(self, key: tuple[str, str], start: Message, body: bytes) -> None:
        if key in self.kept or len(body) > self.room:
            return
        self.room -= len(body)
        headers = MutableHeaders(scope=start)
        for name in TO_OTHERS:
            del headers[name]
        headers["Content-Length"] = str(len(body))
        self.kept[key] = start, {"type": "http.response.body", "body": body}
