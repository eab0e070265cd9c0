"""Views of rendered families that cost no rendering: seen in a mirror, played backwards. The words follow the picture.

Not nuisance (draws.jittered): a view may show another scene, and is used only where training may see it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.catalogue.scene import MIRRORED_SIDES, Action, Scene
from training.catalogue.splits import Split, in_distribution
from training.catalogue.world import Item

_MIRRORED = {"slides left": "slides right", "slides right": "slides left"}
_BACKWARDS = _MIRRORED | {"grows": "shrinks", "shrinks": "grows", "appears": "disappears", "disappears": "appears"}
_EITHER_WAY = ("spins", "camera orbits")


def mirrored(scene: Scene) -> Scene:
    """What a mirror shows of the scene: sides and slides are swapped."""
    companion = scene.companion and replace(scene.companion, side=MIRRORED_SIDES[scene.companion.side])
    action = scene.action and replace(scene.action, kind=_MIRRORED.get(scene.action.kind, scene.action.kind))
    return replace(scene, companion=companion, action=action)


def backwards(scene: Scene) -> Scene | None:
    """What the clip shows when played backwards; None where the world has no name for it (light that brightens)."""
    action = scene.action
    if action is None or action.kind in _EITHER_WAY:
        return scene
    if action.kind == "changes colour" and action.colour is not None:
        return replace(scene, colour=action.colour, action=Action("changes colour", scene.colour))
    kind = _BACKWARDS.get(action.kind)
    return None if kind is None else replace(scene, action=Action(kind))


def mirror_family(family: list[Item], split: Split) -> list[Item]:
    """Every item in the mirror, or the family as it is where one of the mirrored scenes is not of the split."""
    scenes = [mirrored(item.scene) for item in family]
    if not all(in_distribution(scene, split) for scene in scenes):
        return family
    return [replace(item, scene=scene, mirrored=not item.mirrored) for item, scene in zip(family, scenes, strict=True)]


def reverse_family(family: list[Item], split: Split) -> list[Item]:
    """Every clip backwards that has a name backwards and is of the split, the others as they are."""
    turned = []
    for item in family:
        scene = backwards(item.scene)
        if scene is None or not in_distribution(scene, split):
            turned.append(item)
        else:
            turned.append(replace(item, scene=scene, backwards=not item.backwards))
    return turned


def frames_of(frames_FSS3: np.ndarray, item: Item) -> np.ndarray:
    """The frames of the item's view, from its rendered frames (F, S, S, 3)."""
    if item.mirrored:
        frames_FSS3 = frames_FSS3[:, :, ::-1]
    return frames_FSS3[::-1] if item.backwards else frames_FSS3
