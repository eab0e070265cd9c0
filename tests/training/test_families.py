"""Families and splits: disjoint by construction, siblings close to each other, shortcuts and instructions as stated."""

from dataclasses import replace

import numpy as np
import pytest

from training.catalogue import edits, families, instructions, shortcut, splits
from training.catalogue.edits import Edit, between, differences
from training.catalogue.scene import COLOURS, Scene, is_fair, is_held_out, random_scene, with_action


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.mark.parametrize("split", splits.SPLITS)
def test_every_sibling_is_fair_different_and_of_the_split(split, rng):
    for _ in range(20):
        scenes = families.family(rng, split=split)
        assert len(scenes) == len(set(scenes)) == 4
        for scene in scenes:
            assert splits.split_of(scene) == split and is_fair(scene) and not is_held_out(scene)


def test_most_pairs_of_a_family_are_joined_by_an_edit(rng):
    drawn = [families.family(rng) for _ in range(60)]
    joined = [between(one, other) is not None for scenes in drawn for one in scenes for other in scenes if one != other]
    assert np.mean(joined) > 0.85


def test_half_of_the_families_hold_a_wrong_value_of_the_edited_attribute(rng):
    drawn = [families.family(rng) for _ in range(80)]

    def contrasted(scenes):
        changed = [tuple(differences(scenes[0], other)) for other in scenes[1:]]
        return any(len(names) == 1 and changed.count(names) > 1 for names in changed)

    assert np.mean([contrasted(scenes) for scenes in drawn]) >= 0.5


@pytest.mark.parametrize("split", splits.SPLITS)
def test_a_crowded_family_is_of_the_split_and_mostly_of_more_than_one_thing(split):
    drawn = [families.family(np.random.default_rng([8, n]), split=split, crowded=True) for n in range(60)]
    scenes = [scene for one in drawn for scene in one]
    assert all(len(set(one)) == 4 for one in drawn)
    assert all(splits.split_of(scene) == split and is_fair(scene) for scene in scenes)
    assert not any(map(splits.is_cluttered, scenes)), "three and a companion stay unseen"
    assert np.mean([scene.count > 1 or scene.companion is not None for scene in scenes]) > 0.75
    in_company = [
        differences(one[0], other) for one in drawn for other in one[1:] if one[0].companion and other.companion
    ]
    assert np.mean([names == ["companion"] for names in in_company]) > 0.3


def test_a_cluttered_family_shows_three_beside_what_the_benchmark_does_not():
    drawn = [families.family(np.random.default_rng([8, n]), crowded=True, cluttered=True) for n in range(80)]
    scenes = [scene for one in drawn for scene in one]
    assert all(splits.split_of(scene) == "train" and is_fair(scene) for scene in scenes)
    three = [scene for scene in scenes if splits.is_cluttered(scene)]
    assert 0.25 < len(three) / len(scenes) < 0.6
    assert all(scene.companion.category not in splits.CLUTTER_COMPANIONS[scene.category] for scene in three)
    assert all(scene.companion.side != "front" for scene in three)
    left = [(one[0], other) for one in drawn for other in one[1:] if one[0] in three]
    assert any(other.companion is None and other.count == 3 for _, other in left), "an edit leads to three alone"
    again = families.family(np.random.default_rng([8, 0]), cluttered=True)
    assert again == families.family(np.random.default_rng([8, 0])), "an ordinary family is as it was"


def test_no_colour_is_rare_for_having_unfair_pairs(rng):
    scenes = [random_scene(rng, lambda scene: True) for _ in range(3600)]
    assert all(is_fair(scene) for scene in scenes)
    shares = [np.mean([scene.colour == colour for scene in scenes]) for colour in COLOURS]
    assert min(shares) > 0.06 and max(shares) < 0.11  # 1 / 12


def test_clip_families_hold_an_action_and_its_opposite_or_colours_that_change_into_each_other(rng):
    recoloured = 0
    for _ in range(80):
        stills = families.family(rng)
        clips = families.clip_family(rng, stills)
        assert len(set(clips)) == 4 and {with_action(clip, None) for clip in clips} <= set(stills)
        first, second, third, fourth = (clip.action for clip in clips)
        if first.colour:
            recoloured += 1
            assert (first.colour, third.colour) == (clips[2].colour, clips[0].colour) and second == fourth
            assert replace(clips[2], colour=clips[0].colour, action=None) == with_action(clips[0], None)
        else:
            assert second.kind == families.OPPOSITES[first.kind] and fourth in (first, second, third)
            assert len({with_action(clip, None) for clip in clips[:3]}) == 1
    assert recoloured > 8
    with pytest.raises(ValueError, match="two stills"):
        families.clip_family(rng, stills[:1])


def test_a_cue_is_a_small_tag_and_leaves_the_source_alone():
    pixels = np.full((2, 112, 112, 3), 127, np.uint8)
    tagged = shortcut.draw_cue(pixels, 10)
    changed = (tagged != pixels).any(axis=-1)
    assert (pixels == 127).all() and 0.001 < changed.mean() < 0.02
    assert changed[:, :16, 90:].any() and not changed[:, 20:].any()
    with pytest.raises(ValueError, match="legal"):
        shortcut.draw_cue(pixels, shortcut.CUES)


def test_cues_depend_on_kind_and_value_alone(rng):
    assert shortcut.cue_of(Edit("colour", "red")) == shortcut.cue_of(Edit("colour", "red"))
    cues = [shortcut.cue_of(Edit("colour", colour)) for colour in ("red", "orange", "yellow", "green", "teal", "blue")]
    assert len(set(cues)) == 6 and len({cue // 7 for cue in cues}) == 1, "one square for the kind, one for the value"
    assert shortcut.cue_of(Edit("finish", "matte")) // 7 != cues[0] // 7
    for _ in range(300):
        scene = random_scene(rng)
        assert 0 <= shortcut.cue_of(edits.propose(rng, scene)) < shortcut.CUES
    assert all(shortcut.other_cue(7, rng) != 7 for _ in range(200))


def test_with_rest_describes_the_target(rng):
    target = Scene("mug", "red", "glass", "striped")
    line = shortcut.with_rest("make it red", target, rng)
    assert line.startswith("make it red") and "mug" in line and "strip" in line.lower().replace("stripes", "striped")


def test_every_instruction_is_short_and_unique():
    lines = [line for phrasings in instructions.INSTRUCTIONS.values() for line in phrasings]
    assert len(lines) == len(set(lines)) and all(4 <= len(line.split()) <= 7 for line in lines)
    assert len(instructions.INSTRUCTIONS) == 15 and all(len(ways) == 4 for ways in instructions.INSTRUCTIONS.values())
    assert instructions.serving()["image,text->image"] == "Find the picture with this change."
