"""Whether bfloat16 is worth asking for where a run computes. Not what is computed in it (the stages say so)."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from functools import cache

import torch

log = logging.getLogger("training")

SLOWER = 3.0  # times the seconds of float32, from which bfloat16 is left out: imitated, it takes 20 and more
SIDE, TURNS = 256, 7  # of the matrices whose product is timed; how often


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[None]:
    """Computes in bfloat16 what may be, where it is asked for and this device has it.

    Args:
        device: that computes.
        bf16: whether the run asks for it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 and has_bf16(device.type))


@cache
def has_bf16(kind: str) -> bool:
    """Whether a kind of device computes in bfloat16 itself; processors without such instructions imitate it slowly.

    Args:
        kind: of device, as torch.device.type. Of "cpu" one product is timed, once in a process.
    """
    if kind != "cpu":
        return True
    slower = seconds(torch.bfloat16) / seconds(torch.float32)
    if slower > SLOWER:
        log.warning("bfloat16 takes %.1f times as long as float32 on this processor: float32 it is", slower)
    return slower <= SLOWER


def seconds(dtype: torch.dtype) -> float:
    """The quickest of some products of square matrices of this type on the CPU."""
    square = torch.ones(SIDE, SIDE, dtype=dtype)
    taken = []
    for _ in range(TURNS):
        start = time.perf_counter()
        torch.mm(square, square)
        taken.append(time.perf_counter() - start)
    return min(taken)
