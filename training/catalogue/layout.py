"""From a scene and a seed to a stage: bodies, light, ground and camera, all nuisance drawn here; not the pixels.

World frame: y up, the ground is y = 0, +z towards the viewer, lengths in units of one large object's longer side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from training.catalogue.bystanders import SCALE, random_shape, random_sides
from training.catalogue.scene import COLOURS, FINISHES, Companion, Scene, pick
from training.catalogue.shapes import Shape, build_shape

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Style:
    """Where the light stands and the camera looks from, as ranges to draw from; nothing of it is ever described.

    Attributes:
        elevations: radians of the camera above the ground; one range is drawn, then a value of it.
        azimuth: radians to either side of the front.
        sun: radians of the sun to the side of the viewer, and above the ground.
        warmth: share by which red gains and blue loses (or the other way round: the sign is drawn where `tinted`).
        power, ambient: of the sun, and of the light from everywhere.
        tinted: the light of the surroundings takes the tint too, so that nothing in the picture is white.
        spread: how far a colour's shade may be from its name.
        bystanders: whether things without a name stand around (bystanders.py), in stills.
    """

    elevations: tuple[Range, ...] = ((0.36, 0.52),)
    azimuth: float = 0.18
    sun: tuple[Range, Range] = ((0.3, 1.2), (0.75, 1.05))
    warmth: Range = (-0.05, 0.05)
    power: Range = (1.10, 1.30)
    ambient: Range = (0.42, 0.52)
    tinted: bool = False
    spread: float = 0.07
    bystanders: bool = False


_JITTERED = Style(
    elevations=((0.27, 0.66),),
    azimuth=0.32,
    sun=((0.2, 1.6), (0.55, 1.15)),
    warmth=(0.0, 0.11),
    power=(1.0, 1.4),
    ambient=(0.34, 0.56),
    tinted=True,
    spread=0.09,
)

#: Name -> style. "catalogue" is the shop's own, "jittered" a wider one for training and "stocked" the same with things
#: that nothing is said of; "light" and "camera" are the
#: test's, and those with a 2 validation's: nothing that is chosen there has seen the test's styles.
STYLES: dict[str, Style] = {
    "catalogue": Style(),
    "jittered": _JITTERED,
    "light": Style(
        sun=((1.2, 2.0), (0.40, 0.60)), warmth=(0.12, 0.20), power=(1.1, 1.4), ambient=(0.26, 0.34), tinted=True
    ),
    "camera": Style(elevations=((0.20, 0.26), (0.68, 0.82)), azimuth=0.40),
    "light 2": Style(
        sun=((0.0, 0.3), (1.10, 1.35)), warmth=(0.09, 0.15), power=(1.35, 1.6), ambient=(0.30, 0.38), tinted=True
    ),
    "camera 2": Style(elevations=((0.28, 0.33), (0.58, 0.66)), azimuth=0.55),
    "stocked": replace(_JITTERED, bystanders=True),
}
SCALES = {"small": 0.62, "large": 1.0}
COMPANION_SCALE = 0.54  # less than a small main object: which of the two is the main one shows
FIELD = math.tan(0.29)  # half the field of view, as a slope

#: Linear-light albedo of the described colours.
_ALBEDO = {
    "red": (0.60, 0.02, 0.02),
    "orange": (0.88, 0.25, 0.01),
    "yellow": (0.86, 0.66, 0.04),
    "green": (0.04, 0.27, 0.04),
    "teal": (0.02, 0.40, 0.42),
    "blue": (0.025, 0.09, 0.58),
    "purple": (0.24, 0.035, 0.46),
    "pink": (0.90, 0.31, 0.50),
    "brown": (0.15, 0.062, 0.024),
    "black": (0.014, 0.014, 0.016),
    "white": (0.84, 0.83, 0.80),
    "grey": (0.25, 0.26, 0.27),
}
ALBEDO = {colour: np.array(_ALBEDO[colour], np.float32) for colour in COLOURS}

#: Backdrop colours of a surface, at the horizon and overhead.
BACKDROPS = {
    "wood": ((0.50, 0.40, 0.31), (0.75, 0.67, 0.57)),
    "marble": ((0.40, 0.42, 0.46), (0.66, 0.68, 0.72)),
    "fabric": ((0.40, 0.31, 0.28), (0.60, 0.50, 0.44)),
    "grass": ((0.60, 0.74, 0.88), (0.22, 0.45, 0.82)),
    "sand": ((0.76, 0.81, 0.86), (0.28, 0.55, 0.85)),
    "slate": ((0.13, 0.14, 0.17), (0.30, 0.32, 0.36)),
    "tiles": ((0.62, 0.64, 0.62), (0.80, 0.80, 0.78)),
    "studio": ((0.50, 0.47, 0.45), (0.66, 0.64, 0.62)),
}


@dataclass(frozen=True, eq=False)
class Body:
    """One object as it stands: `scale` world units per shape unit, `turn` about the vertical in radians."""

    shape: Shape
    colour: np.ndarray  # (3,) float32 linear albedo
    finish: str
    pattern: str
    x: float
    z: float
    turn: float
    scale: float
    phase: float  # shift of the pattern, in periods
    any_turn: bool = False  # stands clear of the others at whatever turn: a clip may spin it

    def reach(self) -> tuple[float, float]:
        """Half the width (x) and half the depth (z) of the turned bounding box, of any turn where that is asked."""
        x0, x1, _, _, z0, z1 = self.shape.box
        half_x, half_z = max(-x0, x1) * self.scale, max(-z0, z1) * self.scale
        if self.any_turn:
            return (math.hypot(half_x, half_z),) * 2
        cos, sin = abs(math.cos(self.turn)), abs(math.sin(self.turn))
        return half_x * cos + half_z * sin, half_x * sin + half_z * cos


@dataclass(frozen=True)
class Room:
    """What a clip may do, whatever its action, so that the room left for it tells nothing; none for stills."""

    travel: float = 0.0  # share of the frame's width
    sweep: float = 0.0  # radians that the camera goes round
    circle: float = 0.0  # world units that the main objects move about their place, at any turn


STILL = Room()


@dataclass(frozen=True, eq=False)
class Light:
    """One soft sun with a coloured surrounding; colours are (3,) float32, linear."""

    sun: np.ndarray  # unit vector towards the sun
    key: np.ndarray
    ambient: float
    horizon: np.ndarray
    zenith: np.ndarray
    side: float  # +1 or -1: which side of the viewer the bright window stands


@dataclass(frozen=True)
class Ground:
    """The surface underfoot: how its texture is turned (radians), shifted (u, v in tiles) and scaled."""

    surface: str
    turn: float
    u: float
    v: float
    tiles_per_unit: float


@dataclass(frozen=True)
class Camera:
    """Looks at `target` from `distance`, `azimuth` about the vertical (0 = from +z), `elevation` above it (radians)."""

    target: tuple[float, float, float]
    azimuth: float
    elevation: float
    distance: float

    def frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(eye, forward, right, up), each (3,)."""
        cos = math.cos(self.elevation)
        back = np.array([math.sin(self.azimuth) * cos, math.sin(self.elevation), math.cos(self.azimuth) * cos])
        right = np.array([math.cos(self.azimuth), 0.0, -math.sin(self.azimuth)])
        return np.array(self.target) + self.distance * back, -back, right, np.cross(back, right)


