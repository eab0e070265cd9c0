"""Families: scenes that differ by one edit, so that each is a hard negative of the others.

Not pixels, not files (world.py). Which split a scene belongs to is said by splits.py; a family never leaves its split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.catalogue.edits import COMPANION_KINDS, SIMPLE, SWAPPABLE, Edit, differences, targets
from training.catalogue.scene import LEGAL, SIDES, Action, Scene, pick, random_companion, random_scene, with_action
from training.catalogue.splits import Split, in_distribution, is_cluttered, neighbours

#: How often an edit of each kind makes a sibling; finish and pattern are the hardest to see and come most often.
SIBLING_KINDS = {
    "colour": 0.15,
    "finish": 0.16,
    "pattern": 0.16,
    "surface": 0.10,
    "category": 0.09,
    "size": 0.06,
    "count": 0.06,
    "add": 0.06,
    "remove": 0.04,
    "relation": 0.04,
    "companion colour": 0.03,
    "companion finish": 0.02,
    "companion category": 0.02,
    "swap": 0.01,
}
#: The same in a crowded family, whose scenes differ in the second object, how many there are and who stands where.
CROWDED_KINDS = {
    "colour": 0.08,
    "finish": 0.08,
    "pattern": 0.06,
    "surface": 0.04,
    "category": 0.07,
    "size": 0.03,
    "count": 0.14,
    "add": 0.06,
    "remove": 0.10,
    "relation": 0.07,
    "companion colour": 0.08,
    "companion finish": 0.12,
    "companion category": 0.08,
    "swap": 0.03,
}
CROWDED_COUNTS = (1, 1, 2, 2, 3)  # of which one is drawn for the base of a crowded family
CROWDED_COMPANIONS = 0.85  # share of those bases of one or two that have a companion
CLUTTERED_COUNTS = (1, 2, 3, 3, 3)  # the same of a cluttered family, whose threes have companions as often as others
#: Attributes with at least three values: two siblings can both differ from the base in them.
CONTRASTED = ("colour", "finish", "pattern", "surface", "category", "count")
#: What of the companion two siblings of a crowded family can both differ in, besides.
CONTRASTED_COMPANY = ("relation", "companion colour", "companion finish", "companion category")
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


def family(
    rng: np.random.Generator,
    size: int = 4,
    split: Split = "train",
    accept: Callable[[Scene], bool] = lambda _: True,
    crowded: bool = False,
    cluttered: bool = False,
) -> list[Scene]:
    """A base scene and size - 1 edited siblings, all different, fair and of the split.

    Three quarters of the siblings are single edits of the base, the others of a sibling; in six of ten families two
    siblings differ from the base in the same attribute, so that a wrong value of the edited attribute is at hand.

    Args:
        rng: of everything that is drawn.
        size: how many scenes.
        split: whose scenes.
        accept: what else a scene must be.
        crowded: whether most of its scenes hold two objects and a second thing, and differ in these (CROWDED_KINDS).
        cluttered: whether, in a crowded family, three may have a companion and most bases are three; beside them stands
            nothing that the benchmark shows beside three of their category (splits.CLUTTER_COMPANIONS).

    Returns:
        The scenes, the base first.
    """

    def fits(scene: Scene) -> bool:
        return in_distribution(scene, split) and (three or not is_cluttered(scene)) and accept(scene)

    three = crowded and cluttered
    shares = _CROWDED if crowded else _ORDINARY
    contrasted = size > 2 and rng.random() < 0.6
    while True:
        scenes = [_base(rng, fits, crowded, three)]
        if contrasted:
            scenes += _contrasted(rng, scenes[0], shares, fits)
            if len(scenes) < 3:
                continue
        for _ in range(60):
            if len(scenes) >= size:
                return scenes
            source = scenes[0] if rng.random() < 0.75 else scenes[int(rng.integers(len(scenes)))]
            sibling = edited_once(rng, source, str(rng.choice(shares.names, p=shares.all)), fits)
            if sibling is not None and sibling not in scenes:
                scenes.append(sibling)


def _base(rng: np.random.Generator, fits: Callable[[Scene], bool], crowded: bool, three: bool) -> Scene:
    """The first scene of a family."""
    if not crowded:
        return random_scene(rng, fits)
    if not three:
        return random_scene(rng, fits, CROWDED_COMPANIONS, CROWDED_COUNTS)
    counts = (int(rng.choice(CLUTTERED_COUNTS)),)  # first of all: of three beside something most draws do not fit
    return random_scene(rng, fits, CROWDED_COMPANIONS, counts, most_in_company=3)


def _contrasted(rng: np.random.Generator, base: Scene, shares: _Shares, fits: Callable[[Scene], bool]) -> list[Scene]:
    """Two siblings that differ from the base in the same thing, fewer where there are none."""
    kind = str(rng.choice(shares.contrasted, p=shares.of_contrasted))
    if kind in SIMPLE:
        return siblings(rng, base, kind, 2, fits)
    found = [edited_once(rng, base, kind, fits) for _ in range(4)]
    return list(dict.fromkeys(scene for scene in found if scene is not None))[:2]


def clip_family(rng: np.random.Generator, stills: Sequence[Scene]) -> list[Scene]:
    """Four clips of the first still and one more, such that one frame never tells which is which (animate.py).

    Two actions each on their own, or, where a still differs from the first in its colour alone, each still changing to
    the other's colour and both doing the same third thing.

    Raises:
        ValueError: fewer than two stills.
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
    edits = _company_edits(rng, source, kind)
    return next((scene for edit in edits for scene in targets(source, edit) if fits(scene)), None)


def _company_edits(rng: np.random.Generator, source: Scene, kind: str) -> list[Edit]:
    """Edits of this kind that concern the companion, in random order."""
    if kind == "add":
        return [Edit("add", random_companion(rng, source.category, source.colour)) for _ in range(30)]
    if kind == "remove":
        return [Edit("remove")]
    if kind == "swap":
        return [Edit("swap", attribute=SWAPPABLE[row]) for row in rng.permutation(len(SWAPPABLE))]
    values = SIDES if kind == "relation" else LEGAL[COMPANION_KINDS[kind]]
    return [Edit(kind, values[row]) for row in rng.permutation(len(values))]


@dataclass(frozen=True, slots=True)
class _Shares:
    """How often each kind of edit makes a sibling, and two of them; each of the two adds up to one."""

    names: tuple[str, ...]
    all: np.ndarray
    contrasted: tuple[str, ...]
    of_contrasted: np.ndarray


def _shares(kinds: Mapping[str, float], contrasted: tuple[str, ...]) -> _Shares:
    return _Shares(
        tuple(kinds),
        np.array(list(kinds.values())) / sum(kinds.values()),
        contrasted,
        np.array([kinds[name] for name in contrasted]) / sum(kinds[name] for name in contrasted),
    )


_ORDINARY = _shares(SIBLING_KINDS, CONTRASTED)
_CROWDED = _shares(CROWDED_KINDS, (*CONTRASTED, *CONTRASTED_COMPANY))
