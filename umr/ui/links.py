"""The page's state in its address: what a link holds, and what it may ask for. Never a visitor's picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from umr.errors import ConfigError
from umr.media import clean_text, content_hash
from umr.search import Searcher
from umr.types import SEARCH_IN
from umr.ui.searchers import Searchers
from umr.ui.suggest import catalogue_item
from umr.ui.turns import Turn

TABS = ("search", "compare", "diagnose", "benchmarks", "files")
MAX_ADDRESS = 8_000  # characters; what servers and messengers carry
MAX_RESULTS = 100
#: A picture of the benchmark's queries, by the name of its file: they are not part of the collection itself.
QUERY_PICTURE = re.compile(r"query:(\w{1,40}\.(?:webp|png|jpg|bmp))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What an address asks for. picture: the file of its reference.  model, k: None where it says nothing."""

    tab: str = "search"
    picture: Path | None = None
    text: str = ""
    search_in: str = "images"
    model: str | None = None
    k: int | None = None

    @property
    def asks(self) -> bool:
        """Whether there is something to search for."""
        return self.tab == "search" and bool(self.picture or self.text)


def write(turn: Turn, collection: str, model: str, k: int) -> str:
    """The query string of a turn, with its question mark; a picture without a reference id stays out of it."""
    state = {"collection": collection, "ref": turn.reference, "text": turn.text, "in": turn.search_in, "model": model,
             "k": str(k)}
    return "?" + urlencode({key: value for key, value in state.items() if value})


def read(searchers: Searchers, address: object) -> Link:
    """The state that a page's query string asks for.

    Raises ConfigError naming what it cannot give: another collection, an item or a model that is not here."""
    if not isinstance(address, str) or len(address) > MAX_ADDRESS:
        raise ConfigError("this address cannot be read: it is too long, or no text")
    given = {key: values[0] for key, values in parse_qs(address.lstrip("?")).items()}
    tab = given.get("tab", "search")
    if tab not in TABS:
        raise ConfigError(f"there is no tab {tab!r}; there are: {', '.join(TABS)}")
    if tab != "search":
        return Link(tab=tab)
    model, k, search_in = given.get("model"), given.get("k", ""), given.get("in", "images")
    if model is not None and model not in searchers.names:
        raise ConfigError(f"the link asks for the model {model!r}; there are: {', '.join(searchers.names)}")
    if search_in not in SEARCH_IN:
        raise ConfigError(f"cannot search in {search_in!r}; there are: {', '.join(SEARCH_IN)}")
    if k and not (k.isdecimal() and len(k) <= 3 and 1 <= int(k) <= MAX_RESULTS):
        raise ConfigError(f"the number of results is {k!r}; it must be a whole number from 1 to {MAX_RESULTS}")
    picture = None
    if given.keys() & {"collection", "ref"}:
        picture = _picture(searchers.get(model or searchers.default), given.get("collection"), given.get("ref"))
    return Link(picture=picture, text=clean_text(given.get("text", "")), search_in=search_in, model=model,
                k=int(k) if k else None)


def reference_of(searcher: Searcher, picture: Path) -> str:
    """What a link calls this file: the id of the item with its bytes, or the benchmark picture of its name and
    bytes; "" for a visitor's own."""
    item = catalogue_item(searcher, picture)
    if item is not None:
        return item.candidate_id
    named = f"query:{picture.name}"
    twin = _query_picture(searcher, named)
    return named if twin is not None and content_hash(twin) == content_hash(picture) else ""


def _picture(searcher: Searcher, collection: str | None, reference: str | None) -> Path | None:
    if collection is not None and collection != searcher.collection.name:
        raise ConfigError(f"the link is about the collection {collection!r}; this page shows "
                          f"{searcher.collection.name!r}")
    if reference is None:
        return None
    if reference in searcher.collection:
        image = searcher.collection[reference].content.image
        if isinstance(image, (str, Path)):
            return Path(image)
    picture = _query_picture(searcher, reference)
    if picture is None:
        raise ConfigError(f"the link's picture {reference!r} is not in this collection")
    return picture


def _query_picture(searcher: Searcher, reference: str) -> Path | None:
    match = QUERY_PICTURE.fullmatch(reference)
    if match is None or searcher.collection.folder is None:
        return None
    path = searcher.collection.folder / "files" / "queries" / match[1]
    return path if path.is_file() else None
