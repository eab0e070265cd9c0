"""Splits: whole lines are held out with their neighbourhood, and what is left still shows every value and every allowed
pair."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from training.catalogue import splits
from training.catalogue.families import family
from training.catalogue.grid import GridSizes, groups_of
from training.catalogue.probe import scenes_of
from training.catalogue.scene import (
    CATEGORIES,
    COLOURS,
    FINISHES,
    HELD_OUT_PAIRS,
    LEGAL,
    SIDES,
    UNFAIR_PAIRS,
    Action,
    Companion,
    Scene,
    is_held_out,
    random_scene,
    with_action,
)
from umr.search import Searcher
from umr.shipped import BUNDLED, default_root


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(2)
    return [random_scene(rng) for _ in range(12_000)]


@pytest.fixture(scope="module")
def shown():
    """The pictures of the full test collection."""
    return [(group, scene) for group in groups_of("test", GridSizes(), 7) for scene in group.scenes]


def test_no_test_picture_has_a_training_scene_at_distance_one(shown):
    rng = np.random.default_rng(4)
    rows = [row for row, (group, _) in enumerate(shown) if group.part != "combination"]
    for row in rng.choice(rows, 40, replace=False):
        scene = shown[row][1]
        near = splits.neighbourhood(scene)
        assert len(near) > 400
        assert not [other for other in near if splits.in_distribution(other, "train")], scene


def test_the_neighbourhood_is_every_scene_that_differs_in_one_attribute():
    scene = Scene("mug", "red", companion=Companion("vase", "blue", "left"))
    near = splits.neighbourhood(scene)
    assert len(near) == len(set(near)) and scene not in near
    companions = 13 * len(COLOURS) * len(SIDES) * len(FINISHES)
    assert len(near) == 12 + 11 + 3 + 4 + 7 + 1 + 2 + companions  # 12 categories: not the companion's


def test_every_picture_of_a_collection_is_of_its_split(shown):
    assert {splits.split_of(scene) for _, scene in shown} == {"test"}
    validation = [
        scene for group in groups_of("validation", GridSizes(colours=9, surfaces=4), 7) for scene in group.scenes
    ]
    assert {splits.split_of(scene) for scene in validation} == {"validation"} and len(set(validation)) == len(
        validation
    ) > 1500


def test_training_keeps_a_good_share_and_a_scenes_split_ignores_its_action(drawn):
    shares = {split: np.mean([splits.split_of(scene) == split for scene in drawn]) for split in splits.SPLITS}
    assert 0.38 < shares["train"] < 0.50 and shares["test"] > 0.05, shares
    for scene in drawn[:50]:
        assert splits.split_of(with_action(scene, Action("spins"))) == splits.split_of(scene)


def values(scene):
    """(attribute, value) pairs of a scene; a companion's under names of their own."""
    told = [(name, getattr(scene, name)) for name in LEGAL]
    there = scene.companion
    return told + (
        [(f"companion {name}", getattr(there, name)) for name in ("category", "colour", "side", "finish")]
        if there
        else [("companion category", None)]
    )


def test_each_value_and_each_allowed_pair_is_trained(drawn):
    """A pair counts as allowed if a fair scene without a held-out pair can have it; sampling shows them all."""
    rng = np.random.default_rng(9)
    train = [scene for scene in drawn if splits.in_distribution(scene, "train")]
    train += [random_scene(rng, lambda scene: splits.in_distribution(scene, "train"), 0.6) for _ in range(5000)]
    seen = {pair for scene in train for pair in combinations(values(scene), 2)}
    refused = {frozenset(((a, b), (c, d))) for a, b, c, d in (*UNFAIR_PAIRS, *HELD_OUT_PAIRS)}
    refused |= {frozenset((("category", None), ("companion category", None)))}
    missing = [
        pair
        for (one, first), (other, second) in combinations(LEGAL.items(), 2)
        for pair in [((one, a), (other, b)) for a, b in product(first, second)]
        if frozenset(pair) not in refused and pair not in seen
    ]
    assert not missing
    company = {pair for pair in seen if pair[0][0] in LEGAL and pair[1][0].startswith("companion ")}
    assert all(
        (("category", one), ("companion category", other)) in company
        for one in CATEGORIES
        for other in CATEGORIES
        if one != other
    )
    assert all((("category", one), ("companion colour", colour)) in company for one in CATEGORIES for colour in COLOURS)


def test_held_out_pairs_are_never_trained_not_even_as_companions_and_clutter_in_no_ordinary_world():
    companion = Scene("mug", "red", companion=Companion("vase", "orange", "left"))
    assert is_held_out(companion) and splits.split_of(companion) == "test"
    glass = Scene("mug", "red", companion=Companion("chair", "purple", "left", "glass"))
    assert is_held_out(glass) and not splits.in_distribution(glass, "train")
    rng = np.random.default_rng(5)
    for _ in range(300):
        scene = random_scene(rng, lambda scene: splits.in_distribution(scene, "train"))
        assert not is_held_out(scene) and not splits.is_cluttered(scene)
    assert splits.split_of(Scene("mug", "red", count=3, companion=Companion("vase", "blue", "left"))) == "test"


def test_what_training_shows_of_clutter_is_two_edits_and_a_pair_away_from_the_benchmarks():
    three = Scene("mug", "red", "metal", "dotted", count=3, companion=Companion("lamp", "blue", "left"))
    assert splits.split_of(three) == "train" and splits.in_distribution(three, "train")
    ordinary = [scene for n in range(60) for scene in family(np.random.default_rng([8, n]), crowded=n % 2 == 0)]
    assert not any(map(splits.is_cluttered, ordinary)), "only where a world asks for it"
    beside = replace(three, companion=Companion("vase", "blue", "left"))
    assert splits.split_of(beside) == "test" and not splits.in_distribution(beside, "train")
    shown, _ = scenes_of(Searcher.open(default_root() / "unified" / BUNDLED))
    cluttered = [scene for scene in shown if splits.is_cluttered(scene)]
    assert len(cluttered) == 147
    for scene in cluttered:
        assert scene.companion is not None and scene.companion.category in splits.CLUTTER_COMPANIONS[scene.category]
        assert not any(splits.split_of(near) == "train" for near in splits.neighbourhood(scene))
    pairs = {(scene.category, scene.companion.category) for scene in cluttered if scene.companion}
    assert pairs == {(one, other) for one, others in splits.CLUTTER_COMPANIONS.items() for other in others}


def test_a_scenes_split_never_changes():
    assert splits.split_of(Scene("mug", "red", "metal", "dotted")) == "train"
    assert splits.split_of(Scene("mug", "red", "glossy", "plain")) == "test"
    assert splits.split_of(Scene("mug", "red", "glossy", "dotted")) == "validation"
    assert splits.split_of(Scene("teapot", "red", pattern="zigzag")) == "test"
