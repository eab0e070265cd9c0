"""The turns of a search that is refined: which picture and words each had, and how one follows another. Not HTML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umr.errors import ConfigError
from umr.query_arithmetic import UNMOVED, QueryArithmetic

MAX_TURNS = 12
LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One query of a trail.

    Attributes:
        picture: the file that the page holds, None for words alone.
        key: its content hash; LOST for a visitor's own that a link could not carry.
        reference: the collection's id of the picture, "" for a visitor's own: only the first can be in a link.
        arithmetic: what the drawer asked for.
        narrowed: what was left out of the results, as `umr.ui.results.narrow` reads it.
        reranked: the first results were put in the order of the page's re-ranker.
    """

    picture: Path | None = None
    key: str = ""
    reference: str = ""
    text: str = ""
    search_in: str = "images"
    arithmetic: QueryArithmetic = UNMOVED
    narrowed: str = ""
    reranked: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether it has a picture, and the server has its file no longer."""
        return bool(self.key) and (self.picture is None or not self.picture.is_file())


Trail = tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the results on show answer: a turn, by a model. The trail may be longer already, by a turn not yet asked."""

    turn: Turn
    model: str


def follow(trail: Trail, turn: Turn) -> Trail:
    """The trail after a search: the same picture again replaces the last turn, another one begins anew."""
    if trail and trail[-1].key == turn.key:
        return (*trail[:-1], turn)
    return (turn,)


def refine(trail: Trail, turn: Turn) -> Trail:
    """The trail after a result became the next reference; of a long one the first turns are dropped."""
    if trail and trail[-1].key == turn.key:
        return (*trail[:-1], replace(turn, text=""))
    return (*trail, replace(turn, text=""))[-MAX_TURNS:]


def read_place(value: Any, count: int) -> int | None:
    """The place, from 0, that a request names in digits; None where there are fewer."""
    return next((place for place in range(count) if value == str(place)), None)


def back_to(trail: Trail, number: Any) -> Trail:
    """The trail up to the turn with this number.

    Raises:
        ConfigError: there is none.
    """
    place = read_place(number, len(trail))
    if place is None:
        raise ConfigError("there is no such turn (any more); search again")
    return trail[: place + 1]
