"""Facts about the renderer: determinism, framing, finishes and clips; not about how fair the world is."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.catalogue.animate import BRIGHT, DIMMED, GROWTH, moments_of, stages_of
from training.catalogue.fairness import VALUES, contact_sheet
from training.catalogue.layout import STYLES, stage_of
from training.catalogue.render import draw, paint_shown, render_clip, render_image
from training.catalogue.scene import (
    ACTIONS,
    CATEGORIES,
    COLOURS,
    FINISHES,
    PATTERNS,
    SIDES,
    Action,
    Companion,
    Scene,
    random_scene,
    with_action,
)
from training.catalogue.textures import texture

SIZE = 48


def _action(kind: str) -> Action:
    return Action(kind, "blue" if kind == "changes colour" else None)


def test_the_same_scene_and_seed_give_the_same_bytes_and_another_seed_others():
    scene = random_scene(np.random.default_rng(1))
    first = render_image(scene, 5, SIZE)
    assert first.shape == (SIZE, SIZE, 3) and first.dtype == np.uint8
    assert np.array_equal(first, render_image(scene, 5, SIZE))
    assert not np.array_equal(first, render_image(scene, 6, SIZE))
    assert not np.array_equal(first, render_image(scene, 5, SIZE, "light"))


def test_another_process_renders_the_same_bytes():
    code = (
        "import sys, numpy as np; from training.catalogue.render import render_image; "
        "from training.catalogue.scene import random_scene; "
        "sys.stdout.buffer.write(render_image(random_scene(np.random.default_rng(2)), 7, 32).tobytes())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert other == render_image(random_scene(np.random.default_rng(2)), 7, 32).tobytes()


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_finish_and_pattern_of_a_category_renders_finite_and_changes_the_picture(category):
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        plain = [render_image(Scene(category, "green", finish, surface="sand"), 3, 40) for finish in FINISHES]
        painted = [render_image(Scene(category, "green", "matte", value, "sand"), 3, 40) for value in PATTERNS]
    for pictures in (plain, painted):
        for i, one in enumerate(pictures):
            assert one.std() > 5
            for other in pictures[:i]:
                assert np.abs(one.astype(int) - other).mean() > 0.4


def test_three_large_tables_with_a_companion_leave_the_frame_nowhere():
    for seed in range(4):
        for side in SIDES:
            scene = Scene(
                "table",
                "red",
                surface="studio",
                count=1 if side == "front" else 3,
                companion=Companion("vase", "blue", side),
            )
            stage = stage_of(scene, seed)
            bare = replace(stage, light=replace(stage.light, sun=np.array((0, 1, 0), np.float32)))
            empty = draw(replace(bare, bodies=(), mains=0), SIZE)
            covered = np.abs(draw(bare, SIZE).astype(int) - empty).max(2) > 24
            assert covered.any()
            assert not (covered[0].any() or covered[-1].any() or covered[:, 0].any() or covered[:, -1].any())


@pytest.mark.parametrize("category", ["mug", "chair", "cushion"])
def test_a_small_object_covers_about_the_square_of_its_scale(category):
    ratios = []
    for seed in range(4):
        small, large = (
            render_image(Scene(category, "red", surface="studio", size=size), seed, 64) for size in ("small", "large")
        )
        ratios.append(_red(small) / _red(large))
    assert 0.62**2 * 0.8 < np.mean(ratios) < 0.62**2 * 1.25


def _red(picture: np.ndarray) -> int:
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return int((red > 2 * np.maximum(green, blue)).sum())


@pytest.mark.parametrize("side", SIDES)
def test_a_companion_stands_where_the_scene_says(side):
    for seed in range(4):
        scene = Scene("candle", "black", surface="sand", companion=Companion("cushion", "blue", side))
        stage = stage_of(scene, seed)
        main, companion = stage.bodies
        apart = companion.x - main.x
        if side == "front":
            assert companion.z - companion.reach()[1] > main.z + main.reach()[1]
            assert paint_shown(scene, seed) > 0.4 * paint_shown(replace(scene, companion=None), seed)
        elif side == "behind":
            assert companion.z < main.z - main.reach()[1] - companion.reach()[1]
            assert _blue(render_image(scene, seed, SIZE)) > 20
        else:
            assert np.sign(apart) == (1 if side == "right" else -1)
            assert abs(apart) > main.reach()[0] + companion.reach()[0]


def _blue(picture: np.ndarray) -> int:
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return int((blue > 1.5 * np.maximum(red, green)).sum())


def test_counted_objects_do_not_touch():
    for category in CATEGORIES:
        for count in (2, 3):
            bodies = stage_of(Scene(category, "red", count=count), 9).bodies
            assert len(bodies) == count
            for i, one in enumerate(bodies):
                for other in bodies[:i]:
                    across = abs(one.x - other.x) - one.reach()[0] - other.reach()[0]
                    along = abs(one.z - other.z) - one.reach()[1] - other.reach()[1]
                    assert max(across, along) > 0.05


def test_colours_are_apart_in_a_matte_still():
    means = []
    for colour in COLOURS:
        picture = render_image(Scene("cushion", colour, surface="studio"), 4, SIZE)
        means.append(picture[20:28, 20:28].reshape(-1, 3).mean(0))
    distances = [np.abs(one - other).max() for i, one in enumerate(means) for other in means[:i]]
    assert min(distances) > 25


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="legal: catalogue, jittered, light, camera"):
        render_image(Scene("mug", "red"), 0, 16, "sketch")


def test_textures_are_made_once_and_only_on_use():
    assert texture("wood") is texture("wood")
    assert not np.array_equal(texture("wood").texels_M3, texture("sand").texels_M3)


@pytest.mark.parametrize("finish", FINISHES[1:])
def test_a_companion_has_a_finish_of_its_own(finish):
    scene = Scene("candle", "black", surface="sand", companion=Companion("cushion", "blue", "right"))
    matte, other = (
        render_image(replace(scene, companion=replace(scene.companion, finish=value)), 3, SIZE)
        for value in ("matte", finish)
    )
    changed = (np.abs(matte.astype(int) - other).max(2) > 24).any(0)
    assert changed[SIZE // 2 :].any() and not changed[: SIZE // 3].any(), "only the right side, where the companion is"


def test_the_tests_cameras_and_lights_are_outside_what_training_and_validation_see():
    ranges = {style: look.elevations for style, look in STYLES.items()}
    seen = [bounds for style in ("catalogue", "jittered", "camera 2") for bounds in ranges[style]]
    assert all(
        high < min(low for low, _ in seen) or low > max(top for _, top in seen) for low, high in ranges["camera"]
    )
    assert STYLES["light"].warmth[0] > STYLES["jittered"].warmth[1] > STYLES["catalogue"].warmth[1]
    one, other, sun = STYLES["light"], STYLES["light 2"], STYLES["jittered"].sun
    assert one.sun[1][1] < other.sun[1][0] and one.sun[0][1] > sun[0][1]


@pytest.mark.parametrize("size", [112, 144, 168])
def test_a_picture_of_another_size_shows_the_same(size):
    scene = Scene("mug", "red", "glossy", "striped", "sand")
    small = Image.fromarray(render_image(scene, 4, size)).resize((56, 56), Image.Resampling.LANCZOS)
    usual = Image.fromarray(render_image(scene, 4, 112)).resize((56, 56), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small, int) - np.asarray(usual, int)).mean() < 4


@pytest.mark.parametrize("kind", ACTIONS)
def test_a_clip_moves_and_is_the_same_twice(kind):
    scene = Scene("mug", "red", "matte", "striped", "sand", action=_action(kind))
    clip = render_clip(scene, 3, 32, 5)
    assert clip.shape == (5, 32, 32, 3) and clip.dtype == np.uint8
    assert np.array_equal(clip, render_clip(scene, 3, 32, 5))
    assert np.abs(clip[0].astype(int) - clip[-1]).max() > 40


@pytest.mark.parametrize("kind", ACTIONS)
def test_a_frame_of_an_unknown_moment_tells_no_action(kind):
    """Place, scale, light, view and turn of a random frame are spread alike, whichever of them the action moves."""
    rng = np.random.default_rng(5)
    frames = [moments_of(kind, seed, 30)[int(rng.integers(30))] for seed in range(1500)]
    ranges = {"across": (-1, 1), "scale": (GROWTH, 1), "light": (DIMMED, BRIGHT), "view": (-0.5, 0.5)}
    for name, (low, high) in ranges.items():
        values = (np.array([getattr(frame, name) for frame in frames]) - low) / (high - low)
        assert values.min() >= -1e-9 and values.max() <= 1 + 1e-9
        quantiles = np.quantile(values, (0.1, 0.3, 0.5, 0.7, 0.9))
        assert np.abs(quantiles - (0.1, 0.3, 0.5, 0.7, 0.9)).max() < 0.08, name
    turns = np.exp(1j * np.array([frame.turn for frame in frames]))
    assert abs(turns.mean()) < 0.08 and 0.4 < np.mean([frame.after for frame in frames]) < 0.6


def test_the_room_of_a_clip_tells_no_action():
    scene = Scene("teapot", "teal", surface="wood")
    stages = [stages_of(with_action(scene, _action(kind)), 8, 4)[0] for kind in ACTIONS]
    assert len({stage.ground for stage in stages}) == 1 and len({stage.camera.distance for stage in stages}) == 1


def test_opposite_actions_show_the_same_frames_in_the_other_order():
    scene = Scene("bottle", "pink", surface="tiles")
    for one, other in (("slides left", "slides right"), ("grows", "shrinks")):
        there, back = (render_clip(with_action(scene, _action(kind)), 8, 32, 5) for kind in (one, other))
        assert np.array_equal(there, back[::-1])
        assert not np.array_equal(there, back)


def test_appearing_ends_with_the_object_and_disappearing_begins_with_it():
    scene = Scene("mug", "red", surface="sand")
    for kind, seen in (("appears", -1), ("disappears", 0)):
        clip = render_clip(with_action(scene, _action(kind)), 1, SIZE, 4)
        assert _red(clip[seen]) > 40
        assert _red(clip[0 if seen else -1]) == 0


def test_a_clip_keeps_its_objects_in_the_frame():
    for kind in ("slides left", "slides right", "grows", "spins"):
        for seed in range(3):
            clip = render_clip(Scene("cushion", "red", surface="studio", action=_action(kind)), seed, SIZE, 4)
            for frame in clip:
                edge = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])[None]
                assert _red(edge) == 0


def test_a_clip_without_an_action_is_refused():
    with pytest.raises(ValueError, match="needs an action"):
        render_clip(Scene("mug", "red"), 0, 16, 4)


def test_a_contact_sheet_holds_every_scene(tmp_path):
    contact_sheet([Scene("mug", "red")] * 3, tmp_path / "sheet.png", 2, 24)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    assert set(VALUES) == {
        "category",
        "colour",
        "finish",
        "pattern",
        "surface",
        "size",
        "count",
        "side",
        "companion",
        "its colour",
        "its finish",
    }
