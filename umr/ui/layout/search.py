"""The search tab: query bar, catalogue browser, examples, results, and the named endpoint /search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.utils import get_upload_folder

from umr.errors import UMRError
from umr.ui import handlers, render
from umr.ui.examples import Example
from umr.ui.searchers import Searchers

KINDS = [("Images", "images"), ("Passages", "passages"), ("Entries", "entries"), ("Clips", "clips"),
         ("Everything", "all")]
SHOWN = 24  # results on the page
UPLOADS = Path(get_upload_folder())  # where Gradio keeps what visitors upload, and copies of what the page shows them

#: How the page's own events are wired: not shown to clients, and checked by the handlers alone (Gradio's components
#: would raise where a visitor should read a sentence).
PRIVATE: dict[str, Any] = {"api_visibility": "private", "preprocess": False}
#: One listener per component: what was pressed is told by the button's data attribute.
PRESSED = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-pick], [data-example], [data-more]');
  if (!button) return;
  const { pick, example, more } = button.dataset;
  if (more) trigger('submit', {});
  else trigger('select', { id: pick ?? example });
});
"""
#: Clips play while the pointer or the focus is on them, one at a time.
PLAYS = """
const clip = (event) => event.target.closest?.('.u-card-video');
const play = (event) => { clip(event)?.querySelector('video').play().catch(() => {}); };
const rest = (event) => { const card = clip(event);
  if (card && !card.contains(event.relatedTarget)) card.querySelector('video').pause(); };
element.addEventListener('pointerover', play); element.addEventListener('pointerout', rest);
element.addEventListener('focusin', play); element.addEventListener('focusout', rest);
"""
#: After a search: bring the results into view where they start low on the screen.
TO_RESULTS = """() => { const results = document.querySelector('#results'), bar = document.querySelector('#query-bar');
  const top = results.getBoundingClientRect().top, kept = bar.offsetHeight + parseFloat(getComputedStyle(bar).top);
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
  if (top > innerHeight * 0.55) window.scrollBy({ top: top - kept - 20, behavior }); }"""
#: After a reference was chosen: back to the query bar, ready to type what should change.
TO_BAR = """() => { window.scrollTo({ top: 0, behavior: 'instant' });
  document.querySelector('#q-text textarea')?.focus(); }"""


@dataclass(frozen=True)
class Bar:
    """The query bar's components, in the order in which a search takes their values."""

    image: gr.Image
    text: gr.Textbox
    kind: gr.Radio
    model: gr.Dropdown
    count: gr.Number
    go: gr.Button

    @property
    def inputs(self) -> list[Component]:
        """What a search takes."""
        return [self.image, self.text, self.kind, self.model, self.count]


def build_search(searchers: Searchers, examples: list[Example]) -> None:
    """Adds the tab's components to the Blocks that is being built, and wires them."""
    bar = _bar(searchers)
    with gr.Accordion("No picture at hand? Browse the catalogue", open=False, elem_id="browse") as drawer:
        tiles = gr.HTML(elem_id="tiles", apply_default_css=False, js_on_load=PRESSED)
    results = gr.HTML(elem_id="results", apply_default_css=False, js_on_load=PRESSED + PLAYS)
    cards = gr.HTML(render.examples(examples), elem_id="examples", apply_default_css=False, js_on_load=PRESSED)
    _wire_search(searchers, examples, bar, results, cards)
    _wire_pictures(searchers, bar, results, tiles, drawer)
    _endpoint(searchers)


