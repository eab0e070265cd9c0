"""Searching by content: an encoder, its index and its collection, opened together. Not the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umr import media
from umr.collection import Collection
from umr.errors import ConfigError
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.shipped import encoder_of_index, shown_path
from umr.types import Content, Embeddings, Encoder, Query, Result

MAX_K = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search gave. notices: what a person should know (a text was cut).  ms: "decode", "encode", "search",
    "total".
    """

    results: list[Result]
    notices: tuple[str, ...]
    ms: dict[str, float]


class Searcher:
    """Query -> ranked results. Raises MismatchError when encoder, index and collection do not belong together."""

    def __init__(self, encoder: Encoder, index: Index, collection: Collection) -> None:
        index.check_collection(collection)
        self.encoder, self.index, self.collection = encoder, index, collection

    @classmethod
    def open(cls, folder: str | Path, dtype: str = "float32") -> Searcher:
        """Open an index folder with the encoder and the collection that its manifest names.

        Raises ConfigError where there is no finished index, MismatchError where something changed since it was
        built.
        """
        from umr.encoders import load_encoder  # torch, which a caller with an encoder of its own does not need

        folder = Path(folder)
        manifest = IndexManifest.read(folder)
        encoder = load_encoder(encoder_of_index(folder, manifest.encoder_at, manifest.encoder_name), dtype=dtype)
        collection = Collection.open(folder / manifest.collection_at, manifest.collection_name)
        return cls(encoder, Index.open(folder, encoder), collection)

    def search(self, query: Query, k: int, encode: Callable[[Query], Embeddings] | None = None) -> Outcome:
        """The k best candidates of the searched kind, without the query's own picture (by its bytes) and `exclude`.

        encode: gives the one row of the decoded query; None: the encoder's own.

        Raises ConfigError for a query without content or a k outside 1 to 1000, MediaError for content that cannot
        be read.
        """
        if type(k) is not int or not 1 <= k <= MAX_K:
            raise ConfigError(f"the number of results is {k!r}; it must be a whole number from 1 to {MAX_K}")
        start = time.perf_counter()
        query, barred = self.decode(query)
        decoded = time.perf_counter()
        embeddings = self.encoder.encode_queries([query]) if encode is None else encode(query)
        notices = tuple(self.encoder.notices(query))
        encoded = time.perf_counter()
        run = self.index.search(embeddings, k, self.collection.pool(query.target_modality), {query.query_id: barred})
        results = [Result(hit=hit, candidate=self.collection[hit.candidate_id]) for hit in run[query.query_id]]
        end = time.perf_counter()
        steps = {"decode": decoded - start, "encode": encoded - decoded, "search": end - encoded, "total": end - start}
        return Outcome(results=results, notices=notices, ms={step: 1000 * seconds for step, seconds in steps.items()})

    def decode(self, query: Query) -> tuple[Query, frozenset[str]]:
        """The query with its text cleaned and its picture read, and the ids that it must not find."""
        content = query.content
        text = None if content.text is None else media.clean_text(content.text) or None
        if text is None and content.image is None and content.video is None:
            raise ConfigError("there is nothing to search for: give a picture, a text, or both")
        image = None if content.image is None else media.open_image(content.image)
        ready = replace(query, content=Content(text=text, image=image, video=content.video))
        return ready, self.barred(query)

    def barred(self, query: Query) -> frozenset[str]:
        """Ids that a query must not find: its `exclude`, and every candidate with the very bytes of its picture or
        clip.
        """
        own = frozenset(query.exclude)
        if query.content.image is not None:
            own |= self.collection.with_hash(media.picture_hash(query.content.image))
        if isinstance(query.content.video, (str, Path)):
            own |= self.collection.with_hash(media.content_hash(query.content.video))
        return own


def result_row(result: Result) -> dict[str, Any]:
    """A result as the command line and the page's endpoint give it: rank, score, id, modality, media, text."""
    content, hit = result.candidate.content, result.hit
    file = content.image if content.image is not None else content.video
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "id": hit.candidate_id,
        "modality": content.modality,
        "media": shown_path(file) if isinstance(file, (str, Path)) else None,
        "text": content.text or result.candidate.title,
    }
