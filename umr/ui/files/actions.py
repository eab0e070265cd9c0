"""What the tab Your files does with a request: check it, index, search, forget. Plain functions, no Gradio."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from umr.errors import ConfigError, MediaError, UMRError
from umr.eval.ood import Verdict, judge, read_calibration
from umr.query_arithmetic import QueryArithmetic
from umr.search import Outcome, decode
from umr.types import Match, Modality, Query
from umr.ui import edge, handlers, render
from umr.ui.files import answers_html, own_models
from umr.ui.files import html as files_html
from umr.ui.files.parcel import pack
from umr.ui.files.uploads import MAX_FILES, SEGMENT_S, Cancelled, OwnFiles
from umr.ui.files.visitor_collections import VisitorCollection, VisitorCollections
from umr.ui.markup import macros
from umr.ui.models import actions as models
from umr.ui.query_clip import shown_file
from umr.ui.results import asking, cards, narrow
from umr.ui.results import details as sheet
from umr.ui.results.asking import SHOWN
from umr.ui.results.history import Answered, Turn
from umr.ui.searchers import Searchers

MODELS = 4  # side by side
EVERY_KIND = "all"  # what is searched from the start
MAX_WORDS_ADDED = 200  # characters that a card's words add to the text


class Found(NamedTuple):
    """What a search shows.

    Attributes:
        step: the search's name in the browser's history, "" where nothing was found out.
    """

    html: str
    step: str


class Shown(NamedTuple):
    """What the tab shows.

    Attributes:
        state: "idle" before, "busy" during, "ready" after indexing.
    """

    html: str
    state: str


NOTHING = Found("", "")


class Told(NamedTuple):
    """A result's id, "" where there is none of this, and the result as HTML."""

    candidate_id: str
    facts: Markup


def add(
    own_files: VisitorCollections,
    searchers: Searchers,
    session: str | None,
    uploads: Path,
    files: Any,
    encoder: Any,
    cut: Any = False,
) -> Iterator[Shown]:
    """Indexes what was dropped; shows the progress, and at the end what became of it, or what went wrong.

    cut: True, where long clips become parts that are found by themselves.
    """
    segment_s = SEGMENT_S if cut is True else 0.0

    def steps() -> Generator[Shown, None, None]:
        try:
            yield from _add(own_files, searchers, _session(session), read_files(files, uploads), encoder, segment_s)
        except Cancelled as done:
            yield _after(own_files, session, render.message("Cancelled", str(done).removeprefix("Cancelled. ")))

    return edge.each_answered("indexing a visitor's files", steps(), lambda said: _after(own_files, session, said))


def _add(
    own_files: VisitorCollections,
    searchers: Searchers,
    session: str,
    sources: list[tuple[str, Path]],
    encoder: Any,
    segment_s: float,
) -> Iterator[Shown]:
    bundled = searchers.get(encoder)
    yield Shown(files_html.progress("Taking in", 0, len(sources)), "busy")
    for job in own_files.build(session, sources, bundled.encoder, segment_s, bundled.verdicts):
        yield Shown(files_html.progress(job.stage, job.done, job.total), "busy")
    mine = own_files.get(session)
    drift = verdicts(searchers, encoder, mine.own)
    mine.far = frozenset(verdict.modality for verdict in drift or () if verdict.far)
    yield Shown(files_html.ready(mine.own, drift, mine.own.searcher.encoder.name), "ready")


def search(
    own_files: VisitorCollections, searchers: Searchers, session: str | None, question: handlers.Question
) -> Found:
    """A search in this visitor's own files, with Search's cards.

    What cannot be of private files is left out here: a link, as nobody else has them, and with it the turns, the
    sliders and the re-ranker, which it tells of.
    """

    def found() -> Found:
        mine, (query, count) = own_files.get(session), question.read()
        turn = Turn(picture=shown_file(query.content), text=query.content.text or "", search_in=str(question.search_in))
        return _found(mine, searchers, turn, query, count)

    return _answered(found)


