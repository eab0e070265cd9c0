"""The frame of the page: title, tabs, theme, and how it is served. What happens in a tab is that tab's file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by gradio when it builds Blocks; the page calls nobody
# and its statistics, which nobody sees, would be made anew at the end of each event, of up to 10,000 events before it
os.environ |= {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000"}

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware

from umr.ui.access import Access
from umr.ui.examples import Example
from umr.ui.layout.about import about, build_models
from umr.ui.layout.api import answer_as_json, build_api
from umr.ui.layout.assets import Assets
from umr.ui.layout.bodies import take_whole_uploads
from umr.ui.layout.connections import Patient, limit_connections
from umr.ui.layout.gate import Gate, share_with_no_site, sweeping
from umr.ui.layout.leaving import drop_who_left
from umr.ui.layout.link import build_notices, head_script, wire_link
from umr.ui.layout.listening import serve_listening
from umr.ui.layout.monitor import Health, Monitor, watch
from umr.ui.layout.outside import Closed, fetch_nothing
from umr.ui.layout.ports import DEFAULT_HOST, HOST, ROOT_PATH
from umr.ui.layout.preview import ICON, Card, own_preview
from umr.ui.layout.room import Room
from umr.ui.layout.sessions import keep_sessions
from umr.ui.layout.streams import keep_streams
from umr.ui.layout.tabs import TABS
from umr.ui.layout.turns import Turns, functions_of, turns_of
from umr.ui.layout.words import Functions, Streams, refuse_in_words, tell_what_is_wrong
from umr.ui.limits import Accounts, Limits
from umr.ui.markup import macros
from umr.ui.parts import scripts
from umr.ui.parts.carry import wire_carry
from umr.ui.parts.wiring import VISITORS, Built, Frame
from umr.ui.searchers import Searchers

WAITING = 256  # questions of everybody that wait; of one visitor Limits has few. More are refused by Gradio
OPEN_SHARE = 4  # of so many parts of the server's connections one visitor may hold one
TOLD_S = 1.0  # between two times that those who wait are told their place; Gradio: to all, at the end of each event
SESSIONS = 500  # visitors whose state is kept, 0.2 MiB each; of more those who are here, then the last. Gradio: 10,000
#: Gradio's own removal of what lies in its folder: how often, and at which age; all at the end of the server. What is a
#: visitor's goes much sooner (umr.ui.visitors); this is for the copies that Gradio makes of what it shows.
CACHE_S = (3600, 86_400)
INTRO = macros("page").intro()


def build_page(searchers: Searchers, examples: list[Example], limits: Limits | None = None) -> gr.Blocks:
    """The whole page, not yet served. limits: what it says that one visitor may ask."""
    fetch_nothing()
    take_whole_uploads()
    with gr.Blocks(title="umr: search with a picture and a sentence", fill_width=True, delete_cache=CACHE_S) as page:
        build_api(searchers, page)
        gr.HTML(INTRO, elem_id="intro", js_on_load=None, apply_default_css=False)
        notices = build_notices()
        frame, built = Frame(searchers=searchers, examples=examples, page=page), []
        with gr.Tabs(elem_id="tabs", selected=TABS[0].name) as tabs:
            for row in TABS:
                with gr.Tab(row.title, id=row.name, elem_id=f"tab-{row.name}") as tab:
                    built.append(row.build(frame, tab))
                tab.select(None, js=scripts.show(row.name))
                frame.pictures.extend(built[-1].pictures)
        build_models(searchers)
        gr.HTML(about(limits, searchers.names), elem_id="about", js_on_load=None, apply_default_css=False)
        _wire_carry(built)
        wire_link(searchers, page, tabs, notices, built)
    watch(page, searchers, VISITORS)
    return page


def _turns(page: gr.Blocks, limits: Limits | None) -> list[Middleware]:
    """What holds each visitor to the limits, if there are any."""
    if limits is None:
        return []
    VISITORS.own = limits.upload_mb * 1_000_000, limits.upload_files
    kinds = functions_of(page)
    return [
        Middleware(Turns, accounts=Accounts(limits), functions=kinds, queued=partial(turns_of, page)),
    ]


def _wire_carry(built: list[Built]) -> None:
    """A search can be compared where there is more than one model."""
    tabs = dict(zip((row.name for row in TABS), built, strict=True))
    search, compare = tabs["search"], tabs["compare"]
    if search.carry is not None and compare.run is not None:
        wire_carry(search.carry, search.query, compare.query, compare.run, "compare")


def _middleware(
    page: gr.Blocks,
    host: str,
    root: str,
    healthy: Callable[[], bool],
    access: Access,
    examples: Sequence[Example],
) -> list[Middleware]:
    """What a request passes on its way to Gradio, the outermost first; arguments as of `serve`."""
    return [
        Middleware(Monitor, root_path=root),
        Middleware(Gate, visitors=VISITORS, host=host, access=access, most_open=Patient.most // OPEN_SHARE),
        Middleware(Room, page=page),
        *_turns(page, access.limits),
        Middleware(Closed),
        Middleware(Functions, page=page),
        Middleware(Streams, page=page),
        Middleware(Card, examples=examples, root_path=root),
        Middleware(Health, healthy=healthy, root_path=root),
        Middleware(Assets, root_path=root),
    ]


def serve(
    page: gr.Blocks,
    media: list[Path],
    host: str | None = None,
    port: int | None = None,
    healthy: Callable[[], bool] = lambda: True,
    access: Access | None = None,
    examples: Sequence[Example] = (),
) -> str:
    """Starts serving the page; page.block_thread() waits, page.close() ends it.

    Args:
        page: of `build_page`.
        media: the only files, and folders of files, that are given out.
        host: None leaves it to GRADIO_SERVER_NAME.
        port: None leaves it to GRADIO_SERVER_PORT.
        healthy: what /healthz says.
        access: who may ask how much; None: what holds where nothing is set.
        examples: what other sites may show of a link to the page.

    Returns:
        The page's address.
    """
    root = os.environ.get(ROOT_PATH, "")
    host = host or os.environ.get(HOST) or DEFAULT_HOST
    own_preview()
    serve_listening()
    share_with_no_site()
    page.queue(default_concurrency_limit=4, max_size=WAITING, status_update_rate=TOLD_S)
    keep_streams(page)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        allowed_paths=[str(path) for path in media],
        head=scripts.style() + head_script(),  # no prefixes, as Gradio's css would get
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        footer_links=[],
        run_history=False,
        favicon_path=ICON,
        share=False,
        ssr_mode=False,
        max_file_size="32mb",
        quiet=True,
        prevent_thread_lock=True,
        mcp_server=True,
        state_session_capacity=SESSIONS,
        enable_monitoring=False,
        app_kwargs={
            "lifespan": sweeping(VISITORS),
            "exception_handlers": {RequestValidationError: tell_what_is_wrong},
            "middleware": _middleware(page, host, root, healthy, access or Access(), examples),
        },
        _frontend=False,
    )  # leaves out a request to itself, which a busy machine may not answer within Gradio's 3 s
    limit_connections(page)
    keep_sessions(page, VISITORS)
    drop_who_left(page)
    answer_as_json(page)
    refuse_in_words(page)
    return address
