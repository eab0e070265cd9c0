"""Nothing outside: no request makes the server fetch an address, nor sends its visitor to another host. Gradio's own
routes and components would do both; they are closed here. What the page's handlers refuse is theirs."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from umr.ui import api

#: Gradio's routes that fetch the address in them (file=, its older name file/, proxy=), that send the visitor to the host
#: that a header names (login, logout), and that give a stranger's file to ffmpeg (process_recording). The page needs none.
CLOSED = re.compile(r"/gradio_api/(?:file[=/]https?:|proxy=|process_recording/?$)|/log(?:in|out)/?$", re.IGNORECASE)
REFUSED = "this page fetches nothing from other machines, and sends nobody to them"


class Closed:
    """Refuses CLOSED routes with status 403 and words in JSON, before Gradio sees the request."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        closed = scope["type"] == "http" and CLOSED.search(scope["path"])
        await (JSONResponse({"detail": REFUSED}, 403) if closed else self.app)(scope, receive, send)


def closed_routes() -> dict[str, Any]:
    """What a page's launch() takes as `app_kwargs` so that these routes are closed."""
    return {"middleware": [Middleware(Closed)]}


def fetch_nothing(page: gr.Blocks) -> None:
    """No component of a page that was built downloads what a request names by an address: Gradio would."""
    for block in page.blocks.values():
        block.async_move_resource_to_block_cache = partial(_keep_local, block.async_move_resource_to_block_cache)


async def _keep_local(keep: Any, source: Any) -> str | None:
    if is_http_url_like(str(source)):
        raise gr.Error(api.NOT_FETCHED, print_exception=False)
    return await keep(source)
