"""A re-ranker at work on runs and on searches: the first hits come in a new order. Not the score itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from umr.collection import Collection
from umr.errors import MismatchError
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.rerank import load_reranker
from umr.rerank.fuse import UNTUNED, check_depth, check_weight, fused, stored_fusion
from umr.rerank.reranker import Reranker
from umr.rerank.seen import SeenMedia
from umr.search import MAX_K, DecodedQuery, Outcome, Searcher, decode
from umr.shipped import find_reranker
from umr.types import Candidate, Query, Result, Run
from umr.verdict import beside_first

DEPTH = 50  # hits that are re-ranked (U-MARVEL), where no other number was chosen


@dataclass(kw_only=True)
class Reordering:
    """Re-ranks the first hits of queries.

    Attributes:
        reranker: scores the pairs.
        weight: of P(yes) in the fused score.
        depth: hits of a query that are re-ranked.
        progress: called with the queries done and their number.
        folder: of the re-ranker, where its weight is stored.
    """

    reranker: Reranker
    weight: float
    depth: int = DEPTH
    progress: Callable[[int, int], None] | None = None
    folder: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_depth(self.depth)
        self._seen = SeenMedia(self.reranker.network)

    @classmethod
    def open(
        cls,
        name: str,
        dtype: str = "float32",
        weight: float | None = None,
        depth: int | None = None,
        device: str | None = None,
    ) -> Reordering:
        """The re-ranker of a folder or shipped name ("" for the shipped one), with the weight and depth chosen for it.

        Args:
            name: see umr.shipped.find_reranker.
            dtype: what it computes in.
            weight: in place of the chosen one; 0.5 where none was chosen.
            depth: hits that are re-ranked, in place of the chosen number; 50 where none was chosen.
            device: where it computes; None takes the GPU where there is one.

        Raises:
            ConfigError: there is none.
            MismatchError: its files are changed, or the stored choice is another re-ranker's.
        """
        folder = find_reranker(name)
        reranker = load_reranker(folder, dtype, device)
        if weight is None or depth is None:
            chosen = stored_fusion(folder, reranker.fingerprint)
            weight = (UNTUNED if chosen is None else chosen.weight) if weight is None else weight
            depth = (DEPTH if chosen is None else chosen.depth) if depth is None else depth
        return cls(reranker=reranker, weight=weight, depth=depth, folder=folder)

    def told(self) -> dict[str, object]:
        """What a report says of it: name, fingerprint, weight, depth."""
        return {"reranker": self.reranker.name, "fingerprint": self.reranker.fingerprint, "weight": self.weight,
                "depth": self.depth}  # fmt: skip

    def yes(self, run: Run, queries: Sequence[Query], collection: Collection) -> dict[str, list[float]]:
        """P(yes) of the first hits of each query of a run.

        Args:
            run: hits.
            queries: at least those of the run.
            collection: at least the candidates of the run.

        Raises:
            MismatchError: the run names a query or candidate that is not there.
        """
        known = {query.query_id: query for query in queries}
        found: dict[str, list[float]] = {}
        for number, (query_id, hits) in enumerate(run.items(), 1):
            first = {hit.candidate_id: hit.score for hit in hits[: self.depth]}
            lost = next((did for did in first if did not in collection), None)
            if query_id not in known or lost is not None:
                what = f"query {query_id}" if query_id not in known else f"candidate {lost}"
                raise MismatchError(f"the run names {what}, which {collection.name} has not; name its own collection")
            scores = self._scores(known[query_id], [collection[did] for did in first], list(first.values()))
            found[query_id] = scores.tolist()
            if self.progress is not None:
                self.progress(number, len(run))
        return found

    def __call__(self, run: Run, queries: Sequence[Query], searcher: Searcher) -> Run:
        """What a searcher found in its new order (see yes and umr.rerank.fuse.fused).

        Raises:
            MismatchError: see check and yes.
        """
        return self.reordered(run, queries, searcher.encoder.fingerprint, searcher.collection)

    def reordered(self, run: Run, queries: Sequence[Query], encoder: str, collection: Collection) -> Run:
        """What an encoder found in its new order.

        Args:
            run: hits with cosines.
            queries: at least those of the run.
            encoder: fingerprint of what found them.
            collection: at least the candidates of the run.

        Raises:
            MismatchError: see check and yes.
        """
        self.check(encoder)
        return fused(run, self.yes(run, queries, collection), self.weight)

    def check(self, encoder: str) -> None:
        """Refuse the hits of an encoder whose cosines the re-ranker does not know.

        Args:
            encoder: the fingerprint of what found them.

        Raises:
            MismatchError: the re-ranker has a prior, fitted to the cosines of another one.
        """
        prior = self.reranker.config.prior
        if prior is not None and prior.encoder != encoder:
            raise MismatchError(
                f"{self.reranker.name} goes on from the cosines of the encoder {prior.encoder[:12]}, and these hits "
                f"are of {encoder[:12]}: search with the index of its own encoder, or leave the re-ranker out"
            )

    def results(self, query: Query, results: Sequence[Result]) -> list[Result]:
        """What a search found, in its new order; what a cosine was worth (match) says nothing of a fused score."""
        first = results[: self.depth]
        scores = self._scores(query, [one.candidate for one in first], [one.hit.score for one in first])
        run = fused({query.query_id: [one.hit for one in results]}, {query.query_id: scores.tolist()}, self.weight)
        by_id = {result.hit.candidate_id: result for result in results}
        return [replace(by_id[hit.candidate_id], hit=hit, match=None) for hit in run[query.query_id]]

    def _scores(self, query: Query, candidates: Sequence[Candidate], cosines: Sequence[float]) -> np.ndarray:
        return self.reranker.scores(query, candidates, seen=self._seen, cosines=cosines)

    def search(
        self, searcher: Searcher, query: Query | DecodedQuery, k: int, moved: QueryArithmetic = UNMOVED
    ) -> Outcome:
        """A search (umr.search.Searcher.search) whose first hits are re-ranked.

        The candidates' pictures, clips and words are read again, so that any encoder's hits will do. What a cosine was
        worth (matches, and that the first one is weak) says nothing of a fused score and is left out. ms has "rerank"
        too, which "total" counts. Arithmetic moves what is found; the re-ranker reads the query as it was asked.

        Args:
            searcher: whose first hits are re-ranked.
            query: as Searcher.search takes it.
            k: results.
            moved: as Searcher.search takes it.

        Raises:
            MismatchError: see check; and what Searcher.search raises.
        """
        if type(k) is not int or not 1 <= k <= MAX_K:
            return searcher.search(query, k, moved)  # refused there
        self.check(searcher.encoder.fingerprint)
        read = query if isinstance(query, DecodedQuery) else decode(query)
        found = searcher.search(read, min(MAX_K, max(k, self.depth)), moved)
        start = time.perf_counter()
        results = self.results(read.query, found.results)[:k]
        spent = 1000 * (time.perf_counter() - start)
        ms = found.ms | {"rerank": spent, "total": found.ms["total"] + spent}
        return replace(found, results=results, ms=ms, notices=beside_first(found.notices))
