"""What the details of a result tell: itself, why it is there, where every model ranks it. No Gradio, no HTML."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from umr.errors import ConfigError, UMRError
from umr.explain import explain, place_of
from umr.types import Query
from umr.ui import details_html, handlers, render
from umr.ui.searchers import Searchers
from umr.ui.turns import Trail

log = logging.getLogger(__name__)


def facts(searchers: Searchers, model: Any, candidate_id: Any) -> str:
    """The result itself, large, with everything that the collection says of it: HTML, without asking a model."""
    return _said(lambda: details_html.facts(handlers.candidate_of(searchers, model, candidate_id)))


def reasons(searchers: Searchers, trail: Trail, model: Any, candidate_id: Any) -> str:
    """Why the last search ranks it there, as HTML: similarities, rankings without a part, what each word carries."""
    def told() -> str:
        query, moved = _query(trail), trail[-1].steering
        return details_html.reasons(explain(searchers.get(model), query, str(candidate_id), moved=moved), moved)
    return _said(told)


def ranks(searchers: Searchers, trail: Trail, candidate_id: Any) -> str:
    """Where every model on offer ranks it for the last search, as HTML. Models are opened where they are not yet."""
    def places() -> str:
        query, moved = _query(trail), trail[-1].steering
        return details_html.ranks({name: place_of(searchers.get(name), query, str(candidate_id), moved)
                                   for name in searchers.names}, moved.moves_query(query))
    return _said(places)


def _query(trail: Trail) -> Query:
    if not trail:
        raise ConfigError("the search that found this is over; search again")
    return handlers.make_query(trail[-1].picture, trail[-1].text, trail[-1].search_in)


def _said(make: Callable[[], str]) -> str:
    try:
        return make()
    except UMRError as error:
        return render.error(str(error))
    except Exception:  # the page's edge: a visitor reads a sentence, the log keeps the traceback
        log.exception("details failed")
        return render.error(handlers.OUR_FAULT)
