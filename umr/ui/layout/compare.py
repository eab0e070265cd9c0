"""The Compare tab: query bar, choice of models, blind mode, benchmark queries, columns, votes, exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from umr.ui import compare, render
from umr.ui.comparison import FEWEST, MOST, benchmark_of
from umr.ui.layout import scripts
from umr.ui.layout.search import KINDS, PRIVATE, UPLOADS, pressed
from umr.ui.layout.search import shown as tell
from umr.ui.searchers import Searchers
from umr.ui.votes import VoteBox

KEEP_S = 3600  # how long a comparison waits for its vote or export

#: One listener per kind of event for the whole result. The same item is outlined in every column; arrows move through
#: ranks and columns; the switch chooses the column that a small screen shows.
COLUMNS = """
const cellOf = (event) => event.target.closest?.('.u-cell');
const outline = (id) => element.querySelectorAll('.u-cell').forEach((cell) =>
  cell.classList.toggle('u-same', id !== undefined && cell.dataset.id === id));
const enter = (event) => { const cell = cellOf(event);
  if (!cell) return;
  outline(cell.dataset.id); cell.querySelector('video')?.play().catch(() => {}); };
const leave = (event) => { const cell = cellOf(event);
  if (!cell || cell.contains(event.relatedTarget)) return;
  cell.querySelector('video')?.pause();
  if (!event.relatedTarget?.closest?.('.u-cell')) outline(element.querySelector('.u-cell:focus')?.dataset.id); };
element.addEventListener('pointerover', enter); element.addEventListener('pointerout', leave);
element.addEventListener('focusin', enter); element.addEventListener('focusout', leave);
element.addEventListener('keydown', (event) => {
  const cell = cellOf(event), step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  if (!cell || !step) return;
  const columns = [...element.querySelectorAll('.u-column')], here = columns.indexOf(cell.closest('.u-column'));
  const rank = [...cell.parentElement.children].indexOf(cell);
  const next = columns[here + step[0]]?.querySelectorAll('.u-cell')[rank + step[1]];
  if (!next || !next.offsetParent) return;
  cell.tabIndex = -1; next.tabIndex = 0; next.focus(); event.preventDefault();
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-show], [data-vote], [data-export]');
  if (!button) return;
  const { show, vote } = button.dataset;
  if (show !== undefined) {
    button.closest('.u-compare').dataset.shown = show;
    button.parentElement.querySelectorAll('button').forEach((other) => other.setAttribute('aria-pressed', other === button));
  } else if (vote) trigger('select', { id: vote });
  else trigger('submit', { id: button.dataset.export });
});
"""
#: Hands an export to the browser's downloads.
SAVE = """(file) => { if (!file?.content) return;
  const bytes = Uint8Array.from(atob(file.content), (character) => character.charCodeAt(0));
  const link = Object.assign(document.createElement('a'), { download: file.name,
    href: URL.createObjectURL(new Blob([bytes], { type: file.type })) });
  link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 10000); }"""
INVITATION = render.message("One query, several models", "Ask something, or take a benchmark query, whose right answers "
                            "are known. Every model answers in a column of its own, rank by rank.")


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


def build_compare(searchers: Searchers, page: gr.Blocks, box: VoteBox | None = None) -> None:
    """Adds the tab to the Tabs that are being built. page: the whole page, whose address may name a benchmark query."""
    with gr.Tab("Compare", id="compare", elem_id="tab-compare") as tab:
        if len(searchers.names) < FEWEST:
            gr.HTML(render.message("Nothing to compare", "This page offers one model only. Start it with the index of a "
                                   "second one to see them side by side."), js_on_load=None, apply_default_css=False)
            return
        bar = _bar(searchers)
        shown = gr.HTML(INVITATION, elem_id="compare", apply_default_css=False, js_on_load=COLUMNS)
        kept, file = gr.State(None, time_to_live=KEEP_S), gr.JSON(visible=False)
        _wire_queries(searchers, page, bar, shown, kept)  # adds a component: gr.Tabs may hold tabs only
    tab.select(partial(compare.warm, searchers), None, None, show_progress="hidden", **PRIVATE)
    _wire_result(box or VoteBox(), shown, kept, file)


def _bar(searchers: Searchers) -> Bar:
    with gr.Row(elem_id="c-bar"):
        image = gr.Image(
            elem_id="c-image", label="Picture", type="filepath", image_mode=None, container=False, show_label=False,
            buttons=[], sources=["upload", "clipboard", "webcam"], scale=0, min_width=96, placeholder="Drop an image",
            alt_text="The picture you compare on")
        with gr.Row(elem_id="c-line"):
            text = gr.Textbox(
                elem_id="c-text", label="What should be found, or changed", container=False, max_lines=4, scale=1,
                placeholder="Describe it, or say what should change")
            go = gr.Button("Compare", elem_id="c-go", variant="primary", scale=0)
        with gr.Row(elem_id="c-options"):
            kind = gr.Radio(KINDS, value="images", label="Search in", elem_id="c-kind", container=False, show_label=False)
            chance = gr.Button("Random benchmark query", elem_id="c-random", scale=0, size="sm",
                               visible=benchmark_of(searchers) is not None)
    with gr.Row(elem_id="c-models-row"):
        models = gr.CheckboxGroup(searchers.names, value=searchers.names[:MOST], label="Models, two to four",
                                  elem_id="c-models", container=False, scale=0)
        blind = gr.Checkbox(False, label="Blind: hide the names until I vote", elem_id="c-blind", container=False, scale=0)
    return Bar(image, text, kind, models, blind, gr.Textbox(visible=False), go, chance)


def _wire_queries(searchers: Searchers, page: gr.Blocks, bar: Bar, shown: gr.HTML, kept: gr.State) -> None:
    find = partial(compare.compare_page, searchers, UPLOADS)

    def again(*values: Any) -> Any:
        return find(*values) if values[0] or values[1] else (gr.skip(), gr.skip())

    def chance() -> Any:
        return tell(compare.random_query, searchers)

    def linked(address: Any) -> Any:
        return tell(compare.open_link, searchers, address) or [gr.skip()] * 6

    gr.on([bar.go.click, bar.text.submit], find, bar.inputs, [shown, kept], **PRIVATE)
    gr.on([bar.kind.input, bar.models.input, bar.blind.input], again, bar.inputs, [shown, kept], **PRIVATE)
    bar.chance.click(chance, None, bar.query, **PRIVATE).success(find, bar.inputs, [shown, kept], **PRIVATE)
    address = gr.Textbox(visible=False, label="address")
    page.load(linked, address, [*bar.query, shown, kept], js=scripts.ADDRESS, show_progress="hidden", **PRIVATE)


def _wire_result(box: VoteBox, shown: gr.HTML, kept: gr.State, file: gr.JSON) -> None:
    shown.select(_with_event(partial(compare.vote_page, box)), kept, [shown, kept], **PRIVATE)
    exported = shown.submit(_with_event(compare.export_file), kept, file, show_progress="hidden", **PRIVATE)
    exported.success(None, file, None, js=SAVE, api_visibility="private")


def _with_event(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The function as a handler: of the kept comparison, and of what was pressed."""

    def handler(found: Any, event: gr.EventData) -> Any:
        return tell(function, found, pressed(event))

    return handler
