"""The tab Your files: drop, progress and cancel, then a search of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from umr.ui.files import actions as files
from umr.ui.files import html as files_html
from umr.ui.files.visitor_collections import VisitorCollections
from umr.ui.handlers import Question
from umr.ui.kinds import choice_of
from umr.ui.models.html import name_buttons
from umr.ui.parts import scripts
from umr.ui.parts.bar import picture_box
from umr.ui.parts.sheet import Sheet, build_sheet
from umr.ui.parts.taken import told_below
from umr.ui.parts.wiring import (
    INDEXING,
    LATEST,
    PRIVATE,
    QUIET,
    SEARCHING,
    UPLOADS,
    VISITORS,
    Built,
    Frame,
    claim_uploads,
    pressed,
    shown,
)
from umr.ui.results import details_html
from umr.ui.searchers import Searchers

KINDS = [(choice_of(name), name) for name in (files.EVERY_KIND, "images", "passages", "entries", "clips")]
#: Indexing takes a core for a while: one visitor after the other, so that searches stay quick.
#: Gradio's own button for more files is a button within a button, without a name: it is hidden, and ours presses it.
MORE = "#f-drop .icon-button .upload-container"


@dataclass(frozen=True)
class Bench:
    """Where files are dropped and what is said of them."""

    drop: gr.File
    model: gr.Dropdown
    cut: gr.Checkbox
    go: gr.Button
    cancel: gr.Button
    status: gr.HTML
    note: gr.HTML


@dataclass(frozen=True)
class Bar:
    """The search of one's own files, hidden until there are any."""

    column: gr.Column
    image: gr.Image
    text: gr.Textbox
    find: gr.Button
    kind: gr.Radio
    every: gr.Button
    save: gr.Button
    forget: gr.Button
    extra: gr.HTML
    results: gr.HTML
    step: gr.Textbox
    beside: Sheet

    @property
    def inputs(self) -> list[Any]:
        """What a search takes."""
        return [self.image, self.text, self.kind]

    @property
    def outputs(self) -> list[Any]:
        """What a search shows: its results, and its name in the browser's history."""
        return [self.results, self.step]

    @property
    def emptied(self) -> list[Any]:
        """What goes with the files: the picture first."""
        return [self.image, self.text, self.results, self.extra]

    def after(self, searched: Dependency) -> None:
        """What follows a search: it is a step of the browser's history, and its results come into view."""
        searched.then(None, self.step, js=scripts.TO_OWN_RESULTS)


def build_files(frame: Frame, _tab: gr.Tab) -> Built:
    """Fills the tab that is being built; what other tabs hold of a visitor's pictures is emptied with their files."""
    own_files = VisitorCollections(UPLOADS, visitors=VISITORS)
    gr.HTML(files_html.intro(), elem_id="f-intro", js_on_load=None, apply_default_css=False)
    bench, bar = _bench(frame.searchers), _bar()
    _wire_bench(frame.searchers, own_files, bench, bar, frame.pictures)
    _wire_search(frame.searchers, own_files, bar)
    _wire_cards(frame.searchers, own_files, bar)
    _wire_history(frame.searchers, own_files, bar)
    _wire_extra(frame.searchers, own_files, bar)
    _wire_model(own_files, bench)

    def own_leave(request: gr.Request) -> None:
        own_files.leave(request.session_hash)

    frame.page.unload(own_leave)
    return Built()


def _bench(searchers: Searchers) -> Bench:
    with gr.Row(elem_id="f-bar"):  # no file_types: what the browser filters out would be dropped without a word
        drop = gr.File(elem_id="f-drop", label="Files", file_count="multiple", show_label=False, height=168)
        gr.HTML(files_html.place(), elem_id="f-place", js_on_load=None, apply_default_css=False)
        with gr.Column(elem_id="f-side", scale=0, min_width=220):
            model = gr.Dropdown(
                searchers.names,
                value=searchers.default,
                label="Model",
                elem_id="f-model",
                scale=0,
                container=False,
                show_label=False,
                filterable=False,
                visible=len(searchers.names) > 1,
            )
            names = name_buttons(searchers.names)
            gr.HTML(names, elem_id="f-names", apply_default_css=False, js_on_load=None)
            go = gr.Button("Index these files", elem_id="f-go", variant="primary")
            cancel = gr.Button("Cancel", elem_id="f-cancel", visible=False)
            more = gr.Button("Add more files", elem_id="f-more")
    cut = gr.Checkbox(False, label=files_html.CUT, info=files_html.CUT_MEANS, elem_id="f-cut", container=False)
    more.click(None, js=scripts.press(MORE), api_visibility="private")
    status, note = (
        gr.HTML(elem_id=f"f-{name}", js_on_load=None, apply_default_css=False) for name in ("status", "note")
    )
    return Bench(drop, model, cut, go, cancel, status, note)


