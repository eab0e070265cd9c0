"""The page's address: opened once into fields, notices and the right tab, then kept as the page is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from umr.ui import links, render
from umr.ui.layout.tabs import TABS
from umr.ui.links import Filled, Given
from umr.ui.parts import scripts
from umr.ui.parts.wiring import LATEST, PRIVATE, QUIET, SEARCHING, Built, Run
from umr.ui.searchers import Searchers


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Everything that an address asks for.

    Attributes:
        filled: of each tab, in order.
        notices: what of it cannot be given, in words.
    """

    tab: str
    filled: tuple[Filled, ...]
    notices: tuple[str, ...] = ()


def read(searchers: Searchers, address: object) -> Opened:
    """The state that a page's query string asks for. Never raises: what is wrong becomes a notice."""
    given = Given.of(address)
    tab = given.one_of("tab", [row.name for row in TABS], "tab") or TABS[0].name
    filled = tuple(row.fill(searchers, given) for row in TABS)
    return Opened(tab=tab, filled=filled, notices=tuple(dict.fromkeys(given.notices)))


def head_script() -> str:
    """What keeps the address, and what the browser itself leaves unsaid, for the page's head."""
    return scripts.head({row.name: row.keys for row in TABS if row.keys})


def build_notices() -> gr.HTML:
    """Where it is said what of an address cannot be given."""
    return gr.HTML(elem_id="notices", apply_default_css=False, js_on_load=scripts.AWAY)


def wire_link(searchers: Searchers, page: gr.Blocks, tabs: gr.Tabs, notices: gr.HTML, built: Sequence[Built]) -> None:
    """What the page does with the address that it was opened with, and when something is chosen in a tab.

    Args:
        searchers: what the page offers.
        page: the Blocks that is being built.
        tabs: the tabs themselves.
        notices: where they are shown.
        built: what each tab gave, in the order of TABS.
    """
    address, tab = gr.Textbox(visible=False, label="address"), gr.Textbox(visible=False, label="tab")
    ready = [gr.State(False) for _ in built]
    fields = [field for one in built for field in one.fields]
    opened = page.load(
        partial(_open, searchers, built),
        address,
        [tabs, tab, notices, *ready, *fields],
        js=scripts.ADDRESS,
        **QUIET,
    )
    opened.then(None, tab, js=scripts.GIVEN)
    for row, one, is_ready in zip(TABS, built, ready, strict=True):
        if one.run:
            _run(opened, is_ready, one.run, row.name)
        if one.choices:
            _follow(one, row.name)


def _open(searchers: Searchers, built: Sequence[Built], address: Any) -> list[Any]:
    if not address:
        return [gr.skip()] * (3 + len(built) + sum(len(one.fields) for one in built))
    link = read(searchers, address)
    shown = [value for one, filled in zip(built, link.filled, strict=True) if one.fields for value in filled.values]
    asks = [filled.asks for filled in link.filled]
    return [gr.Tabs(selected=link.tab), link.tab, render.notices(link.notices), *asks, *shown]


def _follow(one: Built, tab: str) -> None:
    told = gr.Textbox(visible=False, label="address")
    write = partial(links.write_choices, one.choices)
    moved = [field.input for field in one.fields if isinstance(field, gr.Dropdown)]
    gr.on(moved, write, list(one.fields), told, **QUIET, **LATEST).then(None, told, js=scripts.tell(tab))


def _run(opened: Dependency, ready: gr.State, run: Run, tab: str) -> None:
    def asked(is_ready: Any, *values: Any) -> Any:
        return run.ask(*values) if is_ready is True else [gr.skip()] * len(run.outputs)

    outputs = list(run.outputs)
    done = opened.success(asked, [ready, *run.inputs], outputs, show_progress_on=outputs[0], **PRIVATE, **SEARCHING)
    done.then(None, run.address, js=scripts.answered(tab))
