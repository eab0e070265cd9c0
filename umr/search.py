"""Searching by content: an encoder, its index and its collection, opened together. Not the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from umr import media, query_arithmetic
from umr.collection import Collection
from umr.errors import ConfigError, UMRError
from umr.facts import FactTable, Wanted, nothing_fits, wanted_by_edit, wanted_by_words
from umr.index.index import Index
from umr.index.manifest import IndexManifest
from umr.index.stored import open_collection
from umr.moments import told
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.shipped import encoder_of_index, shown_path
from umr.types import Content, Embeddings, Encoder, Match, Query, Result
from umr.verdict import Verdicts, beside_first, find_verdicts

MAX_K = 1000
#: Of a query with a clip, where nothing of its kind was trained.
CLIP_UNTRAINED = (
    "This model was trained with no clip in a query: it reads the clip's frames as it reads those of clips that are "
    "found, without a task sentence, so expect weaker results than with a picture."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search gave.

    Attributes:
        results: the best first.
        notices: what a person should know (a text was cut, the best match is a weak one).
        ms: milliseconds of "decode", "encode", "search" and "total".
    """

    results: list[Result]
    notices: tuple[str, ...]
    ms: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedQuery:
    """A query that was read once, for all that it goes to: searchers, the check of its picture, a turn of the page.

    Attributes:
        query: with its text cleaned and its picture in memory.
        content_hash: of the picture or clip as it was given, by which a collection knows its own; "" without.
        ms: milliseconds that reading it took; a search counts them as its own.
    """

    query: Query
    content_hash: str = ""
    ms: float = 0.0


def decode(query: Query, picture_name: str | None = None) -> DecodedQuery:
    """Read a query: clean its text, decode its picture, hash the picture's or clip's bytes.

    Args:
        query: as a person gave it.
        picture_name: what errors call its picture; None: the last part of its path.

    Raises:
        ConfigError: it has no content.
        MediaError: its text or picture cannot be read.
    """
    start, content = time.perf_counter(), query.content
    text = None if content.text is None else media.clean_text(content.text) or None
    if text is None and content.image is None and content.video is None:
        raise ConfigError("there is nothing to search for: give a picture or a clip, a text, or both")
    image = None if content.image is None else media.open_image(content.image, name=picture_name)
    ready = replace(query, content=replace(content, text=text, image=image))
    key = _content_hash(content)
    return DecodedQuery(query=ready, content_hash=key, ms=1000 * (time.perf_counter() - start))


