"""Where a token of Qwen's networks stands, and which others it may look at. Not the network.

P patches of a frame, B rows, T tokens; Q begun rows of P tokens (umr.encoders.prefix).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from umr.encoders.batch import Batch


def shares(sections: object, count: int) -> bool:
    """Whether these are the frequencies that each axis of a position has: three whole numbers, `count` in all."""
    if not isinstance(sections, (list, tuple)) or len(sections) != 3:
        return False
    return all(type(one) is int and one >= 0 for one in sections) and sum(sections) == count


def patch_places(high: int, wide: int, merge: int, device: torch.device) -> Tensor:
    """Row and column of the patches of a frame, (P, 2) int64, as get_vision_position_ids of transformers has them.

    Args:
        high: patches of a column.
        wide: patches of a row.
        merge: patches on a side of what becomes one token; those of a token follow each other.
        device: of the places.
    """
    rows, columns = torch.meshgrid(torch.arange(high, device=device), torch.arange(wide, device=device), indexing="ij")
    blocks = high // merge, merge, wide // merge, merge
    return torch.stack([axis.reshape(blocks).transpose(1, 2).flatten() for axis in (rows, columns)], -1)


def allowed(mask_BT: Tensor, causal: bool) -> Tensor:
    """Which tokens a token may look at, (B, 1, T, T) bool: real ones, with `causal` none after it, always itself."""
    square = torch.ones(mask_BT.shape[1:] * 2, dtype=torch.bool, device=mask_BT.device)
    seen_B1TT = mask_BT[:, None, None, :] & (square.tril() if causal else square)
    return seen_B1TT | torch.eye(len(square), dtype=torch.bool, device=square.device)


def allowed_behind(past_mask_QP: Tensor, mask_BT: Tensor, causal: bool) -> Tensor:
    """The same of rows behind begun ones, (B, 1, T, P + T) bool: the real tokens of the beginning are seen."""
    rows, tokens = mask_BT.shape
    past_BP = past_mask_QP.repeat_interleave(rows // len(past_mask_QP), dim=0)
    return torch.cat([past_BP[:, None, None].expand(-1, 1, tokens, -1), allowed(mask_BT, causal)], -1)


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


def positions_of_slices(batch: Batch, mrope: bool) -> Tensor:
    """Position ids (3, B, T) where each slice of a clip stands by itself, as Qwen3-VL's get_rope_index counts them.

    A slice counts in (h, w) from where it begins, t stands still, and the text goes on behind the longer side.

    Args:
        batch: rows of tokens.
        mrope: False: see positions_of.
    """
    mask_BT = batch.attention_mask_BT
    plain_BT = (mask_BT.long().cumsum(1) - 1).clamp(min=0) * mask_BT
    if not mrope or not len(batch.seen_at):
        return plain_BT.expand(3, -1, -1)
    media_BT = torch.zeros_like(mask_BT).view(-1).index_fill(0, batch.seen_at, True).view_as(mask_BT)
    high_B1, wide_B1 = (column[:, None].clamp(min=1) for column in batch.grids_B3[:, 1:].unbind(1))
    count_B1 = high_B1 * wide_B1
    order_BT = media_BT.long().cumsum(1) - media_BT.long()  # how many vision tokens are before
    place_BT = order_BT % count_B1 * media_BT  # in the slice
    begin_BT = plain_BT - place_BT - order_BT // count_B1 * (count_B1 - torch.maximum(high_B1, wide_B1))
    axes = torch.stack([torch.zeros_like(place_BT), place_BT // wide_B1, place_BT % wide_B1])
    return (begin_BT + axes) * mask_BT
