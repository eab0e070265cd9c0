"""Rows of tokens and their media, padded and ready for a backbone. Not how they are made (umr.encoders.base).

F frames, S side in px, R vision tokens of a batch, B rows, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(slots=True, eq=False)
class Batch:
    """Rows ready for a backbone.

    input_ids_BT (B, T) int64.  attention_mask_BT (B, T) bool, True = real token.
    pool_mask_BT (B, T) bool: neither padding nor masked instruction.  grids_B3 (B, 3): (t, h, w) of a row's vision tokens.
    media: unique items, uint8 (F, S, S, 3) each (empty when the caller gives seen states to embed).
    seen_at (R,): places of the vision tokens in the flattened (B * T).  seen_rows (R,): their rows in the flattened
    seen states, in which items follow each other in the order of `media`.
    """

    input_ids_BT: Tensor
    attention_mask_BT: Tensor
    pool_mask_BT: Tensor
    grids_B3: Tensor
    seen_at: Tensor
    seen_rows: Tensor
    media: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.input_ids_BT)

    def to(self, device: torch.device) -> Batch:
        """The same batch with its tensors on the device."""
        names = ("input_ids_BT", "attention_mask_BT", "pool_mask_BT", "grids_B3", "seen_at", "seen_rows")
        return Batch(*(getattr(self, name).to(device) for name in names), media=self.media)
