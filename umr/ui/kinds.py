"""What an image, a passage, an entry and a clip are called on the page, and the file of one. Not HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from umr.types import SEARCH_IN, Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of candidate. title: on a badge.  one, many: of results.  file, files: of what a visitor drops."""

    title: str
    one: str
    many: str
    file: str
    files: str


#: By the modality of the candidates.
KINDS: Mapping[str, Kind] = {
    "image": Kind(title="Image", one="image", many="images", file="picture", files="pictures"),
    "text": Kind(title="Passage", one="passage", many="passages", file="passage", files="passages"),
    "image,text": Kind(title="Entry", one="entry", many="entries", file="entry", files="entries"),
    "video": Kind(title="Clip", one="clip", many="clips", file="clip", files="clips"),
}


def searched(target: str) -> str:
    """What a query searches, as a page or a request says it: a key of SEARCH_IN."""
    return next(name for name, modality in SEARCH_IN.items() if modality == target)


def nouns(search_in: str) -> tuple[str, str]:
    """(one, many) of what a search finds. search_in: a key of SEARCH_IN."""
    if SEARCH_IN[search_in] == "all":
        return "result", "results"
    kind = KINDS[SEARCH_IN[search_in]]
    return kind.one, kind.many


def choice_of(search_in: str) -> str:
    """A key of SEARCH_IN as a button says it."""
    return "Everything" if SEARCH_IN[search_in] == "all" else nouns(search_in)[1].capitalize()


def picture_file(content: Content) -> Path | None:
    """The file of a content's picture; None where there is none, or one that is no file."""
    return Path(content.image) if isinstance(content.image, (str, Path)) else None


def media_file(content: Content) -> Path | None:
    """The file of a content's picture or clip; None where there is none."""
    return Path(content.video) if isinstance(content.video, (str, Path)) else picture_file(content)
