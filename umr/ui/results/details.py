"""What the details of a result tell: itself, why it is there, where every model ranks it. No Gradio, no HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from umr.errors import ConfigError, UMRError
from umr.explain import explain, place_of
from umr.search import Searcher, decode
from umr.types import Query
from umr.ui import edge, handlers
from umr.ui.models.actions import frames_read
from umr.ui.results import details_html, narrow
from umr.ui.results.history import Answered, Turn
from umr.ui.searchers import Searchers, Source


def known(searchers: Source, answered: Answered | None, candidate_id: Any) -> str:
    """The id itself where the collection that was searched has it, else ""."""
    try:
        return "" if answered is None else handlers.candidate_of(searchers, answered.model, candidate_id).candidate_id
    except UMRError:  # `facts` says it
        return ""


def facts(searchers: Searchers, answered: Answered | None, candidate_id: Any, source: Source | None = None) -> Markup:
    """The result itself, large, with everything that the collection says of it: HTML, without asking a model.

    Args:
        searchers: what the page offers.
        answered: the search on show.
        candidate_id: the result's.
        source: where what was searched comes from; None: it is of what the page offers.
    """

    def told(made: Answered) -> Markup:
        candidate = handlers.candidate_of(searchers if source is None else source, made.model, candidate_id)
        is_clip = candidate.content.video is not None
        return details_html.facts(candidate, frames_read(searchers, made.model) if is_clip else None)

    return _said(answered, told)


def reasons(searchers: Source, answered: Answered | None, candidate_id: Any) -> Markup:
    """Why the search on show ranks it there, as HTML: similarities, rankings without a part, what each word carries."""

    def told(made: Answered) -> Markup:
        moved = made.turn.arithmetic
        searcher = searchers.get(made.model)
        found = explain(searcher, _query(searcher, made.turn), str(candidate_id), moved=moved)
        return details_html.before_reranker(made.turn.reranked) + details_html.reasons(found, moved)

    return _said(answered, told)


def ranks(searchers: Searchers, answered: Answered | None, candidate_id: Any) -> Markup:
    """Where every model on offer ranks it for the search on show, as HTML. Models are opened where they are not yet."""

    def told(made: Answered) -> Markup:
        moved, opened = made.turn.arithmetic, {name: searchers.get(name) for name in searchers.names}
        read = decode(
            handlers.make_query(made.turn.picture, made.turn.text, made.turn.search_in)
        )  # once for all models
        asked = {
            name: replace(read, query=_narrowed(searcher, made.turn, read.query)) for name, searcher in opened.items()
        }
        places = {name: place_of(opened[name], query, str(candidate_id), moved) for name, query in asked.items()}
        return details_html.ranks(places, moved.moves_query(read.query))

    return _said(answered, told)


def _query(searcher: Searcher, turn: Turn) -> Query:
    return _narrowed(searcher, turn, handlers.make_query(turn.picture, turn.text, turn.search_in))


def _narrowed(searcher: Searcher, turn: Turn, query: Query) -> Query:
    """The query without what the turn leaves out of the searcher's collection."""
    return replace(query, exclude=narrow.read(turn.narrowed).excluded(searcher))


def _said(answered: Answered | None, tell: Callable[[Answered], Markup]) -> Markup:
    def told() -> Markup:
        if answered is None:
            raise ConfigError("the search that found this is over; search again")
        return tell(answered)

    return edge.answered_html("a detail", told)