def _bar() -> Bar:
    with gr.Column(visible=False, elem_id="f-search") as column:
        with gr.Row(elem_id="f-query"):
            words = "The picture you search your files with"
            image = picture_box("f-image", words, ["upload", "clipboard"], "Drop a picture or a clip")
            text = gr.Textbox(
                elem_id="f-text",
                label="What should be found in your files",
                container=False,
                placeholder="Describe it, or say what should be different",
                max_lines=3,
                scale=1,
            )
            find = gr.Button("Search my files", elem_id="f-find", variant="primary", scale=0)
        told_below(image, "f")
        kind = gr.Radio(
            KINDS, value=files.EVERY_KIND, label="Search in", elem_id="f-kind", container=False, show_label=False
        )
        with gr.Row(elem_id="f-do"):
            every = gr.Button("Ask every model", elem_id="f-every", scale=0, size="sm")
            save = gr.Button("Download as an index", elem_id="f-save", scale=0, size="sm")
            forget = gr.Button("Remove my files", elem_id="f-forget", scale=0, size="sm")
        extra = gr.HTML(elem_id="f-extra", apply_default_css=False, js_on_load=None)
        on_cards = scripts.PRESSED + scripts.PLAYS + scripts.CARDS
        results = gr.HTML(elem_id="f-results", apply_default_css=False, js_on_load=on_cards)
        beside = build_sheet("f-details", scripts.PRESSED)
        step = gr.Textbox(visible=False, label="step")
    return Bar(column, image, text, find, kind, every, save, forget, extra, results, step, beside)


def _wire_bench(
    searchers: Searchers, own_files: VisitorCollections, bench: Bench, bar: Bar, elsewhere: Sequence[Component]
) -> None:
    def own_add(given: Any, encoder: Any, cut: Any, request: gr.Request) -> Iterator[list[Any]]:
        for shown in files.add(own_files, searchers, request.session_hash, UPLOADS, given, encoder, cut):
            yield _update(shown)

    def own_stop(request: gr.Request) -> None:
        own_files.cancel(request.session_hash)

    def own_remove(request: gr.Request) -> list[Any]:
        gone = files.remove(own_files, request.session_hash)
        return [*_update(gone), None, None, "", "", "", "", *[None] * len(elsewhere)]

    shown = [bench.status, bench.go, bench.cancel, bar.column]
    claim_uploads(bench.drop)
    claim_uploads(bar.image)
    inputs = [bench.drop, bench.model, bench.cut]
    bench.go.click(own_add, inputs, shown, show_progress_on=bench.status, **INDEXING, **PRIVATE)
    bench.cancel.click(own_stop, None, None, queue=False, **QUIET)
    bar.forget.click(own_remove, None, [*shown, bench.drop, *bar.emptied, bench.note, *elsewhere], **QUIET)


def _asked(picture: Any, words: Any, where: Any) -> Question:
    return Question(uploads=UPLOADS, image=picture, text=words, search_in=where, k=files.SHOWN)


def _wire_search(searchers: Searchers, own_files: VisitorCollections, bar: Bar) -> None:
    def own_search(picture: Any, words: Any, where: Any, request: gr.Request) -> Any:
        return files.search(own_files, searchers, request.session_hash, _asked(picture, words, where))

    def own_again(picture: Any, words: Any, where: Any, request: gr.Request) -> Any:
        return own_search(picture, words, where, request) if picture or words else [gr.skip()] * 2

    def own_pick(request: gr.Request, event: gr.EventData) -> Any:
        return shown(files.choose_picture, own_files, request.session_hash, pressed(event)), ""

    def own_nothing() -> str:
        return ""

    inputs, outputs, found_by = bar.inputs, bar.outputs, PRIVATE | SEARCHING | {"show_progress_on": bar.results}
    searched = gr.on([bar.find.click, bar.text.submit], own_search, inputs, outputs, **found_by, **LATEST)
    bar.after(searched)
    searched.then(own_nothing, None, bar.extra, **QUIET)
    bar.after(bar.kind.input(own_again, inputs, outputs, **found_by, **LATEST))
    for place in (bar.results, bar.beside.facts):  # what is chosen is searched with at once
        used = place.select(own_pick, None, [bar.image, bar.text], **QUIET)
        bar.after(used.success(own_search, inputs, outputs, **found_by))


