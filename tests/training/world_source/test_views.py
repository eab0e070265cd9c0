"""Views show what their scene says, undo themselves, and never show a scene that training may not see."""

from dataclasses import replace

import numpy as np
import pytest

from training.catalogue.scene import ACTIONS, Action, Companion, Scene, with_action
from training.catalogue.splits import in_distribution
from training.catalogue.world import Item, WorldSpec, plan_clips, plan_families
from training.world_source import views

SCENE = Scene("mug", "red", companion=Companion("vase", "blue", "left"))


def action(kind: str) -> Action:
    return Action(kind, "green" if kind == "changes colour" else None)


@pytest.mark.parametrize("kind", ACTIONS)
def test_a_view_of_a_view_is_the_scene_itself(kind):
    scene = with_action(SCENE, action(kind))
    assert views.mirrored(views.mirrored(scene)) == scene
    if kind == "light dims":
        assert views.backwards(scene) is None
    else:
        assert views.backwards(views.backwards(scene)) == scene


def test_a_mirror_swaps_sides_and_slides_and_time_swaps_what_has_a_direction():
    assert views.mirrored(SCENE).companion.side == "right"
    assert views.mirrored(with_action(SCENE, action("slides left"))).action.kind == "slides right"
    assert views.backwards(with_action(SCENE, action("grows"))).action.kind == "shrinks"
    turned = views.backwards(with_action(SCENE, action("changes colour")))
    assert (turned.colour, turned.action) == ("green", Action("changes colour", "red"))


@pytest.mark.parametrize("cluttered", [0.0, 1.0])
def test_no_view_shows_a_scene_of_another_split(cluttered):
    spec = WorldSpec(families=120, clip_families=120, seed=3, crowded=cluttered, cluttered=cluttered)
    families = plan_families(spec)
    clips = plan_clips(families, 120, 3, "train")
    mirrors = [views.mirror_family(family, "train") for family in [*families, *clips]]
    assert all(in_distribution(item.scene, "train") for family in mirrors for item in family)
    shown = [family[0].mirrored for family in mirrors]
    assert all(shown)  # the side at which a companion stands decides no split
    for family in clips:
        back = views.reverse_family(family, "train")
        assert all(in_distribution(item.scene, "train") for item in back)
        assert all(
            item.backwards == (one.action.kind != "light dims")
            for item, one in zip(back, (i.scene for i in family), strict=True)
        )


def test_frames_follow_the_view():
    frames = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    item = Item(0, 0, SCENE)
    assert views.frames_of(frames, item) is frames
    assert np.array_equal(views.frames_of(frames, replace(item, mirrored=True)), frames[:, :, ::-1])
    assert np.array_equal(views.frames_of(frames, replace(item, backwards=True)), frames[::-1])
