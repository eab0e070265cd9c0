"""The search tab's components and wiring: query bar, suggestions, drawers, trail, examples, results, details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from umr.ui import handlers, render
from umr.ui.examples import Example
from umr.ui.links import MAX_ADDRESS
from umr.ui.parts import scripts
from umr.ui.parts.bar import query_bar
from umr.ui.parts.carry import carry_button
from umr.ui.parts.sheet import Told, build_sheet, wire_sheet
from umr.ui.parts.wiring import LATEST, PRIVATE, QUIET, SEARCHING, UPLOADS, Built, Frame, Run, pressed, shown
from umr.ui.results import asking, details
from umr.ui.search import actions as search
from umr.ui.search import html as search_html
from umr.ui.searchers import Searchers


@dataclass(frozen=True)
class _Query:
    image: gr.Image
    text: gr.Textbox
    kind: gr.Radio
    model: gr.Dropdown
    go: gr.Button


@dataclass(frozen=True)
class _Tuning:
    count: gr.Slider
    balance: gr.Slider
    less: gr.Textbox
    cut: gr.Slider
    narrowed: gr.Textbox


@dataclass(frozen=True)
class Bar(_Tuning, _Query):
    """The query bar's and the drawer's components, in the order in which a search takes their values."""

    rerank: gr.Checkbox

    @property
    def inputs(self) -> list[Component]:
        """What a search takes."""
        return [
            self.image,
            self.text,
            self.kind,
            self.model,
            self.count,
            self.balance,
            self.less,
            self.cut,
            self.narrowed,
            self.rerank,
        ]

    @property
    def asked(self) -> list[Component]:
        """What an example, an earlier turn or a link fills in."""
        return [self.image, self.text, self.kind, self.balance, self.less, self.cut, self.narrowed, self.rerank]


@dataclass(frozen=True)
class View:
    """What a search shows, and what it leaves for the next one."""

    results: gr.HTML
    answered: gr.State
    crumbs: gr.HTML
    trail: gr.State
    address: gr.Textbox
    facts: gr.HTML
    visited: gr.State

    def after(self, searched: Dependency, success: bool = False) -> None:
        """What follows a search: the address tells of it, and what a link could not give again is remembered.

        Args:
            searched: the search's event.
            success: only where it was one.
        """
        told = (searched.success if success else searched.then)(None, self.address, js=scripts.TO_RESULTS)
        told.then(search.remember, [self.visited, self.address, self.trail], self.visited, **QUIET)

    @property
    def outputs(self) -> list[Component]:
        """What `umr.ui.search.find` gives."""
        return [self.results, self.answered, self.crumbs, self.trail, self.address]


def build_search(frame: Frame, _tab: gr.Tab) -> Built:
    """Fills the tab that is being built, and wires it."""
    searchers, examples = frame.searchers, frame.examples
    query = _bar(searchers)
    gr.HTML(search_html.scope(searchers.names), elem_id="scope", js_on_load=None, apply_default_css=False)
    chips = gr.HTML(
        search_html.no_suggestions(), elem_id="suggestions", apply_default_css=False, js_on_load=scripts.PRESSED
    )
    with gr.Row(elem_id="drawers"):
        with gr.Accordion("No picture at hand? Browse the catalogue", open=False, elem_id="browse") as drawer:
            tiles = gr.HTML(elem_id="tiles", apply_default_css=False, js_on_load=scripts.PRESSED + scripts.BROWSES)
        tuning = _tuning()
        gr.HTML(elem_id="recent", apply_default_css=False, js_on_load=scripts.RECENTS)
        bar = Bar(**vars(query), **vars(tuning), rerank=_rerank(searchers))
    with gr.Row(elem_id="turns"):
        carry = carry_button()
        crumbs = gr.HTML(elem_id="trail", apply_default_css=False, js_on_load=scripts.PRESSED + scripts.COPIES)
    on_cards = scripts.PRESSED + scripts.PLAYS + scripts.CARDS
    results = gr.HTML(elem_id="results", apply_default_css=False, js_on_load=on_cards)
    cards = gr.HTML(render.examples(examples), elem_id="examples", apply_default_css=False, js_on_load=scripts.PRESSED)
    sheet = build_sheet("details", scripts.PRESSED)
    address = gr.Textbox(visible=False, label="address")
    view = View(results, gr.State(None), crumbs, gr.State(()), address, sheet.facts, gr.State({}))
    _wire_search(searchers, bar, view)
    _wire_pictures(searchers, bar, tiles, drawer, chips)
    _wire_narrowing(searchers, bar, view)
    _wire_turns(searchers, bar, view)
    _wire_examples(searchers, examples, bar, view, cards)
    wire_sheet(sheet, view.results, view.answered, _told(searchers))
    _wire_history(searchers, bar, view)
    run = Run(ask=_finders(searchers)[1], inputs=[view.trail, *bar.inputs], outputs=view.outputs, address=view.address)
    return Built(
        fields=[*bar.asked, bar.model, bar.count, view.trail],
        run=run,
        pictures=[bar.image],
        query=[bar.image, bar.text, bar.kind],
        carry=carry,
    )


def _bar(searchers: Searchers) -> _Query:
    def choice() -> gr.Dropdown:
        return gr.Dropdown(
            searchers.names,
            value=searchers.default,
            label="Model",
            elem_id="q-model",
            scale=0,
            min_width=150,
            container=False,
            show_label=False,
            filterable=False,
            visible=len(searchers.names) > 1,
        )

    image, text, kind, go, model = query_bar(
        "q", "Search", "Describe it, or say what should change", "The picture you search with", choice
    )
    return _Query(image, text, kind, model, go)


def _rerank(searchers: Searchers) -> gr.Checkbox:
    """The switch of the re-ranker; not shown where the page has none."""
    offer = searchers.reranker.offer
    return gr.Checkbox(
        False,
        label=search_html.rerank_label(offer),
        info=search_html.rerank_info(offer),
        elem_id="q-rerank",
        container=False,
        scale=0,
        visible=offer is not None,
    )


def _tuning() -> _Tuning:
    with gr.Accordion("Fine-tune", open=False, elem_id="tune"):
        with gr.Row(elem_id="tune-fields"):
            count = gr.Slider(1, handlers.MAX_RESULTS, asking.SHOWN, step=1, label="Results", elem_id="q-count")
            cut = gr.Slider(
                0, 1, 0, step=0.05, label="Leave out results far below the best (share of its score)", elem_id="q-cut"
            )
            balance = gr.Slider(-1, 1, 0, step=0.1, label="Balance: picture (−1) to words (1)", elem_id="q-balance")
            less = gr.Textbox(label="Less of", placeholder="for example: glass", elem_id="q-less", max_lines=1)
        gr.HTML(search_html.arithmetic(), js_on_load=None, apply_default_css=False)
    return _Tuning(count, balance, less, cut, gr.Textbox("", visible=False, label="left out of the results"))


def _wire_search(searchers: Searchers, bar: Bar, view: View) -> None:
    find, again = _finders(searchers)
    inputs = [view.trail, *bar.inputs]
    asked = [bar.go.click, bar.text.submit, bar.less.submit]
    view.after(
        gr.on(asked, find, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING, **LATEST)
    )
    changed = [
        bar.kind.input,
        bar.model.input,
        bar.rerank.input,
        bar.count.release,
        bar.cut.release,
        bar.balance.release,
    ]
    view.after(
        gr.on(changed, again, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING, **LATEST)
    )

    def more_of(count: Any) -> int:
        return shown(asking.more, count)

    more = view.results.submit(more_of, bar.count, bar.count, **QUIET)
    more.success(again, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING).then(
        None, view.address, js=scripts.MORE_SHOWN
    )


def pressed_words(event: gr.EventData) -> str:
    """What a visitor keeps the catalogue's pictures to."""
    return pressed(event)