@dataclass(frozen=True, eq=False)
class Stage:
    """Everything that the tracer needs for one picture; main bodies first."""

    bodies: tuple[Body, ...]
    mains: int
    light: Light
    ground: Ground
    camera: Camera
    exposure: float = 1.0


def stage_of(scene: Scene, seed: int, style: str = "catalogue", room: Room = STILL) -> Stage:
    """The stage of a scene under the nuisance of a seed, with room for a clip's motion.

    Raises:
        ValueError: a style that is not in STYLES.
    """
    if style not in STYLES:
        raise ValueError(f"style {style!r} is unknown; legal: {', '.join(STYLES)}")
    look = STYLES[style]
    rng = np.random.default_rng([seed, list(STYLES).index(style)])
    bodies = _mains(scene, rng, look, room.circle > 0)
    if scene.companion:
        bodies = (*bodies, _companion(scene.companion, bodies, rng, look))
    if look.bystanders and room == STILL:
        mains = bodies[: scene.count]
        bodies = (*bodies, *(_bystander(side, mains, rng, look) for side in random_sides(scene, rng)))
    low, high = look.elevations[int(rng.integers(len(look.elevations)))]
    camera = fit_camera(bodies, rng.uniform(-look.azimuth, look.azimuth), rng.uniform(low, high), room)
    slack = rng.uniform(0.0, 0.04)
    x, y, z = camera.target
    jitter = rng.uniform(-0.012, 0.012, 2) * camera.distance
    camera = replace(camera, distance=camera.distance * (1 + slack), target=(x + jitter[0], y + jitter[1], z))
    light, ground = _light(scene.surface, rng, look), _ground(scene.surface, rng)
    if scene.size != "large":
        bodies = tuple(
            replace(body, scale=body.scale * SCALES[scene.size]) if i < scene.count else body
            for i, body in enumerate(bodies)
        )
    return Stage(bodies, scene.count, light, ground, camera)


