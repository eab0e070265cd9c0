"""The rows of an index in a collection of a Qdrant server, behind the methods of umr.index.flat.FlatIndex.

A point is a row: its vector in half precision, and as payload the candidate's id, its kind and its row. What Qdrant
finds is scored again here, by the stored vectors, so that order and ties are those of FAISS. The address and the key
come from the environment alone. Not the ids, pools and encoders of an index (umr.index.index). N rows, D numbers.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from umr.errors import ConfigError, MismatchError, reason
from umr.index.flat import Rows

URL, KEY = "UMR_QDRANT_URL", "UMR_QDRANT_API_KEY"
_BLOCK = 256  # points sent in one request
_SPARE = 16  # points beyond k that are scored again: the server's sums are of half precision
_NAMESPACE = uuid.UUID("8f0a4e8e-5d0c-5c0e-9a55-6c1f5b1f9d11")


def point_id(candidate_id: str) -> str:
    """The point of a candidate: the same at each attempt, so that a row sent twice is one point."""
    return str(uuid.uuid5(_NAMESPACE, candidate_id))


def connect(timeout: int = 30) -> Any:
    """A client of the server that the environment names.

    Args:
        timeout: seconds that an answer may take.

    Raises:
        ConfigError: the package is not installed, or no address is set.
    """
    client = _package()
    url = os.environ.get(URL, "")
    if not url:
        raise ConfigError(f"{URL} is not set: give the server's address in it, and its key, if any, in {KEY}")
    return client.QdrantClient(url=url, api_key=os.environ.get(KEY) or None, timeout=timeout, check_compatibility=False)


class QdrantRows:
    """N unit rows of D numbers in fp16 on a server; inner product.

    Args:
        client: a qdrant_client.QdrantClient.
        name: of the server's collection.
        ids: (N,) candidate of each row.
        encoder: fingerprint that the collection must carry, at the opening and at each search.
        dim: D.
        exact: compare every row; else the server's HNSW graph is searched.

    Raises:
        ConfigError: the server does not answer, or has no such collection.
        MismatchError: it was made by another encoder, in another size, or its making was interrupted.
    """

    def __init__(
        self, client: Any, name: str, ids: Sequence[str], *, encoder: str, dim: int, exact: bool = True
    ) -> None:
        self.name, self.dim, self.exact = name, dim, exact
        self._client, self._ids, self._encoder = client, ids, encoder
        self._models = _package().models
        self._check()
        with _told(name):
            count = client.count(name, exact=True).count
        if count != len(ids):
            raise MismatchError(f"{name} holds {count} points and the index {len(ids)} ids; send its rows again")

    def __len__(self) -> int:
        return len(self._ids)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The stored rows as float32 (M, D).

        Raises:
            MismatchError: the server lacks one.
        """
        asked = [point_id(self._ids[row]) for row in rows.tolist()]
        held: dict[str, Any] = {}
        for start in range(0, len(asked), _BLOCK):
            with _told(self.name):
                found = self._client.retrieve(self.name, asked[start : start + _BLOCK], with_vectors=True)
            held |= {str(point.id): point.vector for point in found}
        if lost := len(set(asked) - set(held)):
            raise MismatchError(f"{self.name} lacks {lost} of {len(asked)} points; send its rows again")
        return np.array([held[one] for one in asked], np.float32).reshape(len(asked), self.dim)

    def search(self, queries: np.ndarray, k: int, within: Rows | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows of each query.

        Args:
            queries: (Q, D) float32.
            k: at most the rows that are searched.
            within: the rows that are searched; None: all.

        Returns:
            Scores (Q, k) float32, descending, and rows (Q, k) int64.

        Raises:
            MismatchError: the collection is another encoder's by now, or lacks points.
        """
        self._check()
        models = self._models
        asked = [
            models.QueryRequest(
                query=query.tolist(),
                limit=k + _SPARE,
                filter=self._filter(within),
                params=models.SearchParams(exact=self.exact),
                with_vector=True,
                with_payload=["row"],
            )
            for query in queries
        ]
        with _told(self.name):
            answers = self._client.query_batch_points(self.name, asked)
        scores_QK = np.empty((len(queries), k), np.float32)
        rows_QK = np.empty((len(queries), k), np.int64)
        for number, (query, answer) in enumerate(zip(queries, answers, strict=True)):
            if len(answer.points) < k:
                raise MismatchError(f"{self.name} gave {len(answer.points)} points of {k}; send its rows again")
            rows = np.array([point.payload["row"] for point in answer.points], np.int64)
            scores = np.array([point.vector for point in answer.points], np.float32) @ query
            best = np.lexsort((rows, -scores))[:k]
            scores_QK[number], rows_QK[number] = scores[best], rows[best]
        return scores_QK, rows_QK

    def _filter(self, within: Rows | None) -> Any:
        if within is None:
            return None
        models = self._models
        if within.span is not None:
            first, last = within.span
            return models.Filter(must=[models.FieldCondition(key="row", range=models.Range(gte=first, lt=last))])
        points = [point_id(self._ids[row]) for row in within.rows.tolist()]
        return models.Filter(must=[models.HasIdCondition(has_id=points)])

    def _check(self) -> None:
        """Compare what the collection says of itself with what is expected."""
        told = _metadata(self._client, self.name)
        if told.get("encoder") != self._encoder:
            raise MismatchError(
                f"{self.name} was made by {str(told.get('encoder'))[:12]}, and {self._encoder[:12]} is asked for; "
                "open it with its own encoder, or send the rows to a collection of another name"
            )
        if told.get("dim") != self.dim:
            raise MismatchError(f"{self.name} has rows of {told.get('dim')} numbers, the encoder makes {self.dim}")
        if told.get("whole") is not True:
            raise MismatchError(f"{self.name} is not whole: its making was interrupted; send its rows again")


def send(client: Any, name: str, ids: Sequence[str], kinds: Sequence[str], vectors: np.ndarray, encoder: str) -> int:
    """Put rows into a collection of the server; interrupted, the next call sends only what is not there.

    Args:
        client: a qdrant_client.QdrantClient.
        name: of the collection, which is made where there is none.
        ids: (N,) candidate of each row.
        kinds: (N,) modality of each.
        vectors: (N, D) float32, unit rows.
        encoder: fingerprint of what made them.

    Returns:
        Points that were sent.

    Raises:
        ConfigError: the server does not answer.
        MismatchError: the collection is another encoder's, or holds other points too.
    """
    models, dim = _package().models, vectors.shape[1]
    says = {"encoder": encoder, "dim": dim, "whole": False}
    with _told(name):
        if not client.collection_exists(name):
            shape = models.VectorParams(size=dim, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16)
            client.create_collection(name, vectors_config=shape, metadata=says)
            client.create_payload_index(name, "kind", models.PayloadSchemaType.KEYWORD)
            client.create_payload_index(name, "row", models.PayloadSchemaType.INTEGER)
    told = _metadata(client, name)
    if (told.get("encoder"), told.get("dim")) != (encoder, dim):
        raise MismatchError(
            f"{name} holds rows of another encoder ({str(told.get('encoder'))[:12]}, {told.get('dim')} numbers); "
            "send these to a collection of another name"
        )
    sent = 0
    with _told(name):
        client.update_collection(name, metadata=says)
        for start in range(0, len(ids), _BLOCK):
            points = _points(models, ids, kinds, vectors, range(start, min(start + _BLOCK, len(ids))))
            there = client.retrieve(name, [point.id for point in points], with_payload=True)
            held = {str(point.id): point.payload for point in there}
            if new := [point for point in points if held.get(point.id) != point.payload]:
                client.upsert(name, new, wait=True)
                sent += len(new)
        count = client.count(name, exact=True).count
        if count != len(ids):
            raise MismatchError(f"{name} holds {count} points, not {len(ids)}: it has others; choose another name")
        client.update_collection(name, metadata={**says, "whole": True})
    return sent


def _points(models: Any, ids: Sequence[str], kinds: Sequence[str], vectors: np.ndarray, rows: range) -> list[Any]:
    made = []
    for row in rows:
        half = vectors[row].astype(np.float16)
        payload = {
            "id": ids[row],
            "kind": kinds[row],
            "row": row,
            "vector": hashlib.sha256(half.tobytes()).hexdigest()[:16],
        }
        made.append(models.PointStruct(id=point_id(ids[row]), vector=half.astype(np.float32).tolist(), payload=payload))
    return made


def _metadata(client: Any, name: str) -> dict[str, Any]:
    with _told(name):
        if not client.collection_exists(name):
            raise ConfigError(f"the Qdrant server has no collection {name!r}; send the rows there first")
        return client.get_collection(name).config.metadata or {}


def _package() -> Any:
    try:
        import qdrant_client  # heavy and optional
    except ImportError as error:
        raise ConfigError("Qdrant needs the package qdrant-client: pip install 'qdrant-client>=1.16,<2'") from error
    return qdrant_client


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the server did not do, in words without its address or key."""
    from qdrant_client.http.exceptions import ApiException  # optional, as the package

    try:
        yield
    except ApiException as error:
        raise ConfigError(
            f"the Qdrant server did not do what {name!r} needs ({reason(error)[:160]}); is it up, and are {URL} and "
            f"{KEY} right?"
        ) from error
