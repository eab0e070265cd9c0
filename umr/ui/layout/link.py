"""The page's address: opened once into bars, notices and the right tab, then kept as the page is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from umr.ui import choices, links
from umr.ui.choices import Choice
from umr.ui.compare import actions as compare
from umr.ui.compare.layout import CompareTab
from umr.ui.parts import scripts
from umr.ui.parts.bar import PRIVATE, QUIET, Chosen
from umr.ui.search import actions as search
from umr.ui.search import html as search_html
from umr.ui.search.layout import SHOWN, SearchTab
from umr.ui.searchers import Searchers

#: The notices' button puts them away.
AWAY = """
element.addEventListener('click', (event) => {
  if (event.target.closest('[data-away]')) element.querySelector('[role="alert"]')?.remove(); });
"""


def head_script() -> str:
    """What keeps the address, and what the browser itself leaves unsaid, for the page's head."""
    keys = json.dumps(
        {
            "search": links.SEARCH_KEYS,
            "compare": links.COMPARE_KEYS,
            "diagnose": choices.DIAGNOSE_KEYS,
            "benchmarks": choices.BENCHMARK_KEYS,
        }
    )
    return f"<script>{scripts.FOLLOW.replace('KEYS', keys, 1)}{scripts.VISITOR}</script>"


def build_notices() -> gr.HTML:
    """Where it is said what of an address cannot be given."""
    return gr.HTML(elem_id="notices", apply_default_css=False, js_on_load=AWAY)


def wire_link(
    searchers: Searchers,
    page: gr.Blocks,
    tabs: gr.Tabs,
    notices: gr.HTML,
    first: SearchTab,
    second: CompareTab | None,
    chosen: Sequence[Chosen],
) -> None:
    """What the page does with the address that it was opened with, and when a tab, or something in one, is chosen."""
    address, tab = gr.Textbox(visible=False, label="address"), gr.Textbox(visible=False, label="tab")
    ready = [gr.State(False), gr.State(False)]
    outputs = [
        tabs,
        tab,
        notices,
        *ready,
        *(part for one in chosen for part in one.dropdowns),
        *first.bar.asked,
        first.bar.model,
        first.bar.count,
        *(second.bar.linked if second else []),
    ]
    read = partial(_open, searchers, [choice for one in chosen for choice in one.choices], len(outputs))
    opened = page.load(read, address, outputs, js=scripts.ADDRESS, **QUIET)
    opened.then(None, tab, js=scripts.GIVEN)
    _run(opened, ready[0], first.run, [first.view.trail, *first.bar.inputs], first.view, "search")
    if second:
        _run(opened, ready[1], second.run, second.bar.inputs, second.view, "compare")
    for one in chosen:
        _follow(one)
    for child in tabs.children:
        child.select(None, js=f"() => {{ window.umrAddress.tab('{child.id}'); }}")


def _follow(one: Chosen) -> None:
    told = gr.Textbox(visible=False, label="address")
    write = partial(choices.write, one.choices)
    gr.on([part.input for part in one.dropdowns], write, one.dropdowns, told, **QUIET).then(
        None, told, js=scripts.TELL[one.tab]
    )


def _open(searchers: Searchers, given: Sequence[Choice], outputs: int, address: Any) -> list[Any]:
    if not address:
        return [gr.skip()] * outputs
    link = links.read(searchers, address)
    values = [
        gr.Tabs(selected=link.tab),
        link.tab,
        search_html.notices(link.notices),
        link.search.asks,
        link.compare.asks,
        *(link.chosen.get(choice.key, choice.first) for choice in given),
        *search.open_link(link.search, searchers.default, SHOWN),
        *compare.open_link(searchers, link.compare),
    ]
    return values[:outputs]  # without a Compare tab its part is left out


def _run(opened: Any, ready: gr.State, run: Any, inputs: list[Any], view: Any, tab: str) -> None:
    def asked(is_ready: Any, *values: Any) -> Any:
        return run(*values) if is_ready is True else [gr.skip()] * len(view.outputs)

    done = opened.success(asked, [ready, *inputs], view.outputs, show_progress_on=view.outputs[0], **PRIVATE)
    done.then(None, view.address, js=scripts.TELL[tab])
