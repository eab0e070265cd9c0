"""A scene of the home-goods catalogue: its described attributes, how scenes are sampled, which pairs are held out.

Not the pixels (render.py), not the words (text.py) and not the splits (splits.py). Two scenes are equal exactly when no
description could tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

CATEGORIES = (
    "mug",
    "bottle",
    "bowl",
    "vase",
    "lamp",
    "stool",
    "table",
    "chair",
    "teapot",
    "candle",
    "plant pot",
    "box",
    "clock",
    "cushion",
)
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "grey")
FINISHES = ("matte", "glossy", "metal", "glass")
PATTERNS = ("plain", "striped", "dotted", "checked", "zigzag")
SURFACES = ("wood", "marble", "fabric", "grass", "sand", "slate", "tiles", "studio")
SIZES = ("small", "large")
COUNTS = (1, 2, 3)
SIDES = ("left", "right", "behind", "front")
MIRRORED_SIDES = {"left": "right", "right": "left", "behind": "behind", "front": "front"}
#: Where the main object stands as seen from a companion at that side: "a behind b" says what "b in front of a" says.
CONVERSE_SIDES = {"left": "right", "right": "left", "behind": "front", "front": "behind"}
ACTIONS = (
    "slides left",
    "slides right",
    "spins",
    "grows",
    "shrinks",
    "changes colour",
    "appears",
    "disappears",
    "light dims",
    "camera orbits",
)

#: Colours from the darkest to the lightest: what "darker" and "lighter" mean, exactly.
LIGHTNESS = ("black", "brown", "purple", "blue", "green", "red", "grey", "teal", "orange", "pink", "yellow", "white")

#: Pairs of values of one object, main or companion, that no training or in-distribution scene holds; each value is seen
#: in others.
HELD_OUT_PAIRS = (
    ("category", "teapot", "pattern", "zigzag"),
    ("category", "mug", "pattern", "checked"),
    ("category", "lamp", "pattern", "dotted"),
    ("category", "chair", "pattern", "striped"),
    ("category", "vase", "colour", "orange"),
    ("category", "clock", "colour", "green"),
    ("category", "bowl", "colour", "purple"),
    ("category", "box", "colour", "pink"),
    ("category", "bottle", "finish", "metal"),
    ("category", "stool", "finish", "glossy"),
    ("colour", "purple", "finish", "glass"),
    ("colour", "yellow", "finish", "metal"),
    ("colour", "blue", "pattern", "dotted"),
    ("colour", "red", "surface", "marble"),
    ("category", "cushion", "surface", "slate"),
    ("category", "candle", "surface", "grass"),
)


@dataclass(frozen=True, slots=True)
class Companion:
    """A second, always plain object beside, behind or in front of the main ones, with its own colour and finish."""

    category: str
    colour: str
    side: str
    finish: str = "matte"


@dataclass(frozen=True, slots=True)
class Action:
    """What moves in a clip; `colour` is the new colour of "changes colour", else None."""

    kind: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that can be said of a picture (action None) or a clip. A table or chair may have any count.

    Raises:
        ValueError: a value outside the world's vocabulary, or a companion of the main object's own category.
    """

    category: str
    colour: str
    finish: str = "matte"
    pattern: str = "plain"
    surface: str = "wood"
    size: str = "large"
    count: int = 1
    companion: Companion | None = None
    action: Action | None = None

    def __post_init__(self) -> None:
        for name, legal in LEGAL.items():
            if getattr(self, name) not in legal:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is not of this world; legal: {', '.join(map(str, legal))}"
                )
        if self.companion and (
            self.companion.category not in CATEGORIES
            or self.companion.colour not in COLOURS
            or self.companion.side not in SIDES
            or self.companion.finish not in FINISHES
        ):
            raise ValueError(f"companion {self.companion} is not of this world")
        if self.companion and self.companion.category == self.category:
            raise ValueError("a companion of the main object's own category could not be told from a count")
        if self.action and (
            self.action.kind not in ACTIONS or (self.action.kind == "changes colour") != bool(self.action.colour)
        ):
            raise ValueError(f"action {self.action} is not of this world")

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `Scene.from_json` reads back to an equal scene."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Scene:
        """The scene that `to_json` wrote; a companion without a finish, as older files have it, is matte."""
        companion, action = data.get("companion"), data.get("action")
        return cls(
            **{
                **data,
                "companion": Companion(**companion) if companion else None,
                "action": Action(**action) if action else None,
            }
        )


LEGAL: dict[str, tuple] = {
    "category": CATEGORIES,
    "colour": COLOURS,
    "finish": FINISHES,
    "pattern": PATTERNS,
    "surface": SURFACES,
    "size": SIZES,
    "count": COUNTS,
}

