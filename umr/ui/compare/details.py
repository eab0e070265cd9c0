"""What the details of a comparison's cell tell: itself, and why its column has it there. No Gradio, no HTML.

They are those of a search's result (umr.ui.results.details). Before a blind vote they are the item alone: all else
differs from model to model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from umr.errors import ConfigError, UMRError
from umr.ui import edge, handlers
from umr.ui.compare.columns import PARTS, RERANK, split, title
from umr.ui.compare.comparison import Comparison
from umr.ui.markup import NOTHING
from umr.ui.models.actions import frames_read
from umr.ui.results import details, details_html
from umr.ui.results.history import Answered, Turn, read_place
from umr.ui.searchers import Searchers

AFTER_VOTE = "Why it is here, and where every model has it, come after your vote."


def known(found: Comparison | None, chosen: Any) -> str:
    """What was pressed, "COLUMN ID", where the comparison has it, else ""."""
    try:
        _chosen(found, chosen)
    except UMRError:  # `facts` says it
        return ""
    return str(chosen)


def facts(searchers: Searchers, found: Comparison | None, chosen: Any) -> Markup:
    """The item itself, large, with everything that the collection says of it: HTML, without asking a model."""

    def told(made: Comparison, column: str, candidate_id: str) -> Markup:
        name = split(column)[0]
        candidate = handlers.candidate_of(searchers, name, candidate_id)
        is_read = candidate.content.video is not None and not made.blind
        label = title(made.labels[made.models.index(column)])
        rank = f"Rank {made.rank_of(candidate_id, column)} of {label}"
        return details_html.facts(candidate, frames_read(searchers, name) if is_read else None, rank)

    return _said(found, chosen, told)


def reasons(searchers: Searchers, found: Comparison | None, chosen: Any) -> Markup:
    """Why the column's model ranks it there, as HTML (umr.ui.results.details.reasons)."""

    def told(made: Comparison, column: str, candidate_id: str) -> Markup:
        part = split(column)[1]
        said = details_html.beside_part(PARTS[part]) if part not in ("", RERANK) else NOTHING
        return said + details.reasons(searchers, _answered(made, column), candidate_id)

    return _unless_blind(found, chosen, told, details_html.waiting(AFTER_VOTE))


def ranks(searchers: Searchers, found: Comparison | None, chosen: Any) -> Markup:
    """Where every model on offer ranks it, as HTML (umr.ui.results.details.ranks)."""

    def told(made: Comparison, column: str, candidate_id: str) -> Markup:
        return details.ranks(searchers, _answered(made, column), candidate_id)

    return _unless_blind(found, chosen, told, NOTHING)


def _answered(found: Comparison, column: str) -> Answered:
    """What the column answers, as a search that asked the same."""
    name, part = split(column)
    turn = Turn(picture=found.file, text=found.text, search_in=found.search_in, reranked=part == RERANK)
    return Answered(turn, name)


def _chosen(found: Comparison | None, chosen: Any) -> tuple[Comparison, str, str]:
    """The comparison, the column and the item's id.

    Raises:
        ConfigError: it is not (any more) in the comparison.
    """
    number, _, candidate_id = str(chosen).partition(" ")
    place = None if found is None else read_place(number, len(found.models))
    if found is None or place is None or found.rank_of(candidate_id, found.models[place]) is None:
        raise ConfigError("the comparison that found this is over; compare again")
    return found, found.models[place], candidate_id


def _said(found: Comparison | None, chosen: Any, tell: Callable[[Comparison, str, str], Markup]) -> Markup:
    return edge.answered_html("a detail", lambda: tell(*_chosen(found, chosen)))


def _unless_blind(
    found: Comparison | None, chosen: Any, tell: Callable[[Comparison, str, str], Markup], hidden: Markup
) -> Markup:
    return hidden if found is not None and found.blind else _said(found, chosen, tell)
