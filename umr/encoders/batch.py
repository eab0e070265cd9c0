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

    Attributes:
        input_ids_BT: (B, T) int64.
        attention_mask_BT: (B, T) bool, True = real token.
        pool_mask_BT: (B, T) bool: neither padding nor masked instruction.
        grids_B3: (B, 3): (t, h, w) of a row's vision tokens.
        seen_at: (R,): places of the vision tokens in the flattened (B * T).
        seen_rows: (R,): their rows in the flattened seen states, in which items follow each other as in `media`.
        media: unique items, uint8 (F, H, W, 3) each (empty when the caller gives seen states to embed).
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
        return Batch(
            input_ids_BT=self.input_ids_BT.to(device),
            attention_mask_BT=self.attention_mask_BT.to(device),
            pool_mask_BT=self.pool_mask_BT.to(device),
            grids_B3=self.grids_B3.to(device),
            seen_at=self.seen_at.to(device),
            seen_rows=self.seen_rows.to(device),
            media=self.media,
        )