def albedo(colour: str, rng: np.random.Generator, spread: float = 0.07) -> np.ndarray:
    """A shade of the named colour, (3,) float32 linear, close enough to keep its name."""
    shade = ALBEDO[colour] * rng.uniform(1 - spread, 1 + spread) * rng.uniform(1 - spread / 2, 1 + spread / 2, 3)
    return np.clip(shade, 0.008, 0.93).astype(np.float32)


def _body(category: str, colour: np.ndarray, finish: str, pattern: str, scale: float, rng: np.random.Generator) -> Body:
    """A body in the middle, seen from its front; where it stands and how it is turned is for the caller to say."""
    shape = build_shape(category, rng)
    x0, x1, y0, y1, _, _ = shape.box
    return Body(shape, colour, finish, pattern, 0.0, 0.0, 0.0, scale / max(x1 - x0, y1 - y0), 0.0)


def _mains(scene: Scene, rng: np.random.Generator, look: Style, any_turn: bool) -> tuple[Body, ...]:
    """The counted objects at large size: alike but for their turn, in a row, or a triangle if wide and low."""
    colour, phase, proportions = albedo(scene.colour, rng, look.spread), float(rng.random()), int(rng.integers(1 << 30))
    spread = 0.6 if scene.count == 1 else 0.4
    alike = _body(scene.category, colour, scene.finish, scene.pattern, 1.0, np.random.default_rng(proportions))
    alike = replace(alike, phase=phase, any_turn=any_turn)
    bodies = [replace(alike, turn=float(rng.uniform(-spread, spread))) for _ in range(scene.count)]
    return tuple(
        replace(body, x=x, z=z + (float(rng.uniform(-0.06, 0.06)) if scene.count > 1 else 0.0))
        for body, (x, z) in zip(bodies, _places(scene, bodies), strict=True)
    )


def _places(scene: Scene, bodies: list[Body]) -> list[tuple[float, float]]:
    """Where (x, z) the counted objects stand."""
    gap = 0.10
    if scene.companion and scene.companion.side == "behind" and scene.count > 1:
        gap = COMPANION_SCALE * 0.8  # room to see it between them
    widths = [body.reach()[0] for body in bodies]
    depth = max(body.reach()[1] for body in bodies)
    x0, x1, _, height, _, _ = (edge * bodies[0].scale for edge in bodies[0].shape.box)
    wide = x1 - x0 > 0.75 * height
    places = [(0.0, 0.0)]
    if scene.count == 2 or (scene.count == 3 and wide):
        half = (widths[0] + widths[-1] + (gap if scene.count == 2 else max(gap, 0.2))) / 2
        places = [(-half, 0.0), (half, 0.0)]
        if scene.count == 3:
            places.insert(1, (0.0, -max(2 * depth + 0.35, 1.25 * height)))
    elif scene.count == 3:
        left, right = widths[0] + widths[1] + gap, widths[1] + widths[2] + gap
        places = [(-left, 0.0), (0.0, 0.0), (right, 0.0)]
    return places


def _companion(there: Companion, mains: tuple[Body, ...], rng: np.random.Generator, look: Style) -> Body:
    """The companion at its fixed scale, clear of the main objects on the side that the scene names."""
    colour = albedo(there.colour, rng, look.spread)
    turn, phase = float(rng.uniform(-0.5, 0.5)), float(rng.random())
    body = replace(_body(there.category, colour, there.finish, "plain", COMPANION_SCALE, rng), turn=turn, phase=phase)
    return _beside(body, there.side, mains, rng)


def _bystander(side: str, mains: tuple[Body, ...], rng: np.random.Generator, look: Style) -> Body:
    """A thing of some colour and finish on that side of the main objects."""
    paint, finish = pick(rng, COLOURS), pick(rng, FINISHES)
    shape = random_shape(rng)
    x0, x1, y0, y1, _, _ = shape.box
    scale, turn = float(rng.uniform(*SCALE)) / max(x1 - x0, y1 - y0), float(rng.uniform(-math.pi, math.pi))
    body = Body(shape, albedo(paint, rng, look.spread), finish, "plain", 0.0, 0.0, turn, scale, float(rng.random()))
    return _beside(body, side, mains, rng)


