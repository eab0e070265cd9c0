"""What the stages share that go query by query (re-ranker, distillation): which queries, rows and pictures. No loss.

The rows of one piece of a step show the same pictures and clips, each of which is seen once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from training.config import QueryConfig
from training.draws import jittered
from training.parallel import Group
from training.source_batches import Pixels, StepPixels
from training.sources.source import Example, Source
from training.train import record_config
from umr.encoders.base import Padding, UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.templates import Role, TokenRow, media_kind
from umr.types import Content

Row = tuple[TokenRow, int | None]  # its tokens, and the number of its picture or clip


def pieces(
    examples: Sequence[Example], config: QueryConfig, rng: np.random.Generator, group: Group
) -> Iterator[list[Example]]:
    """The queries of a step in pieces of at most config.chunk_queries, at least one for every process of the group."""
    count = min(config.queries_per_batch, len(examples))
    chosen = [examples[int(number)] for number in rng.choice(len(examples), count, replace=False)]
    size = group.chunk_families(count, config.chunk_queries) or count
    yield from (chosen[start : start + size] for start in range(0, count, size))


class QueryRows:
    """Collects the rows of one piece. A picture is moved alike in every piece of a step, however many there are."""

    def __init__(self, network: UnifiedEncoder, pixels: Pixels, config: QueryConfig, rng: np.random.Generator) -> None:
        """Begin without rows.

        Args:
            network: whose rows are made.
            pixels: what it sees of pictures and clips.
            config: says how far they are moved.
            rng: decides how; equal in all pieces of a step.
        """
        self._network, self._config = network, config
        self._moves = int(rng.integers(2**32))
        self._seen = StepPixels(pixels, self._moved)

    def _moved(self, frames: np.ndarray) -> np.ndarray:
        shift, light = self._config.shift, self._config.light
        if not shift and not light:
            return frames
        rng = np.random.default_rng([self._moves, crc32(frames.tobytes())])
        return jittered(frames, rng, shift, light)

    @property
    def pixels(self) -> list[np.ndarray]:
        """Every picture and clip that the rows show, uint8 (F, H, W, 3), by number."""
        return self._seen.frames

    @property
    def paths(self) -> list[str]:
        """Where each of them lies, in the same order."""
        return list(self._seen.numbers)

    def row(self, content: Content, instruction: str, role: Role) -> Row:
        """A row; its picture is prepared and moved a little, once."""
        number = self._seen.number(content)
        grid = None if number is None else self._network.grid(self.pixels[number])
        seconds = self._network.seconds(content)
        return self._network.tokenise(content.text, instruction, role, media_kind(content), grid, seconds), number

    def collated(self, rows: Sequence[Row], padding: Padding = "right") -> Batch:
        """Padded rows."""
        counts = [math.prod(self._network.grid(one)) for one in self.pixels]
        tokens, items = zip(*rows, strict=True)
        return self._network.collate(tokens, items, padding, counts)


def train_record(config: QueryConfig, source: Source, seconds: float, made: dict[str, Any]) -> str:
    """The text of train_config.json.

    Args:
        config: of the stage.
        source: what it was trained on.
        seconds: spent on its steps.
        made: what else is recorded.
    """
    record = {
        "config": record_config(config),
        "seconds": round(seconds),
        "data": [source.record()],
        "data_fingerprint": source.fingerprint,
    }
    return json.dumps(record | made, indent=1, sort_keys=True) + "\n"
