"""The Search tab's part of the page's address: what it holds, and what it may ask for. Never a visitor's picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.types import SEARCH_IN
from umr.ui.links import OWN, Given, query_string, read_picture
from umr.ui.search.history import Turn
from umr.ui.searchers import Searchers

KEYS = ("ref", "picture", "text", "in", "model", "k", "balance", "less", "cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLink:
    """What an address asks of the Search tab.

    Attributes:
        picture: the file of its reference.
        model: None where it says nothing.
        k: None where it says nothing.
        whole: nothing of the query is missing, so that it can be asked at once.
    """

    picture: Path | None = None
    text: str = ""
    search_in: str = "images"
    model: str | None = None
    k: int | None = None
    steering: QueryArithmetic = UNMOVED
    whole: bool = True

    @property
    def asks(self) -> bool:
        """Whether there is something to search for, and nothing of it missing."""
        return self.whole and bool(self.picture or self.text)


def write(turn: Turn, collection: str, model: str, k: int) -> str:
    """The Search tab's part of the address, with its question mark; a visitor's own picture stays out of it."""
    moved = turn.steering
    return query_string(
        {
            "collection": collection,
            "ref": turn.reference,
            "picture": OWN if turn.key and not turn.reference else "",
            "text": turn.text,
            "in": turn.search_in,
            "model": model,
            "k": str(k),
            "balance": f"{moved.balance:g}" if moved.balance else "",
            "less": moved.less_of,
            "cut": f"{moved.cut:g}" if moved.cut else "",
        }
    )


def read(searchers: Searchers, given: Given) -> SearchLink:
    """What an address asks of the tab; what is wrong of it becomes a notice of `given`."""
    model = given.one_of("model", searchers.names, "model")
    picture, whole = read_picture(searchers, given, "", model or searchers.default)
    steering = QueryArithmetic(
        balance=given.number("balance", -1, 1, "balance"),
        less_of=given.text("less"),
        cut=given.number("cut", 0, 1, "score cut"),
    )
    return SearchLink(
        picture=picture,
        text=given.text("text"),
        model=model,
        k=given.count(),
        steering=steering,
        search_in=given.one_of("in", tuple(SEARCH_IN), "kind") or "images",
        whole=whole,
    )
