"""What the page and its endpoint do with a request: check it, search, answer. Plain functions, no Gradio, no HTML."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from markupsafe import Markup
from PIL.Image import Image

from umr.errors import ConfigError, MediaError
from umr.facts import facts_of
from umr.media import clean_text, open_image
from umr.search import Outcome, Searcher, decode, result_row
from umr.types import SEARCH_IN, Candidate, Query
from umr.ui import edge, render
from umr.ui.kinds import picture_file
from umr.ui.query_clip import query_content
from umr.ui.reranking import read_switch
from umr.ui.searchers import Searchers, Source

log = logging.getLogger(__name__)

MAX_RESULTS = 100
BROWSE_PAGE = 36  # pictures shown at a time
BROWSED_BY = ("category", "colour")  # facts that the pictures to choose from can be kept to
#: Of what the catalogue's pictures are kept to, the words that say nothing of one.
SMALL_WORDS = frozenset(("a", "an", "the", "on", "in", "of", "with", "and"))
MAX_SOUGHT = 1_000  # characters of what they are kept to
MAX_PAGE = 1_000_000  # pages go round: after it the browser begins anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a visitor or a client asks, as it came: nothing in it is known to be what it should.

    Attributes:
        uploads: where the files of visitors lie.
        image: Gradio's file value.
        search_in: a key of SEARCH_IN.
        k: how many results.
    """

    uploads: Path
    image: Any = None
    text: Any = ""
    search_in: Any = "images"
    k: Any = MAX_RESULTS

    def read(self) -> tuple[Query, int]:
        """The query, with its picture as `read_picture` gives it, and the number of results.

        Raises:
            ConfigError: something in it is not what it should be, or there is nothing to search for.
            MediaError: the picture is none.
        """
        count = read_count(self.k)
        return make_query(self.picture(), self.text, self.search_in), count

    def picture(self) -> Path | Image | None:
        """The picture.

        Raises:
            MediaError: see `read_picture`.
        """
        return read_picture(self.image, self.uploads)


def answer(searchers: Source, question: Question, encoder: Any) -> Outcome:
    """One checked search.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    query, count = question.read()
    return searchers.get(encoder).search(query, count)


def make_query(picture: Path | Image | None, text: Any, search_in: Any) -> Query:
    """A query from a picture (or a clip, umr.ui.query_clip) that was checked and words, cleaned where it is decoded.

    Raises:
        ConfigError: there is nothing to ask, or it is not what it should be.
        MediaError: the clip has too many bytes.
    """
    if not isinstance(search_in, str) or search_in not in SEARCH_IN:
        raise ConfigError(f"cannot search in {search_in!r}; there are: {', '.join(SEARCH_IN)}")
    words = _words(text)
    if picture is None and not words.strip():
        raise ConfigError("Give a picture, a text, or both: then there is something to search for.")
    content = query_content(picture, words if words.strip() else None)
    return Query(query_id="page", content=content, target_modality=SEARCH_IN[search_in])


def read_count(k: Any) -> int:
    """The number of results that a request asks for.

    Raises:
        ConfigError: unless it is a whole number in the limits.
    """
    if isinstance(k, bool) or not isinstance(k, (int, float)) or not 1 <= k <= MAX_RESULTS or k != int(k):
        raise ConfigError(f"the number of results is {k!r}; it must be a whole number from 1 to {MAX_RESULTS}")
    return int(k)


def search_rows(
    searchers: Searchers, question: Question, encoder: Any, notify: Callable[[str], object], rerank: Any = False
) -> list[dict[str, Any]]:
    """The results of a search as the command line's objects.

    Args:
        searchers: what the page offers.
        question: what was asked, unread.
        encoder: its name.
        notify: is called with each notice of the search, so that a client learns that its text was cut, that its
            picture or its words are unlike what the encoder was trained on, or that nothing fits all of it.
        rerank: whether the first results come in the order of the page's re-ranker, unread.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    query, count = question.read()
    outcome = searchers.search(encoder, decode(query), count, rerank=read_switch(rerank))
    for notice in outcome.notices:
        log.warning("%s", notice)
        notify(notice)
    return [result_row(result) for result in outcome.results]


def read_text(text: Any) -> str | None:
    """The words of a request, None where there are only spaces.

    Raises:
        UMRError: what cannot be a text.
    """
    return clean_text(_words(text)) or None


def _words(text: Any) -> str:
    if text is not None and not isinstance(text, str):
        raise ConfigError(f"the text is a {type(text).__name__}; give words")
    return text or ""


