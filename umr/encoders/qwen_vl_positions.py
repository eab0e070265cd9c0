"""Where a token of Qwen's networks stands, and which others it may look at. Not the network.

B rows, T tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from umr.encoders.batch import Batch


def allowed(mask_BT: Tensor, causal: bool) -> Tensor:
    """Which tokens a token may look at, (B, 1, T, T) bool: real ones, with `causal` none after it, always itself."""
    square = torch.ones(mask_BT.shape[1:] * 2, dtype=torch.bool, device=mask_BT.device)
    seen_B1TT = mask_BT[:, None, None, :] & (square.tril() if causal else square)
    return seen_B1TT | torch.eye(len(square), dtype=torch.bool, device=square.device)


def positions_of(batch: Batch, mrope: bool, interval: int = 1) -> Tensor:
    """Position ids (3, B, T), the same for either padding side; padding has 0.

    Args:
        batch: rows of tokens.
        mrope: False: the count of real tokens before, on all axes (as U-MARVEL's release).  True: Qwen2-VL's
            get_rope_index: vision tokens count in (t, h, w) from where they begin, and the text goes on after the
            largest of these.
        interval: by how much t counts from one pair of a clip's frames to the next.
    """
    mask_BT = batch.attention_mask_BT
    plain_BT = (mask_BT.long().cumsum(1) - 1).clamp(min=0) * mask_BT
    if not mrope or not len(batch.seen_at):
        return plain_BT.expand(3, -1, -1)
    media_BT = torch.zeros_like(mask_BT).view(-1).index_fill(0, batch.seen_at, True).view_as(mask_BT)
    order_BT = media_BT.long().cumsum(1)  # how many vision tokens so far
    begin_B1 = torch.where(media_BT, plain_BT, plain_BT.shape[1]).amin(1, keepdim=True)
    _, high_B1, wide_B1 = (column[:, None].clamp(min=1) for column in batch.grids_B3.unbind(1))
    place_BT = (order_BT - 1).clamp(min=0)
    axes = torch.stack([place_BT // (high_B1 * wide_B1) * interval, place_BT // wide_B1 % high_B1, place_BT % wide_B1])
    steps = torch.tensor([interval, 1, 1], device=mask_BT.device)
    saved_B1 = media_BT.sum(1, keepdim=True) - ((batch.grids_B3 - 1) * steps + 1).amax(1, keepdim=True)
    after_BT = (order_BT == order_BT[:, -1:]) & ~media_BT & (plain_BT >= begin_B1)
    text_BT = plain_BT - saved_B1 * after_BT
    return torch.where(media_BT, axes + begin_B1, text_BT) * mask_BT