def more(own_files: VisitorCollections, searchers: Searchers, session: str | None) -> Found:
    """The search on show with more results."""

    def found() -> Found:
        mine = own_files.get(session)
        return _again(mine, searchers, mine.asked.last(), asking.more(mine.asked.count))

    return _answered(found)


def leave_out(own_files: VisitorCollections, searchers: Searchers, session: str | None, change: Any) -> Found:
    """The search on show with one thing changed of what is left out."""

    def found() -> Found:
        mine = own_files.get(session)
        last = mine.asked.last()
        return _again(mine, searchers, replace(last, narrowed=asking.leave_out(last.narrowed, change)))

    return _answered(found)


def travel(
    own_files: VisitorCollections, searchers: Searchers, session: str | None, step: Any
) -> tuple[str | None, str, str, Found]:
    """What a step of the browser's history asked: picture, text and kind, and what it finds; nothing of an unknown."""
    try:
        mine = own_files.get(session)
    except UMRError:  # the files are gone, and with them what was asked
        return None, "", EVERY_KIND, NOTHING
    turn = mine.asked.back_to(str(step))
    if turn is None:
        return None, "", EVERY_KIND, NOTHING
    picture = None if turn.picture is None or turn.is_gone else str(turn.picture)
    return picture, turn.text, turn.search_in, _answered(lambda: _again(mine, searchers, turn, mine.asked.count))


def details(own_files: VisitorCollections, searchers: Searchers, session: str | None, candidate_id: Any) -> Told:
    """A result of the search on show, and its id, "" where the collection has none of this."""

    def told() -> Told:
        mine = own_files.get(session)
        facts = sheet.facts(searchers, _on_show(mine), candidate_id, mine)
        return Told(sheet.known(mine, _on_show(mine), candidate_id), facts)

    return edge.answered("details of a visitor's file", told, lambda message: Told("", message))


def reasons(own_files: VisitorCollections, session: str | None, candidate_id: Any) -> Markup:
    """Why it is there, as HTML."""

    def told() -> Markup:
        mine = own_files.get(session)
        return sheet.reasons(mine, _on_show(mine), candidate_id)

    return edge.answered_html("details of a visitor's file", told)


def every_model(
    own_files: VisitorCollections, searchers: Searchers, session: str | None, question: handlers.Question
) -> Markup:
    """What every model on offer finds first in these files, as HTML; the others index them first."""

    def told() -> Markup:
        own, query = own_files.get(session).own, question.read()[0]
        names = searchers.names[:MODELS]
        found = own_models.answers(own, searchers, names, query)
        return answers_html.side_by_side(found, models.trained(searchers, names))

    return edge.answered_html("models on a visitor's files", told)


def add_words(own_files: VisitorCollections, session: str | None, candidate_id: Any, text: Any) -> str:
    """The query's text with a result's words at its end.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    candidate = handlers.candidate_of(own_files.get(session), "", candidate_id)
    words = (candidate.title or candidate.content.text or "")[:MAX_WORDS_ADDED].strip()
    if not words:
        raise ConfigError(f"{candidate_id} has no words to add")
    return ", ".join(filter(None, (handlers.read_text(text), words)))


def parcel(own_files: VisitorCollections, session: str | None) -> str:
    """Address of the zip of the visitor's index, made now.

    Raises:
        ConfigError: there are no files, or it cannot be written.
    """
    return render.media_url(pack(own_files.get(session).own))


def other_model(own_files: VisitorCollections, session: str | None, encoder: Any) -> str:
    """What is said when another model is chosen than the one that indexed the files; "" where nothing is to be said."""
    try:
        indexed = own_files.get(session).own.searcher.encoder.name
    except UMRError:
        return ""
    if encoder == indexed:
        return ""
    return macros("parts").boxed_notice(
        f"Your files are indexed with {indexed}, which goes on answering. Press “Index these files” to index them with "
        f"{encoder} instead."
    )


def choose_picture(own_files: VisitorCollections, session: str | None, candidate_id: Any) -> str:
    """Path of a found picture of the visitor's own, for the query.

    Raises:
        ConfigError: what is asked cannot be given, in words.
    """
    return handlers.choose_picture(own_files.get(session), "", candidate_id)


def remove(own_files: VisitorCollections, session: str | None) -> Shown:
    """Cancels the work and removes the files: the collection, and all that this visitor's page has uploaded."""
    if not own_files.remove(session):
        return Shown(
            render.message("Almost removed", "Your files go as soon as the one that is being read is finished."), "idle"
        )
    return Shown(render.message("Removed", "Your files are no longer on this server."), "idle")


