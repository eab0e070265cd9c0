"""What an image, a passage, an entry and a clip are called on the page, and the file of one. Not HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from umr.types import KIND_OF, SEARCH_IN, Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of candidate.

    Attributes:
        title: on a badge.
        one: of results.
        many: of results.
        file: of what a visitor drops.
        files: of what a visitor drops.
    """

    title: str
    one: str
    many: str
    file: str
    files: str


#: (one, many) of the files that are called other than what is found of them, by modality.
_FILES = {"image": ("picture", "pictures")}


def _kind(modality: str) -> Kind:
    words = KIND_OF[modality]
    file, files = _FILES.get(modality, (words.one, words.many))
    return Kind(title=words.one.capitalize(), one=words.one, many=words.many, file=file, files=files)


#: By the modality of the candidates.
KINDS: Mapping[str, Kind] = {modality: _kind(modality) for modality in KIND_OF}


def searched(target: str) -> str:
    """What a query searches, as a page or a request says it: a key of SEARCH_IN."""
    return next(name for name, modality in SEARCH_IN.items() if modality == target)


def nouns(search_in: str) -> tuple[str, str]:
    """(one, many) of what a search finds.

    Args:
        search_in: a key of SEARCH_IN.
    """
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
