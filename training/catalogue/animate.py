"""What moves: the stages of a clip from its scene's action; each is a plausible still, only their order tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from training.catalogue.layout import FIELD, Body, Stage, albedo, stage_of
from training.catalogue.scene import Scene, with_action

TRAVEL = 0.42  # share of the frame's width that a slide covers, and over which the objects of every clip may stand
SWEEP = math.radians(70)
GROWTH = 0.6  # the smallest scale of a growing or shrinking object
DIMMED = 0.30  # the light that is left
TURNTABLE = 0.12  # radius of the turntable, in object units: the object stands beside its axis, so any spin shows


def stages_of(scene: Scene, seed: int, n_frames: int, style: str = "catalogue") -> list[Stage]:
    """The clip's moments, evenly spaced from first to last. Raises: ValueError without an action or with < 2 frames."""
    if scene.action is None or n_frames < 2:
        raise ValueError(f"a clip needs an action and at least 2 frames, got {scene.action} and {n_frames}")
    kind = scene.action.kind
    rng = np.random.default_rng([seed, 77])
    sign, start, switch = (1 if rng.random() < 0.5 else -1), rng.random(), float(rng.uniform(0.4, 0.6))
    still = stage_of(with_action(scene, None), seed, style, TRAVEL, SWEEP)
    # Where the objects stand and how bright the day is differs from clip to clip, so that neither tells the action.
    half = TRAVEL / 2 * 2 * FIELD * still.camera.distance
    direction = {"slides left": -1.0, "slides right": 1.0}.get(kind, 0.0)
    at = (start * 2 - 1) * half * (0.8 if kind == "spins" else 1.0)  # its turntable needs room of its own
    still = replace(still, exposure=float(rng.uniform(0.75, 1.0)))
    if direction:
        return [_moved(still, direction * half * (2 * float(t) - 1)) for t in np.linspace(0, 1, n_frames)]
    return [_framed(_moment(still, scene, seed, style, float(t), sign, switch), at)
            for t in np.linspace(0, 1, n_frames)]


def _moment(still: Stage, scene: Scene, seed: int, style: str, t: float, sign: int, switch: float) -> Stage:
    """The stage at time t in [0, 1] of everything but a slide."""
    kind = scene.action.kind
    if kind == "changes colour" and t > switch:
        colour = albedo(scene.action.colour, np.random.default_rng([seed, 78]), style == "shifted")
        return _each_main(still, lambda body: replace(body, colour=colour))
    if kind in ("grows", "shrinks"):
        scale = GROWTH + (1 - GROWTH) * (t if kind == "grows" else 1 - t)
        return _each_main(still, lambda body: replace(body, scale=body.scale * scale))
    if kind in ("appears", "disappears") and (t > switch) != (kind == "appears"):
        return replace(still, bodies=still.bodies[still.mains:], mains=0)
    if kind == "spins":
        return _each_main(still, lambda body: _turned(body, sign * t * 3 * math.pi))
    if kind == "light dims":
        return replace(still, exposure=still.exposure * (1 - (1 - DIMMED) * t))
    if kind == "camera orbits":
        azimuth = still.camera.azimuth + sign * SWEEP * (t - 0.5)
        return replace(still, camera=replace(still.camera, azimuth=azimuth))
    return still


def _each_main(stage: Stage, change: Callable[[Body], Body]) -> Stage:
    bodies = stage.bodies
    return replace(stage, bodies=(*map(change, bodies[:stage.mains]), *bodies[stage.mains:]))


def _turned(body: Body, angle: float) -> Body:
    """The body carried round by a turntable whose axis stands beside it; at angle 0 it is where it was."""
    return replace(body, turn=body.turn + angle, x=body.x + TURNTABLE * (math.cos(angle) - 1),
                   z=body.z - TURNTABLE * math.sin(angle))


def _moved(stage: Stage, across: float) -> Stage:
    """All bodies moved to the viewer's right by world units, the companion with them; ground and camera stay."""
    dx, dz = across * math.cos(stage.camera.azimuth), -across * math.sin(stage.camera.azimuth)
    return replace(stage, bodies=tuple(replace(body, x=body.x + dx, z=body.z + dz) for body in stage.bodies))


def _framed(stage: Stage, across: float) -> Stage:
    """The camera moved to its left by world units, so that all that stands appears further right."""
    camera, (x, y, z) = stage.camera, stage.camera.target
    target = (x - across * math.cos(camera.azimuth), y, z + across * math.sin(camera.azimuth))
    return replace(stage, camera=replace(camera, target=target))
