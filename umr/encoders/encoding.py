"""Rows of content to vectors, in batches of a kind: what every encoder with a network shares. Not what it computes.

B rows, N of them in all, D embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from umr import media
from umr.encoders import zero_gpu
from umr.encoders.abreast import ENOUGH, abreast
from umr.encoders.templates import Role, media_kind
from umr.errors import ConfigError, MediaError
from umr.types import Candidate, Content, Embeddings, Query

if TYPE_CHECKING:
    from PIL import Image

    from umr.encoders.dual_config import AnyConfig, DualConfig
    from umr.encoders.sentence_config import SentenceConfig

#: Characters of a batch on a CPU, as many to a row as its longest text has: more no longer fit its caches. 128 texts of
#: 2 to 130 words took 0.92 s in batches of 64 rows, 0.67 s of 32 and 0.53 s of 16.
CPU_CHARACTERS = 8192
PICTURE_CHARACTERS = 256  # that what is shown counts for: 32 pictures to a batch were quicker than 64 and than 16
#: Of them those that only fill shorter rows up: about what a batch of its own costs. `python -m umr.bench batches`.
CPU_PADDING = 512
SMALL = 100_000_000  # weights; products of larger networks keep torch's threads busy, and a batch of them takes memory
EMPTY = "there is neither a picture nor a clip, and the text is empty; give one of them"
LEFT_OUT = "This model reads no task sentence: the one that was given was left out."


def shown_in(content: Content, config: DualConfig | SentenceConfig) -> list[Image.Image | np.ndarray]:
    """The picture, or the frames of the clip; [] without either.

    Args:
        content: what is shown.
        config: says how many frames are taken, and how large a picture may be.

    Raises:
        MediaError: it cannot be read safely.
    """
    if content.video is not None:
        return list(media.sample_frames(content.video, config.max_frames, content.span))
    if content.image is not None:
        return [media.open_image(content.image, max_pixels=config.max_pixels)]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What is encoded: ids, contents and task sentences of one role, in one order."""

    ids: tuple[str, ...]
    contents: list[Content]
    instructions: list[str | None]
    role: Role


