"""What a causal backbone keeps of rows that others go on behind, so that their beginning is computed once. Not how.

Q begun rows of P tokens, h heads, d head width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class KeysValues(NamedTuple):
    """Of one layer and Q rows: (Q, h, P, d) each, h counting the heads that keys and values have."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True, eq=False)
class Prefix:
    """The beginning of Q rows.

    Attributes:
        layers: keys and values of each.
        mask_QP: (Q, P) bool, True = real token.
        next_Q: (Q,) int64, the position at which what follows begins.
    """

    layers: tuple[KeysValues, ...]
    mask_QP: Tensor
    next_Q: Tensor
