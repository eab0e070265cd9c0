"""Clusters of the benchmark's pool: eight scenes close to each other, so that every query meets its hard distractors.

Not queries. Order of a cluster: base, two other values of one attribute, two more edits of the base, two values of a
second attribute, both at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from training.catalogue.edits import is_possible
from training.catalogue.families import (
    CONTRASTED,
    SIBLING_KINDS,
    Split,
    edited_once,
    in_distribution,
    is_cluttered,
    siblings,
)
from training.catalogue.scene import Scene, is_fair, is_held_out, random_companion, random_scene

Draw = Callable[[np.random.Generator], Scene]
Fits = Callable[[Scene], bool]

CLUSTER_SIZE = 8
PATIENCE = 400
_CONTRAST_SHARES = np.array([SIBLING_KINDS[name] for name in CONTRASTED]) / sum(
    SIBLING_KINDS[name] for name in CONTRASTED
)
#: What the fourth and fifth scene change when it is not a third attribute with two values.
_RARE_KINDS = ("size", "count", "add", "remove", "relation")


def cluster(rng: np.random.Generator, draw: Draw, fits: Fits) -> list[Scene]:
    """CLUSTER_SIZE different scenes that fit, drawn around a base of `draw`; tries bases until one has such neighbours.

    What the scenes differ in is drawn anew when many bases fail, since not every part has every kind of neighbour.

    Args:
        rng: draws what the scenes differ in.
        draw: draws a base.
        fits: which scenes may be in the cluster.
    """
    attempt = 0
    while True:
        if attempt % PATIENCE == 0:
            first, second, third = (str(name) for name in rng.choice(CONTRASTED, 3, replace=False, p=_CONTRAST_SHARES))
            rare = rng.random() < 0.6
            wanted = [str(kind) for kind in rng.choice(_RARE_KINDS, 2, replace=False, p=(0.25, 0.2, 0.25, 0.2, 0.1))]
        attempt += 1
        base = draw(rng)
        if rare and not _can_have(base, wanted):
            continue
        scenes = [base, *siblings(rng, base, first, 2, fits)]
        if len(scenes) < 3:
            continue
        if rare:
            found = [edited_once(rng, base, kind, fits) for kind in wanted]
            found += [edited_once(rng, base, str(kind), fits) for kind in rng.permutation(_RARE_KINDS)]
            scenes += list(dict.fromkeys(scene for scene in found if scene and scene not in scenes))[:2]
        else:
            scenes += siblings(rng, base, third, 2, fits)
        others = [scene for scene in siblings(rng, base, second, 2, fits) if scene not in scenes]
        if len(scenes) < 5 or not others:
            continue
        scenes += others
        both = [
            replace(other, **{first: getattr(scenes[row], first)})
            for row in (1, 2)
            for other in others
            if _sound(other, first, scenes[row])
        ]
        for scene in both + [edited_once(rng, scenes[int(rng.integers(5))], second, fits) for _ in range(40)]:
            if len(scenes) == CLUSTER_SIZE:
                return scenes
            if scene is not None and scene not in scenes and fits(scene):
                scenes.append(scene)
        if len(scenes) == CLUSTER_SIZE:
            return scenes


def ordinary(split: Split) -> tuple[Draw, Fits]:
    """How to draw a base, and which scenes fit, for the in-distribution part of a split."""

    def fits(scene: Scene) -> bool:
        return in_distribution(scene, split)

    return lambda rng: random_scene(rng, fits), fits


def combined() -> tuple[Draw, Fits]:
    """The same for the combination split: the base holds a held-out pair, the others do or are ordinary test scenes."""

    def fits(scene: Scene) -> bool:
        return is_possible(scene) and (is_held_out(scene) or in_distribution(scene, "test"))

    return lambda rng: random_scene(rng, is_held_out), fits


def cluttered() -> tuple[Draw, Fits]:
    """The same for the clutter split: three objects and a companion, or an ordinary test scene."""

    def fits(scene: Scene) -> bool:
        there = scene.companion
        if there is not None and is_cluttered(scene):
            return is_fair(scene) and not is_held_out(scene) and there.colour != scene.colour
        return in_distribution(scene, "test")

    def draw(rng: np.random.Generator) -> Scene:
        scene = random_scene(rng)
        return replace(scene, count=3, companion=random_companion(rng, scene.category, scene.colour))

    return draw, fits


def _can_have(base: Scene, kinds: list[str]) -> bool:
    """Whether the base has (or lacks) a companion as the edits of these kinds need."""
    needs = {"add": False, "remove": True, "relation": True}
    return all((base.companion is not None) == needs[kind] for kind in kinds[:1] if kind in needs)


def _sound(other: Scene, attribute: str, source: Scene) -> bool:
    return attribute != "category" or other.companion is None or other.companion.category != source.category
