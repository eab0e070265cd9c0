"""How the page says what is searched, and the file of a content. What the kinds are called stands in umr.types."""

from __future__ import annotations

from pathlib import Path

from umr.types import KIND_OF, SEARCH_IN, Content


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
    kind = KIND_OF[SEARCH_IN[search_in]]
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
