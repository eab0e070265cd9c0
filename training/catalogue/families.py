"""Families: scenes that differ by one edit, so that each is a hard negative of the others; and a scene's split.

Not pixels, not files (world.py). A scene's split is a hash of its described attributes: no world can leak a test scene
into training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Literal

import numpy as np

from training.catalogue.edits import SIMPLE, Edit, differences, is_possible, targets
from training.catalogue.scene import (
    LEGAL,
    SIDES,
    Action,
    Scene,
    is_held_out,
    pick,
    random_companion,
    random_scene,
    with_action,
)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

#: How often an edit of each kind makes a sibling; finish and pattern are the hardest to see and come most often.
SIBLING_KINDS = {
    "colour": 0.17,
    "finish": 0.19,
    "pattern": 0.19,
    "surface": 0.11,
    "category": 0.10,
    "size": 0.07,
    "count": 0.07,
    "add": 0.06,
    "remove": 0.06,
    "relation": 0.04,
}
#: Attributes with at least three values: two siblings can both differ from the base in them.
CONTRASTED = ("colour", "finish", "pattern", "surface", "category", "count")
OPPOSITES = {
    "slides left": "slides right",
    "slides right": "slides left",
    "grows": "shrinks",
    "shrinks": "grows",
    "appears": "disappears",
    "disappears": "appears",
    "spins": "camera orbits",
    "camera orbits": "spins",
    "light dims": "spins",
}
MOTIONS = tuple(OPPOSITES)  # the actions that need no second still
RECOLOURED = 0.7  # share of the families that show changes of colour, of those that can


def is_cluttered(scene: Scene) -> bool:
    """Whether the scene is of the clutter split: companion and count beyond what training has seen."""
    return scene.count == 3 and scene.companion is not None


def split_of(scene: Scene) -> Split:
    """The split of a scene by what a still of it shows: a tenth test, a tenth validation, the rest training.

    Held-out pairs and clutter are always test: no other split draws them.
    """
    return "test" if is_held_out(scene) or is_cluttered(scene) else _hashed(scene)


def in_distribution(scene: Scene, split: Split) -> bool:
    """Whether `split` may hold the scene as an ordinary one: possible, no held-out pair, no clutter, the right hash."""
    return _hashed(scene) == split and is_possible(scene) and not is_held_out(scene)


def still_json(scene: Scene) -> str:
    """The scene without its action as canonical JSON (sorted keys): what is hashed. Spelt out for speed."""
    there = scene.companion
    companion = (
        f'{{"category": "{there.category}", "colour": "{there.colour}", "side": "{there.side}"}}' if there else "null"
    )
    return (
        f'{{"action": null, "category": "{scene.category}", "colour": "{scene.colour}", "companion": {companion}, '
        f'"count": {scene.count}, "finish": "{scene.finish}", "pattern": "{scene.pattern}", "size": "{scene.size}", '
        f'"surface": "{scene.surface}"}}'
    )


def _hashed(scene: Scene) -> Split:
    bucket = int.from_bytes(sha256(still_json(scene).encode()).digest()[:8], "big") % 10
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def family(
    rng: np.random.Generator,
    size: int = 4,
    split: Split = "train",
    accept: Callable[[Scene], bool] = lambda scene: True,
) -> list[Scene]:
    """A base scene and size - 1 edited siblings, all different, fair and of the split.

    Three quarters of the siblings are single edits of the base, the others of a sibling; in six of ten families two
    siblings differ from the base in the same attribute, so that a wrong value of the edited attribute is at hand.

    Args:
        rng: draws the scenes.
        size: scenes in the family.
        split: of which every scene is.
        accept: a further condition on every scene.
    """

    def fits(scene: Scene) -> bool:
        return in_distribution(scene, split) and accept(scene)

    attribute = str(rng.choice(CONTRASTED, p=_CONTRAST_SHARES)) if size > 2 and rng.random() < 0.6 else None
    while True:
        scenes = [random_scene(rng, fits)]
        if attribute:
            scenes += siblings(rng, scenes[0], attribute, 2, fits)
            if len(scenes) < 3:
                continue
        for _ in range(60):
            if len(scenes) >= size:
                return scenes
            source = scenes[0] if rng.random() < 0.75 else scenes[int(rng.integers(len(scenes)))]
            sibling = edited_once(rng, source, str(rng.choice(_KIND_NAMES, p=_KIND_SHARES)), fits)
            if sibling is not None and sibling not in scenes:
                scenes.append(sibling)


def clip_family(rng: np.random.Generator, stills: Sequence[Scene]) -> list[Scene]:
    """Four clips of the first still and one more, such that one frame never tells which is which (animate.py).

    Two actions each on their own, or, where a still differs from the first in its colour alone, each still changing to
    the other's colour and both doing the same third thing.

    Raises:
        ValueError: there are fewer than two stills.
    """
    if len(stills) < 2:
        raise ValueError(f"a clip family needs two stills, got {len(stills)}")
    base, *others = stills
    recoloured = [still for still in others if differences(base, still) == ["colour"]]
    if recoloured and rng.random() < RECOLOURED:
        other = recoloured[0]
        shared = Action(pick(rng, MOTIONS))
        return [
            with_action(base, Action("changes colour", other.colour)),
            with_action(base, shared),
            with_action(other, Action("changes colour", base.colour)),
            with_action(other, shared),
        ]
    first = pick(rng, MOTIONS)
    kinds = [first, OPPOSITES[first]]
    kinds.append(pick(rng, [kind for kind in MOTIONS if kind not in kinds]))
    return [*(with_action(base, Action(kind)) for kind in kinds), with_action(others[0], Action(pick(rng, kinds)))]


def neighbours(scene: Scene, attribute: str) -> list[Scene]:
    """Every scene that differs in this one attribute, fair or not; never a category that the companion has."""
    taken = scene.companion.category if scene.companion and attribute == "category" else None
    return [
        replace(scene, **{attribute: value})
        for value in LEGAL[attribute]
        if value not in (getattr(scene, attribute), taken)
    ]


def siblings(
    rng: np.random.Generator, base: Scene, attribute: str, n: int, fits: Callable[[Scene], bool]
) -> list[Scene]:
    """Up to n scenes with other values of one attribute."""
    others = [scene for scene in neighbours(base, attribute) if fits(scene)]
    return [others[row] for row in rng.permutation(len(others))[:n]]


def edited_once(rng: np.random.Generator, source: Scene, kind: str, fits: Callable[[Scene], bool]) -> Scene | None:
    """A scene one edit of this kind away that fits, or None if a draw finds none."""
    if kind in SIMPLE:
        found = siblings(rng, source, kind, 1, fits)
        return found[0] if found else None
    if (kind == "add") == (source.companion is not None):
        return None
    if kind == "add":
        edits = [Edit("add", random_companion(rng, source.category, source.colour)) for _ in range(30)]
    elif kind == "relation":
        edits = [Edit("relation", SIDES[row]) for row in rng.permutation(len(SIDES))]
    else:
        edits = [Edit("remove")]
    return next((scene for edit in edits for scene in targets(source, edit) if fits(scene)), None)


_KIND_NAMES = tuple(SIBLING_KINDS)
_KIND_SHARES = np.array(list(SIBLING_KINDS.values())) / sum(SIBLING_KINDS.values())
_CONTRAST_SHARES = np.array([SIBLING_KINDS[name] for name in CONTRASTED]) / sum(
    SIBLING_KINDS[name] for name in CONTRASTED
)
