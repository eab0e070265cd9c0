"""Several data sets as one: what a run trains on, in which shares, with which sentences. Not how one makes its batches.

A rendered world can be one of them, so that an encoder keeps what it learned there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.batch import CodeBook, TrainBatch
from training.chunks import Tokenise
from training.config import TrainConfig
from training.draws import generator
from training.parallel import Group
from training.source_batches import SourceBatches
from training.sources.readers import load_source
from training.sources.source import Source
from training.sources.spec import DataSpec
from training.world_source.source import CODES, BatchBuilder, World, load_world, serving
from umr.encoders.adopt import INSTRUCTIONS
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError

#: Weights of losses that read the facts of rendered scenes, or need rows that only the world's programmes draw.
WORLD_WEIGHTS = ("attribute_weight", "vision_weight", "motion_weight", "preference_weight", "regularisation_weight")


class Batches(Protocol):
    """Anything that makes the batch of a step, the same one always."""

    def build(self, step: int) -> TrainBatch:
        """The batch of a step, on the CPU."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set and its share of the steps, relative to the other shares."""

    data: Source | World
    share: float


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The data sets of a run."""

    parts: tuple[Part, ...]

    @property
    def fingerprint(self) -> str:
        """sha256 over every data set and its share."""
        rows = [f"{part.data.fingerprint} {part.share!r}" for part in self.parts]
        return sha256("\n".join(rows).encode()).hexdigest()

    @property
    def sources(self) -> list[Source]:
        """Those that are not rendered."""
        return [part.data for part in self.parts if isinstance(part.data, Source)]

    @property
    def worlds(self) -> list[World]:
        """Those that are."""
        return [part.data for part in self.parts if isinstance(part.data, World)]

    @property
    def codes(self) -> CodeBook | None:
        """How attribute codes are read, None where no data set has such."""
        return CODES if self.worlds else None

    def record(self) -> list[dict[str, Any]]:
        """What a training record keeps: plain JSON."""
        rows: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part.data, Source):
                rows.append({**part.data.record(), "share": part.share})
            else:
                row = {"kind": "world", "name": "world", "fingerprint": part.data.fingerprint, "share": part.share}
                rows.append({**row, "world": part.data.manifest})
        return rows

    def check(self, config: TrainConfig) -> None:
        """See that the settings suit the data.

        Raises:
            ConfigError: a loss is asked for that only a rendered world can give, and there is none.
        """
        asked = [name for name in WORLD_WEIGHTS if getattr(config, name)]
        if asked and not self.worlds:
            raise ConfigError(
                f"{', '.join(asked)} reads the facts of rendered scenes, which these data have not: leave it at 0, "
                "or add --data world:DIR"
            )

    def trained_on(self, held_out: Source) -> int:
        """How many held-out examples ask what an example of the data asks too: these say nothing of other data."""
        seen = {source.asked(example) for source in self.sources for example in source.examples}
        return sum(held_out.asked(example) in seen for example in held_out.examples)

    def serving(self, known: Mapping[str, str]) -> dict[str, str]:
        """The task sentences that the trained encoder keeps: "image,text->image" -> sentence.

        Those of the data come first: of several data sets with one task, that with most examples. A task without any
        is trained and served with the sentence that the encoder has for it; where it has sentences, but not for this
        task, with that of an adopted checkpoint.

        Args:
            known: those of the encoder to start from.
        """
        kept = dict(known) | (serving() if self.worlds else {})
        counts: dict[str, Counter[str]] = {}
        tasks: dict[str, None] = {}
        for source in self.sources:
            for example in source.examples:
                tasks[example.task] = None
                if example.instruction:
                    sentence = source.instructions[example.instruction][0]
                    counts.setdefault(example.task, Counter())[sentence] += 1
        kept |= {task: found.most_common(1)[0][0] for task, found in counts.items()}
        if kept:
            missing = {task: INSTRUCTIONS[task] for task in tasks if task not in kept and task in INSTRUCTIONS}
            kept |= missing
        return kept

    def batches(self, encoder: UnifiedEncoder, config: TrainConfig, group: Group | None = None) -> Batches:
        """What makes the batches of a run; the encoder keeps the sentences of `serving` already."""
        tokenise = Tokenise.of(encoder)
        made: list[Batches] = []
        for part in self.parts:
            if isinstance(part.data, Source):
                made.append(SourceBatches(part.data, encoder, sentences_of(part.data, encoder), config, group))
            else:
                made.append(BatchBuilder(tokenise, part.data, config, group))
        return made[0] if len(made) == 1 else MixedBatches(made, [part.share for part in self.parts], config.seed)


def sentences_of(source: Source, encoder: UnifiedEncoder) -> dict[str, tuple[str, ...]]:
    """The sentences of every key that its examples have: its own, or for a task the one that the encoder keeps."""
    kept = encoder.config.instructions
    return {example.task: (kept.get(example.task, ""),) for example in source.examples} | dict(source.instructions)


class MixedBatches:
    """Each step is of one data set, drawn by its share."""

    def __init__(self, parts: Sequence[Batches], shares: Sequence[float], seed: int) -> None:
        self.parts, self.seed = parts, seed
        self.shares = np.array(shares, float) / sum(shares)

    def build(self, step: int) -> TrainBatch:
        """The batch of a step, on the CPU."""
        rng = generator(self.seed, step, "which data")
        return self.parts[int(rng.choice(len(self.parts), p=self.shares))].build(step)


def load_mixture(specs: Sequence[DataSpec], media_folder: Path) -> Mixture:
    """Read every data set.

    Args:
        specs: what `--data` names.
        media_folder: for pictures that are no files yet.

    Raises:
        ConfigError: there is none, or one cannot be trained on.
    """
    if not specs:
        raise ConfigError("name the data to train on: --data KIND:PATH, such as --data jsonl:mine.jsonl")
    parts = []
    for spec in specs:
        data: Source | World = load_world(Path(spec.path)) if spec.kind == "world" else load_source(spec, media_folder)
        parts.append(Part(data=data, share=spec.share))
    return Mixture(parts=tuple(parts))