#: Pairs that the eye cannot tell from a neighbour; no scene of any split holds them (the fairness report checks): glass
#: against an empty backdrop; white with dark figures, which is black with light ones when both take half the paint;
#: white metal, and white and black glass, which are grey ones in another light; small grey checks, which are grey dots;
#: and zigzags on a mirror, which are those under a clear coat.
UNFAIR_PAIRS: tuple[tuple[str, str, str, str], ...] = (
    ("finish", "glass", "surface", "studio"),
    ("finish", "glass", "pattern", "dotted"),
    ("colour", "white", "pattern", "checked"),
    ("colour", "white", "pattern", "striped"),
    ("colour", "white", "pattern", "zigzag"),
    ("colour", "white", "finish", "metal"),
    ("colour", "white", "finish", "glass"),
    ("colour", "black", "finish", "glass"),
    ("colour", "grey", "pattern", "checked"),
    ("finish", "metal", "pattern", "zigzag"),
)


#: What one object shows, main or companion, in the order of `_OBJECT`.
_Looks = tuple[str, str, str, str, str]
_OBJECT = ("category", "colour", "finish", "pattern", "surface")
_T = TypeVar("_T")


def looks_of(scene: Scene) -> list[_Looks]:
    """(category, colour, finish, pattern, surface) of the main object and, if there is one, of the companion."""
    main = (scene.category, scene.colour, scene.finish, scene.pattern, scene.surface)
    there = scene.companion
    return [main, (there.category, there.colour, there.finish, "plain", scene.surface)] if there else [main]


def is_fair(scene: Scene) -> bool:
    """Whether a person can tell the scene from its neighbours in a picture: no object holds one of UNFAIR_PAIRS."""
    return not any(map(_looks_unfair, looks_of(scene)))


def is_held_out(scene: Scene) -> bool:
    """Whether the scene belongs to the combination split: an object, main or companion, holds one of HELD_OUT_PAIRS."""
    return any(map(_looks_held_out, looks_of(scene)))


@lru_cache(maxsize=1 << 16)
def _looks_unfair(looks: _Looks) -> bool:
    return _holds_any(looks, UNFAIR_PAIRS)


@lru_cache(maxsize=1 << 16)
def _looks_held_out(looks: _Looks) -> bool:
    return _holds_any(looks, HELD_OUT_PAIRS)


def _holds_any(looks: _Looks, pairs: tuple[tuple[str, str, str, str], ...]) -> bool:
    have = dict(zip(_OBJECT, looks, strict=True))
    return any(have[first] == one and have[second] == other for first, one, second, other in pairs)


def pick(rng: np.random.Generator, values: Sequence[_T], other_than: Any = None) -> _T:
    """One of `values`, uniformly, never `other_than`."""
    values = [value for value in values if value != other_than]
    return values[int(rng.integers(len(values)))]


def random_companion(rng: np.random.Generator, category: str, colour: str) -> Companion:
    """A companion that differs from the main object in category and colour; two of five are matte.

    Its finish goes with its colour wherever it stands; whether it may stand on the scene's surface is the caller's to
    ask.
    """
    kind, paint, side = pick(rng, CATEGORIES, category), pick(rng, COLOURS, colour), pick(rng, SIDES)
    finish = "matte" if rng.random() < 0.2 else pick(rng, FINISHES)
    while _looks_unfair((kind, paint, finish, "plain", "wood")):
        finish = pick(rng, FINISHES)
    return Companion(kind, paint, side, finish)


def random_scene(
    rng: np.random.Generator,
    accept: Callable[[Scene], bool] = lambda scene: not is_held_out(scene),
    companion_share: float = 0.4,
    counts: Sequence[int] = (1, 1, 1, 1, 2, 3),
    most_in_company: int = 2,
) -> Scene:
    """A fair scene that `accept` takes; by default one without a held-out pair.

    What is unfair is drawn again in the same category and colour, so that no colour is rare for having unfair pairs.
    No companion stands in front of two or of a small one, which it would hide.

    Args:
        rng: of everything that is drawn.
        accept: what the scene must be.
        companion_share: of the scenes of up to `most_in_company` objects that have a companion, before `accept`.
        counts: of which one is drawn.
        most_in_company: how many of the main object may have a companion.

    Returns:
        The scene.
    """
    while True:
        category, colour = pick(rng, CATEGORIES), pick(rng, COLOURS)
        count = int(rng.choice(counts))
        beside = count <= most_in_company and rng.random() < companion_share
        there = random_companion(rng, category, colour) if beside else None
        size = "large" if rng.random() < 0.6 else "small"
        if there and there.side == "front" and (count > 1 or size == "small"):
            there = replace(there, side="behind")
        drawn = Scene(category=category, colour=colour, size=size, count=count, companion=there)
        scene = _finished(rng, drawn)
        while not is_fair(scene):
            scene = _finished(rng, drawn)
        if accept(scene):
            return scene


def _finished(rng: np.random.Generator, scene: Scene) -> Scene:
    """The scene with a finish, a pattern and a surface, fair or not."""
    pattern = "plain" if rng.random() < 0.3 else pick(rng, PATTERNS, "plain")
    return replace(scene, finish=pick(rng, FINISHES), pattern=pattern, surface=pick(rng, SURFACES))


def with_action(scene: Scene, action: Action | None) -> Scene:
    """The same scene with another action (None: a still picture)."""
    return replace(scene, action=action)
