"""A stand-in encoder for tests and page work: unit vectors from hashed content, no weights. Never for real results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from umr import media
from umr.encoders.config import EncoderConfig, write_config
from umr.errors import MediaError
from umr.types import Candidate, Content, Embeddings, Query

if TYPE_CHECKING:
    from umr.types import Encoder


class FakeEncoder:
    """Equal content gives equal vectors, on every machine; other content gives nearly orthogonal ones.

    A composed content is the unit sum of its parts, so that its picture and its text each pull towards it.
    The instruction is ignored. Bad media raises the MediaError that a real encoder raises.
    """

    def __init__(self, dim: int = 32, name: str = "fake") -> None:
        self.config = EncoderConfig(name=name, backbone="fake", dim=dim)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.config.name

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.config.dim

    @property
    def max_tokens(self) -> int:
        """So many tokens of a text are read."""
        return self.config.max_tokens

    @property
    def fingerprint(self) -> str:
        """That of its settings: there are no weights."""
        return self.config.fingerprint()

    def encode_queries(self, queries: Iterable[Query]) -> Embeddings:
        """One row per query."""
        items = list(queries)
        return self._encode([query.query_id for query in items], [query.content for query in items])

    def encode_candidates(self, candidates: Iterable[Candidate]) -> Embeddings:
        """One row per candidate."""
        items = list(candidates)
        return self._encode([candidate.candidate_id for candidate in items], [c.content for c in items])

    def uninstructed(self, query: Query) -> bool:
        """True for a clip without an instruction, as of a real encoder that was trained with pictures and texts."""
        return query.content.video is not None and query.instruction == ""

    def dropped_tokens(self, content: Content) -> int:
        """Words above max_tokens."""
        return max(0, len((content.text or "").split()) - self.config.max_tokens)

    def notices(self, query: Query) -> tuple[str, ...]:
        """The same sentence as the real encoder's for a text above max_tokens words."""
        dropped = self.dropped_tokens(query.content)
        return (f"The text is longer than this model reads: {dropped} words were left out.",) if dropped else ()

    def save(self, folder: str | Path) -> EncoderConfig:
        """Write encoder.json, the only file it has."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_config(self.config, folder)
        return self.config

    def _encode(self, ids: list[str], contents: list[Content]) -> Embeddings:
        vectors = np.zeros((len(ids), self.dim), np.float32)
        for row, content in enumerate(contents):
            vectors[row] = self._vector(content)
        return Embeddings(ids=tuple(ids), vectors=vectors, encoder=self.fingerprint)

    def _vector(self, content: Content) -> np.ndarray:
        keys = []
        text = media.clean_text(content.text) if content.text is not None else ""
        if text:
            keys.append(f"text:{text.lower()}")
        if content.image is not None:
            image = media.open_image(content.image)
            keys.append(f"image:{media.picture_hash(image)}")
        if content.video is not None:
            frames = media.sample_frames(content.video, self.config.max_frames, content.span)
            keys.append(f"video:{hashlib.sha256(frames.tobytes()).hexdigest()}")
        if not keys:
            raise MediaError("there is neither a picture nor a clip, and the text is empty; give one of them")
        total = np.sum([self._direction(key) for key in keys], axis=0)
        unit: np.ndarray = (total / np.linalg.norm(total)).astype(np.float32)
        return unit

    def _direction(self, key: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        row = np.random.default_rng(seed).standard_normal(self.dim)
        return row / np.linalg.norm(row)


if TYPE_CHECKING:
    _DECLARED: type[Encoder] = FakeEncoder
