"""Many token states to one vector: mean, last and eos, pure functions. Not normalisation, not the choice of masks.

B rows, T tokens, H hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_tokens(hidden_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean of the states where mask is True, in float32 (U-MARVEL, section 3.2).

    Args:
        hidden_BTH: (B, T, H) float.
        mask_BT: (B, T) bool.

    Returns:
        (B, H) float32.

    Raises:
        ValueError: a row has no True.
    """
    weight_BT = mask_BT.to(torch.float32)
    count_B1 = weight_BT.sum(1, keepdim=True)
    if not bool((count_B1 > 0).all()):
        raise ValueError("a row has no token to pool")
    with torch.autocast(hidden_BTH.device.type, enabled=False):
        return torch.einsum("bth,bt->bh", hidden_BTH.float(), weight_BT / count_B1)


def last_token(hidden_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """State of each row's last token where mask is True, for either padding side; (B, H) float32.

    Raises:
        ValueError: a row has no True.
    """
    if not bool(mask_BT.any(1).all()):
        raise ValueError("a row has no token to pool")
    places_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    last_B = torch.where(mask_BT, places_T, -1).amax(1)
    return hidden_BTH[torch.arange(len(last_B), device=last_B.device), last_B].float()


def eos_token(hidden_BTH: Tensor, mask_BT: Tensor, ids_BT: Tensor, eos_id: int) -> Tensor:
    """State of each row's last end token inside the mask; (B, H) float32.

    Raises:
        ValueError: a row has none.
    """
    return last_token(hidden_BTH, mask_BT & (ids_BT == eos_id))