class Encoding(nn.Module, ABC):
    """An encoder by its settings; a class of it says how contents become a batch, and a batch vectors."""

    config: AnyConfig

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
        """The config's sha256 once saved or loaded; "unsaved:..." while the weights have no hashes of their own."""
        return self.config.fingerprint() if self.config.files else f"unsaved:{self.config.fingerprint()}"

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next(self.parameters()).device

    @abstractmethod
    def prepare(self, contents: Sequence[Content], instructions: Sequence[str | None], role: Role = "query") -> Any:
        """A batch of contents with their task sentences.

        Raises:
            MediaError: a content cannot be read safely.
        """

    @abstractmethod
    def vectors(self, batch: Any) -> np.ndarray:
        """Unit rows of a batch, (B, D) float32 on the CPU, without gradients."""

    @abstractmethod
    def instruction(self, query: Query) -> str | None:
        """The task sentence that a query is asked with; "" where it has none, None where it is to have none."""

    @abstractmethod
    def uninstructed(self, query: Query) -> bool:
        """Whether the query is asked without a task sentence, for want of a trained one."""

    @abstractmethod
    def dropped_tokens(self, content: Content) -> int:
        """How many tokens of the text are not read, as they lie beyond config.max_tokens."""

    def is_large(self, kind: str) -> bool:
        """Whether a row that shows "image", "video" or nothing ("") counts for eight in a batch."""
        return kind == "video"

    def notices(self, query: Query) -> tuple[str, ...]:
        """What a person should know about how this query was read: a text that was cut."""
        dropped, limit = self.dropped_tokens(query.content), self.config.max_tokens
        said = f"The text is longer than this model reads: the first {limit} tokens were used, {dropped} were left out."
        return (said,) if dropped else ()

    def encode_queries(self, queries: Iterable[Query], batch_size: int = 64) -> Embeddings:
        """Vectors of the queries, in their order.

        Args:
            queries: of any modalities.
            batch_size: rows computed at once; of clips an eighth.

        Returns:
            One row for every query.

        Raises:
            MediaError: a query's content cannot be read; the message names the query.
            ConfigError: the encoder has no instruction for a query and was trained with such.
        """
        items = list(queries)
        rows = _Rows(
            ids=tuple(query.query_id for query in items),
            contents=[query.content for query in items],
            instructions=[self.instruction(query) for query in items],
            role="query",
        )
        return self._encode(rows, batch_size)

    def encode_candidates(self, candidates: Iterable[Candidate], batch_size: int = 64) -> Embeddings:
        """Vectors of the candidates, in their order; candidates carry no instruction (U-MARVEL, evaluation).

        Args:
            candidates: of any modalities.
            batch_size: rows computed at once; of clips an eighth.

        Returns:
            One row for every candidate.

        Raises:
            MediaError: a candidate's content cannot be read; the message names the candidate.
        """
        items = list(candidates)
        rows = _Rows(
            ids=tuple(candidate.candidate_id for candidate in items),
            contents=[candidate.content for candidate in items],
            instructions=[""] * len(items),
            role="candidate",
        )
        return self._encode(rows, batch_size)

    @torch.inference_mode()
    def _encode(self, rows: _Rows, batch_size: int) -> Embeddings:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; at least 1 is needed")
        vectors = np.zeros((len(rows.ids), self.dim), np.float32)
        was_training = self.training
        if was_training:  # else as it is: to set every module again takes longer than a short text
            self.eval()
        try:
            batches = list(self.batches(rows.contents, batch_size))
            for places, found in zip(batches, self._computed(rows, batches), strict=True):
                vectors[places] = found
        finally:
            if was_training:
                super().train()
        return Embeddings(ids=rows.ids, vectors=vectors, encoder=self.fingerprint)

    def _computed(self, rows: _Rows, batches: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
        """Vectors of each batch, in their order."""
        work = partial(self._made, rows)
        if len(batches) < ENOUGH or self.device.type != "cpu" or zero_gpu.present():  # a search has one
            return map(work, batches)
        small = sum(one.numel() for one in self.parameters()) <= SMALL
        return abreast(work, batches) if small else map(work, batches)

    @torch.inference_mode()
    def _made(self, rows: _Rows, places: Sequence[int]) -> np.ndarray:
        """Vectors of the rows at these places."""
        try:
            batch = self._prepared(rows, places)
        except MediaError as error:
            raise self._named(error, rows, places) from error
        return zero_gpu.lent(self, batch)

    def _prepared(self, rows: _Rows, places: Sequence[int]) -> Any:
        """The batch of the rows at these places."""
        return self.prepare([rows.contents[at] for at in places], [rows.instructions[at] for at in places], rows.role)

    def batches(self, contents: Sequence[Content], batch_size: int) -> Iterable[list[int]]:
        """Places of contents of the same kind and similar length; on a CPU also of a budget (see CPU_CHARACTERS)."""
        on_cpu = self.device.type == "cpu"
        kinds = [media_kind(content) or "" for content in contents]
        lengths = [
            len(content.text or "") + (PICTURE_CHARACTERS if kind else 0)
            for content, kind in zip(contents, kinds, strict=True)
        ]
        order = sorted(range(len(contents)), key=lambda place: (kinds[place], lengths[place], place))
        batch: list[int] = []
        real = 0  # characters of the batch
        for place in order:
            heavy = max(1, batch_size // 8) if self.is_large(kinds[place]) else batch_size
            padded = (len(batch) + 1) * lengths[place]
            long = on_cpu and (padded > CPU_CHARACTERS or padded - real - lengths[place] > CPU_PADDING)
            if batch and (long or kinds[batch[-1]] != kinds[place] or len(batch) >= heavy):
                yield batch
                batch, real = [], 0
            batch.append(place)
            real += lengths[place]
        if batch:
            yield batch

    def _named(self, error: MediaError, rows: _Rows, places: Sequence[int]) -> MediaError:
        """The same error with the id of the row that caused it."""
        for place in places:
            try:
                self._prepared(rows, [place])
            except MediaError as found:
                return MediaError(f"{rows.role} {rows.ids[place]}: {found}")
        return error