def _beside(body: Body, side: str, mains: tuple[Body, ...], rng: np.random.Generator) -> Body:
    """The body on that side of the main objects, clear of them."""
    half, depth = body.reach()
    left, right = min(m.x - m.reach()[0] for m in mains), max(m.x + m.reach()[0] for m in mains)
    back, front = min(m.z - m.reach()[1] for m in mains), max(m.z + m.reach()[1] for m in mains)
    sign = 1 if rng.random() < 0.5 else -1
    if side == "left":
        return replace(body, x=left - 0.10 - half, z=float(rng.uniform(0.0, 0.15)))
    if side == "right":
        return replace(body, x=right + 0.10 + half, z=float(rng.uniform(0.0, 0.15)))
    if side == "front":  # beside the middle, so that the main object is seen past it
        return replace(body, x=sign * (0.60 * right + 0.80 * half), z=front + depth + 0.25)
    low = max(m.shape.box[3] * m.scale for m in mains) < 0.65  # one sees over it
    across = sign * (0.45 * right if low else 1.20 * right + 0.45 * half)
    return replace(body, x=0.0 if len(mains) == 2 else across, z=back - depth - 0.45)


def fit_camera(bodies: tuple[Body, ...], azimuth: float, elevation: float, room: Room) -> Camera:
    """The nearest camera that keeps the boxes of all bodies inside 91 % of the frame, with room for a clip's motion."""
    corners = []
    for body in bodies:
        x0, x1, y0, y1, z0, z1 = (edge * body.scale for edge in body.shape.box)
        cos, sin = math.cos(body.turn), math.sin(body.turn)
        if body.any_turn:
            x1 = z1 = body.reach()[0] + room.circle
            x0, z0, cos, sin = -x1, -z1, 1.0, 0.0
        corners += [
            (body.x + cos * x + sin * z, y, body.z - sin * x + cos * z)
            for x in (x0, x1)
            for y in (y0, y1)
            for z in (z0, z1)
        ]
    points = np.array(corners)
    inside = 0.91 * FIELD
    target, distance = points.mean(0), 3.0
    for _ in range(4):
        camera = Camera(_point(target), azimuth, elevation, distance)
        _, forward, right, up = camera.frame()
        local = (points - target) @ np.stack([right, up, forward], 1)
        depth = distance + local[:, 2]
        slopes = local[:, :2] / depth[:, None]
        middle = (slopes.max(0) + slopes.min(0)) / 2 * distance
        target = target + right * middle[0] + up * middle[1]
        local[:, :2] -= middle
        distance = max(
            (np.abs(local[:, 0]) / (inside * (1 - 1.05 * room.travel)) - local[:, 2]).max(),
            (np.abs(local[:, 1]) / inside - local[:, 2]).max(),
        )
    camera = Camera(_point(target), azimuth, elevation, float(distance))
    for turn in (-room.sweep / 2, room.sweep / 2) if room.sweep else ():
        turned = fit_camera(bodies, azimuth + turn, elevation, replace(room, sweep=0.0))
        camera = replace(camera, distance=max(camera.distance, turned.distance))
    return camera


def _point(at_3: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in at_3)
    return x, y, z


def _light(surface: str, rng: np.random.Generator, look: Style) -> Light:
    side = 1.0 if rng.random() < 0.4 else -1.0
    azimuth, elevation = side * rng.uniform(*look.sun[0]), rng.uniform(*look.sun[1])
    warmth, power, ambient = rng.uniform(*look.warmth), rng.uniform(*look.power), rng.uniform(*look.ambient)
    if look.tinted:
        warmth *= rng.choice((-1, 1))
    tint = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    horizon, zenith = (
        np.array(colour, np.float32) * rng.uniform(0.92, 1.06) * (tint if look.tinted else 1)
        for colour in BACKDROPS[surface]
    )
    level = math.cos(elevation)
    sun = np.array([math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level])
    return Light(
        sun.astype(np.float32),
        tint * np.float32(power),
        float(ambient),
        horizon.astype(np.float32),
        zenith.astype(np.float32),
        side,
    )


def _ground(surface: str, rng: np.random.Generator) -> Ground:
    turn, u, v = rng.uniform(-0.5, 0.5), *rng.random(2)
    return Ground(surface, float(turn), float(u), float(v), float(rng.uniform(0.27, 0.34)))
