"""The Compare tab: query bar, choice of models, blind mode, benchmark queries, columns, votes, exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from umr.ui import render
from umr.ui.compare import actions as compare
from umr.ui.compare.comparison import FEWEST, MOST, benchmark_of
from umr.ui.compare.votes import VoteBox
from umr.ui.handlers import Question
from umr.ui.models import actions as models_told
from umr.ui.parts import scripts
from umr.ui.parts.bar import query_bar
from umr.ui.parts.wiring import LATEST, PRIVATE, UPLOADS, Built, Frame, Run, pressed, shown
from umr.ui.searchers import Searchers

KEEP_S = 3600  # how long a comparison waits for its vote or export

INVITATION = render.message(
    "One query, several models",
    "Ask something, or take a benchmark query, whose right answers "
    "are known. Every model answers in a column of its own, rank by rank.",
)
ALONE = render.message(
    "Nothing to compare",
    "This page offers one model only. Start it with the index of a second one to see them side by side.",
)


@dataclass(frozen=True)
class Bar:
    """The tab's query bar, in the order in which a comparison takes its values."""

    image: gr.Image
    text: gr.Textbox
    kind: gr.Radio
    models: gr.CheckboxGroup
    blind: gr.Checkbox
    asked: gr.Textbox
    go: gr.Button
    chance: gr.Button

    @property
    def inputs(self) -> list[Component]:
        """What a comparison takes."""
        return [self.image, self.text, self.kind, self.models, self.blind, self.asked]

    @property
    def query(self) -> list[Component]:
        """What a benchmark query fills in."""
        return [self.image, self.text, self.kind, self.asked]

    @property
    def linked(self) -> list[Component]:
        """What a link fills in."""
        return [*self.query, self.models, self.blind]


@dataclass(frozen=True)
class View:
    """What a comparison shows, and what it leaves for a vote, an export and the address."""

    shown: gr.HTML
    kept: gr.State
    address: gr.Textbox

    @property
    def outputs(self) -> list[Component]:
        """What `umr.ui.compare.compare_page` gives."""
        return [self.shown, self.kept, self.address]


def build_compare(frame: Frame, tab: gr.Tab) -> Built:
    """Fills the tab that is being built, and wires it; says so where there is nothing to compare."""
    searchers = frame.searchers
    if len(searchers.names) < FEWEST:
        gr.HTML(ALONE, js_on_load=None, apply_default_css=False)
        return Built()
    bar = _bar(searchers)
    result = gr.HTML(
        INVITATION, elem_id="compare", apply_default_css=False, js_on_load=scripts.COLUMNS + scripts.COPIES
    )
    view = View(result, gr.State(None, time_to_live=KEEP_S), gr.Textbox(visible=False, label="address"))
    file = gr.JSON(visible=False)
    tab.select(partial(compare.warm, searchers), None, None, show_progress="hidden", **PRIVATE)
    ask = _wire_queries(searchers, bar, view)
    _wire_result(VoteBox(), view, file)
    run = Run(ask=ask, inputs=bar.inputs, outputs=view.outputs, address=view.address)
    return Built(fields=bar.linked, run=run, pictures=[bar.image, *view.outputs])


def _bar(searchers: Searchers) -> Bar:
    def take() -> gr.Button:
        return gr.Button(
            "Random benchmark query",
            elem_id="c-random",
            scale=0,
            size="sm",
            visible=benchmark_of(searchers) is not None,
        )

    image, text, kind, go, chance = query_bar(
        "c", "Compare", "Describe it, or say what should change", "The picture you compare on", take
    )
    said = models_told.trained(searchers)
    with gr.Row(elem_id="c-models-row"):
        models = gr.CheckboxGroup(
            searchers.names,
            value=searchers.names[:MOST],
            label="Models, two to four",
            elem_id="c-models",
            container=False,
            scale=0,
        )
        blind = gr.Checkbox(
            False, label="Blind: hide the names until I vote", elem_id="c-blind", container=False, scale=0
        )
    gr.HTML(said, elem_id="c-about", js_on_load=None, apply_default_css=False, visible=bool(said))
    return Bar(image, text, kind, models, blind, gr.Textbox(visible=False), go, chance)


def _wire_queries(searchers: Searchers, bar: Bar, view: View) -> Callable[..., Any]:
    def find(*values: Any) -> Any:
        image, text, kind, encoders, blind, asked = values
        question = Question(uploads=UPLOADS, image=image, text=text, search_in=kind, k=compare.RANKS)
        return compare.compare_page(searchers, question, encoders, blind, asked)

    def again(*values: Any) -> Any:
        return find(*values) if values[0] or values[1] else [gr.skip()] * 3

    def chance() -> Any:
        return shown(compare.random_query, searchers)

    asked = gr.on([bar.go.click, bar.text.submit], find, bar.inputs, view.outputs, **PRIVATE)
    changed = gr.on(
        [bar.kind.input, bar.models.input, bar.blind.input], again, bar.inputs, view.outputs, **PRIVATE, **LATEST
    )
    drawn = bar.chance.click(chance, None, bar.query, **PRIVATE).success(find, bar.inputs, view.outputs, **PRIVATE)
    for done in (asked, changed, drawn):
        done.then(None, view.address, js=scripts.tell("compare"))
    return again


def _wire_result(box: VoteBox, view: View, file: gr.JSON) -> None:
    view.shown.select(_with_event(partial(compare.vote_page, box)), view.kept, [view.shown, view.kept], **PRIVATE)
    exported = view.shown.submit(_with_event(compare.export_file), view.kept, file, show_progress="hidden", **PRIVATE)
    exported.success(None, file, None, js=scripts.SAVE, api_visibility="private")


def _with_event(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The function as a handler: of the kept comparison, and of what was pressed."""

    def handler(found: Any, event: gr.EventData) -> Any:
        return shown(function, found, pressed(event))

    return handler
