"""Peak memory of one step with a large batch, some of it at a time (training/grad_cache.py). Not its speed.

Peak is the largest resident set of this whole process, with Python, libraries, weights and batch; so the command runs
nothing before.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from training import recipes
from training.bench.steps import Asked
from umr.errors import ConfigError
from umr.memory import peak_mib


def batch(asked: Asked, size: int, chunk: int) -> list[dict[str, Any]]:
    """One step of captions <-> pictures, one of each from `size` families, with the recipe's heads.

    Args:
        asked: weights and world; its steps and families are not read.
        size: pairs of the step, each query among the candidates of all.
        chunk: pairs whose activations are held at a time; 0: those of all.

    Raises:
        ConfigError: a number is below 1, or the world has not so many families.
    """
    most = len(asked.world.families)
    if not 1 <= size <= most or chunk < 0:
        raise ConfigError(
            f"batch is {size} and chunk {chunk}; 1 to {most}, the world's families, and 0 or more are legal"
        )
    changes: dict[str, Any] = {"programmes": {"captions": 1.0}, "batch": "random", "chunk_families": chunk}
    trainer = replace(asked, families=size).trainer(replace(recipes.captions(), **changes))
    before, built = peak_mib(), trainer.builder.build(0)
    start = time.perf_counter()
    told = trainer.step(0, built)
    return [
        {
            "pairs": sum(len(contrast.positive) for contrast in built.contrasts),
            "chunks": len(built.chunks),
            "peak_gib": round(peak_mib() / 2**10, 2),
            "before_the_step_gib": round(before / 2**10, 2),
            "seconds": round(time.perf_counter() - start, 1),
            "loss": round(told["loss"], 4),
        }
    ]
