"""The eight ground surfaces as tileable mip-mapped textures, made once per process on first use; not the backdrops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

TEXELS = 512
LEVELS = 5


@dataclass(frozen=True, eq=False)
class Texture:
    """All mip levels of one tileable picture in one flat array, so that a lookup is a single gather."""

    texels_M3: np.ndarray  # float32 linear light, levels one after the other
    starts_L: np.ndarray  # int32 first row of each level
    mean_3: np.ndarray  # float32 average colour

    def sample(self, u_N: np.ndarray, v_N: np.ndarray, level_N: np.ndarray) -> np.ndarray:
        """Nearest texels (N, 3) at (u, v), where 1.0 is one tile; level 0 is the finest."""
        level_N = np.clip(level_N, 0, LEVELS - 1).astype(np.int32)
        side_N = np.right_shift(TEXELS, level_N)
        column_N = (u_N * side_N).astype(np.int32) & (side_N - 1)
        row_N = (v_N * side_N).astype(np.int32) & (side_N - 1)
        return self.texels_M3[self.starts_L[level_N] + row_N * side_N + column_N]


@cache
def texture(surface: str) -> Texture:
    """The texture of a surface.

    Raises:
        KeyError: the surface is unknown.
    """
    rng = np.random.default_rng([3, list(_PAINTERS).index(surface)])
    level = np.clip(_PAINTERS[surface](_Noise(rng)), 0, 1).astype(np.float32)
    levels = [level]
    for _ in range(LEVELS - 1):
        half = level.shape[0] // 2
        level = level.reshape(half, 2, half, 2, 3).mean((1, 3))
        levels.append(level)
    rows = [level.shape[0] ** 2 for level in levels]
    return Texture(
        np.concatenate([level.reshape(-1, 3) for level in levels]),
        np.cumsum([0, *rows[:-1]]).astype(np.int32),
        levels[-1].mean((0, 1)),
    )


class _Noise:
    """Tileable value noise in [0, 1] on the texture grid, and the grid's own coordinates x, y in [0, 1)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        axis = np.arange(TEXELS, dtype=np.float32) / TEXELS
        self.y, self.x = np.meshgrid(axis, axis, indexing="ij")

    def value(self, rows: int, columns: int | None = None) -> np.ndarray:
        """One octave: `rows` by `columns` random cells, smoothly interpolated."""
        grid = self.rng.random((rows, columns or rows)).astype(np.float32)
        for axis, cells in enumerate(grid.shape):
            at = np.arange(TEXELS, dtype=np.float32) / TEXELS * cells
            cell = at.astype(np.int32)
            blend = at - cell
            blend = blend * blend * (3 - 2 * blend)
            low, high = np.take(grid, cell, axis), np.take(grid, (cell + 1) % cells, axis)
            blend = blend[:, None] if axis == 0 else blend[None, :]
            grid = low * (1 - blend) + high * blend
        return grid

    def cloud(self, cells: int, octaves: int) -> np.ndarray:
        """Octaves at doubling frequency and halving weight; mean near 0.5."""
        return np.add.reduce([self.value(cells * 2**k) * 0.5 ** (k + 1) for k in range(octaves)])


def _mix(low: tuple, high: tuple, share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0, 1)[..., None]
    return np.array(low, np.float32) * (1 - share) + np.array(high, np.float32) * share


def _wood(noise: _Noise) -> np.ndarray:
    planks = 6
    tone = noise.rng.random(planks).astype(np.float32)[(noise.y * planks).astype(np.int32)]
    cloud = noise.cloud(4, 5)
    grain = (np.sin((noise.y * 40 + cloud * 6 + tone * 9) * 2.2) * 0.5 + 0.5) * 0.5 + 0.5 * noise.cloud(8, 4)
    wood = _mix((0.30, 0.155, 0.07), (0.52, 0.31, 0.15), grain * 0.75 + 0.25 * noise.value(128, 8))
    wood *= (0.80 + 0.38 * tone)[..., None]
    edge = (noise.y * planks) % 1
    wood[np.minimum(edge, 1 - edge) < 0.03] *= 0.3
    return wood


def _marble(noise: _Noise) -> np.ndarray:
    veins = np.minimum(np.abs(noise.cloud(4, 6) - 0.49) * 11, 1) ** 0.6
    fine = np.minimum(np.abs(noise.cloud(8, 5) - 0.49) * 12, 1)
    return _mix((0.13, 0.14, 0.17), (0.56, 0.56, 0.58), veins * 0.82 + 0.18 * fine)


def _fabric(noise: _Noise) -> np.ndarray:
    threads = 40
    warp, weft = (np.abs(np.sin(axis * np.pi * threads)) for axis in (noise.x, noise.y))
    over = (np.floor(noise.x * threads) + np.floor(noise.y * threads)) % 2 > 0
    weave = np.where(over, warp, weft) * 0.7
    return _mix((0.15, 0.16, 0.30), (0.40, 0.42, 0.62), weave + 0.5 * (noise.cloud(4, 5) - 0.3))


def _grass(noise: _Noise) -> np.ndarray:
    blades = 0.45 * noise.value(128, 96) + 0.45 * noise.value(170)
    return _mix((0.03, 0.11, 0.012), (0.19, 0.42, 0.055), blades + 0.5 * (noise.cloud(4, 5) - 0.35))


def _sand(noise: _Noise) -> np.ndarray:
    cloud = noise.cloud(4, 5)
    ripples = np.sin((noise.y * 20 + cloud * 3) * 2 * np.pi)
    return _mix((0.52, 0.35, 0.17), (0.84, 0.65, 0.38), 0.5 * noise.value(128) + 0.6 * (cloud - 0.2) + 0.16 * ripples)


def _slate(noise: _Noise) -> np.ndarray:
    return _mix((0.03, 0.036, 0.046), (0.125, 0.14, 0.165), noise.cloud(8, 5) * 0.9 + 0.3 * (noise.value(128) - 0.5))


def _tiles(noise: _Noise) -> np.ndarray:
    rows = 6
    edge = np.minimum.reduce([(axis * rows) % 1 for axis in (noise.x, noise.y, 1 - noise.x, 1 - noise.y)])
    odd = (np.floor(noise.x * rows) + np.floor(noise.y * rows)) % 2
    tiles = _mix((0.56, 0.66, 0.68), (0.15, 0.34, 0.38), odd) * (0.9 + 0.2 * noise.cloud(4, 4))[..., None]
    tiles[edge < 0.04] = (0.70, 0.69, 0.65)
    return tiles


def _studio(noise: _Noise) -> np.ndarray:
    return np.array((0.50, 0.46, 0.44), np.float32) * (1 + 0.03 * (noise.cloud(4, 3) - 0.5))[..., None]


_PAINTERS = {
    "wood": _wood,
    "marble": _marble,
    "fabric": _fabric,
    "grass": _grass,
    "sand": _sand,
    "slate": _slate,
    "tiles": _tiles,
    "studio": _studio,
}
