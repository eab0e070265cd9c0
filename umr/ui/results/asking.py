"""What a list of results asked: as its heading says it, for more of it, and with less in it."""

from __future__ import annotations

from typing import Any

from umr.search import Searcher
from umr.types import SEARCH_IN
from umr.ui import handlers
from umr.ui.results import cards, narrow
from umr.ui.results.history import Turn

SHOWN = 24  # results on the page, where nothing else is asked for
GONE = "Its picture was your own and is gone. Add the picture again, or ask with the words alone."


def more(count: Any) -> int:
    """How many results are asked for when more are wanted. Raises ConfigError."""
    return min(handlers.read_count(count) + SHOWN, handlers.MAX_RESULTS)


def leave_out(narrowed: Any, change: Any) -> str:
    """What is left out of the results, with one thing changed. Raises ConfigError."""
    return str(narrow.read(narrowed).changed(change))


def asked_of(searcher: Searcher, turn: Turn, encoder: str, precision: str) -> cards.Asked:
    """What a turn asked of a searcher, as the heading of its results says it.

    Args:
        searcher: what was searched.
        turn: what was asked.
        encoder: its name.
        precision: what it computed in.
    """
    narrowed, pool = narrow.read(turn.narrowed), searcher.collection.pool(SEARCH_IN[turn.search_in])
    every = searcher.collection if pool is None else pool
    return cards.Asked(
        search_in=turn.search_in,
        encoder=encoder,
        precision=precision,
        total=len(every) - sum(one in every for one in narrowed.excluded(searcher)),
        most=handlers.MAX_RESULTS,
        narrowed=narrowed,
        choices={name: searcher.facts.choices(name) for name in narrow.FACETS},
        reranked=turn.reranked,
    )
