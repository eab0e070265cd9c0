"""Peak memory and time of a training step with and without gradient checkpointing. Not a training loop, not a test.

    python -m training.memory --encoder NAME [--pictures 64] [--repeat 3]

One step of captions <-> pictures in a process of its own for each way, on the CPU: forward, InfoNCE, backward. Peak is
the largest resident set of the process beyond what it held before the step; gradients and weights count for both alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from training.losses import info_nce
from training.train import hold_no_activations
from umr.encoders import load_trainable
from umr.encoders.base import UnifiedEncoder
from umr.encoders.templates import TokenRow
from umr.errors import ConfigError, exit_status
from umr.memory import peak_mib
from umr.shipped import find_encoder

WORDS = "a small red striped mug of glass on a wooden table with a blue vase to the left of it"
TEMPERATURE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a way of training took: MiB beyond those held before, seconds of the quickest step, nats."""

    checkpointing: bool
    mib: float
    seconds: float
    loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Pictures (n, 1, S, S, 3) uint8, the rows that show them, and a caption of each."""

    pixels: Tensor
    captions: list[TokenRow]
    shown: list[TokenRow]


def step_inputs(encoder: UnifiedEncoder, pictures: int) -> Inputs:
    """Random pictures of the encoder's size, each with the same caption."""
    side = encoder.config.image_size
    return Inputs(
        pixels=torch.randint(0, 255, (pictures, 1, side, side, 3), dtype=torch.uint8),
        captions=[encoder.tokenise(WORDS, "", "query")] * pictures,
        shown=[encoder.tokenise(None, "", "candidate", "image")] * pictures,
    )


def one_step(encoder: UnifiedEncoder, inputs: Inputs) -> float:
    """Captions <-> pictures: forward, InfoNCE, backward; returns the loss, nats. No weight is moved."""
    encoder.zero_grad()
    count = len(inputs.pixels)
    seen = encoder.see(inputs.pixels).flatten(0, 1)
    candidates = encoder.embed(encoder.collate(inputs.shown, list(range(count))), seen)
    queries = encoder.embed(encoder.collate(inputs.captions), None)
    value = info_nce(queries, candidates, torch.arange(count, device=encoder.device), TEMPERATURE)
    value.backward()
    return float(value.detach())


def measured(folder: Path, checkpointing: bool, pictures: int, repeat: int) -> Step:
    """Steps over random pictures, each with one caption; in this process, whose peak must not have been reached yet."""
    torch.manual_seed(0)
    encoder = load_trainable(folder, device="cpu").train()
    if checkpointing:
        hold_no_activations(encoder)
    inputs = step_inputs(encoder, pictures)
    before, seconds, loss = peak_mib(), [], 0.0
    for _ in range(repeat):
        start = time.perf_counter()
        loss = one_step(encoder, inputs)
        seconds.append(time.perf_counter() - start)
    return Step(checkpointing=checkpointing, mib=peak_mib() - before, seconds=min(seconds), loss=loss)


def both(folder: Path, pictures: int, repeat: int) -> list[Step]:
    """Each way in a process of its own.

    Raises:
        ConfigError: a number is below 1.
    """
    if pictures < 1 or repeat < 1:
        raise ConfigError(f"pictures is {pictures} and repeat {repeat}; at least 1 of both is needed")
    found = []
    for checkpointing in (False, True):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found.append(pool.submit(measured, folder, checkpointing, pictures, repeat).result())
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.memory", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--encoder", required=True, metavar="NAME", help="a shipped name or an encoder folder")
    parser.add_argument("--pictures", type=int, default=64, help="of the step, each with a caption (default 64)")
    parser.add_argument("--repeat", type=int, default=3, help="steps; the quickest is told (default 3)")
    options = parser.parse_args(arguments)
    with exit_status("training") as ended:
        plain, again = both(Path(find_encoder(options.encoder)), options.pictures, options.repeat)
        for step in (plain, again):
            name = "checkpointing" if step.checkpointing else "plain"
            print(f"{name:14} {step.mib:8.0f} MiB  {step.seconds:7.2f} s  loss {step.loss:.6f}")
        print(f"memory x {again.mib / plain.mib:.2f}, time x {again.seconds / plain.seconds:.2f}")
    return ended.status


if __name__ == "__main__":
    raise SystemExit(main())
