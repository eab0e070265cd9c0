"""Steps of training timed in turns: ours beside a plain loop, and MCA beside plain contrast. Not the steps themselves.

Both sides of a comparison take the same batches from the same weights, one after the other within one process, and the
ratio is the median over the steps: on a busy machine one step may take twice as long as the next.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from training import recipes
from training.bench.plain import PlainLoop
from training.config import TrainConfig
from training.train import Trainer
from training.world_source.source import World
from umr.encoders import load_trainable
from umr.errors import ConfigError, MismatchError

APART = 0.02  # the most by which losses of the first step may differ, as a share: in bfloat16 they do by .3 %
#: Without the heads, which read what no plain loop's data have.
NO_HEADS: dict[str, Any] = {"attribute_weight": 0.0, "vision_weight": 0.0, "motion_weight": 0.0}
PLAIN, OURS, MUON = "plain transformers loop", "training.train", "training.train, Muon"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is timed.

    Attributes:
        encoder: the folder of the weights to start from.
        world: whose batches are drawn.
        steps: timed ones; one more goes before them.
        families: of a step; 0: as the recipe says.
    """

    encoder: Path
    world: World
    steps: int
    families: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.families < 0:
            raise ConfigError(f"steps is {self.steps} and families {self.families}; at least 1 and 0 are needed")

    def trainer(self, config: TrainConfig) -> Trainer:
        """A run of its own, from the same weights as all others."""
        families = self.families or config.families_per_batch
        encoder = load_trainable(self.encoder, device="cpu")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return Trainer(replace(config, families_per_batch=families), self.world, encoder.to(device))


def pairs(asked: Asked, programme: str = "pictures") -> list[dict[str, Any]]:
    """Pairs of query and positive per second of one kind of step, on each of three ways.

    Args:
        asked: what is timed.
        programme: the kind of step (world_source/programmes.py).

    Raises:
        MismatchError: the ways disagree on the first loss, so that they do not do the same.
    """
    config = replace(recipes.unified(), programmes={programme: 1.0}, muon_rate=0.0, **NO_HEADS)
    ours, muon = asked.trainer(config), asked.trainer(replace(config, muon_rate=recipes.unified().muon_rate))
    plain = PlainLoop(ours.config, load_trainable(asked.encoder, device="cpu").to(ours.device))
    batches = [ours.builder.build(number) for number in range(asked.steps + 1)]
    prompts = [plain.collated(batch) for batch in batches]
    ways: dict[str, Callable[[int], float]] = {
        PLAIN: lambda number: plain.step(prompts[number], batches[number]),
        OURS: lambda number: ours.step(number, batches[number])["loss"],
        MUON: lambda number: muon.step(number, batches[number])["loss"],
    }
    seconds, losses = in_turns(ways, asked.steps)
    _check_losses(losses)
    count = sum(len(contrast.positive) for batch in batches[1:] for contrast in batch.contrasts)
    return [
        {
            "way": way,
            "pairs_per_s": round(count / sum(spent), 1),
            "ratio": round(median_ratio(seconds[PLAIN], spent), 2),
            "pairs": count,
            "steps": asked.steps,
            "first_loss": round(losses[way], 4),
        }
        for way, spent in seconds.items()
    ]


def mca(asked: Asked) -> list[dict[str, Any]]:
    """Seconds of a step of `mca` beside `contrastive`, which has the same rows but for the parts of composed ones."""
    made = {recipe().name: asked.trainer(recipe()) for recipe in (recipes.contrastive, recipes.mca)}
    numbers = range(asked.steps + 1)
    batches = {name: [one.builder.build(number) for number in numbers] for name, one in made.items()}

    def step_of(name: str) -> Callable[[int], float]:
        return lambda number: made[name].step(number, batches[name][number])["loss"]

    seconds, _ = in_turns({name: step_of(name) for name in made}, asked.steps)
    first = next(iter(made))
    return [
        {
            "way": name,
            "seconds": round(statistics.median(spent), 3),
            "ratio": round(median_ratio(spent, seconds[first]), 2),
            "rows": sum(_rows(batch) for batch in batches[name][1:]),
            "steps": asked.steps,
            "programmes": sorted({batch.programme for batch in batches[name][1:]}),
        }
        for name, spent in seconds.items()
    ]


def in_turns(ways: Mapping[str, Callable[[int], float]], steps: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Run every way's step 0, which is not timed, then 1, 2, ...; who begins changes from step to step.

    Returns:
        Seconds of the timed steps, and the loss of step 0, by way.
    """
    losses = {way: step(0) for way, step in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(1, steps + 1):
        order = list(ways) if number % 2 else list(ways)[::-1]
        for way in order:
            start = time.perf_counter()
            ways[way](number)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[way].append(time.perf_counter() - start)
    return seconds, losses


def median_ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median over the steps of one side's seconds by the other's."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def _rows(batch: Any) -> int:
    return sum(len(rows.order) for chunk in batch.chunks for rows in chunk.roles.values())


def _check_losses(losses: Mapping[str, float]) -> None:
    low, high = min(losses.values()), max(losses.values())
    if high - low > APART * abs(high):
        raise MismatchError(
            f"the first losses are {dict(losses)}: the ways do not compute the same, so times say nothing"
        )
