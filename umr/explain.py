"""Why a candidate stands where it stands. Not how it is shown (umr.ui.results.details_html).

By similarities and ranks of the query, of each part alone, and of the query without each of its words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from umr.errors import ConfigError
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.search import DecodedQuery, Searcher, decode
from umr.types import Content, Embeddings, Hit, Query, Result, Run

#: Words that are left out one by one; a longer text is explained by its first ones.
MAX_WORDS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One candidate under one query.

    Variants are "composed" (the query as it is), where it has both parts "picture" and "text" alone, and first of all
    "tuned" where query arithmetic moved the query.

    Attributes:
        candidate_id: the candidate.
        hits: variant -> the candidate's place in that variant's ranking.
        best: variant -> the first results of it.
        words: (word, cosine similarity that is lost when it is left out), in the order of the text; negative where
            the candidate would be nearer without it.
        cut: whether the text had more words than were tried.
    """

    candidate_id: str
    hits: dict[str, Hit]
    best: dict[str, list[Result]]
    words: tuple[tuple[str, float], ...]
    cut: bool = False


def explain(
    searcher: Searcher, query: Query, candidate_id: str, shown: int = 6, moved: QueryArithmetic = UNMOVED
) -> Explanation:
    """Encode the query, its parts and its text without each word in one batch, and rank the searched kind by each.

    The parts alone get the trained instruction of their own modality, as a person searching with them would.

    Args:
        searcher: encoder, index and collection.
        query: as the search was asked.
        candidate_id: one of what it searches.
        shown: results kept per variant.
        moved: the search's arithmetic; it makes one more variant and leaves the others as they are.

    Raises:
        ConfigError: the query cannot find this candidate.
    """
    read = decode(replace(query, query_id="composed", instruction=""))
    query, excluded = read.query, searcher.excluded(read)
    words = (query.content.text or "").split()
    tried = words[:MAX_WORDS] if len(words) > 1 or query.content.image is not None else []
    variants = [query, *_parts(query)]
    lesser = [
        replace(query, query_id=f"word {place}", content=_without(query.content, words, place))
        for place in range(len(tried))
    ]
    made = searcher.encoder.encode_queries([*variants, *lesser])
    count = len(variants)
    head = replace(made, ids=made.ids[:count], vectors=made.vectors[:count])
    run = _rank(searcher, query, head, excluded)
    if moved.moves_query(query):
        run = (
            _rank(
                searcher,
                query,
                searcher.encode(replace(query, query_id="tuned"), moved),
                excluded,
            )
            | run
        )
    hits = {name: _hit(found, candidate_id) for name, found in run.items()}
    target = searcher.index.vectors([candidate_id])[0]
    losses = float(made.vectors[0] @ target) - made.vectors[count:] @ target
    return Explanation(
        candidate_id=candidate_id,
        hits=hits,
        best=_best(searcher, run, shown),
        words=tuple(zip(tried, losses.tolist(), strict=True)),
        cut=len(tried) < len(words) and bool(tried),
    )


def place_of(
    searcher: Searcher, query: Query | DecodedQuery, candidate_id: str, moved: QueryArithmetic = UNMOVED
) -> Hit:
    """Where this model ranks a candidate under a query, read already or not, that is moved as a search's is.

    Raises:
        ConfigError: the query cannot find this candidate.
    """
    read = query if isinstance(query, DecodedQuery) else decode(query)
    asked, excluded = read.query, searcher.excluded(read)
    made = searcher.encode(asked, moved)
    return _hit(_rank(searcher, asked, made, excluded)[asked.query_id], candidate_id)


def _rank(searcher: Searcher, query: Query, made: Embeddings, excluded: frozenset[str]) -> Run:
    """Everything that the query searches, ranked by each row."""
    pool = searcher.collection.pool(query.target_modality)
    return searcher.index.search(made, len(searcher.index), pool, dict.fromkeys(made.ids, excluded))


def _parts(query: Query) -> list[Query]:
    if query.content.modality != "image,text":
        return []
    return [
        replace(query, query_id="picture", content=Content(image=query.content.image)),
        replace(query, query_id="text", content=Content(text=query.content.text)),
    ]


def _without(content: Content, words: list[str], place: int) -> Content:
    rest = " ".join(words[:place] + words[place + 1 :]) or None
    return replace(content, text=rest)


def _hit(found: list[Hit], candidate_id: str) -> Hit:
    hit = next((hit for hit in found if hit.candidate_id == candidate_id), None)
    if hit is None:
        raise ConfigError(f"{candidate_id!r} is not among what this query searches; choose one of its results")
    return hit


def _best(searcher: Searcher, run: Run, shown: int) -> dict[str, list[Result]]:
    return {
        name: [Result(hit=hit, candidate=searcher.collection[hit.candidate_id]) for hit in found[:shown]]
        for name, found in run.items()
    }
