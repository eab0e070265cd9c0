"""The Compare tab: query bar, choice of models, blind mode, benchmark queries, columns, votes, exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from umr.eval import splits
from umr.ui import render
from umr.ui.compare import actions as compare
from umr.ui.compare import details, drawn
from umr.ui.compare import html as compare_html
from umr.ui.compare.columns import chosen, on_offer
from umr.ui.compare.comparison import FEWEST, MOST, benchmark_of
from umr.ui.compare.votes import VoteBox
from umr.ui.compare.votes_hub import votes_kept
from umr.ui.handlers import Question
from umr.ui.links import KEPT, MAX_ADDRESS
from umr.ui.models import actions as models_told
from umr.ui.models.html import name_buttons
from umr.ui.parts import scripts
from umr.ui.parts.bar import query_bar
from umr.ui.parts.newest import Newest
from umr.ui.parts.sheet import Told, build_sheet, wire_sheet
from umr.ui.parts.wiring import COMPARING, LATEST, PRIVATE, QUIET, UPLOADS, Built, Frame, Run, pressed, shown
from umr.ui.queries import task_name
from umr.ui.searchers import Searchers

KEEP_S = 3600  # how long a comparison waits for its vote or export

ALONE = render.message(
    "Nothing to compare",
    "This page offers one model only. Start it with the index of a second one to see them side by side.",
)


@dataclass(frozen=True)
class Draw:
    """Where benchmark queries are drawn."""

    chance: gr.Button
    differ: gr.Button
    task: gr.Dropdown
    split: gr.Dropdown
    winner: gr.Dropdown


@dataclass(frozen=True)
class Bar:
    """The tab's query bar, in the order in which a comparison takes its values."""

    image: gr.Image
    text: gr.Textbox
    kind: gr.Radio
    models: gr.CheckboxGroup
    blind: gr.Checkbox
    of: gr.Dropdown
    parts: gr.CheckboxGroup
    asked: gr.Textbox
    go: gr.Button
    draw: Draw

    @property
    def inputs(self) -> list[Component]:
        """What a comparison takes."""
        return [self.image, self.text, self.kind, self.models, self.blind, self.asked, self.of, self.parts]

    @property
    def drawing(self) -> list[Component]:
        """What drawing a benchmark query takes."""
        return [self.models, self.of, self.parts, self.draw.task, self.draw.split, self.draw.winner]

    @property
    def query(self) -> list[Component]:
        """What a benchmark query fills in."""
        return [self.image, self.text, self.kind, self.asked]

    @property
    def linked(self) -> list[Component]:
        """What a link fills in."""
        return [*self.query, self.models, self.blind, self.of, self.parts]


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
    listeners = scripts.COLUMNS + scripts.COPIES + scripts.BATTLES
    whole = gr.HTML(compare.reports(searchers), elem_id="c-report", apply_default_css=False, js_on_load=scripts.REPORTS)
    result = gr.HTML(compare_html.INVITATION, elem_id="compare", apply_default_css=False, js_on_load=listeners)
    sheet = build_sheet("c-details")
    view = View(result, gr.State(None, time_to_live=KEEP_S), gr.Textbox(visible=False, label="address"))
    file = gr.JSON(visible=False)
    tab.select(partial(compare.warm, searchers), None, None, show_progress="hidden", **PRIVATE)
    ask = _wire_queries(searchers, bar, view)
    box = VoteBox()
    votes_kept(box)
    _wire_result(searchers, box, view, whole, file)
    wire_sheet(sheet, view.shown, view.kept, _told(searchers))
    run = Run(ask=ask, inputs=bar.inputs, outputs=view.outputs, address=view.address)
    return Built(fields=bar.linked, run=run, pictures=[bar.image, *view.outputs], query=bar.query)


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
        names = name_buttons(searchers.names)
        gr.HTML(names, elem_id="c-names", apply_default_css=False, js_on_load=None)
        blind = gr.Checkbox(
            False, label="Blind: two of them, nameless until I vote", elem_id="c-blind", container=False, scale=0
        )
    of, parts = _parts(searchers)
    draw = _draw(searchers, chance)
    gr.HTML(said, elem_id="c-about", apply_default_css=False, js_on_load=None, visible=bool(said))
    return Bar(image, text, kind, models, blind, of, parts, gr.Textbox(visible=False), go, draw)


def _parts(searchers: Searchers) -> tuple[gr.Dropdown, gr.CheckboxGroup]:
    """Columns of one model's parts, so that what composing them adds is seen."""
    with gr.Row(elem_id="c-parts-row"):
        parts = gr.CheckboxGroup(
            [(words.capitalize(), part) for part, words in on_offer(searchers).items()],
            value=[],
            label="Beside them, what composing adds" + (", and re-ranking" if searchers.reranker.offer else ""),
            elem_id="c-parts",
            container=False,
            scale=0,
        )
        of = gr.Dropdown(
            [(f"of {name}", name) for name in searchers.names],
            value=searchers.default,
            label="Whose parts",
            elem_id="c-of",
            filterable=False,
            container=False,
            show_label=False,
            scale=0,
            min_width=150,
        )
    return of, parts