class Searcher:
    """Query -> ranked results, by an encoder, its index and its collection."""

    def __init__(
        self, encoder: Encoder, index: Index, collection: Collection, verdicts: Verdicts | None = None
    ) -> None:
        """Take them as they are.

        Args:
            encoder: what made the index.
            index: of the collection.
            collection: what is found.
            verdicts: what this encoder's scores are worth; None: no verdict is given.

        Raises:
            MismatchError: index and collection do not belong together.
        """
        index.check_collection(collection)
        self.encoder, self.index, self.collection, self.verdicts = encoder, index, collection, verdicts

    @classmethod
    def open(cls, folder: str | Path, dtype: str | None = None, encoder: Encoder | None = None) -> Searcher:
        """Open an index folder with the encoder and the collection that its manifest names.

        The files of a large index are compared with their hashes in the background (umr.index.stored).

        Args:
            folder: the index's.
            dtype: what the encoder computes in, one of umr.types.DTYPES; None: what the candidates were encoded in.
            encoder: taken, and not loaded again, if it is the one that the manifest names.

        Raises:
            ConfigError: there is no finished index, or the file of its encoder's verdicts holds none.
            MismatchError: something changed since it was built.
        """
        while True:
            manifest = IndexManifest.read(folder)
            try:
                return cls._opened(Path(folder), manifest, dtype or manifest.precision, encoder)
            except (UMRError, OSError):
                if IndexManifest.read(folder) == manifest:
                    raise  # else another version was put there while this one was read

    @classmethod
    def _opened(cls, folder: Path, manifest: IndexManifest, dtype: str, encoder: Encoder | None) -> Searcher:
        if encoder is None or encoder.fingerprint != manifest.encoder:
            from umr.encoders import load_encoder  # torch, which a caller with an encoder of its own does not need

            encoder = load_encoder(encoder_of_index(folder, manifest.encoder_at, manifest.encoder_name), dtype=dtype)
        collection = open_collection(folder, manifest)
        verdicts = find_verdicts(folder, encoder.name, encoder.fingerprint)
        searcher = cls(encoder, Index.open(folder, encoder), collection, verdicts)
        searcher.index.check_in_background(collection)
        return searcher

    def search(self, query: Query | DecodedQuery, k: int, moved: QueryArithmetic = UNMOVED) -> Outcome:
        """The best candidates of the searched kind, without the query's own picture (by its bytes) and `exclude`.

        Args:
            query: as a person gave it, or read already.
            k: results, 1 to 1000.
            moved: arithmetic on the query's vector, and how weak results may be.

        Raises:
            ConfigError: the query has no content, or k lies outside.
            MediaError: its content cannot be read.
        """
        if type(k) is not int or not 1 <= k <= MAX_K:
            raise ConfigError(f"the number of results is {k!r}; it must be a whole number from 1 to {MAX_K}")
        read = query if isinstance(query, DecodedQuery) else decode(query)
        start = time.perf_counter() - read.ms / 1000
        asked, excluded = read.query, self.excluded(read)
        decoded = time.perf_counter()
        embeddings = self.encode(asked, moved)
        notices = (
            *self.encoder.notices(asked),
            *_of_clip(self.encoder, asked),
            *query_arithmetic.notices(asked, moved),
        )
        encoded = time.perf_counter()
        run = self.index.search(embeddings, k, self.collection.pool(asked.target_modality), {asked.query_id: excluded})
        hits = query_arithmetic.strong(run[asked.query_id], moved)
        results = [Result(hit=hit, candidate=self.collection[hit.candidate_id]) for hit in hits]
        if self.verdicts is not None:
            results = self.verdicts.judged(asked, results, moved)
        notices += self._of_match(read, results, excluded, moved)
        end = time.perf_counter()
        steps = {"decode": decoded - start, "encode": encoded - decoded, "search": end - encoded, "total": end - start}
        return Outcome(results=results, notices=notices, ms={step: 1000 * seconds for step, seconds in steps.items()})

    def encode(self, query: Query, moved: QueryArithmetic = UNMOVED) -> Embeddings:
        """The one row of a decoded query, moved as asked.

        Raises:
            ConfigError: it is to move away from what is not in this collection.
        """
        if not moved.less_like:
            return query_arithmetic.encode(self.encoder, query, moved)
        if absent := [one for one in moved.less_like if one not in self.collection]:
            raise ConfigError(f"{absent[0]!r} is not in this collection, so nothing can be less like it")
        return query_arithmetic.encode(self.encoder, query, moved, self.index.vectors(moved.less_like))

    @cached_property
    def facts(self) -> FactTable:
        """What the collection states about its candidates, read on first use."""
        return FactTable(self.collection.stating())

    def _of_match(
        self, read: DecodedQuery, results: list[Result], excluded: frozenset[str], moved: QueryArithmetic
    ) -> tuple[str, ...]:
        """What is known of the answer as a whole: by the collection's facts where they tell, else by its scores."""
        said = () if self.verdicts is None else self.verdicts.notices(read.query, results)
        unlike = self.verdicts is not None and self.verdicts.unlike(read.query.content)
        wanted = None if unlike or not results or moved.moves_query(read.query) else self._wanted(read)
        if wanted is None:
            return said
        if self.facts.any_fits(wanted, read.query.target_modality, excluded):
            return beside_first(said)
        return (*beside_first(said), nothing_fits(wanted, self.facts.facts(results[0].hit.candidate_id)))

    def _wanted(self, read: DecodedQuery) -> Wanted | None:
        """What the query asks for, where its words, and its picture's facts if it has one, can be read for sure."""
        content = read.query.content
        if not content.text or content.video is not None:
            return None
        if content.image is None:
            return wanted_by_words(self.facts, content.text)
        same = (self.facts.facts(one) for one in sorted(self.collection.with_hash(read.content_hash)))
        shown = next(filter(None, same), None)
        return None if shown is None else wanted_by_edit(self.facts, shown, content.text)

    def excluded(self, query: Query | DecodedQuery) -> frozenset[str]:
        """Ids that a query must not find: its `exclude`, and candidates with the very bytes of its picture or clip.

        Raises:
            MediaError: the file of its picture or clip is gone.
        """
        if isinstance(query, DecodedQuery):
            return frozenset(query.query.exclude) | self.collection.with_hash(query.content_hash)
        return frozenset(query.exclude) | self.collection.with_hash(_content_hash(query.content))


def _of_clip(encoder: Encoder, query: Query) -> tuple[str, ...]:
    """What is said of a query's clip, by an encoder that knows task sentences but none for a clip."""
    return (CLIP_UNTRAINED,) if encoder.uninstructed(query) else ()


def _content_hash(content: Content) -> str:
    if content.image is not None:
        return media.picture_hash(content.image)
    return media.content_hash(content.video) if isinstance(content.video, (str, Path)) else ""


def of_unlike_picture(outcome: Outcome, said: tuple[str, ...]) -> Outcome:
    """The outcome of a search by a picture that is unlike the training: no score of it counts as a good match.

    Args:
        outcome: what was found.
        said: the notices of the picture (umr.eval.familiar); none: the outcome stays as it is.
    """
    if not said:
        return outcome
    weak = Match("weak", unlike=True)
    results = [result if result.match is None else replace(result, match=weak) for result in outcome.results]
    return replace(outcome, results=results, notices=beside_first(outcome.notices) + said)


def result_row(result: Result) -> dict[str, Any]:
    """A result as the command line and the page's endpoint give it: rank, score, id, modality, media, text, match.

    Of a clip also its start and end, in seconds, where they are known; of a part of one its moments in words too.
    """
    content, hit = result.candidate.content, result.hit
    file = content.media
    row = {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "id": hit.candidate_id,
        "modality": content.modality,
        "media": shown_path(file) if isinstance(file, (str, Path)) else None,
        "text": content.text or result.candidate.title,
        "match": None if result.match is None else result.match.word,
    }
    if content.span is None:
        duration = result.candidate.duration_s
        return row if duration is None else row | {"start": 0.0, "end": duration}
    return row | {"start": content.span[0], "end": content.span[1], "moments": told(content.span)}
