"""Pixels as the patches that Qwen's vision towers take. Not how large a picture is seen (umr.encoders.resize).

N media items, F frames, S side in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Colours(NamedTuple):
    """What a vision tower takes for zero and one, of red, green and blue of 0 to 1."""

    mean: Sequence[float]
    std: Sequence[float]


#: OPENAI_CLIP_MEAN and OPENAI_CLIP_STD of transformers.
CLIP_COLOURS = Colours([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def patches(
    pixels_NFSS3: Tensor, patch: int = 14, merge: int = 2, temporal: int = 2, colours: Colours = CLIP_COLOURS
) -> Tensor:
    """uint8 pixels to normalised patches, ordered as Qwen2-VL's image and video processors order them.

    A single frame stands for `temporal` equal ones; an odd last frame is repeated, as the processor does.

    Args:
        pixels_NFSS3: (N, F, S, S, 3) uint8.
        patch: side of a patch, px.
        merge: patches on a side of what becomes one token.
        temporal: frames of a patch.
        colours: what the tower takes for zero and one.

    Returns:
        (N, F/temporal * S/patch * S/patch, 3 * temporal * patch * patch) float32.
    """
    items, frames, height, width, _ = pixels_NFSS3.shape
    missing = -frames % temporal
    if missing:
        pixels_NFSS3 = torch.cat([pixels_NFSS3, pixels_NFSS3[:, -1:].expand(-1, missing, -1, -1, -1)], 1)
    mean = torch.tensor(colours.mean, device=pixels_NFSS3.device)
    std = torch.tensor(colours.std, device=pixels_NFSS3.device)
    x = (pixels_NFSS3.float() - 255 * mean) / (255 * std)
    x = x.view(items, -1, temporal, height // patch // merge, merge, patch, width // patch // merge, merge, patch, 3)
    return x.permute(0, 1, 3, 6, 4, 7, 9, 2, 5, 8).reshape(items, -1, 3 * temporal * patch * patch)
