"""Pictures, texts and clips that no catalogue of objects holds, made by code: what umr.eval.ood must detect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from umr.types import Content

COUNT = 40  # of each family
SIDE = 160  # px
FRAMES = 8

_LAW = (
    "The tenant shall",
    "Notwithstanding clause",
    "In consideration of",
    "The parties agree to",
    "Subject to section",
)
_LAW_ENDS = (
    "indemnify the landlord against all claims.",
    "the obligations survive termination.",
    "arbitration takes place in the capital.",
    "notice is deemed served after five days.",
)
_CODE = (
    "for item in queue:",
    "return self._cache[key]",
    "raise ValueError(name)",
    "import json",
    "while not done:",
    "value = left ** 2 + right",
    "except KeyError:",
    "print(total / count)",
)
_NEWS = ("Shares fell sharply", "The minister resigned", "Heavy rain is expected", "The home team won", "Talks resumed")
_NEWS_ENDS = (
    "after the quarterly report on Tuesday.",
    "amid protests in several cities.",
    "according to officials who spoke on condition of anonymity.",
    "for the first time in eleven years.",
)


def contents(modality: str, count: int = COUNT) -> Mapping[str, Sequence[Content]]:
    """Family -> contents of it, the same on every call; empty for a modality without families."""
    rng = np.random.default_rng(0)
    if modality == "image":
        return {name: [Content(image=draw(rng)) for _ in range(count)] for name, draw in PICTURES.items()}
    if modality == "text":
        return {name: [Content(text=write(rng)) for _ in range(count)] for name, write in TEXTS.items()}
    if modality == "video":
        return {
            f"moving {name}": [Content(video=_moving(draw(rng))) for _ in range(count // 2)]
            for name, draw in PICTURES.items()
            if name in ("noise", "landscapes")
        }
    return {}


def noise(rng: np.random.Generator) -> np.ndarray:
    """Independent pixels."""
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def gradient(rng: np.random.Generator) -> np.ndarray:
    """One colour passing into another, in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    share = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    return (_colour(rng) * share + _colour(rng) * (1 - share)).astype(np.uint8)


def screenshot(rng: np.random.Generator) -> np.ndarray:
    """Lines of letters on a plain page, with a bar above."""
    image = Image.new("RGB", (240, 180), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 240, 16), fill=tuple(int(part) for part in _colour(rng)))
    for top in range(22, 170, 13):
        draw.text(
            (6, top), "".join(rng.choice(list("abcdefghij klmnop qrstu"), int(rng.integers(8, 38)))), fill="black"
        )
    return np.array(image)


def landscape(rng: np.random.Generator) -> np.ndarray:
    """Sky, hills and trees of random tones with the grain of a camera: the statistics of a photograph, roughly."""
    image = Image.new("RGB", (240, 180), tuple(int(part) for part in rng.integers(130, 255, 3)))
    draw = ImageDraw.Draw(image)
    for level in range(3):
        height = 80 + 25 * level + np.cumsum(rng.normal(0, 2.5, 240))
        draw.polygon(
            [(0, 180), *enumerate(height.tolist()), (240, 180)],
            fill=tuple(int(part) for part in rng.integers(20, 150, 3)),
        )
    for _ in range(int(rng.integers(4, 14))):
        x, y, r = (int(part) for part in rng.integers((0, 90, 5), (240, 175, 26)))
        draw.polygon(
            [(x, y - 2 * r), (x - r, y), (x + r, y)], fill=tuple(int(part) for part in rng.integers(0, 120, 3))
        )
    return np.clip(np.array(image) + rng.normal(0, 12, (180, 240, 1)), 0, 255).astype(np.uint8)


def checks(rng: np.random.Generator) -> np.ndarray:
    """A chequered cloth that fills the picture."""
    size = int(rng.integers(5, 24))
    y, x = np.mgrid[:SIDE, :SIDE]
    first = ((x // size + y // size) % 2)[..., None]
    return (_colour(rng) * first + _colour(rng) * (1 - first)).astype(np.uint8)


PICTURES: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "noise": noise,
    "gradients": gradient,
    "screenshots": screenshot,
    "landscapes": landscape,
    "checks": checks,
}
TEXTS: Mapping[str, Callable[[np.random.Generator], str]] = {
    "legal sentences": lambda rng: _sentences(rng, _LAW, _LAW_ENDS, 4),
    "news sentences": lambda rng: _sentences(rng, _NEWS, _NEWS_ENDS, 4),
    "program lines": lambda rng: "\n".join(rng.choice(_CODE, 8)),
    "random letters": lambda rng: " ".join(
        "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(30)
    ),
}


def _sentences(rng: np.random.Generator, begins: Sequence[str], ends: Sequence[str], count: int) -> str:
    return " ".join(f"{rng.choice(begins)} {rng.choice(ends)}" for _ in range(count))


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, 3)


def _moving(picture: np.ndarray) -> np.ndarray:
    """uint8 (FRAMES, H, W, 3): the picture drifts to the side."""
    return np.stack([np.roll(picture, 6 * frame, axis=1) for frame in range(FRAMES)])
