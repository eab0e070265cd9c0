"""The rows of an index in a collection of a Qdrant server, behind the methods of umr.index.flat.FlatIndex.

A point is a row: its vector in half precision, and as payload the candidate's id, its kind, its facts and its row. What
Qdrant finds is scored again here, by the stored vectors, so that order and ties are those of FAISS. Not how rows get
there (umr.index.qdrant_store), nor the ids, pools and encoders of an index (umr.index.index). N rows, D numbers.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from umr.errors import MismatchError
from umr.index.flat import FlatIndex, Rows
from umr.index.qdrant_server import client_package, metadata, told

_SPARE = 16  # points beyond k that are scored again: the server's sums are of half precision
_MOST_POINTS, _MOST_NUMBERS = 256, 1 << 20  # in one request, whose size a server limits (32 MB)
_MOST_QUERIES = 64  # asked in one request
_OVERSAMPLING = 4.0  # of quantised rows, that the server itself scores again by the stored ones
_NAMESPACE = uuid.UUID("8f0a4e8e-5d0c-5c0e-9a55-6c1f5b1f9d11")
_AGAIN = "build the index again with `python -m umr index ... --engine qdrant`"


def point_id(candidate_id: str) -> str:
    """The point of a candidate: the same at each attempt, so that a row sent twice is one point."""
    return str(uuid.uuid5(_NAMESPACE, candidate_id))


def row_hash(half: np.ndarray) -> str:
    """What a point says of its own row (D,) in half precision."""
    return hashlib.sha256(half.tobytes()).hexdigest()[:16]


def requests(count: int, dim: int) -> Iterator[range]:
    """Rows, in as many parts as fit into a request each."""
    size = max(1, min(_MOST_POINTS, _MOST_NUMBERS // dim))
    return (range(start, min(start + size, count)) for start in range(0, count, size))


class QdrantRows:
    """N unit rows of D numbers in fp16 on a server; inner product.

    Args:
        client: a qdrant_client.QdrantClient.
        name: of the server's collection, or an alias of it.
        ids: (N,) candidate of each row.
        says: what the collection must say of itself, at the opening and at each search: the encoder's fingerprint
            "encoder", D "dim", and the sha256 of its rows "rows".
        exact: compare every row; else the server's HNSW graph is searched.

    Raises:
        ConfigError: the server does not answer, or has no such collection.
        MismatchError: it was made by another encoder, of other rows, or its making was interrupted.
    """

    def __init__(
        self, client: Any, name: str, ids: Sequence[str], says: dict[str, str | int], exact: bool = True
    ) -> None:
        self.name, self.exact = name, exact
        self._client, self._ids, self._says = client, ids, says
        self._models = client_package().models
        self._check()
        with told(name):
            count = client.count(name, exact=True).count
        if count != len(ids):
            raise MismatchError(f"{name} holds {count} points and the index {len(ids)} ids; {_AGAIN}")

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return int(self._says["dim"])

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The stored rows as float32 (M, D).

        Raises:
            MismatchError: the server lacks one, or it is not what was sent.
        """
        found_MD = np.empty((len(rows), self.dim), np.float32)
        for block in requests(len(rows), self.dim):
            points = [point_id(self._ids[row]) for row in rows[block.start : block.stop].tolist()]
            with told(self.name):
                held = self._client.retrieve(self.name, points, with_vectors=True, with_payload=["row", "vector"])
            stored = dict(zip([str(point.id) for point in held], self._rows(held), strict=True))
            if lost := len(set(points) - set(stored)):
                raise MismatchError(f"{self.name} lacks {lost} of {len(set(points))} points; {_AGAIN}")
            found_MD[block.start : block.stop] = [stored[one] for one in points]
        return found_MD

    def search(self, queries: np.ndarray, k: int, within: Rows | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows of each query.

        Args:
            queries: (Q, D) float32.
            k: at most the rows that are searched.
            within: the rows that are searched; None: all.

        Returns:
            Scores (Q, k) float32, descending, and rows (Q, k) int64; -1 and a score of minus infinity where fewer are
            left, as a later version of the index took some out.

        Raises:
            ConfigError: the server does not answer.
            MismatchError: the collection is another encoder's by now, or a row is not what was sent.
        """
        self._check()
        scores_QK = np.full((len(queries), k), -np.inf, np.float32)
        rows_QK = np.full((len(queries), k), -1, np.int64)
        wanted, size = self._filter(within), max(1, min(_MOST_QUERIES, 4 * _MOST_NUMBERS // ((k + _SPARE) * self.dim)))
        for start in range(0, len(queries), size):
            asked = [self._request(query, k, wanted) for query in queries[start : start + size]]
            with told(self.name):
                answers = self._client.query_batch_points(self.name, asked)
            for number, answer in enumerate(answers, start):
                rows = np.array([point.payload["row"] for point in answer.points], np.int64)
                scores = self._scored(queries[number], answer.points)
                best = np.lexsort((rows, -scores))[:k]
                scores_QK[number, : len(best)], rows_QK[number, : len(best)] = scores[best], rows[best]
        return scores_QK, rows_QK

    def digest(self) -> str:
        """The sha256 over all rows as the server gives them, to be compared with that of their sending.

        Raises:
            MismatchError: one is missing.
        """
        whole = hashlib.sha256()
        for block in requests(len(self), self.dim):
            whole.update(self.vectors(np.arange(block.start, block.stop)).astype(np.float16).tobytes())
        return whole.hexdigest()

    def _request(self, query: np.ndarray, k: int, wanted: Any) -> Any:
        models = self._models
        again = None if self.exact else models.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING)
        return models.QueryRequest(
            query=query.tolist(),
            limit=k + _SPARE,
            filter=wanted,
            params=models.SearchParams(exact=self.exact, quantization=again),
            with_vector=True,
            with_payload=["row", "vector"],
        )

    def _scored(self, query: np.ndarray, points: Sequence[Any]) -> np.ndarray:
        """The scores (M,) of points, to the bit those that FAISS gives their rows."""
        scores = np.empty(len(points), np.float32)
        if points:
            flat = FlatIndex.empty(self.dim, on_gpu=False)
            flat.add(self._rows(points))
            found, places = flat.search(np.ascontiguousarray(query[None], np.float32), len(points))
            scores[places[0]] = found[0]
        return scores

    def _rows(self, points: Sequence[Any]) -> np.ndarray:
        """The vectors (M, D) of points, float32, after each was compared with what it says of itself."""
        rows_MD = np.array([point.vector for point in points], np.float32).reshape(len(points), self.dim)
        for half, point in zip(rows_MD.astype(np.float16), points, strict=True):
            if row_hash(half) != point.payload["vector"]:
                raise MismatchError(f"row {point.payload['row']} of {self.name} is not what was sent there; {_AGAIN}")
        return rows_MD

    def _filter(self, within: Rows | None) -> Any:
        if within is None:
            return None
        models, match = self._models, None
        if within.kind:
            match = models.FieldCondition(key="kind", match=models.MatchValue(value=within.kind))
        elif within.span is not None:
            first, last = within.span
            match = models.FieldCondition(key="row", range=models.Range(gte=first, lt=last))
        else:
            match = models.FieldCondition(key="row", match=models.MatchAny(any=within.rows.tolist()))
        return models.Filter(must=[match])

    def _check(self) -> None:
        """Compare what the collection says of itself with what is expected."""
        said, expected = metadata(self._client, self.name), self._says
        if said.get("encoder") != expected["encoder"]:
            raise MismatchError(
                f"{self.name} was made by {str(said.get('encoder'))[:12]}, and {str(expected['encoder'])[:12]} is "
                f"asked for; open it with its own encoder, or {_AGAIN}"
            )
        if said.get("dim") != self.dim:
            raise MismatchError(f"{self.name} has rows of {said.get('dim')} numbers, the encoder makes {self.dim}")
        if not said.get("rows"):
            raise MismatchError(f"{self.name} is not whole: its making was interrupted; start the same command again")
        if said["rows"] != expected["rows"]:
            raise MismatchError(f"{self.name} holds the rows of another index than this one; {_AGAIN}")