def _draw(searchers: Searchers, chance: gr.Button) -> Draw:
    """Which benchmark queries are drawn; hidden where there is no benchmark."""
    benchmark = benchmark_of(searchers)
    found = [] if benchmark is None else drawn.pairs(benchmark)
    first = "any, picture + text" if any(task.startswith(drawn.COMPOSED) for task, _ in found) else "any task"
    tasks = [(first, drawn.ANY), *((task_name(task), task) for task in dict.fromkeys(pair[0] for pair in found))]
    known = sorted(dict.fromkeys(pair[1] for pair in found), key=splits.order)
    named = [("any split", drawn.ANY), *((splits.title(name), name) for name in known)]
    winners = [("anybody right first", drawn.ANY), ("all right first", drawn.ALL), ("none right first", drawn.NONE)]
    winners += [(f"only {name} right first", drawn.ONLY + name) for name in searchers.names]
    with gr.Row(elem_id="c-draw", elem_classes="u-choices", visible=benchmark is not None):
        differ = gr.Button("Where the models disagree", elem_id="c-differ", scale=0, size="sm")
        task, split, winner = (
            gr.Dropdown(
                rows, value=drawn.ANY, label=label, elem_id=f"c-{key}", filterable=False, scale=0, min_width=150
            )
            for rows, label, key in (
                (tasks, "Task", "task"),
                (named, "Split", "split"),
                (winners, "Who wins", "winner"),
            )
        )
    return Draw(chance, differ, task, split, winner)


def _wire_queries(searchers: Searchers, bar: Bar, view: View) -> Callable[..., Any]:
    def find(*values: Any) -> Any:
        image, text, kind, encoders, blind, asked, of, parts = values
        question = Question(uploads=UPLOADS, image=image, text=text, search_in=kind, k=compare.RANKS)
        return compare.compare_page(searchers, question, chosen(encoders, of, parts), blind, asked)

    def again(*values: Any) -> Any:
        return find(*values) if values[0] or values[1] else [gr.skip()] * 3

    newest = Newest()  # of two questions of a page, whichever is answered first, the later one's answer stays
    ask, change = _last(newest, find), _last(newest, again)
    asked = gr.on([bar.go.click, bar.text.submit], ask, bar.inputs, view.outputs, **PRIVATE, **COMPARING, **LATEST)
    moved = [bar.kind.input, bar.models.input, bar.blind.input, bar.of.input, bar.parts.input]
    changed = gr.on(moved, change, bar.inputs, view.outputs, **PRIVATE, **COMPARING, **LATEST)
    taken = [
        begin(_chance(searchers, newest, differ), bar.drawing, bar.query, **PRIVATE, **COMPARING).success(
            ask, bar.inputs, view.outputs, **PRIVATE, **COMPARING
        )
        for begin, differ in ((bar.draw.chance.click, False), (bar.draw.differ.click, True), (view.shown.input, False))
    ]
    travelled = _wire_history(searchers, newest, bar, view, again)
    for done in (asked, changed, travelled, *taken):
        done.then(None, view.address, js=scripts.TO_COMPARED)
    return again


def _wire_history(searchers: Searchers, newest: Newest, bar: Bar, view: View, again: Callable[..., Any]) -> Dependency:
    """Steps of the browser's history: what an address asked is filled in and compared again.

    Args:
        searchers: what the page offers.
        newest: of all the tab's questions.
        bar: what is filled in.
        view: where it is shown.
        again: what compares.
    """
    steps, ready = (
        gr.HTML(elem_id="c-travels", apply_default_css=False, js_on_load=scripts.travels("compare")),
        gr.State(False),
    )

    def travel(request: gr.Request, event: gr.EventData) -> Any:
        newest.asked(request.session_hash)
        return shown(compare.travel, searchers, pressed(event, MAX_ADDRESS))

    def asked(is_ready: Any, *values: Any) -> Any:
        if is_ready == KEPT:  # what stands there stays until the picture is there
            return [gr.skip()] * 3
        return again(*values) if is_ready is True else compare.not_asked(is_ready)

    filled = steps.select(travel, None, [*bar.linked, ready], trigger_mode="multiple", **QUIET)
    found = filled.success(_last(newest, asked), [ready, *bar.inputs], view.outputs, **PRIVATE, **COMPARING)
    for over in (found.then, filled.failure):
        over(None, js=scripts.travelled("compare"))
    return found


def _last(newest: Newest, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a handler whose answer is left out where the page has asked something else since."""

    def handler(request: gr.Request, *values: Any) -> Any:
        number = newest.asked(request.session_hash)
        found = function(*values)
        return found if newest.is_last(request.session_hash, number) else [gr.skip()] * 3

    return handler


def _chance(searchers: Searchers, newest: Newest, differ: bool) -> Callable[..., Any]:
    """A handler that draws a query, in the place of what was asked before."""

    def handler(request: gr.Request, *values: Any) -> Any:
        newest.asked(request.session_hash)
        models, of, parts, task, split, winner = values
        wanted = drawn.Filter(task=task, split=split, winner=winner, differ=differ)
        return shown(compare.random_query, searchers, None, chosen(models, of, parts), wanted)

    return handler


def _wire_result(searchers: Searchers, box: VoteBox, view: View, whole: gr.HTML, file: gr.JSON) -> None:
    export = partial(compare.export_file, box=box)
    view.shown.select(
        _with_event(partial(compare.vote_page, box, known=searchers.names)),
        view.kept,
        [view.shown, view.kept],
        **PRIVATE,
    )

    def report(event: gr.EventData) -> dict[str, str]:
        return shown(compare.report_file, searchers, pressed(event))

    exported = view.shown.submit(_with_event(export), view.kept, file, **QUIET)
    for made in (exported, whole.submit(report, None, file, **QUIET)):
        made.success(None, file, None, js=scripts.SAVE, api_visibility="private")
        made.failure(None, js=scripts.NOT_SAVED, api_visibility="private")


def _told(searchers: Searchers) -> Told:
    """What the sheet tells of a cell."""
    return Told(
        known=details.known,
        facts=partial(details.facts, searchers),
        reasons=partial(details.reasons, searchers),
        ranks=partial(details.ranks, searchers),
    )


def _with_event(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The function as a handler: of the kept comparison, and of what was pressed."""

    def handler(found: Any, event: gr.EventData) -> Any:
        return shown(function, found, pressed(event))

    return handler
