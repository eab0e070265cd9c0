"""What the tab Your files does with a request: check it, index, search, forget. Plain functions, no Gradio."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from umr.errors import ConfigError, MediaError, UMRError
from umr.eval.ood import Verdict, judge, read_calibration
from umr.explain import explain
from umr.ui import edge, handlers, render
from umr.ui.files import answers_html, own_models
from umr.ui.files import html as files_html
from umr.ui.files.parcel import pack
from umr.ui.files.uploads import MAX_FILES, SEGMENT_S, Cancelled, OwnFiles
from umr.ui.files.visitor_collections import VisitorCollections
from umr.ui.markup import macros
from umr.ui.models import actions as models
from umr.ui.searchers import Searchers

MODELS = 4  # side by side
MAX_WORDS_ADDED = 200  # characters that a card's words add to the text


class Shown(NamedTuple):
    """What the tab shows.

    Attributes:
        state: "idle" before, "busy" during, "ready" after indexing.
    """

    html: str
    state: str


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
    for job in own_files.build(session, sources, bundled.encoder, segment_s):
        yield Shown(files_html.progress(job.stage, job.done, job.total), "busy")
    own = own_files.get(session).own
    yield Shown(files_html.ready(own, verdicts(searchers, encoder, own), own.searcher.encoder.name), "ready")


def search(own_files: VisitorCollections, session: str | None, question: handlers.Question) -> Markup:
    """The results of a search in this visitor's own files, as HTML."""

    def found() -> Markup:
        collection = own_files.get(session)
        outcome = handlers.answer(collection, question, "")
        return render.results(outcome, question.search_in, collection.own.searcher.encoder.name, "your files")

    return edge.answered_html("a search of a visitor's files", found)


def details(
    own_files: VisitorCollections, session: str | None, question: handlers.Question, candidate_id: Any
) -> Markup:
    """A result of the query and why it is there, as HTML."""

    def told() -> Markup:
        searcher = own_files.get(session).own.searcher
        candidate = handlers.candidate_of(own_files.get(session), "", candidate_id)
        return answers_html.details(candidate, explain(searcher, question.read()[0], candidate.candidate_id))

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
