"""The tabs of the page, one row each: a new tab is a folder beside the others and a row here.

What a tab does is its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from umr.ui.benchmarks import actions as benchmarks
from umr.ui.benchmarks.layout import build_benchmarks
from umr.ui.compare import actions as compare
from umr.ui.compare import link as compare_link
from umr.ui.compare.layout import build_compare
from umr.ui.diagnose import actions as diagnose
from umr.ui.diagnose.layout import build_diagnose
from umr.ui.files.layout import build_files
from umr.ui.links import Filled, Given
from umr.ui.parts.wiring import Built, Frame
from umr.ui.search import actions as search
from umr.ui.search import link as search_link
from umr.ui.search.layout import build_search
from umr.ui.searchers import Searchers


def _nothing(_searchers: Searchers, _given: Given) -> Filled:
    return Filled(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One tab.

    Attributes:
        name: what `?tab=` in the page's address says.
        title: what a person reads.
        build: fills the tab with components.
        keys: its own part of the address.
        fill: what an address makes of its fields.
    """

    name: str
    title: str
    build: Callable[[Frame, gr.Tab], Built]
    keys: tuple[str, ...] = ()
    fill: Callable[[Searchers, Given], Filled] = _nothing


#: In the order of the page; the first is on show from the start, the last empties what the others hold of a visitor.
TABS: tuple[Tab, ...] = (
    Tab(name="search", title="Search", build=build_search, keys=search_link.KEYS, fill=search.fill),
    Tab(name="compare", title="Compare", build=build_compare, keys=compare_link.KEYS, fill=compare.fill),
    Tab(name="diagnose", title="Diagnose", build=build_diagnose, keys=diagnose.KEYS, fill=diagnose.fill),
    Tab(name="benchmarks", title="Benchmarks", build=build_benchmarks, keys=benchmarks.KEYS, fill=benchmarks.fill),
    Tab(name="files", title="Your files", build=build_files),
)
