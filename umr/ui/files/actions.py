"""What the tab Your files does with a request: check it, index, search, forget. Plain functions, no Gradio."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from umr.errors import ConfigError, MediaError, UMRError
from umr.eval.ood import Verdict, judge, read_calibration
from umr.ui import edge, handlers, render
from umr.ui.files import html as files_html
from umr.ui.files.uploads import MAX_FILES, Cancelled, OwnFiles
from umr.ui.files.visitor_collections import Shelves
from umr.ui.searchers import PRECISION, Searchers


class Shown(NamedTuple):
    """What the tab shows. state: "idle" before, "busy" during, "ready" after indexing."""

    html: str
    state: str


def add(
    shelves: Shelves, searchers: Searchers, session: str | None, uploads: Path, files: Any, encoder: Any
) -> Iterator[Shown]:
    """Indexes what was dropped; shows the progress, and at the end what became of it, or what went wrong."""

    def steps() -> Generator[Shown, None, None]:
        try:
            yield from _add(shelves, searchers, _session(session), read_files(files, uploads), encoder)
        except Cancelled as done:
            yield _after(shelves, session, render.message("Cancelled", str(done).removeprefix("Cancelled. ")))

    return edge.each_answered("indexing a visitor's files", steps(), lambda said: _after(shelves, session, said))


def _add(
    shelves: Shelves, searchers: Searchers, session: str, sources: list[tuple[str, Path]], encoder: Any
) -> Iterator[Shown]:
    bundled = searchers.get(encoder)
    yield Shown(files_html.progress("Taking in", 0, len(sources)), "busy")
    for job in shelves.build(session, sources, bundled.encoder):
        yield Shown(files_html.progress(job.stage, job.done, job.total), "busy")
    own = shelves.get(session).own
    yield Shown(files_html.ready(own, verdicts(searchers, encoder, own), encoder), "ready")


def search(shelves: Shelves, session: str | None, uploads: Path, image: Any, text: Any, search_in: Any, k: Any) -> str:
    """The results of a search in this visitor's own files, as HTML."""

    def found() -> str:
        shelf = shelves.get(session)
        outcome = handlers.answer(shelf, uploads, image, text, search_in, "", k)
        return render.results(outcome, search_in, shelf.own.searcher.encoder.name, PRECISION)

    return edge.answered_html("a search of a visitor's files", found)


def choose_picture(shelves: Shelves, session: str | None, candidate_id: Any) -> str:
    """Path of a found picture of the visitor's own, for the query. Raises ConfigError."""
    return handlers.choose_picture(shelves.get(session), "", candidate_id)


def remove(shelves: Shelves, session: str | None) -> Shown:
    """Cancels the work and removes the files: the collection, and all that this visitor's page has uploaded."""
    if not shelves.remove(session):
        return Shown(
            render.message("Almost removed", "Your files go as soon as the one that is being read is finished."), "idle"
        )
    return Shown(render.message("Removed", "Your files are no longer on this server."), "idle")


def read_files(files: Any, uploads: Path) -> list[tuple[str, Path]]:
    """(name given by the visitor, path) of Gradio's file values. Raises ConfigError or MediaError.

    A path outside `uploads` is refused: Gradio checks only values that carry its mark, which a request may leave out.
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


def _after(shelves: Shelves, session: str | None, html: str) -> Shown:
    """What became of work that did not end; files that were there before are still there."""
    try:
        shelves.get(session)
    except UMRError:
        return Shown(html, "idle")
    return Shown(html, "ready")
