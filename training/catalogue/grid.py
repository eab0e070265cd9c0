"""Which scenes the bundled collection shows: product lines in most colours and on most surfaces, and things beside.

Not how they become files or queries (pool.py, benchmark.py). Every scene is of the asked split (splits.py); a group is
a set of scenes that are not independent of each other: one line in one colour, or one arrangement with a companion and
its variations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from training.catalogue.edits import COMPANION_KINDS, Edit, is_possible, targets
from training.catalogue.scene import (
    CATEGORIES,
    COLOURS,
    FINISHES,
    LEGAL,
    SIDES,
    SIZES,
    SURFACES,
    Companion,
    Scene,
    is_fair,
    is_held_out,
    pick,
)
from training.catalogue.splits import TEST_LINES, VALIDATION_LINES, Split, is_cluttered, is_test_company, split_of

Part = Literal["line", "arrangement", "clutter", "combination"]

#: Lines of a held-out pair of category and pattern or finish; the other held-out pairs lie in the test lines as they
#: are.
_HELD_OUT_LINES = {
    "teapot": ("glossy", "zigzag"),
    "mug": ("glossy", "checked"),
    "lamp": ("metal", "dotted"),
    "chair": ("matte", "striped"),
    "bottle": ("metal", "plain"),
    "stool": ("glossy", "dotted"),
}

#: Draws of a cluttered arrangement among the scenes that are shown as three, before others are tried.
PATIENCE = 60


@dataclass(frozen=True, kw_only=True)
class GridSizes:
    """How much of the grid is shown. categories: the first so many; the others count values, or groups per category."""

    categories: int = len(CATEGORIES)
    colours: int = 12
    surfaces: int = 7
    counted: tuple[int, int] = (3, 1)
    arrangements: int = 5
    cluttered: int = 3
    combined: tuple[int, int] = (6, 2)


@dataclass(frozen=True, slots=True)
class Group:
    """Scenes that belong together. part: what they are there for; number: among all groups."""

    number: int
    part: Part
    scenes: tuple[Scene, ...]


def groups_of(split: Split, sizes: GridSizes, seed: int) -> list[Group]:
    """All groups of a collection; no scene is in two. The lines do not depend on the seed, the arrangements do."""
    lines = TEST_LINES if split == "test" else VALIDATION_LINES
    seen: set[Scene] = set()
    groups: list[Group] = []
    for place, category in enumerate(CATEGORIES[: sizes.categories]):
        drawn: list[tuple[Part, list[Scene]]] = [
            ("line", scenes) for scenes in _lines(category, lines[category], sizes)
        ]
        rng = np.random.default_rng([seed, place, 51])
        drawn += [
            ("arrangement", _arrangement(rng, category, lines[category], sizes, split))
            for _ in range(sizes.arrangements)
        ]
        drawn += [("clutter", _clutter(rng, category, lines[category], sizes, split)) for _ in range(sizes.cluttered)]
        if split == "test":
            drawn += [("combination", scenes) for scenes in _combined(category, sizes)]
        for part, scenes in drawn:
            fresh = tuple(scene for scene in dict.fromkeys(scenes) if scene not in seen and is_fair(scene))
            fresh = tuple(
                scene
                for scene in fresh
                if split_of(scene) == split or (part == "line" and is_held_out(scene) and split == "test")
            )
            seen.update(fresh)
            if fresh:
                groups.append(Group(len(groups), part, fresh))
    return groups


def surfaces_of(category: str, n: int) -> tuple[str, ...]:
    """The n surfaces on which a category is shown: the same for all of its lines, others for another category."""
    start = CATEGORIES.index(category) * 3
    return tuple(SURFACES[(start + step) % len(SURFACES)] for step in range(n))


def colours_of(category: str, n: int) -> tuple[str, ...]:
    """The n colours in which a category is shown; those left out differ from category to category."""
    start = CATEGORIES.index(category) * 5
    left = {COLOURS[(start + step * 7) % len(COLOURS)] for step in range(len(COLOURS) - n)}
    return tuple(colour for colour in COLOURS if colour not in left)


def counted_colours(category: str, sizes: GridSizes) -> tuple[str, ...]:
    """The colours in which the first line of a category is shown as two and as three."""
    colours = colours_of(category, sizes.colours)
    start = CATEGORIES.index(category) * 5
    return tuple(colours[(start + step * 4) % len(colours)] for step in range(sizes.counted[0]))


def _lines(category: str, lines: tuple[tuple[str, str], ...], sizes: GridSizes) -> Iterator[list[Scene]]:
    """One line in one colour after the other, with the first line's twos and threes."""
    for row, (finish, pattern) in enumerate(lines):
        for size in SIZES:
            surfaces = surfaces_of(category, sizes.surfaces - (row == 1 and size == "small"))
            for colour in colours_of(category, sizes.colours):
                one = Scene(category, colour, finish, pattern, surfaces[0], size)
                scenes = [replace(one, surface=surface) for surface in surfaces]
                if row == 0 and size == "large" and colour in counted_colours(category, sizes):
                    scenes += [
                        replace(one, surface=surface, count=count)
                        for count in (2, 3)
                        for surface in surfaces[: sizes.counted[1]]
                    ]
                yield scenes


