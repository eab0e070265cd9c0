"""Which split a scene belongs to, by whole product lines and their neighbourhood.

Not how scenes are drawn (families.py, grid.py). A line is (category, finish, pattern, size) in every colour and on
every surface. The test split has lines of its own; every scene that differs from one of its scenes in a single
attribute is kept from training too and is what validation draws from. So a test scene has no training scene at distance
1, whatever is edited, and both the training families and the benchmark ask this module alone.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Literal

from training.catalogue.edits import is_possible
from training.catalogue.scene import (
    CATEGORIES,
    COLOURS,
    COUNTS,
    FINISHES,
    LEGAL,
    PATTERNS,
    SIDES,
    SIZES,
    Companion,
    Scene,
    is_held_out,
)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

#: (finish, pattern) pairs: two lines of each category, in both sizes, that differ in one of the two.
Lines = dict[str, tuple[tuple[str, str], tuple[str, str]]]

#: The lines of the test split. Eight pairs of finish and pattern are shared by all categories, so that the others stay
#: free for training.
TEST_LINES: Lines = {
    "mug": (("glossy", "plain"), ("glossy", "striped")),
    "bottle": (("glossy", "plain"), ("glossy", "zigzag")),
    "bowl": (("glossy", "plain"), ("metal", "plain")),
    "vase": (("glossy", "striped"), ("glass", "striped")),
    "lamp": (("metal", "plain"), ("metal", "striped")),
    "stool": (("matte", "dotted"), ("matte", "checked")),
    "table": (("glossy", "striped"), ("metal", "striped")),
    "chair": (("matte", "checked"), ("matte", "dotted")),
    "teapot": (("glossy", "plain"), ("metal", "plain")),
    "candle": (("glossy", "zigzag"), ("glossy", "striped")),
    "plant pot": (("glass", "striped"), ("glossy", "striped")),
    "box": (("matte", "dotted"), ("matte", "checked")),
    "clock": (("metal", "plain"), ("glossy", "plain")),
    "cushion": (("matte", "checked"), ("matte", "dotted")),
}

#: The lines that the validation collection shows: all of the neighbourhood of the test lines, so training never sees
#: them either.
VALIDATION_LINES: Lines = {
    "mug": (("glossy", "dotted"), ("glossy", "zigzag")),
    "bottle": (("glossy", "dotted"), ("glossy", "checked")),
    "bowl": (("matte", "plain"), ("glass", "plain")),
    "vase": (("matte", "striped"), ("metal", "striped")),
    "lamp": (("matte", "plain"), ("glossy", "plain")),
    "stool": (("matte", "plain"), ("matte", "striped")),
    "table": (("matte", "striped"), ("glass", "striped")),
    "chair": (("matte", "plain"), ("matte", "zigzag")),
    "teapot": (("matte", "plain"), ("glass", "plain")),
    "candle": (("glossy", "dotted"), ("glossy", "checked")),
    "plant pot": (("matte", "striped"), ("metal", "striped")),
    "box": (("matte", "plain"), ("matte", "zigzag")),
    "clock": (("matte", "plain"), ("glass", "plain")),
    "cushion": (("matte", "striped"), ("matte", "zigzag")),
}

_Cell = tuple[str, str, str, str]


#: What stands beside three of a category in the benchmark's pictures, and beside three of it in no training picture.
CLUTTER_COMPANIONS = {
    "mug": ("vase", "box"),
    "bottle": ("table", "teapot"),
    "bowl": ("chair", "plant pot", "box"),
    "vase": ("lamp", "chair", "candle"),
    "lamp": ("teapot", "candle", "clock"),
    "stool": ("mug", "candle", "cushion"),
    "table": ("lamp", "chair", "plant pot"),
    "chair": ("mug", "lamp", "candle"),
    "teapot": ("bottle", "box", "cushion"),
    "candle": ("lamp", "plant pot", "box"),
    "plant pot": ("bowl", "vase", "candle"),
    "box": ("bowl", "table", "clock"),
    "clock": ("stool", "chair", "cushion"),
    "cushion": ("chair", "plant pot"),
}


def is_cluttered(scene: Scene) -> bool:
    """Whether three objects stand beside something else, as in the pictures of the clutter split."""
    return scene.count == 3 and scene.companion is not None


def cell_of(scene: Scene) -> _Cell:
    """The scene's line: (category, finish, pattern, size)."""
    return scene.category, scene.finish, scene.pattern, scene.size


