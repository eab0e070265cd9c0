"""Bystanders: shapes that no category has, never where they would hide something, and nothing is said of them."""

from dataclasses import replace

import numpy as np
import pytest

from training.catalogue import bystanders, world
from training.catalogue.layout import STYLES, stage_of
from training.catalogue.render import render_clip, render_image
from training.catalogue.scene import Action, Companion, Scene, random_scene
from umr.errors import ConfigError


@pytest.mark.parametrize("builder", bystanders._BUILDERS)
def test_a_shape_stands_on_the_ground_within_its_box(builder):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shape = builder(lambda low, high, rng=rng: float(rng.uniform(low, high)))
        x0, x1, _, y1, z0, z1 = shape.box
        grid = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, 61)] * 3, indexing="ij")).reshape(3, -1).astype(np.float32)
        x, y, z = grid[:, shape.distance(*grid) < 0]
        assert len(x) > 20, "there is something"
        assert x.min() >= x0 and x.max() <= x1 and z.min() >= z0 and z.max() <= z1
        assert -0.02 <= y.min() < 0.08 and y.max() <= y1, "it neither floats nor sinks"


def test_they_stand_where_no_companion_does_and_in_front_of_one_large_object_alone():
    rng = np.random.default_rng(3)
    for _ in range(200):
        scene = random_scene(rng)
        sides = bystanders.random_sides(scene, rng)
        assert 1 <= len(sides) == len(set(sides)) <= 2
        if scene.companion:
            assert scene.companion.side not in sides
        if scene.companion or scene.count > 1 or scene.size == "small":
            assert "front" not in sides


@pytest.mark.parametrize("seed", range(6))
def test_the_style_is_the_jittered_one_with_more_bodies_beside_those_of_the_scene(seed):
    scene = Scene("mug", "red", count=2, companion=Companion("lamp", "blue", "left", "glossy"))
    without, stocked = (stage_of(scene, seed, style) for style in ("jittered", "stocked"))
    assert len(without.bodies) == 3 < len(stocked.bodies) <= 5 and stocked.mains == 2
    left = min(body.x for body in stocked.bodies[:2])
    assert stocked.bodies[2].x < left and all(body.x > stocked.bodies[2].x for body in stocked.bodies[3:])
    assert replace(STYLES["stocked"], bystanders=False) == STYLES["jittered"]


def test_a_clip_has_none():
    """What moves there would meet them."""
    scene = Scene("mug", "red", action=Action("spins"))
    for seed in range(4):
        frames = render_clip(scene, seed, 24, 2, "stocked")
        assert frames.shape == (2, 24, 24, 3)
    still = replace(scene, action=None)
    assert not np.array_equal(render_image(still, 1, 24, "stocked"), render_image(still, 1, 24, "jittered"))


def planned(families, **shares):
    return world.plan_families(world.WorldSpec(families=families, clip_families=0, seed=9, **shares))


def test_a_share_of_a_worlds_stills_has_them_and_its_file_says_so(tmp_path):
    items = [item for items in planned(80, jitter=0.5, bystanders=0.4) for item in items]
    shares = {style: np.mean([item.style == style for item in items]) for style in ("stocked", "jittered", "catalogue")}
    assert 0.3 < shares["stocked"] < 0.5 and shares["jittered"] == pytest.approx(shares["catalogue"], abs=0.1)
    plain = [item for items in planned(80, jitter=0.5) for item in items]
    assert [one.scene for one in items] == [one.scene for one in plain], "the same scenes either way"
    with pytest.raises(ConfigError, match="bystanders is 2; it is a share of the renders"):
        planned(1, bystanders=2)
    spec = world.WorldSpec(families=1, clip_families=1, seed=5, size=16, bystanders=1.0)
    made = world.build_world(tmp_path / "w", spec, workers=1, progress=False)
    assert made.manifest["bystanders"] == 1.0
    assert {item.style for one in made.families for item in one} == {"stocked"}
    assert {item.style for one in made.clip_families for item in one} == {"catalogue"}
