"""Nothing outside: no request makes the server fetch an address, nor sends its visitor to another host.

Gradio's own routes and components would do both; they are closed here, with what else the page has no use for. What the
page's handlers refuse is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils
from gradio.blocks import Block
from gradio_client.utils import is_http_url_like
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.ui import api

#: Gradio's routes that fetch the address in them (file=, its older name file/, proxy=), that send the visitor to the
#: host that a header names (login, logout), that give a stranger's file to ffmpeg (process_recording), that write what
#: a visitor typed or sent to the disk, to stay there (deep_link, component_server), or that make a picture as large as
#: is asked (pwa_icon/SIZE). Those of its workshop, which print what a stranger writes on the standard output
#: (custom_component), look for changes twenty times a second for as long as a stranger likes (dev/reload), or exist to
#: change the program (vibe-edit). And those of sound and pictures that go on (stream), and of past runs. The page needs
#: none.
CLOSED = re.compile(
    r"/gradio_api/(?:file[=/]https?:|proxy=|(?:process_recording|deep_link|component_server)/?$"
    r"|(?:custom_component|dev|stream|profiling|runs|run-history|(?:undo-)?vibe-[a-z-]+)(?:/|$))"
    r"|/log(?:in|out)/?$|/pwa_icon/.",
    re.IGNORECASE,
)
REFUSED = "this route is closed: the page needs it for nothing, fetches nothing from others, and sends nobody to them"


class Closed:
    """Refuses CLOSED routes with status 403 and words in JSON, before Gradio sees the request."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        closed = scope["type"] == "http" and CLOSED.search(scope["path"])
        await (JSONResponse({"detail": REFUSED}, 403) if closed else self.app)(scope, receive, send)


def fetch_nothing() -> None:
    """Nothing in this process downloads what a request names by an address: Gradio's components would.

    Gradio has no setting for it. The guard is on the class of all components and on the functions that download, not on
    the page's components: of a component that an event's answer changes, Gradio makes a new one for that session. It is
    for the whole process, and set once.
    """
    if hasattr(Block.async_move_resource_to_block_cache, "__wrapped__"):
        return
    keep = Block.async_move_resource_to_block_cache
    Block.async_move_resource_to_block_cache = _keeps_local(keep)  # type: ignore[method-assign, assignment]  # see above
    for name in (
        "async_ssrf_protected_get",
        "async_ssrf_protected_download",
        "ssrf_protected_download",
        "save_url_to_cache",
        "unsafe_download",
    ):
        setattr(processing_utils, name, _refuse)


Keep = Callable[[Block, str | Path | None], Coroutine[Any, Any, str | None]]


def _keeps_local(keep: Keep) -> Keep:
    @wraps(keep)
    async def keep_local(block: Block, source: str | Path | None) -> str | None:
        if is_http_url_like(str(source)):
            _refuse()
        return await keep(block, source)

    return keep_local


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise gr.Error(api.NOT_FETCHED, print_exception=False)