def read_picture(image: Any, uploads: Path) -> Path | Image | None:
    """The picture of a request: an uploaded file's path, a decoded data URI, or None.

    A path outside `uploads` is refused: Gradio checks only file values that carry its mark, which a request may leave
    out.

    Raises:
        MediaError: the file is refused.
    """
    if image is None:
        return None
    path, url = (image.get("path"), image.get("url")) if isinstance(image, Mapping) else (None, None)
    if not path and isinstance(url, str) and url.startswith("data:image/"):
        try:
            content = base64.b64decode(url.partition(",")[2], validate=True)
        except ValueError as error:  # also for characters beyond ASCII
            raise MediaError("the picture's data URI is not base64; upload it as a file instead") from error
        return open_image(content)
    if not isinstance(path, str) or not lies_in(path, uploads):
        raise MediaError("the picture did not arrive; upload it again")
    return Path(path)


def real_path(path: str | Path) -> Path | None:
    """Where a path that a request names really leads; None for what cannot be a path, or cannot be looked for."""
    try:
        real = Path(path).resolve()
        with suppress(FileNotFoundError, NotADirectoryError):
            real.lstat()
    except (ValueError, OSError, RuntimeError):  # a zero byte or half a character; a name too long; links in a circle
        return None
    return real


def lies_in(path: str | Path, folder: Path) -> bool:
    """Whether a path that a request names leads into this folder."""
    real = real_path(path)
    return real is not None and real.is_relative_to(folder.resolve())


def choose_picture(searchers: Source, encoder: Any, candidate_id: Any) -> str:
    """Path of a found or browsed candidate's picture, for the query bar.

    Raises:
        ConfigError: it has none.
    """
    candidate = candidate_of(searchers, encoder, candidate_id)
    file = picture_file(candidate.content)
    if file is None:
        raise ConfigError(f"{candidate_id} has no picture; choose an image or an entry")
    return str(file)


def browse(searchers: Searchers, encoder: Any, page: Any, sought: Any = "") -> Markup:
    """One page of catalogue pictures to choose from, as HTML; pages follow each other in a circle.

    Args:
        searchers: what the page offers.
        encoder: the name of the model whose collection it is.
        page: its number.
        sought: what pictures are kept to, "category=mug&colour=red&words=on+wood"; "" for all.
    """

    def pictures() -> Markup:
        searcher, wanted = searchers.get(encoder), _wanted(sought)
        images = _kept_to(searcher, wanted)
        pages = max(1, -(-len(images) // BROWSE_PAGE))
        start = page % pages if isinstance(page, int) else 0
        choices = {name: searcher.facts.choices(name) for name in BROWSED_BY}
        return render.browse(images[start::pages], len(images), choices, wanted)  # a stride: each page is a mixture

    return edge.answered_html("browsing", pictures)


def _wanted(sought: Any) -> dict[str, str]:
    """What pictures are kept to, by name. Raises ConfigError."""
    if not isinstance(sought or "", str) or len(sought or "") > MAX_SOUGHT:
        raise ConfigError(
            f"what the pictures are to be kept to cannot be read; give at most {MAX_SOUGHT:,} characters, or reload "
            "the page"
        )
    return dict(parse_qsl(sought or ""))


def _kept_to(searcher: Searcher, wanted: Mapping[str, str]) -> list[Candidate]:
    """The pictures of a collection that have the wanted facts and words."""
    facts = {name: wanted[name] for name in BROWSED_BY if wanted.get(name)}
    images = [c for c in searcher.collection if c.content.modality == "image"]
    if facts:
        having = searcher.facts.having(facts)
        images = [c for c in images if c.candidate_id in having]
    if words := set(wanted.get("words", "").lower().split()) - SMALL_WORDS:
        images = [c for c in images if all(word in _described(c) for word in words)]
    return images


def _described(candidate: Candidate) -> str:
    """What an item is called and every fact that the collection states about it, in lower case."""
    told = json.dumps(facts_of(candidate), ensure_ascii=False) if candidate.source else ""
    return f"{render.name_of(candidate)} {told}".lower()


def next_page(page: Any) -> int:
    """The number of the browser's following page."""
    return page + 1 if isinstance(page, int) and 0 <= page < MAX_PAGE else 0


def candidate_of(searchers: Source, encoder: Any, candidate_id: Any) -> Candidate:
    """The candidate that a request names.

    Raises:
        ConfigError: the encoder's collection has none of this id.
    """
    try:
        return searchers.get(encoder).collection[candidate_id]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{candidate_id!r} is not in this collection") from error
