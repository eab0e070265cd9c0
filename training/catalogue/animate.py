"""What moves: the stages of a clip from its scene's action. A frame of an unknown moment tells no action from another.

Every clip has a place, a scale, a light, a view and a turn. An action takes one of them evenly through its whole range;
in all other clips the same one stands still at a value drawn from that range, so that one frame says nothing. Only the
order of the frames does. An empty frame tells "appears or disappears", a new colour stands in the clips of a family in
which both colours change into each other (families.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from training.catalogue.layout import FIELD, STYLES, Body, Room, Stage, albedo, stage_of
from training.catalogue.scene import Action, Scene, with_action

TRAVEL = 0.28  # share of the frame's width over which objects stand, and which a slide crosses
SWEEP = math.radians(56)
GROWTH = 0.66  # the smallest scale
DIMMED, BRIGHT = 0.48, 1.1  # the least and the most light
TURNTABLE = 0.12  # radius of the turntable, world units: the object stands beside its axis, so any spin shows
TURNS = 1.25
ROOM = Room(TRAVEL, SWEEP, TURNTABLE)
SWITCH = (0.25, 0.75)  # when a colour changes, and when an object comes or goes


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame's state."""

    across: float  # -1 to 1 of the travel
    scale: float  # GROWTH to 1
    light: float  # DIMMED to BRIGHT
    view: float  # -0.5 to 0.5 of the sweep
    turn: float  # radians, of the turntable and of the objects
    after: bool  # whether the sudden change has happened


def moments_of(kind: str, seed: int, n_frames: int) -> list[Moment]:
    """The states of a clip's frames, evenly spaced; opposite actions have each other's in reverse."""
    rng = np.random.default_rng([seed, 77])
    sign = 1.0 if rng.random() < 0.5 else -1.0
    held = {
        "across": rng.uniform(-1, 1),
        "scale": rng.uniform(GROWTH, 1),
        "light": rng.uniform(DIMMED, BRIGHT),
        "view": rng.uniform(-0.5, 0.5),
        "turn": rng.uniform(0, 2 * math.pi),
    }
    switch = float(rng.uniform(*SWITCH))
    moments = []
    for t in np.linspace(0, 1, n_frames).tolist():
        moving = {
            "slides left": {"across": 1 - 2 * t},
            "slides right": {"across": 2 * t - 1},
            "grows": {"scale": GROWTH + (1 - GROWTH) * t},
            "shrinks": {"scale": 1 - (1 - GROWTH) * t},
            "light dims": {"light": BRIGHT - (BRIGHT - DIMMED) * t},
            "camera orbits": {"view": sign * (t - 0.5)},
            "spins": {"turn": held["turn"] + sign * t * TURNS * 2 * math.pi},
        }.get(kind, {})
        moments.append(Moment(**held | moving, after=t > switch))
    return moments


def stages_of(scene: Scene, seed: int, n_frames: int, style: str = "catalogue") -> list[Stage]:
    """The clip's stages, evenly spaced from first to last.

    Raises:
        ValueError: the scene has no action, or there are fewer than 2 frames.
    """
    if scene.action is None or n_frames < 2:
        raise ValueError(f"a clip needs an action and at least 2 frames, got {scene.action} and {n_frames}")
    still = stage_of(with_action(scene, None), seed, style, ROOM)
    return [_at(still, scene.action, moment, seed, style) for moment in moments_of(scene.action.kind, seed, n_frames)]


def _at(still: Stage, action: Action, moment: Moment, seed: int, style: str) -> Stage:
    kind = action.kind
    mains = [
        _turned(replace(body, scale=body.scale * moment.scale), moment.turn) for body in still.bodies[: still.mains]
    ]
    if action.colour is not None and moment.after:
        colour = albedo(action.colour, np.random.default_rng([seed, 78]), STYLES[style].spread)
        mains = [replace(body, colour=colour) for body in mains]
    if kind in ("appears", "disappears") and moment.after != (kind == "appears"):
        mains = []
    bodies = (*mains, *still.bodies[still.mains :])
    camera = replace(still.camera, azimuth=still.camera.azimuth + SWEEP * moment.view)
    stage = replace(still, bodies=bodies, mains=len(mains), camera=camera, exposure=moment.light)
    across = moment.across * TRAVEL * FIELD * camera.distance
    return _moved(stage, across) if kind.startswith("slides") else _framed(stage, across)


def _turned(body: Body, angle: float) -> Body:
    """The body carried round by a turntable whose axis is its place."""
    return replace(
        body, turn=body.turn + angle, x=body.x + TURNTABLE * math.cos(angle), z=body.z - TURNTABLE * math.sin(angle)
    )


def _moved(stage: Stage, across: float) -> Stage:
    """All bodies moved to the viewer's right by world units, the companion with them; ground and camera stay."""
    dx, dz = across * math.cos(stage.camera.azimuth), -across * math.sin(stage.camera.azimuth)
    return replace(stage, bodies=tuple(replace(body, x=body.x + dx, z=body.z + dz) for body in stage.bodies))


def _framed(stage: Stage, across: float) -> Stage:
    """The camera moved to its left by world units, so that all that stands appears further right."""
    camera, (x, y, z) = stage.camera, stage.camera.target
    target = (x - across * math.cos(camera.azimuth), y, z + across * math.sin(camera.azimuth))
    return replace(stage, camera=replace(camera, target=target))
