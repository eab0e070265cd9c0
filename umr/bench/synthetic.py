"""Made-up vectors that lie as an encoder's do, and an encoder that gives them: to measure indexes of any size.

Topics hold clusters, clusters hold rows. Numbers fall off from axis to axis as those of trained encoders do (a power
law over shuffled axes), so a row has far fewer directions than numbers. A query is the mixture of two rows of one
topic, as a picture with an edit is one of what is shown and what is said, and then perturbed: it lies near no row, and
between clusters. Uniform vectors, or rows as queries, would say nothing of either. Never for results about a model.

N rows, D numbers in a row, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from umr.collection import CANDIDATES
from umr.formats import write_jsonl
from umr.types import Candidate, Content, Embeddings, Query

#: Rows made from one seed of their own, so that any row can be made without those before it.
BLOCK = 512
_TOPICS, _ROWS_OF_CLUSTER = 64, 250
#: Lengths beside those of a topic's centre, which is 1: of what tells a cluster, a row and a query from its middle.
_CLUSTER, _ROW, _QUERY = 0.8, 0.6, 0.25
_FALL = 0.5  # exponent of the power law


@dataclass(frozen=True, slots=True)
class SyntheticRows:
    """N unit rows of D numbers, made when they are asked for; the same for the same count, dim and seed."""

    count: int
    dim: int
    seed: int = 0

    def rows(self, wanted: np.ndarray) -> np.ndarray:
        """(M, D) float32: these rows, in their order."""
        blocks, inverse = np.unique(wanted // BLOCK, return_inverse=True)
        made = np.empty((len(wanted), self.dim), np.float32)
        for place, block in enumerate(blocks.tolist()):
            here = inverse == place
            made[here] = self._block(block)[wanted[here] % BLOCK]
        return made

    def queries(self, count: int) -> np.ndarray:
        """(Q, D) float32: perturbed mixtures of two rows of one topic, which need not be of one cluster."""
        rng = np.random.default_rng([self.seed, 2])
        blocks = rng.integers(-(-self.count // BLOCK), size=count)
        mixed = np.empty((count, self.dim), np.float32)
        for place, block in enumerate(blocks.tolist()):
            rows, topics = self._block(block), self._clusters(block) % _TOPICS
            one = int(rng.integers(len(rows)))
            alike = np.flatnonzero(topics == topics[one])
            weight = rng.uniform(0.3, 0.7)
            mixed[place] = weight * rows[one] + (1 - weight) * rows[int(rng.choice(alike))]
        return _unit(_unit(mixed) + _QUERY * _noise(rng, count, self.dim, self.seed))

    def _block(self, block: int) -> np.ndarray:
        clusters = self._clusters(block)
        rng = np.random.default_rng([self.seed, 1, block])
        middle = _centres(0, _TOPICS, self.dim, self.seed)[clusters % _TOPICS]
        middle = middle + _CLUSTER * _centres(1, self._cluster_count, self.dim, self.seed)[clusters]
        return _unit(middle + _ROW * _noise(rng, len(clusters), self.dim, self.seed))

    def _clusters(self, block: int) -> np.ndarray:
        size = min(BLOCK, self.count - block * BLOCK)
        rng = np.random.default_rng([self.seed, 3, block])
        return rng.integers(self._cluster_count, size=size)

    @property
    def _cluster_count(self) -> int:
        return max(_TOPICS, self.count // _ROWS_OF_CLUSTER)


@lru_cache(maxsize=4)
def _centres(level: int, count: int, dim: int, seed: int) -> np.ndarray:
    """(count, D): the directions that tell topics (level 0) or clusters (1) from each other."""
    return _noise(np.random.default_rng([seed, 4, level]), count, dim, seed)


@lru_cache(maxsize=4)
def _scale(dim: int, seed: int) -> np.ndarray:
    scale = (1 + np.random.default_rng([seed, 5]).permutation(dim)) ** -_FALL
    return (scale / np.linalg.norm(scale)).astype(np.float32)


def _noise(rng: np.random.Generator, count: int, dim: int, seed: int) -> np.ndarray:
    """(count, D) of about length 1."""
    return rng.standard_normal((count, dim), np.float32) * _scale(dim, seed)


class SyntheticEncoder:
    """An encoder that gives the rows by the ids of the candidates, and looks at nothing."""

    name, max_tokens = "synthetic", 0

    def __init__(self, made: SyntheticRows) -> None:
        self._made, self.dim = made, made.dim
        self.fingerprint = f"synthetic-{made.count}-{made.dim}-{made.seed}"

    def encode_candidates(self, candidates: Iterable[Candidate]) -> Embeddings:
        """The row of each; of the probe's, whose ids are no numbers, one of the first."""
        ids = tuple(one.candidate_id for one in candidates)
        return self._embeddings(ids)

    def encode_queries(self, queries: Iterable[Query]) -> Embeddings:
        """The same, by the ids of the queries."""
        return self._embeddings(tuple(one.query_id for one in queries))

    def uninstructed(self, query: Query) -> bool:  # noqa: ARG002  # as the protocol has it
        """Never."""
        return False

    def dropped_tokens(self, content: Content) -> int:  # noqa: ARG002
        """None."""
        return 0

    def notices(self, query: Query) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def _embeddings(self, ids: tuple[str, ...]) -> Embeddings:
        rows = np.array([int(one) if one.isdecimal() else place for place, one in enumerate(ids)])
        return Embeddings(ids=ids, vectors=self._made.rows(rows), encoder=self.fingerprint)


def write_candidates(folder: Path, count: int) -> None:
    """A collection of that many candidates: the first half pictures, which nobody opens, and then passages."""
    rows = (
        {"did": f"{row:08}", "txt": None, "img_path": f"files/{row:08}.jpg", "modality": "image", "src_content": None}
        if row < count // 2
        else {"did": f"{row:08}", "txt": f"Passage {row}.", "img_path": None, "modality": "text", "src_content": None}
        for row in range(count)
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / CANDIDATES, rows)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
