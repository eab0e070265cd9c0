"""The page's state in its address: what it holds, and what it may ask for. Never a visitor's picture.

The Search tab's part has plain keys, those of the other tabs have keys of their own (Diagnose and Benchmarks:
umr.ui.choices); "collection" is of two tabs. What cannot be given falls to its default, and a notice says so in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from umr.errors import ConfigError, UMRError
from umr.media import clean_text, content_hash
from umr.query_arithmetic import UNMOVED, Steering
from umr.search import Searcher
from umr.types import SEARCH_IN
from umr.ui.choices import benchmark_choices, diagnose_choices
from umr.ui.compare.comparison import judged_query, kind_of, read_models
from umr.ui.handlers import MAX_RESULTS
from umr.ui.search.history import Turn
from umr.ui.search.suggest import catalogue_item
from umr.ui.searchers import Searchers

TABS = ("search", "compare", "diagnose", "benchmarks", "files")
SEARCH_KEYS = ("ref", "picture", "text", "in", "model", "k", "balance", "less", "cut")
COMPARE_KEYS = ("q", "task", "split", "c-ref", "c-picture", "c-text", "c-in", "c-models", "c-blind")
OWN = "own"  # what stands for a visitor's own picture, which stays where it is
MAX_ADDRESS = 8_000  # characters; what servers and messengers carry
SHOWN_VALUE, SHOWN_REASON = 60, 300  # characters of a wrong value, and of a refusal, that a notice repeats
#: A picture of the benchmark's queries, by the name of its file: they are not part of the collection itself.
QUERY_PICTURE = re.compile(r"query:(\w{1,40}\.(?:webp|png|jpg|bmp))")
COUNT = re.compile(r"[1-9][0-9]{0,2}")
NUMBER = re.compile(r"-?[01](?:\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLink:
    """What an address asks of the Search tab. picture: the file of its reference.  model, k: None where it says
    nothing.  whole: nothing of the query is missing, so that it can be asked at once.
    """

    picture: Path | None = None
    text: str = ""
    search_in: str = "images"
    model: str | None = None
    k: int | None = None
    steering: Steering = UNMOVED
    whole: bool = True

    @property
    def asks(self) -> bool:
        """Whether there is something to search for, and nothing of it missing."""
        return self.whole and bool(self.picture or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLink:
    """What an address asks of the Compare tab. asked: "task split query-id" of a benchmark query.  models: empty where
    it says nothing.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Everything that an address asks for. chosen: key -> value of the other tabs' choices, where it makes them.
    notices: what of it cannot be given, in words.
    """

    tab: str = "search"
    search: SearchLink = SearchLink()
    compare: CompareLink = CompareLink()
    chosen: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def collection_of(searchers: Searchers, model: str) -> str:
    """What links call the collection that a model searches: the name that its index was given."""
    return searchers.manifest(model).collection_name


def write(turn: Turn, collection: str, model: str, k: int) -> str:
    """The Search tab's part of the address, with its question mark; a visitor's own picture stays out of it."""
    moved = turn.steering
    return _query_string(
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


def write_compare(link: CompareLink, collection: str, reference: str, own: bool) -> str:
    """The Compare tab's part of the address; a benchmark query is named as such. own: its picture is a visitor's."""
    state = {"collection": collection, "c-models": ",".join(link.models), "c-blind": "1" if link.blind else ""}
    if link.asked:
        return _query_string(dict(zip(("task", "split", "q"), link.asked.split(" "), strict=True)) | state)
    query = {"c-ref": reference, "c-picture": OWN if own else "", "c-text": link.text, "c-in": link.search_in}
    return _query_string(query | state)


def read(searchers: Searchers, address: object) -> Opened:
    """The state that a page's query string asks for. Never raises: what is wrong becomes a notice."""
    if not isinstance(address, str) or len(address) > MAX_ADDRESS:
        return Opened(notices=("This address cannot be read: it is too long, or no text.",))
    given = _Given({key: values[0] for key, values in parse_qs(address.lstrip("?")).items()})
    tab = given.one_of("tab", TABS, "tab") or "search"
    search, compare = _read_search(searchers, given), _read_compare(searchers, given)
    return Opened(
        tab=tab,
        search=search,
        compare=compare,
        chosen=_read_choices(searchers, given),
        notices=tuple(dict.fromkeys(given.notices)),
    )


def reference_of(searcher: Searcher, picture: Path) -> str:
    """What a link calls this file: the id of the item with its bytes, or the benchmark picture of its name and
    bytes; "" for a visitor's own.
    """
    item = catalogue_item(searcher, picture)
    if item is not None:
        return item.candidate_id
    named = f"query:{picture.name}"
    twin = _query_picture(searcher, named)
    return named if twin is not None and content_hash(twin) == content_hash(picture) else ""


