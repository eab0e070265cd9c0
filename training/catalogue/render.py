"""Pictures and clips of scenes, deterministic in (scene, seed, size, style); not which scenes, nor their files."""

from __future__ import annotations

import numpy as np
from PIL import Image

from training.catalogue.animate import stages_of
from training.catalogue.layout import Stage, stage_of
from training.catalogue.scene import Scene, with_action
from training.catalogue.shading import backdrop, body_light, ground_light
from training.catalogue.shapes import MAIN
from training.catalogue.trace import Vectors, first_hits, rays, those, to_local

SUPERSAMPLING = 1.5
FAR = 40.0


def render_image(scene: Scene, seed: int, size: int, style: str = "catalogue") -> np.ndarray:
    """A still of the scene; its action, if any, is ignored.

    Args:
        scene: what is shown.
        seed: draws everything that is never described (pose, light, camera, texture, proportions), >= 0.
        size: pixels per side; any, 112 to 168 as a rule.
        style: a key of layout.STYLES.

    Returns:
        (size, size, 3) uint8 sRGB.

    Raises:
        ValueError: another style.
    """
    return draw(stage_of(with_action(scene, None), seed, style), size)


def render_clip(scene: Scene, seed: int, size: int, n_frames: int, style: str = "catalogue") -> np.ndarray:
    """A clip (n_frames, size, size, 3) uint8, frames evenly spaced from the first moment to the last.

    Every frame goes through the same path as a still.

    Args:
        scene: what to show, with an action.
        seed: as of `render_image`.
        size: pixels per side.
        n_frames: at least 2.
        style: as of `render_image`.

    Raises:
        ValueError: a scene without an action, fewer than 2 frames, or an unknown style.
    """
    return np.stack([draw(stage, size) for stage in stages_of(scene, seed, n_frames, style)])


def draw(stage: Stage, size: int) -> np.ndarray:
    """The stage as its camera sees it, (size, size, 3) uint8 sRGB."""
    pixels = round(size * SUPERSAMPLING)
    directions = rays(stage.camera, pixels)
    eye = stage.camera.frame()[0]
    canvas_P3 = backdrop(stage, directions[1])
    hits = [first_hits(body, stage.camera, directions, pixels) for body in stage.bodies]
    solid = [i for i, body in enumerate(stage.bodies) if body.finish != "glass"]
    depth, owner = np.full(pixels * pixels, FAR, np.float32), np.full(pixels * pixels, -1, np.int8)
    for i in solid:
        _claim(i, *hits[i], depth, owner)
    down = np.nonzero((directions[1] < -0.004) & (owner < 0))[0]
    along = -float(eye[1]) / directions[1][down]
    down, along = down[along < FAR], along[along < FAR]
    canvas_P3[down] = ground_light(stage, those(directions, down), along, pixels)
    for i in solid:
        _shade(stage, i, np.nonzero(owner == i)[0], depth, directions, canvas_P3, pixels)
    clear = [i for i, body in enumerate(stage.bodies) if body.finish == "glass"]
    for i in sorted(clear, key=lambda i: float(hits[i][1].min(initial=FAR)), reverse=True):
        _claim(i, *hits[i], depth, owner)
        _shade(stage, i, np.nonzero(owner == i)[0], depth, directions, canvas_P3, pixels)
    return _develop(canvas_P3 * np.float32(stage.exposure), pixels, size)


def paint_shown(scene: Scene, seed: int, style: str = "catalogue", pixels: int = 48) -> float:
    """Share of the picture in which the main objects' own material is seen: what tells colour, finish and pattern.

    A low camera hides the top of a table, a companion in front hides a foot; legs, leaves and plates do not count.
    """
    stage = stage_of(with_action(scene, None), seed, style)
    directions = rays(stage.camera, pixels)
    depth, owner = np.full(pixels * pixels, FAR, np.float32), np.full(pixels * pixels, -1, np.int8)
    for i, body in enumerate(stage.bodies):
        _claim(i, *first_hits(body, stage.camera, directions, pixels), depth, owner)
    eye, shown = stage.camera.frame()[0], 0
    for i, body in enumerate(stage.bodies[: stage.mains]):
        mine = np.nonzero(owner == i)[0]
        distances, parts = zip(
            *body.shape.parts(
                *to_local(body, *(float(eye[axis]) + depth[mine] * directions[axis][mine] for axis in range(3)))
            ),
            strict=True,
        )
        shown += int((np.array(parts)[np.argmin(distances, 0)] == MAIN).sum())
    return shown / pixels**2


def _claim(body: int, index: np.ndarray, along: np.ndarray, depth: np.ndarray, owner: np.ndarray) -> None:
    nearer = along < depth[index]
    index = index[nearer]
    depth[index], owner[index] = along[nearer], body


def _shade(
    stage: Stage,
    body: int,
    index: np.ndarray,
    depth: np.ndarray,
    directions: Vectors,
    canvas_P3: np.ndarray,
    pixels: int,
) -> None:
    if len(index):
        looks = those(directions, index)
        canvas_P3[index] = body_light(stage, stage.bodies[body], looks, depth[index], index, canvas_P3, pixels)


def _develop(canvas_P3: np.ndarray, pixels: int, size: int) -> np.ndarray:
    """Linear light to sRGB bytes: a soft shoulder, gamma, then down to the wanted size."""
    canvas_P3 = canvas_P3 * 1.08
    canvas_P3 /= 1 + canvas_P3 * 0.18
    tone = np.clip(canvas_P3, 0, 1) ** np.float32(1 / 2.2)
    picture = Image.fromarray((tone * 255 + 0.5).astype(np.uint8).reshape(pixels, pixels, 3))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))
