"""What the tabs' parts of the page's address have in common: values read one by one, pictures by name.

Never a visitor's.

What each tab's part holds is that tab's own (its link.py, or its choices); "collection" is of two tabs. What cannot be
given falls to its default, and a notice says so in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from umr.errors import ConfigError, UMRError
from umr.media import clean_text, content_hash
from umr.search import Searcher
from umr.types import Candidate
from umr.ui.handlers import MAX_RESULTS
from umr.ui.kinds import picture_file
from umr.ui.searchers import Searchers

OWN = "own"  # what stands for a visitor's own picture, which stays where it is
KEPT = "kept"  # the same, of an address that its owner's own browser opens again, and brings the picture
MAX_ADDRESS = 8_000  # characters; what servers and messengers carry
SHOWN_VALUE, SHOWN_REASON = 60, 300  # characters of a wrong value, and of a refusal, that a notice repeats
#: A picture of the benchmark's queries, by the name of its file: they are not part of the collection itself.
QUERY_PICTURE = re.compile(r"query:(\w{1,40}\.(?:webp|png|jpg|bmp))")
COUNT = re.compile(r"[1-9][0-9]{0,2}")
NUMBER = re.compile(r"-?[01](?:\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Given:
    """An address's values, read one by one: a wrong one is told in a notice and counts as not given."""

    values: dict[str, str]
    notices: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, address: object) -> Given:
        """The values of a page's query string, the first of each; none, and a notice, for what cannot be one."""
        if not isinstance(address, str) or len(address) > MAX_ADDRESS:
            return cls({}, ["This address cannot be read: it is too long, or no text."])
        return cls({key: values[0] for key, values in parse_qs(address.lstrip("?")).items()})

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
            self.notices.append(f"The link's text cannot be read: {reason_of(error)}.")
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


@dataclass(frozen=True, slots=True)
class Filled:
    """What an address makes of a tab: the values of its fields, and whether they are to be asked at once."""

    values: tuple[Any, ...]
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a tab.

    Attributes:
        key: its name in an address.
        what: what a notice calls it.
        first: chosen from the start.
    """

    key: str
    what: str
    names: Sequence[str]
    first: str


def write_choices(choices: Sequence[Choice], *values: Any) -> str:
    """A tab's part of the address, with its question mark.

    What is chosen from the start, or is no choice, stays out.
    """
    moved = {
        choice.key: value
        for choice, value in zip(choices, values, strict=True)
        if value in choice.names and value != choice.first
    }
    return "?" + urlencode(moved)


def fill_choices(choices: Sequence[Choice], given: Given) -> Filled:
    """What an address chooses in a tab of choices, each its first one where it says nothing."""
    chosen = [given.one_of(choice.key, choice.names, choice.what) for choice in choices]
    return Filled(tuple(choice.first if name is None else name for choice, name in zip(choices, chosen, strict=True)))


def collection_of(searchers: Searchers, model: str) -> str:
    """What links call the collection that a model searches: the name that its index was given."""
    return searchers.manifest(model).collection_name


def catalogue_item(searcher: Searcher, key: str) -> Candidate | None:
    """The collection's own item with this hash of its file, an image before an entry; None if there is none."""
    found = [searcher.collection[i] for i in searcher.collection.with_hash(key)]
    return min(found, key=lambda c: (c.content.modality != "image", c.candidate_id), default=None)


def reference_of(searcher: Searcher, picture: Path, key: str) -> str:
    """What a link calls a file: the id of the item with its bytes, or the benchmark picture of its name and bytes.

    Args:
        searcher: over the collection that is linked.
        picture: the file.
        key: the hash of its bytes.

    Returns:
        "" for a visitor's own.
    """
    item = catalogue_item(searcher, key)
    if item is not None:
        return item.candidate_id
    named = f"query:{picture.name}"
    twin = _query_picture(searcher, named)
    return named if twin is not None and content_hash(twin) == key else ""


def read_picture(searchers: Searchers, given: Given, part: str, model: str, tab: str = "") -> tuple[Path | None, bool]:
    """The reference of one part of the address, and whether nothing of it is missing.

    Args:
        searchers: what the page offers.
        given: the address.
        part: how the part's keys begin.
        model: the one whose collection it is of.
        tab: that a visitor's own picture is missing is told on this tab alone; "" on any.
    """
    collection, reference = given.values.get("collection"), given.values.get(f"{part}ref")
    try:
        if collection is not None:
            _check_collection(searchers, model, collection)
        if reference is not None:
            return _picture(searchers.get(model), reference), True
    except UMRError as error:
        given.notices.append(f"{reason_of(error)}.")
        return None, False
    if given.values.get(f"{part}picture") == KEPT:
        return None, False
    if given.values.get(f"{part}picture") is not None:
        if not tab or given.values.get("tab") == tab:  # of another tab it may be said when that is on show
            given.notices.append(
                "The picture of this link was its owner's own and is not in it. Add a picture, or ask with the words "
                "alone."
            )
        return None, False
    return None, True


def _check_collection(searchers: Searchers, model: str, collection: str) -> None:
    here = collection_of(searchers, model)
    if collection != here:
        raise ConfigError(f"The link is about the collection {_short(collection)}; this page shows {here!r}")


def _picture(searcher: Searcher, reference: str) -> Path:
    if reference in searcher.collection:
        file = picture_file(searcher.collection[reference].content)
        if file is not None:
            return file
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


def query_string(state: dict[str, str]) -> str:
    """What is given of a tab's state, with its question mark."""
    return "?" + urlencode({key: value for key, value in state.items() if value})


def _short(value: str) -> str:
    """A value as a notice repeats it."""
    return repr(value if len(value) <= SHOWN_VALUE else value[: SHOWN_VALUE - 1] + "…")


def reason_of(error: UMRError) -> str:
    """A refusal as the end of a notice's sentence."""
    said = str(error).rstrip(".")
    return said if len(said) <= SHOWN_REASON else said[: SHOWN_REASON - 1] + "…"
