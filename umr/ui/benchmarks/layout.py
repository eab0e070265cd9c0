"""The Benchmarks tab: measure, tables, difference of two models, the queries of a number. It loads no model."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from umr.ui.benchmarks import actions as benchmarks
from umr.ui.benchmarks.html import MEASURE
from umr.ui.markup import macros
from umr.ui.parts import scripts
from umr.ui.parts.bar import dropdown
from umr.ui.parts.wiring import LATEST, PRIVATE, Built, Frame, pressed, shown
from umr.ui.report import offer
from umr.ui.searchers import Searchers

INTRO = macros("benchmarks").intro()


def build_benchmarks(frame: Frame, tab: gr.Tab) -> Built:
    """Fills the tab that is being built; what it shows is read when it is first opened."""
    searchers = frame.searchers
    measure, a, b = choices = benchmarks.choices(searchers)
    compared, drills = len(searchers.names) > 1, scripts.selects("drill") + scripts.TABLES
    gr.HTML(INTRO, js_on_load=None, apply_default_css=False)
    with gr.Row(elem_id="b-bar", elem_classes="u-choices"):
        column = dropdown(measure, "Measure", 300, MEASURE)
        table = gr.Button("Save all numbers as CSV", elem_id="b-csv", scale=0, size="sm")
    rows = gr.HTML(elem_id="benchmarks", apply_default_css=False, js_on_load=drills)
    with gr.Row(elem_id="b-pair-bar", elem_classes="u-choices", visible=compared):
        one, other = dropdown(a, "Against", 180), dropdown(b, "Model", 180)
        whole = gr.Button("Save a report of these two", elem_id="b-report", scale=0, size="sm")
    pair = gr.HTML(elem_id="bench-pair", apply_default_css=False, js_on_load=drills, visible=compared)
    behind = gr.HTML(elem_id="bench-drill", apply_default_css=False, js_on_load=None)
    _wire_files(searchers, table, whole, [one, other])

    def drill(event: gr.EventData) -> str:
        return benchmarks.drill(searchers, pressed(event))

    gr.on([tab.select, column.input], partial(benchmarks.tables, searchers), column, rows, **PRIVATE, **LATEST)
    if compared:
        change = partial(benchmarks.difference, searchers)
        gr.on([tab.select, one.input, other.input], change, [one, other], pair, **PRIVATE, **LATEST)
    for part in (rows, pair):
        part.select(drill, None, behind, **PRIVATE).then(None, js=scripts.TO_DRILL)
    return Built(fields=[column, one, other], choices=choices)


def _wire_files(searchers: Searchers, table: gr.Button, whole: gr.Button, pair: list[Component]) -> None:
    file = gr.JSON(visible=False)

    def save_table() -> dict[str, str]:
        return shown(benchmarks.table_file, searchers)

    def save_report(a: Any, b: Any) -> dict[str, str]:
        return shown(offer.report_file, searchers, a, b)

    saved = whole.click(save_report, pair, file, js=scripts.making("#b-report"), **PRIVATE)
    for made in (table.click(save_table, None, file, **PRIVATE), saved):
        made.success(None, file, None, js=scripts.SAVE, api_visibility="private")
        made.failure(None, js=scripts.NOT_SAVED, api_visibility="private")