def _wire_pictures(searchers: Searchers, bar: Bar, tiles: gr.HTML, drawer: gr.Accordion, chips: gr.HTML) -> None:
    page, sought = gr.Number(0, visible=False), gr.Textbox("", visible=False, label="sought in the catalogue")
    show = partial(handlers.browse, searchers)

    def pick(model: Any, event: gr.EventData) -> Any:
        return shown(handlers.choose_picture, searchers, model, pressed(event))

    def take(text: Any, event: gr.EventData) -> Any:
        return shown(search.take_suggestion, pressed(event), text)

    def close() -> Any:
        return gr.Accordion(open=False)

    taken = tiles.select(pick, bar.model, bar.image, **PRIVATE)
    taken.success(close, None, drawer, **PRIVATE).then(None, js=scripts.TO_BAR)
    inputs = [bar.model, page, sought]
    drawer.expand(show, inputs, tiles, **PRIVATE)
    tiles.submit(handlers.next_page, page, page, **PRIVATE).then(show, inputs, tiles, **PRIVATE)
    tiles.input(pressed_words, None, sought, **QUIET).success(show, inputs, tiles, **QUIET).then(
        None, js=scripts.BROWSED
    )
    gr.on(
        [bar.image.change, bar.kind.change],
        partial(search.suggestions, searchers, UPLOADS),
        [bar.image, bar.kind, bar.model],
        chips,
        **QUIET,
        **SEARCHING,
    )
    chips.select(take, bar.text, bar.text, **QUIET).success(None, js=scripts.press("#q-go"))


