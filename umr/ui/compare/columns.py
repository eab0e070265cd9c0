"""What a column of a comparison can be: a model, one part of it alone, the sum of its two parts' vectors, or re-ranked.

The parts are asked as the benchmark asks them (umr.eval.evaluate), so that what composing adds can be seen; beside a
re-ranked column it is seen what the page's re-ranker adds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from umr.errors import ConfigError
from umr.eval.vector_sum import weight_of
from umr.fusion import weighted_sum
from umr.search import DecodedQuery, Outcome, Searcher
from umr.types import KIND_OF, Content, Query, Result
from umr.ui.reranking import NONE_HERE
from umr.ui.searchers import Searchers

MARK = "+"  # between a model's name and the part, in an address and in a request
RERANK = "rerank"  # no part, but told as one
PARTS: Mapping[str, str] = {
    "picture": "picture only",
    "text": "text only",
    "sum": "vector sum",
    RERANK: "with the re-ranker",
}


def split(column: str) -> tuple[str, str]:
    """(model, part) of a column's name; part "" for the model as it composes, RERANK for that re-ranked."""
    name, mark, part = column.rpartition(MARK)
    return (name, part) if mark and part in PARTS else (column, "")


def title(column: str) -> str:
    """A column's name as a person reads it."""
    name, part = split(column)
    return f"{name}, {PARTS[part]}" if part else name


def on_offer(searchers: Searchers) -> dict[str, str]:
    """The parts that a page can show -> what a person reads."""
    return {part: words for part, words in PARTS.items() if part != RERANK or searchers.reranker.offer is not None}


def chosen(models: Any, of: Any, parts: Any) -> Any:
    """The columns that the bar asks for, unread.

    Args:
        models: names of models.
        of: the model whose parts are asked too.
        parts: keys of PARTS.
    """
    if not isinstance(models, list) or not isinstance(parts, list):
        return models
    return [*models, *(f"{of}{MARK}{part}" for part in parts)]


def check(searchers: Searchers, columns: Sequence[Any]) -> None:
    """Check that each is a column that there can be.

    Raises:
        ConfigError: it is of no model on offer, or re-ranked where there is no re-ranker.
    """
    for column in columns:
        if not isinstance(column, str) or split(column)[0] not in searchers.folders:
            raise ConfigError(f"there is no encoder {column!r}; there are: {', '.join(searchers.names)}")
        if split(column)[1] == RERANK and searchers.reranker.offer is None:
            raise ConfigError(f"{column!r} cannot be shown. {NONE_HERE}")


def answer(searchers: Searchers, column: str, asked: DecodedQuery, k: int) -> Outcome:
    """What a column answers to a query that was read.

    Raises:
        ConfigError: a part is asked of a query that has no other.
        MismatchError: the weights of its sum are of another encoder.
    """
    name, part = split(column)
    if part in ("", RERANK):
        return searchers.search(name, asked, k, rerank=part == RERANK)
    searcher = searchers.get(name)
    content = asked.query.content
    if content.image is None or not content.text:
        raise ConfigError(f"“{title(column)}” is for a query with a picture and a text. Give both, or untick it.")
    if part == "sum":
        return _sum(searcher, asked, k)
    alone = Content(image=content.image) if part == "picture" else Content(text=content.text)
    outcome = searcher.search(replace(asked, query=_part(searcher, asked, alone), content_hash=""), k)
    return _unjudged(outcome)


def sum_weight(searcher: Searcher, target: str) -> float:
    """The weight of the text in a vector sum that searches this modality, as it was chosen on validation queries."""
    kind = KIND_OF.get(target)
    return weight_of(searcher, "" if kind is None else f"it2{kind.letters}")


def _part(searcher: Searcher, asked: DecodedQuery, content: Content) -> Query:
    """One part as a query of its own, which must not find what the whole must not."""
    hidden = tuple(sorted(searcher.excluded(asked)))
    return replace(asked.query, content=content, instruction="", exclude=hidden)


def _sum(searcher: Searcher, asked: DecodedQuery, k: int) -> Outcome:
    start, content = time.perf_counter(), asked.query.content
    parts = [Content(image=content.image), Content(text=content.text)]
    queries = [
        replace(_part(searcher, asked, one), query_id=name)
        for name, one in zip(("picture", "text"), parts, strict=True)
    ]
    made = searcher.encoder.encode_queries(queries)
    both = made.vectors.astype(np.float32)
    weight = sum_weight(searcher, asked.query.target_modality)
    vectors = weighted_sum(both[:1], both[1:], weight)
    encoded = time.perf_counter()
    query_id, pool = asked.query.query_id, searcher.collection.pool(asked.query.target_modality)
    one = replace(made, ids=(query_id,), vectors=vectors)
    hits = searcher.index.search(one, k, pool, {query_id: searcher.excluded(asked)})[query_id]
    results = [Result(hit=hit, candidate=searcher.collection[hit.candidate_id]) for hit in hits]
    end = time.perf_counter()
    steps = {"decode": 0.0, "encode": encoded - start, "search": end - encoded, "total": end - start}
    return Outcome(results=results, notices=(), ms={step: 1000 * seconds for step, seconds in steps.items()})


def _unjudged(outcome: Outcome) -> Outcome:
    """Without what its scores are worth: that was measured of whole queries."""
    return replace(outcome, notices=(), results=[replace(result, match=None) for result in outcome.results])