def _bar(searchers: Searchers) -> Bar:
    with gr.Row(elem_id="query-bar"):
        image = gr.Image(
            elem_id="q-image", label="Picture", type="filepath", image_mode=None, container=False, show_label=False,
            buttons=[], sources=["upload", "clipboard", "webcam"], scale=0, min_width=96, placeholder="Drop an image",
            alt_text="The picture you search with")
        with gr.Row(elem_id="q-line"):
            text = gr.Textbox(
                elem_id="q-text", label="What should be found, or changed", container=False, max_lines=4, scale=1,
                placeholder="Describe it, or say what should change: “same, but in blue glass”")
            go = gr.Button("Search", elem_id="q-go", variant="primary", scale=0)
        with gr.Row(elem_id="q-options"):
            kind = gr.Radio(KINDS, value="images", label="Search in", elem_id="q-kind", container=False,
                            show_label=False)
            model = gr.Dropdown(
                searchers.names, value=searchers.default, label="Model", elem_id="q-model", scale=0, min_width=150,
                container=False, show_label=False, filterable=False, visible=len(searchers.names) > 1)
    return Bar(image, text, kind, model, gr.Number(SHOWN, visible=False), go)


def _wire_search(searchers: Searchers, examples: list[Example], bar: Bar, results: gr.HTML, cards: gr.HTML) -> None:
    find = partial(handlers.search_page, searchers, UPLOADS)

    def again(*values: Any) -> Any:
        return find(*values) if values[0] or values[1] else gr.skip()

    def example(event: gr.EventData) -> Any:
        return _shown(handlers.choose_example, examples, _pressed(event))

    gr.on([bar.go.click, bar.text.submit], find, bar.inputs, results, **PRIVATE).then(None, js=TO_RESULTS)
    gr.on([bar.kind.input, bar.model.input], again, bar.inputs, results, **PRIVATE)
    chosen = cards.select(example, None, [bar.image, bar.text, bar.kind], **PRIVATE)
    chosen.success(find, bar.inputs, results, **PRIVATE).then(None, js=TO_RESULTS)


def _wire_pictures(searchers: Searchers, bar: Bar, results: gr.HTML, tiles: gr.HTML, drawer: gr.Accordion) -> None:
    page = gr.Number(0, visible=False)
    show = partial(handlers.browse, searchers)

    def pick(encoder: Any, event: gr.EventData) -> Any:
        return _shown(handlers.choose_picture, searchers, encoder, _pressed(event))

    def close() -> Any:
        return gr.Accordion(open=False)

    results.select(pick, bar.model, bar.image, **PRIVATE).success(None, js=TO_BAR)
    taken = tiles.select(pick, bar.model, bar.image, **PRIVATE)
    taken.success(close, None, drawer, **PRIVATE).then(None, js=TO_BAR)
    drawer.expand(show, [bar.model, page], tiles, **PRIVATE)
    tiles.submit(handlers.next_page, page, page, **PRIVATE).then(show, [bar.model, page], tiles, **PRIVATE)


def _endpoint(searchers: Searchers) -> None:
    """The named endpoint: the same search, answered with the command line's objects."""

    def search(image: Any = None, text: str = "", search_in: str = "images", encoder: str = searchers.default,
               k: int = 10) -> list[dict[str, Any]]:
        """Finds images, passages, entries or clips by a picture, a text, or both together.

        Args:
            image: the picture to search with; may be left out when a text is given.
            text: what to find, or what should be different from the picture.
            search_in: images, passages, entries, clips or all.
            encoder: the name of the encoder.
            k: how many results, 1 to 100.
        """
        return _shown(handlers.search_rows, searchers, UPLOADS, image, text, search_in, encoder, k)

    picture = gr.Image(type="filepath", image_mode=None, visible=False, label="image")
    words = gr.Textbox(visible=False, label="text")
    place = gr.Textbox("images", visible=False, label="search_in")
    name = gr.Textbox(searchers.default, visible=False, label="encoder")
    number = gr.Number(10, visible=False, label="k")
    rows = gr.JSON(visible=False, label="results")
    gr.Button(visible=False).click(search, [picture, words, place, name, number], rows, api_name="search",
                                   preprocess=False)


def _pressed(event: gr.EventData) -> Any:
    """What the browser says was pressed: anything at all, the handlers check it."""
    return event._data.get("id") if isinstance(event._data, dict) else None


def _shown(function: Any, *arguments: Any) -> Any:
    """The function's value; what it refuses is shown as Gradio's own message, without a traceback."""
    try:
        return function(*arguments)
    except UMRError as error:
        raise gr.Error(str(error), print_exception=False) from error