def read_files(files: Any, uploads: Path) -> list[tuple[str, Path]]:
    """(name given by the visitor, path) of Gradio's file values.

    A path outside `uploads` is refused: Gradio checks only values that carry its mark, which a request may leave out.

    Raises:
        ConfigError: what is asked cannot be given, in words.
        MediaError: the file is refused.
    """
    if not isinstance(files, list) or not files:
        raise ConfigError("Choose some files first: pictures, clips, passages, or a zip of them.")
    if len(files) > MAX_FILES:
        raise ConfigError(f"these are {len(files):,} files; at most {MAX_FILES} are taken at a time")
    sources = []
    for file in files:
        path = file.get("path") if isinstance(file, Mapping) else None
        if not isinstance(path, str) or not handlers.lies_in(path, uploads):
            raise MediaError("a file did not arrive; add it again")
        name = file.get("orig_name")
        sources.append((name if isinstance(name, str) and name else Path(path).name, Path(path).resolve()))
    return sources


def verdicts(searchers: Searchers, encoder: str, own: OwnFiles) -> list[Verdict] | None:
    """How far the files are from the training, None where nothing was calibrated."""
    bundled = searchers.get(encoder)
    calibration = read_calibration(searchers.folders[encoder], bundled)
    return None if calibration is None else judge(calibration, bundled, own.searcher)


def _answered(ask: Callable[[], Found]) -> Found:
    return edge.answered("a search of a visitor's files", ask, lambda message: Found(message, ""))


def _again(mine: VisitorCollection, searchers: Searchers, turn: Turn, count: int = SHOWN) -> Found:
    """A search that was asked before."""
    if turn.is_gone:
        raise MediaError(asking.GONE)
    query = handlers.make_query(turn.picture, turn.text, turn.search_in)
    return _found(mine, searchers, turn, query, count)


def _found(mine: VisitorCollection, searchers: Searchers, turn: Turn, query: Query, count: int) -> Found:
    searcher, narrowed = mine.own.searcher, narrow.read(turn.narrowed)
    asked = decode(replace(query, exclude=narrowed.excluded(searcher)))
    outcome = searcher.search(asked, count, QueryArithmetic(less_like=narrowed.unwanted))
    outcome = _of_far(searchers.told(searcher.encoder.name, outcome, asked), mine.far)
    turn = replace(turn, key=asked.content_hash if turn.picture else "")
    name, precision = searcher.encoder.name, searcher.index.manifest.precision
    page = cards.results(outcome, asking.asked_of(searcher, turn, name, precision))
    return Found(page, mine.asked.keep(turn, count))


def _of_far(outcome: Outcome, far: frozenset[Modality]) -> Outcome:
    """Of a kind of files that is far from the training no score counts as a good match."""
    weak = Match("weak", unlike=True)
    results = [
        replace(one, match=weak) if one.match is not None and one.candidate.content.modality in far else one
        for one in outcome.results
    ]
    return replace(outcome, results=results)


def _on_show(mine: VisitorCollection) -> Answered:
    return Answered(mine.asked.last(), mine.own.searcher.encoder.name)


def _session(session: str | None) -> str:
    if not session:
        raise ConfigError("your files need an open page; reload it")
    return session


def _after(own_files: VisitorCollections, session: str | None, html: str) -> Shown:
    """What became of work that did not end; files that were there before are still there."""
    try:
        own_files.get(session)
    except UMRError:
        return Shown(html, "idle")
    return Shown(html, "ready")
