"""The Compare tab's part of the page's address: what it holds, and what it may ask for. Never a visitor's picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from umr.errors import UMRError
from umr.types import SEARCH_IN
from umr.ui.compare.columns import split
from umr.ui.compare.comparison import judged_query, read_models
from umr.ui.kinds import picture_file, searched
from umr.ui.links import OWN, Given, query_string, read_picture, reason_of
from umr.ui.searchers import Searchers

KEYS = ("q", "task", "split", "c-ref", "c-picture", "c-text", "c-in", "c-models", "c-blind")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLink:
    """What an address asks of the Compare tab.

    Attributes:
        models: empty where it says nothing.
        asked: "task split query-id" of a benchmark query.
    """

    picture: Path | None = None
    text: str = ""
    search_in: str = "images"
    models: tuple[str, ...] = ()
    blind: bool = False
    asked: str = ""
    whole: bool = True

    @property
    def asks(self) -> bool:
        """Whether there is something to compare on, and nothing of it missing."""
        return self.whole and bool(self.picture or self.text)


def write(link: CompareLink, collection: str, reference: str, own: bool) -> str:
    """The Compare tab's part of the address; a benchmark query is named as such.

    Args:
        link: what it holds.
        collection: what links call it.
        reference: the picture's id, "" for a visitor's own.
        own: its picture is a visitor's.
    """
    state = {"collection": collection, "c-models": ",".join(link.models), "c-blind": "1" if link.blind else ""}
    if link.asked:
        return query_string(dict(zip(("task", "split", "q"), link.asked.split(" "), strict=True)) | state)
    query = {"c-ref": reference, "c-picture": OWN if own else "", "c-text": link.text, "c-in": link.search_in}
    return query_string(query | state)


def read(searchers: Searchers, given: Given) -> CompareLink:
    """What an address asks of the tab; what is wrong of it becomes a notice of `given`."""
    models, blind = _read_models(searchers, given), given.one_of("c-blind", ("1",), "blind mode") is not None
    if "q" in given.values:
        asked = " ".join(given.values.get(key, "") for key in ("task", "split", "q"))
        try:
            return benchmark_link(searchers, asked, models, blind)
        except UMRError as error:
            given.notices.append(f"The link's benchmark query cannot be given: {reason_of(error)}.")
            return CompareLink(models=models, blind=blind)
    picture, whole = read_picture(
        searchers, given, "c-", split(models[0])[0] if models else searchers.default, "compare"
    )
    return CompareLink(
        picture=picture,
        text=given.text("c-text"),
        models=models,
        blind=blind,
        whole=whole,
        search_in=given.one_of("c-in", tuple(SEARCH_IN), "kind") or "images",
    )


def benchmark_link(searchers: Searchers, asked: str, models: tuple[str, ...] = (), blind: bool = False) -> CompareLink:
    """A comparison on the benchmark query "task split query-id".

    Raises:
        ConfigError: one that is not here.
    """
    query, _ = judged_query(searchers, asked)
    return CompareLink(
        picture=picture_file(query.content),
        text=query.content.text or "",
        search_in=searched(query.target_modality),
        models=models,
        blind=blind,
        asked=asked,
    )


def _read_models(searchers: Searchers, given: Given) -> tuple[str, ...]:
    if "c-models" not in given.values:
        return ()
    try:
        return read_models(searchers, given.values["c-models"].split(","))
    except UMRError as error:
        given.notices.append(f"The link's models cannot be compared: {reason_of(error)}.")
        return ()
