"""The Search tab's part of the page's address: what it holds, and what it may ask for. Never a visitor's picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from umr.errors import UMRError
from umr.media import content_hash
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.types import SEARCH_IN
from umr.ui.links import OWN, Given, query_string, read_picture, reason_of
from umr.ui.results import narrow
from umr.ui.results.history import LOST, MAX_TURNS, Trail, Turn
from umr.ui.results.narrow import Narrowing
from umr.ui.searchers import Searchers

KEYS = ("ref", "picture", "text", "in", "model", "k", "balance", "less", "cut", "only", "rerank", "from")
MAX_BEFORE = 4_000  # characters that the turns before the last may take of an address


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLink:
    """What an address asks of the Search tab.

    Attributes:
        picture: the file of its reference.
        model: None where it says nothing.
        k: None where it says nothing.
        trail: the turns before, and this one.
        whole: nothing of the query is missing, so that it can be asked at once.
    """

    picture: Path | None = None
    text: str = ""
    search_in: str = "images"
    model: str | None = None
    k: int | None = None
    arithmetic: QueryArithmetic = UNMOVED
    narrowed: str = ""
    reranked: bool = False
    trail: Trail = ()
    whole: bool = True

    @property
    def asks(self) -> bool:
        """Whether there is something to search for, and nothing of it missing."""
        return self.whole and bool(self.picture or self.text)


def write(turn: Turn, collection: str, model: str, k: int, before: Trail = ()) -> str:
    """The Search tab's part of the address, with its question mark; a visitor's own picture stays out of it.

    Args:
        turn: what was asked.
        collection: the name of what was searched.
        model: the name of what searched it.
        k: how many results.
        before: the turns that led there; the first of them are left out where there are too many.
    """
    told = [_state(one) for one in before]
    while told and sum(map(len, told)) > MAX_BEFORE:
        told.pop(0)
    state = {"collection": collection} | _facts(turn)
    return query_string(state | {"model": model, "k": str(k), "from": " ".join(told)})


def _facts(turn: Turn) -> dict[str, str]:
    moved = turn.arithmetic
    return {
        "ref": turn.reference,
        "picture": OWN if turn.key and not turn.reference else "",
        "text": turn.text,
        "in": turn.search_in,
        "balance": f"{moved.balance:g}" if moved.balance else "",
        "less": moved.less_of,
        "cut": f"{moved.cut:g}" if moved.cut else "",
        "only": turn.narrowed,
        "rerank": "1" if turn.reranked else "",
    }


def _state(turn: Turn) -> str:
    return query_string(_facts(turn))[1:]


def read(searchers: Searchers, given: Given) -> SearchLink:
    """What an address asks of the tab; what is wrong of it becomes a notice of `given`."""
    model = given.one_of("model", searchers.names, "model")
    turn, whole = _turn(searchers, given, model or searchers.default)
    told = given.values.get("from", "").split(" ")[:MAX_TURNS]
    before = tuple(_earlier(searchers, one, model or searchers.default) for one in told if one)
    return SearchLink(
        picture=turn.picture,
        text=turn.text,
        model=model,
        k=given.count(),
        arithmetic=turn.arithmetic,
        narrowed=turn.narrowed,
        reranked=turn.reranked,
        search_in=turn.search_in,
        trail=(*before, turn) if before else (),
        whole=whole,
    )


def _turn(searchers: Searchers, given: Given, model: str) -> tuple[Turn, bool]:
    """What an address asks as a turn, and whether nothing of it is missing."""
    picture, whole = read_picture(searchers, given, "", model)
    left_out = _narrowing(given)
    arithmetic = QueryArithmetic(
        less_like=left_out.unwanted,
        balance=given.number("balance", -1, 1, "balance"),
        less_of=given.text("less"),
        cut=given.number("cut", 0, 1, "score cut"),
    )
    turn = Turn(
        picture=picture,
        key="" if whole and picture is None else LOST if picture is None else content_hash(picture),
        reference=given.values.get("ref", "") if picture else "",
        text=given.text("text"),
        search_in=given.one_of("in", tuple(SEARCH_IN), "kind") or "images",
        arithmetic=arithmetic,
        narrowed=str(left_out),
        reranked=_reranked(searchers, given),
    )
    return turn, whole


def _earlier(searchers: Searchers, told: str, model: str) -> Turn:
    """A turn before the last; what is missing of it is said when it is returned to."""
    return _turn(searchers, Given.of(told), model)[0]


def _reranked(searchers: Searchers, given: Given) -> bool:
    if given.one_of("rerank", ("1",), "switch of the re-ranker") is None:
        return False
    if searchers.reranker.offer is None:
        given.notices.append(
            "The link asks for the re-ranker, which this page has not: results come in the model's order."
        )
        return False
    return True


def _narrowing(given: Given) -> Narrowing:
    try:
        return narrow.read(given.values.get("only"))
    except UMRError as error:
        given.notices.append(f"The link: {reason_of(error)}.")
        return Narrowing()
