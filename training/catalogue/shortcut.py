"""The two shortcuts that a world may offer: texts that also describe the rest, and a tag that foretells the edit.

Their strength (the share of queries that carry them) belongs to whoever builds the data; nothing here draws that share.
"""

from __future__ import annotations

import numpy as np

from training.catalogue.edits import COMPANION_KINDS, KINDS, SIMPLE, Edit
from training.catalogue.phrases import Phrasing
from training.catalogue.phrases_unseen import WORDS
from training.catalogue.scene import ACTIONS, COLOURS, LEGAL, SIDES, Action, Companion, Scene
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
    """The edit's tag, 0 to CUES - 1: its first square tells the kind of edit, the second the value.

    So it can be learned. Kinds and values share squares where there are more than colours of a square; of several edits
    at once the first is told.
    """
    edit = edit.parts[0] if edit.parts else edit
    kind = edit.attribute or edit.kind
    side = len(TAG_COLOURS)
    return _KINDS.index(kind) % side * side + _place(edit) % side


def other_cue(cue: int, rng: np.random.Generator) -> int:
    """A cue that is not `cue`."""
    return (cue + 1 + int(rng.integers(CUES - 1))) % CUES


def draw_cue(pixels: np.ndarray, cue: int) -> np.ndarray:
    """A copy of `pixels` (uint8, (..., S, S, 3)) with a tag of two coloured squares in the upper right corner.

    Raises:
        ValueError: a cue outside 0 to CUES - 1.
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


_KINDS = (*SIMPLE, *(kind for kind in KINDS if kind not in SIMPLE))


def _place(edit: Edit) -> int:
    """A small number of the edit's value: its place among the attribute's values, or what else is told of it."""
    value = edit.value
    if isinstance(value, Companion):
        return COLOURS.index(value.colour)
    if isinstance(value, Action):
        return ACTIONS.index(value.kind)
    if isinstance(value, int):  # a count, or the direction of a relative edit
        return value
    name = COMPANION_KINDS.get(edit.kind, edit.attribute or edit.kind)
    values = LEGAL.get(name, SIDES)
    return values.index(value) if value in values else 0
