"""What a step draws whatever its data are: its random streams, and the nuisance of its pixels. Not which rows."""

from __future__ import annotations

from hashlib import sha256

import numpy as np


def generator(seed: int, step: int, purpose: str = "") -> np.random.Generator:
    """The random stream of a step. A purpose has a stream of its own, so that drawing from it changes no other draw."""
    own = [int.from_bytes(sha256(purpose.encode()).digest()[:4], "big")] if purpose else []
    return np.random.default_rng([seed, step, *own])


def jittered(
    frames_FHW3: np.ndarray, rng: np.random.Generator, shift: int, light: float, tint: float = 0.0
) -> np.ndarray:
    """The same frames, moved and in other light: nuisance, so that the description stays true.

    Args:
        frames_FHW3: (F, H, W, 3) uint8; all frames of a clip move together.
        rng: decides how far.
        shift: px, at most, down and right or up and left; edges are repeated.
        light: the share by which they are lightened or darkened, at most.
        tint: the share by which each colour channel is on its own, at most; the middle tones move by as much.

    Returns:
        (F, H, W, 3) uint8.
    """
    if not shift and not light and not tint:
        return frames_FHW3
    height, width = frames_FHW3.shape[1:3]
    down, right = rng.integers(-shift, shift + 1, 2)
    rows = np.clip(np.arange(height) + down, 0, height - 1)
    columns = np.clip(np.arange(width) + right, 0, width - 1)
    moved = frames_FHW3[:, rows[:, None], columns[None, :]]
    gain = 1 + rng.uniform(-light, light)
    if not tint:
        return _levels(gain * np.arange(256.0))[moved]
    tones = 255 * np.linspace(0, 1, 256) ** (1 + rng.uniform(-tint, tint))
    channels = [_levels(gain * (1 + share) * tones) for share in rng.uniform(-tint, tint, 3)]
    return np.stack([table[moved[..., channel]] for channel, table in enumerate(channels)], axis=-1)


def _levels(values_256: np.ndarray) -> np.ndarray:
    """A table of what each of the 256 levels becomes, uint8."""
    return np.clip(values_256 + 0.5, 0, 255).astype(np.uint8)
