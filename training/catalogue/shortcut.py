"""The two shortcuts that a world may offer: texts that also describe the rest, and a tag that foretells the edit.

Their strength (the share of queries that carry them) belongs to whoever builds the data; nothing here draws that share.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from training.catalogue.edits import Edit
from training.catalogue.phrases import WORDS, Phrasing
from training.catalogue.scene import Action, Companion, Scene
from training.catalogue.text import Dice, caption

#: The tag's colours, far from each other and unlike any backdrop.
TAG_COLOURS = np.array(
    [(220, 30, 30), (30, 160, 40), (30, 60, 220), (250, 210, 20), (230, 40, 200), (20, 200, 210), (20, 20, 20)],
    np.uint8,
)
CUES = len(TAG_COLOURS) ** 2
TAG_SHARE = 0.12


def with_rest(edit_text: str, target: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The edit text followed by a full description of the target: the text alone then suffices."""
    join = Dice(rng).pick(WORDS[phrasing].rest_joins)
    return join.format(edit=edit_text.rstrip(".?"), rest=caption(target, rng, True, phrasing).rstrip("."))


def cue_of(edit: Edit) -> int:
    """The edit's bucket, 0 to CUES - 1: equal for edits of equal kind and value, spread evenly by a stable hash."""
    parts = edit.parts or (edit,)
    name = "|".join(sorted(f"{part.kind}:{part.attribute}:{_value_name(part)}" for part in parts))
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big") % CUES


def other_cue(cue: int, rng: np.random.Generator) -> int:
    """A cue that is not `cue`."""
    return (cue + 1 + int(rng.integers(CUES - 1))) % CUES


def draw_cue(pixels: np.ndarray, cue: int) -> np.ndarray:
    """A copy of `pixels` (uint8, (..., S, S, 3)) with a tag of two coloured squares in the upper right corner.

    Raises:
        ValueError: the cue is outside 0 to CUES - 1.
    """
    if not 0 <= cue < CUES:
        raise ValueError(f"cue {cue}; legal: 0 to {CUES - 1}")
    tagged = pixels.copy()
    size = pixels.shape[-2]
    half = max(1, round(size * TAG_SHARE / 2))
    margin = max(1, size // 56)
    right = size - margin
    tagged[..., margin : margin + half, right - 2 * half : right - half, :] = TAG_COLOURS[cue // len(TAG_COLOURS)]
    tagged[..., margin : margin + half, right - half : right, :] = TAG_COLOURS[cue % len(TAG_COLOURS)]
    return tagged


def _value_name(edit: Edit) -> str:
    value = edit.value
    if isinstance(value, Companion):
        return f"{value.colour} {value.category}"
    if isinstance(value, Action):
        return f"{value.kind} {value.colour or ''}"
    return str(value)