def _arrangement(
    rng: np.random.Generator, category: str, lines: tuple[tuple[str, str], ...], sizes: GridSizes, split: Split
) -> list[Scene]:
    """A line's scene with a companion, and what edits of either make of it; the scene alone stands in the grid."""

    def fits(scene: Scene) -> bool:
        return is_possible(scene) and split_of(scene) == split and not is_held_out(scene)

    while True:
        finish, pattern = lines[int(rng.integers(2))]
        colour, surface = (
            pick(rng, colours_of(category, sizes.colours)),
            pick(rng, surfaces_of(category, sizes.surfaces)),
        )
        base = Scene(category, colour, finish, pattern, surface, "large" if rng.random() < 0.8 else "small")
        base = replace(base, companion=_test_companion(rng, base))
        if fits(base):
            break
    scenes = [base]
    some = rng.permutation(("relation", "swap", "colour", "companion category", "both"))[:2]
    for kind in ("companion colour", "companion finish", *some):
        choices = [
            scene
            for edit in _variations(rng, base, str(kind))
            for scene in targets(base, edit)
            if fits(scene) and scene not in scenes
        ]
        scenes += choices[:1]
    return scenes


def _variations(rng: np.random.Generator, base: Scene, kind: str) -> list[Edit]:
    """Edits of one kind of a scene with a companion, in random order.

    The kind "both" is of the object's colour and its companion's finish.
    """
    if kind == "both":
        colours, finishes = _variations(rng, base, "colour"), _variations(rng, base, "companion finish")
        return [Edit("two", parts=(one, other)) for one in colours for other in finishes]
    if kind == "swap":
        return [Edit("swap", attribute=str(name)) for name in rng.permutation(("colour", "finish"))]
    values = SIDES if kind == "relation" else LEGAL[COMPANION_KINDS.get(kind, kind)]
    return [Edit(kind, values[row]) for row in rng.permutation(len(values))]


def _test_companion(rng: np.random.Generator, scene: Scene) -> Companion:
    while True:
        there = Companion(
            pick(rng, CATEGORIES, scene.category),
            pick(rng, COLOURS, scene.colour),
            pick(rng, SIDES),
            pick(rng, FINISHES),
        )
        if is_test_company(there):
            return there


def _clutter(
    rng: np.random.Generator, category: str, lines: tuple[tuple[str, str], ...], sizes: GridSizes, split: Split
) -> list[Scene]:
    """Three objects with a companion, the same with its companion in another colour or place, and one more.

    The last is another colour of the objects or only two of them; the finish of so small a companion would not be seen.
    The three alone are shown too, where the category can be told in those colours on that surface. What stands beside
    three of a category in the test split stands beside three of it in no other.
    """
    for attempt in itertools.count():
        near = attempt < PATIENCE
        colour = pick(rng, counted_colours(category, sizes) if near else colours_of(category, sizes.colours))
        surface = pick(rng, surfaces_of(category, sizes.counted[1] if near else sizes.surfaces))
        base = Scene(category, colour, *lines[0], surface, "large", 3)
        there = _test_companion(rng, base)
        there = replace(there, side="behind") if there.side == "front" else there
        base, other = replace(base, companion=there), _test_companion(rng, base)
        scenes = [
            base,
            replace(base, companion=replace(there, colour=other.colour)),
            replace(base, companion=replace(there, side=pick(rng, SIDES[:3], there.side))),
            replace(base, colour=pick(rng, colours_of(category, sizes.colours), colour))
            if rng.random() < 0.5
            else replace(base, count=2),
        ]
        if len(set(scenes)) == 4 and all(
            is_fair(scene)
            and not is_held_out(scene)
            and (split_of(scene) == split or not is_cluttered(scene))
            and there.colour != scene.colour
            and other.colour != colour
            for scene in scenes
        ):
            break
    return scenes


def _combined(category: str, sizes: GridSizes) -> list[list[Scene]]:
    """The held-out line of the category, if it has one, one colour after the other."""
    if category not in _HELD_OUT_LINES:
        return []
    finish, pattern = _HELD_OUT_LINES[category]
    n_colours, n_surfaces = sizes.combined
    return [
        [Scene(category, colour, finish, pattern, surface) for surface in surfaces_of(category, n_surfaces)]
        for colour in colours_of(category, n_colours)
    ]