def is_test_company(companion: Companion) -> bool:
    """Whether the test lines may have this companion: three colours of each category, in any finish, at any side.

    A rule of category and colour alone, so that edits of a companion's finish or side, and some of its colour and
    category, stay within.
    """
    return (CATEGORIES.index(companion.category) + COLOURS.index(companion.colour)) % 4 == 0


def split_of(scene: Scene) -> Split:
    """The split of a scene by what a still of it shows.

    Held-out pairs are always test, and so are three of a category beside one of CLUTTER_COMPANIONS. What is held out
    and not test, the neighbourhood, is validation: of three beside anything else every line near one of the test's.
    """
    if is_held_out(scene):
        return "test"
    cell, there = cell_of(scene), scene.companion
    if there is None:
        bare = (*cell, scene.count)
        if bare in _TEST_BARE:
            return "test"
        return "validation" if bare in _NEAR_BARE or cell in _TEST_CELLS else "train"
    if is_cluttered(scene):
        if there.category in CLUTTER_COMPANIONS[scene.category]:
            return "test"
        return "validation" if cell in _NEAR_CELLS else "train"
    if cell in _TEST_CELLS:
        return "test" if is_test_company(there) else "validation"
    return "validation" if cell in _NEAR_CELLS and is_test_company(there) else "train"


def in_distribution(scene: Scene, split: Split) -> bool:
    """Whether a world of `split` may show the scene: possible, no held-out pair, of the split.

    That includes three beside something, which cluttered families alone show (families.py).
    """
    return split_of(scene) == split and is_possible(scene, most_in_company=3) and not is_held_out(scene)


def neighbours(scene: Scene, attribute: str) -> list[Scene]:
    """Every scene that differs in this one attribute, fair or not; never a category that the companion has."""
    if attribute == "companion":
        others = [
            None,
            *(
                Companion(*values)
                for values in product(CATEGORIES, COLOURS, SIDES, FINISHES)
                if values[0] != scene.category
            ),
        ]
        return [replace(scene, companion=other) for other in others if other != scene.companion]
    taken = scene.companion.category if scene.companion and attribute == "category" else None
    mine = getattr(scene, attribute)
    return [replace(scene, **{attribute: value}) for value in LEGAL[attribute] if value not in (mine, taken)]


def neighbourhood(scene: Scene) -> list[Scene]:
    """Every still scene at distance 1: one attribute differs, where any change of the companion counts as one."""
    return [other for attribute in (*LEGAL, "companion") for other in neighbours(scene, attribute)]


def _cells_of(lines: Lines) -> frozenset[_Cell]:
    return frozenset((category, *line, size) for category, pair in lines.items() for line in pair for size in SIZES)


def _bare_of(lines: Lines) -> frozenset[tuple]:
    """Cells without a companion, with the count.

    All stand as one, the first line of each category in large also as two and three.
    """
    single = {(*cell, 1) for cell in _cells_of(lines)}
    return frozenset(
        single | {(category, *pair[0], "large", count) for category, pair in lines.items() for count in COUNTS}
    )


def _with_neighbours(keys: frozenset[tuple], values: tuple[tuple, ...]) -> frozenset[tuple]:
    """The keys and every key that differs from one of them in one place."""
    near = {
        (*key[:place], value, *key[place + 1 :])
        for key in keys
        for place, legal in enumerate(values)
        for value in legal
    }
    return frozenset(near | keys)


_VALUES = (CATEGORIES, FINISHES, PATTERNS, SIZES)
_TEST_CELLS = _cells_of(TEST_LINES)
_NEAR_CELLS = _with_neighbours(_TEST_CELLS, _VALUES)
_TEST_BARE = _bare_of(TEST_LINES)
_NEAR_BARE = _with_neighbours(_TEST_BARE, (*_VALUES, COUNTS))