def _wire_cards(searchers: Searchers, own_files: VisitorCollections, bar: Bar) -> None:
    """What a card, its menu and its sheet do."""

    def own_more(request: gr.Request) -> Any:
        return files.more(own_files, searchers, request.session_hash)

    def own_left(request: gr.Request, event: gr.EventData) -> Any:
        return files.leave_out(own_files, searchers, request.session_hash, pressed(event))

    def own_words(words: Any, request: gr.Request, event: gr.EventData) -> str:
        return shown(files.add_words, own_files, request.session_hash, pressed(event), words)

    def own_details(request: gr.Request, event: gr.EventData) -> Any:
        told = files.details(own_files, searchers, request.session_hash, pressed(event))
        return *told, details_html.waiting("Looking for the reasons …"), ""

    def own_reasons(candidate_id: Any, request: gr.Request) -> str:
        return files.reasons(own_files, request.session_hash, candidate_id)

    asked, beside, chosen = PRIVATE | SEARCHING, bar.beside, gr.Textbox(visible=False, label="chosen")
    more = bar.results.submit(own_more, None, bar.outputs, show_progress_on=bar.results, **asked)
    more.then(None, js=scripts.OWN_MORE_SHOWN)
    bar.after(bar.results.input(own_left, None, bar.outputs, show_progress_on=bar.results, **asked))
    bar.results.copy(own_words, bar.text, bar.text, **QUIET).success(None, js=scripts.TO_OWN_BAR)
    parts = [chosen, beside.facts, beside.reasons, beside.ranks]  # ranks: none before every model has indexed the files
    opened = bar.results.expand(own_details, None, parts, **QUIET)
    opened.success(None, chosen, js=scripts.open_panel(beside.prefix))
    opened.success(own_reasons, chosen, beside.reasons, **QUIET, **SEARCHING)


def _wire_history(searchers: Searchers, own_files: VisitorCollections, bar: Bar) -> None:
    """Steps of the browser's history: what was asked is filled in, and asked again."""
    steps = gr.HTML(elem_id="f-travels", apply_default_css=False, js_on_load=scripts.OWN_TRAVELS)

    def own_travel(request: gr.Request, event: gr.EventData) -> Any:
        *query, found = files.travel(own_files, searchers, request.session_hash, pressed(event))
        return *query, *found

    # files.js begins the next one when this one is over
    outputs = [*bar.inputs, *bar.outputs]
    found = steps.select(own_travel, None, outputs, trigger_mode="multiple", **QUIET, **SEARCHING)
    found.then(None, js=scripts.OWN_TRAVELLED)


def _wire_extra(searchers: Searchers, own_files: VisitorCollections, bar: Bar) -> None:
    """Every model on the files, and the zip."""

    def own_every(picture: Any, words: Any, where: Any, request: gr.Request) -> str:
        return files.every_model(own_files, searchers, request.session_hash, _asked(picture, words, where))

    def own_parcel(request: gr.Request) -> str:
        return shown(files.parcel, own_files, request.session_hash)

    address = gr.Textbox(visible=False, label="address")
    bar.every.click(own_every, bar.inputs, bar.extra, **INDEXING, **PRIVATE).success(None, js=scripts.TO_OWN_EXTRA)
    bar.save.click(own_parcel, None, address, **PRIVATE).success(None, address, None, js=scripts.FETCH_FILE)


def _wire_model(own_files: VisitorCollections, bench: Bench) -> None:
    def own_model(encoder: Any, request: gr.Request) -> str:
        return files.other_model(own_files, request.session_hash, encoder)

    gr.on([bench.model.input, bench.status.change], own_model, bench.model, bench.note, **QUIET)


def _update(shown: files.Shown) -> list[Any]:
    busy, ready = shown.state == "busy", shown.state == "ready"
    return [
        shown.html,
        gr.Button(visible=not busy),
        gr.Button(visible=busy),
        gr.Column(visible=ready),
    ]