def _wire_narrowing(searchers: Searchers, bar: Bar, view: View) -> None:
    """What is left out of the results: other facts than the chosen, and what was said to be wrong."""

    def leave_out(narrowed: Any, event: gr.EventData) -> Any:
        return shown(asking.leave_out, narrowed, pressed(event))

    left = view.results.input(leave_out, bar.narrowed, bar.narrowed, **QUIET)
    again, inputs = _finders(searchers)[1], [view.trail, *bar.inputs]
    view.after(left.success(again, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING))


def _wire_turns(searchers: Searchers, bar: Bar, view: View) -> None:
    find, inputs = _finders(searchers)[0], [view.trail, *bar.inputs]

    def use(trail: Any, model: Any, event: gr.EventData) -> Any:
        return shown(search.use_result, searchers, trail, model, pressed(event))

    def back(trail: Any, event: gr.EventData) -> Any:
        return shown(search.return_to, trail, pressed(event))

    def words(model: Any, text: Any, event: gr.EventData) -> Any:
        return shown(search.add_words, searchers, model, pressed(event), text)

    for cards in (view.results, view.facts):  # what is chosen is searched with at once
        used = cards.select(use, [view.trail, bar.model], [bar.image, bar.text, view.crumbs, view.trail], **QUIET)
        view.after(used.success(find, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING))
    view.results.copy(words, [bar.model, bar.text], bar.text, **QUIET).success(None, js=scripts.TO_BAR)
    returned = view.crumbs.select(back, view.trail, [*bar.asked, view.trail], **QUIET)
    view.after(returned.success(find, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING))


def _wire_examples(searchers: Searchers, examples: Sequence[Example], bar: Bar, view: View, cards: gr.HTML) -> None:
    def example(model: Any, count: Any, event: gr.EventData) -> Any:
        return shown(search.open_example, searchers, examples, pressed(event), model, count)

    outputs = [*bar.asked, *view.outputs]
    view.after(
        cards.select(example, [bar.model, bar.count], outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING),
        success=True,
    )


def _wire_history(searchers: Searchers, bar: Bar, view: View) -> None:
    """Steps of the browser's history: what an address asked is filled in and asked again."""
    steps = gr.HTML(elem_id="travels", apply_default_css=False, js_on_load=scripts.travels("search"))
    ready, again = gr.State(False), _finders(searchers)[1]

    def travel(visited: Any, event: gr.EventData) -> Any:
        return shown(search.travel, searchers, visited, pressed(event, MAX_ADDRESS))

    def asked(is_ready: Any, *values: Any) -> Any:
        return again(*values) if is_ready is True else search.not_asked(is_ready)

    fields = [*bar.asked, bar.model, bar.count, view.trail, ready]
    # search.js begins the next one when this one is over: Gradio's "always_last" would repeat the first one's event
    filled = steps.select(travel, view.visited, fields, trigger_mode="multiple", **QUIET)
    inputs = [ready, view.trail, *bar.inputs]
    found = filled.success(asked, inputs, view.outputs, show_progress_on=view.results, **PRIVATE, **SEARCHING)
    view.after(found)
    for over in (found.then, filled.failure):
        over(None, js=scripts.travelled("search"))


def _told(searchers: Searchers) -> Told:
    """What the sheet tells of a result."""
    return Told(
        known=partial(details.known, searchers),
        facts=partial(details.facts, searchers),
        reasons=partial(details.reasons, searchers),
        ranks=partial(details.ranks, searchers),
    )


def _finders(searchers: Searchers) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A search, and the one that keeps the page as it is while there is nothing to search for."""

    def find(trail: Any, *values: Any) -> Any:
        image, text, kind, encoder, count, *tuning = values
        question = handlers.Question(uploads=UPLOADS, image=image, text=text, search_in=kind, k=count)
        return search.find(searchers, trail, question, encoder, tuning)

    def again(trail: Any, *values: Any) -> Any:
        return find(trail, *values) if values[0] or values[1] else [gr.skip()] * 5

    return find, again
