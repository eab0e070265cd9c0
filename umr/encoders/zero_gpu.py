"""Encoding on ZeroGPU, a kind of Space where a GPU is lent for the time of one call of a decorated function.

Such a Space does not start without one. The call runs in a process that was forked from this one, which has no GPU: a
batch goes there and vectors come back, the weights are there already. Elsewhere nothing here has any effect.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

VARIABLE = "SPACES_ZERO_GPU"  # which the Hub sets on such a Space
spaces: Any = None
if os.environ.get(VARIABLE, "").lower() in ("1", "t", "true"):
    import spaces  # type: ignore[no-redef]  # of the Space's own requirements (umr.deploy.hardware)

if TYPE_CHECKING:
    from collections.abc import Sized

LEAST_S, MOST_S = 5, 60  # seconds that a GPU is asked for
ROOM = 3.0  # times as long as the slowest rows took so far


class Computes(Protocol):
    """What turns a batch into vectors."""

    @property
    def fingerprint(self) -> str:
        """Whose vectors they are."""

    def vectors(self, batch: Any) -> np.ndarray:
        """(B, D) float32 on the CPU."""

    def to(self, device: str) -> object:
        """Moves its weights."""


_known: dict[str, Computes] = {}
_slowest_s = 0.0  # seconds of a row
_lending = False


def present() -> bool:
    """Whether this is such a Space. Models are then opened on the CPU, all before the first call, which forks."""
    return spaces is not None


def lend_from_now() -> None:
    """The page is served: a GPU may be asked for. What is encoded before is encoded on the CPU."""
    global _lending
    _lending = True


def seconds_for(_: str, batch: Sized) -> int:
    """Seconds that a GPU is asked for: by the slowest rows so far, a short time at first."""
    rows = len(batch)
    return int(min(MOST_S, max(LEAST_S, ROOM * _slowest_s * rows + 1)))


def compute(fingerprint: str, batch: Sized) -> tuple[np.ndarray, float]:
    """The vectors of a batch, and the seconds that they took.

    Args:
        fingerprint: of an encoder that `lent` knew before.
        batch: rows of it.
    """
    import torch  # which this module must not load before the package that prepares it

    start, encoder = time.perf_counter(), _known[fingerprint]
    if torch.cuda.is_available():
        encoder.to("cuda")  # in the forked process alone
    return encoder.vectors(batch), time.perf_counter() - start


#: What a Space looks for when it starts.
on_gpu = compute if spaces is None else spaces.GPU(duration=seconds_for)(compute)


def know(encoder: Computes) -> None:
    """Has a process that is forked from now on hold this encoder."""
    if spaces is not None:
        _known[encoder.fingerprint] = encoder


def lent(encoder: Computes, batch: Sized) -> np.ndarray:
    """The encoder's vectors of a batch (B, D), on a lent GPU where there are such."""
    global _slowest_s
    if spaces is None or not _lending:
        return encoder.vectors(batch)
    know(encoder)
    found, seconds = on_gpu(encoder.fingerprint, batch)
    _slowest_s = max(_slowest_s, seconds / max(1, len(found)))
    made: np.ndarray = found
    return made