@dataclass(frozen=True, slots=True)
class _Given:
    """An address's values, read one by one: a wrong one is told in a notice and counts as not given."""

    values: dict[str, str]
    notices: list[str] = field(default_factory=list)

    def one_of(self, key: str, choices: Sequence[str], what: str) -> str | None:
        """A value that must be one of these."""
        value = self.values.get(key)
        if value is None or value in choices:
            return value
        self.notices.append(
            f"The link asks for the {what} {_short(value)}, which is not here. There are: {', '.join(choices)}."
        )
        return None

    def text(self, key: str) -> str:
        """Words."""
        try:
            return clean_text(self.values.get(key, ""))
        except UMRError as error:
            self.notices.append(f"The link's text cannot be read: {_reason(error)}.")
            return ""

    def number(self, key: str, low: float, high: float, what: str) -> float:
        """A number in its limits, 0 where there is none."""
        value = self.values.get(key, "0")
        if NUMBER.fullmatch(value) and low <= float(value) <= high:
            return float(value)
        self.notices.append(
            f"The link's {what} is {_short(value)}; it must be a number from {low:g} to {high:g}, so it is left at 0."
        )
        return 0.0

    def count(self) -> int | None:
        """The number of results."""
        value = self.values.get("k")
        if value is None:
            return None
        if COUNT.fullmatch(value) and int(value) <= MAX_RESULTS:
            return int(value)
        self.notices.append(
            f"The link's number of results is {_short(value)}; it must be a whole number from 1 to "
            f"{MAX_RESULTS}, so the usual number is shown."
        )
        return None


def _read_search(searchers: Searchers, given: _Given) -> SearchLink:
    model = given.one_of("model", searchers.names, "model")
    picture, whole = _read_picture(searchers, given, "", model or searchers.default)
    steering = Steering(
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


def _read_compare(searchers: Searchers, given: _Given) -> CompareLink:
    models, blind = _read_models(searchers, given), given.one_of("c-blind", ("1",), "blind mode") is not None
    if "q" in given.values:
        asked = " ".join(given.values.get(key, "") for key in ("task", "split", "q"))
        try:
            return benchmark_link(searchers, asked, models, blind)
        except UMRError as error:
            given.notices.append(f"The link's benchmark query cannot be given: {_reason(error)}.")
            return CompareLink(models=models, blind=blind)
    picture, whole = _read_picture(searchers, given, "c-", models[0] if models else searchers.default)
    return CompareLink(
        picture=picture,
        text=given.text("c-text"),
        models=models,
        blind=blind,
        whole=whole,
        search_in=given.one_of("c-in", tuple(SEARCH_IN), "kind") or "images",
    )


def benchmark_link(searchers: Searchers, asked: str, models: tuple[str, ...] = (), blind: bool = False) -> CompareLink:
    """A comparison on the benchmark query "task split query-id". Raises ConfigError for one that is not here."""
    query, _ = judged_query(searchers, asked)
    image = query.content.image
    return CompareLink(
        picture=Path(image) if isinstance(image, (str, Path)) else None,
        text=query.content.text or "",
        search_in=kind_of(query),
        models=models,
        blind=blind,
        asked=asked,
    )


def _read_models(searchers: Searchers, given: _Given) -> tuple[str, ...]:
    if "c-models" not in given.values:
        return ()
    try:
        return read_models(searchers, given.values["c-models"].split(","))
    except UMRError as error:
        given.notices.append(f"The link's models cannot be compared: {_reason(error)}.")
        return ()


def _read_choices(searchers: Searchers, given: _Given) -> dict[str, str]:
    choices = (*diagnose_choices(searchers), *benchmark_choices(searchers))
    chosen = {choice.key: given.one_of(choice.key, choice.names, choice.what) for choice in choices}
    return {key: value for key, value in chosen.items() if value is not None}


def _read_picture(searchers: Searchers, given: _Given, part: str, model: str) -> tuple[Path | None, bool]:
    """The reference of one part of the address, and whether nothing of it is missing."""
    collection, reference = given.values.get("collection"), given.values.get(f"{part}ref")
    try:
        if collection is not None:
            _check_collection(searchers, model, collection)
        if reference is not None:
            return _picture(searchers.get(model), reference), True
    except UMRError as error:
        given.notices.append(f"{_reason(error)}.")
        return None, False
    if given.values.get(f"{part}picture") is not None:
        given.notices.append(
            "The picture of this link was its owner's own and is not in it. Add a picture, or ask with the words alone."
        )
        return None, False
    return None, True


def _check_collection(searchers: Searchers, model: str, collection: str) -> None:
    here = collection_of(searchers, model)
    if collection != here:
        raise ConfigError(f"The link is about the collection {_short(collection)}; this page shows {here!r}")


def _picture(searcher: Searcher, reference: str) -> Path:
    if reference in searcher.collection:
        image = searcher.collection[reference].content.image
        if isinstance(image, (str, Path)):
            return Path(image)
    picture = _query_picture(searcher, reference)
    if picture is None:
        raise ConfigError(f"The link's picture {_short(reference)} is not in this collection")
    return picture


def _query_picture(searcher: Searcher, reference: str) -> Path | None:
    match = QUERY_PICTURE.fullmatch(reference)
    if match is None or searcher.collection.folder is None:
        return None
    path = searcher.collection.folder / "files" / "queries" / match[1]
    return path if path.is_file() else None


def _query_string(state: dict[str, str]) -> str:
    return "?" + urlencode({key: value for key, value in state.items() if value})


def _short(value: str) -> str:
    """A value as a notice repeats it."""
    return repr(value if len(value) <= SHOWN_VALUE else value[: SHOWN_VALUE - 1] + "…")


def _reason(error: UMRError) -> str:
    """A refusal as the end of a notice's sentence."""
    said = str(error).rstrip(".")
    return said if len(said) <= SHOWN_REASON else said[: SHOWN_REASON - 1] + "…"
