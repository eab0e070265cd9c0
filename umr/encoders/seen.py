"""What an encoder saw of its last pictures, for a page that asks about one picture several times. Not for training.

A page asks whether a picture is unlike the training, what suits it, and then searches with it: the vision tower, half
of the work, sees it once. States are those of the picture alone, so an answer does not depend on what was remembered.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from umr.types import Encoder

MOST = 8  # pictures; 0.05 MB each of the shipped encoders, some MB of a large one


class SeenPictures:
    """Pixels -> vision states, of the last few items. Safe to use from several threads; weights must not change."""

    def __init__(self, most: int = MOST) -> None:
        """most: items that are kept."""
        self._most, self._lock = most, threading.Lock()
        self._states: OrderedDict[bytes, Tensor] = OrderedDict()

    def states(self, item: np.ndarray, see: Callable[[np.ndarray], Tensor]) -> Tensor:
        """The vision states of an item, seen now or remembered.

        Args:
            item: uint8 (F, H, W, 3).
            see: what sees it, where it is not remembered.
        """
        key = hashlib.sha256(repr(item.shape).encode() + np.ascontiguousarray(item).tobytes()).digest()
        with self._lock:
            if key in self._states:
                self._states.move_to_end(key)
                return self._states[key]
        found = see(item)
        with self._lock:
            self._states[key] = found
            while len(self._states) > self._most:
                self._states.popitem(last=False)
        return found


@runtime_checkable
class Remembers(Protocol):
    """An encoder that can remember; None: it does not yet."""

    seen_pictures: SeenPictures | None


def remember_pictures(encoder: Encoder, most: int = MOST) -> None:
    """Has an encoder remember its last pictures from now on; one without a vision tower of its own stays as it is.

    Args:
        encoder: whose weights stay as they are.
        most: pictures.
    """
    if isinstance(encoder, Remembers):
        encoder.seen_pictures = SeenPictures(most)
