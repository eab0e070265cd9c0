"""From hits to light: ground, patterns and the four finishes; not where bodies stand nor how rays meet them.

The finishes are art-directed so that they can be told apart on an object of 20 pixels: the mirror world that glossy,
metal and glass show is a photographer's room with bright windows at fixed places relative to the viewer, not the real
surroundings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.catalogue.layout import FIELD, Body, Stage
from training.catalogue.shapes import BLACK, BRASS, BULB, FLAME, LEAF, MAIN, PART_COLOURS, WOOD, Array
from training.catalogue.textures import TEXELS, texture
from training.catalogue.trace import Vectors, distance_at, normals, sun_visibility, to_local, turn_out

CREAM_PAINT = np.array((0.80, 0.78, 0.72), np.float32)
NAVY_PAINT = np.array((0.035, 0.04, 0.075), np.float32)
POLISHED = ("marble", "tiles", "slate")
WALL = 0.07  # how far the dark wall around a window of the mirrored room reaches, in its angles


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    share = np.clip((x - low) * (1 / (high - low)), 0, 1)
    return share * share * (3 - 2 * share)


def backdrop(stage: Stage, dy: Array) -> Array:
    """Colour (N, 3) of the background in directions of height `dy`."""
    share = np.clip(dy * 2.2, 0, 1)[:, None]
    return stage.light.horizon + share * (stage.light.zenith - stage.light.horizon)


def ground_light(stage: Stage, directions: Vectors, along: Array, pixels: int) -> Array:
    """Lit ground (N, 3) where rays from the camera meet it after `along` world units."""
    light, ground = stage.light, stage.ground
    eye = stage.camera.frame()[0]
    dx, dy, dz = directions
    x, z = float(eye[0]) + along * dx, float(eye[2]) + along * dz
    cos, sin = math.cos(ground.turn) * ground.tiles_per_unit, math.sin(ground.turn) * ground.tiles_per_unit
    level = np.log2(along * (2 * FIELD / pixels * ground.tiles_per_unit * TEXELS)) + 0.4
    u, v = cos * x - sin * z + ground.u, sin * x + cos * z + ground.v
    paint = texture(ground.surface).sample(u, v, level)
    sun, open_, tint = np.ones(len(x), np.float32), np.ones(len(x), np.float32), None
    zero = np.zeros(len(x), np.float32)
    for body in stage.bodies:
        visible = sun_visibility(body, x, zero + 0.004, z, light.sun, 9.0, 18)
        if body.finish == "glass":
            cast = 1 - (1 - visible)[:, None] * (1 - glass_tint(body.colour) * 0.75)
            tint = cast if tint is None else tint * cast
        else:
            sun *= visible
        near = np.nonzero((x - body.x) ** 2 + (z - body.z) ** 2 < (0.9 * body.scale / unit(body)) ** 2)[0]
        if len(near):
            reach = 0.10 * body.scale
            gap = distance_at(body, x[near], zero[near] + reach, z[near])
            shade = np.clip(0.35 + 0.65 * gap / reach, 0.35, 1)
            open_[near] *= shade if body.finish != "glass" else 0.5 + 0.5 * shade
    lit = paint * (
        open_[:, None] * (light.ambient * (0.55 + 0.45 * light.zenith))
        + sun[:, None] * (light.key * (0.85 * float(light.sun[1])))
    )
    if tint is not None:
        lit *= tint
    if ground.surface in POLISHED:
        mirror = (0.03 + 0.4 * (1 + dy) ** 5)[:, None]
        lit += mirror * (backdrop(stage, -dy) * 0.8 - lit)
    fog = smoothstep(4.5, 14, along)[:, None]
    return lit + fog * (light.horizon - lit)


def unit(body: Body) -> float:
    """Shape units to object units, in which the longer side of every shape is 1."""
    x0, x1, y0, y1, _, _ = body.shape.box
    return 1 / max(x1 - x0, y1 - y0)


def glass_tint(colour: Array) -> Array:
    """What coloured glass lets through (3,): saturated like the colour, dark only for dark colours."""
    strongest = float(colour.max())
    return (np.maximum(colour, 0.004) / strongest) ** 0.45 * min(1.0, 0.32 + 0.9 * strongest**0.6)


def pattern_share(body: Body, x: Array, y: Array, z: Array, normal: Vectors) -> Array:
    """Share (N,) of the second paint, from local points; periods are in object units, so a small object has as many."""
    size = unit(body)
    x, y, z = x * size, y * size, z * size
    flat = np.abs(normal[1]) > 0.8
    if body.shape.girth:
        around = np.arctan2(z, x) * (1 / (2 * math.pi))
        girth = 2 * math.pi * body.shape.girth * size
        across, up = np.where(flat, x, around * girth), np.where(flat, z * 0.7, y)
    else:
        girth = 1.0
        side = np.abs(normal[0]) > np.abs(normal[2])
        across, up = np.where(flat | ~side, x, z), np.where(flat, z * 0.7, y)

    def whole(periods: float) -> float:
        """Periods per unit such that a whole, even number fits around a round shape."""
        return max(2, 2 * round(periods * girth / 2)) / girth if body.shape.girth else periods

    if body.pattern == "striped":
        wave = np.abs((np.where(flat, across, up) * 5.0 + body.phase) % 1 - 0.5) * 2
        return smoothstep(0.55, 0.67, wave)
    if body.pattern == "dotted":  # in rows and columns: staggered, large dots are nearly a chessboard
        a, b = (across * whole(3.8) + body.phase) % 1 - 0.5, (up * 3.8 + body.phase) % 1 - 0.5
        return 1 - smoothstep(0.23, 0.29, np.sqrt(a * a + b * b))
    if body.pattern == "checked":
        a, b = across * whole(4.2) + body.phase, up * 4.2 + body.phase
        edge = np.maximum(np.abs(a % 1 - 0.5), np.abs(b % 1 - 0.5))
        return ((np.floor(a) + np.floor(b)) % 2) * (1 - smoothstep(0.44, 0.48, edge))
    if body.pattern == "zigzag":
        tooth = np.abs((across * whole(3.0) + body.phase) % 1 - 0.5) * 2
        wave = np.abs((up * 3.4 + tooth * 0.9 + body.phase) % 1 - 0.5) * 2
        return smoothstep(0.50, 0.64, wave)
    return np.zeros(len(x), np.float32)


@dataclass(frozen=True, eq=False)
class Mirror:
    """The photographer's room as a surface mirrors it: angles around and above, and the bright windows there."""

    around: Array  # radians, 0 = towards the viewer, +-pi = behind the object
    above: Array  # slope, -1 to 1

    @classmethod
    def of(cls, stage: Stage, position: Vectors, direction: Vectors, normal: Vectors) -> Mirror:
        """`position` in object units from the object's middle (world axes); directions and normals in world axes.

        The view is levelled first: an upright wall then mirrors windows and not just the floor. The position adds
        parallax, so that flat tops and sides mirror a part of the room too and not one single point.
        """
        dx, dz = direction[0], direction[2]
        level = 1 / np.sqrt(dx * dx + dz * dz + 1e-6)
        dx, dz = dx * level, dz * level
        twice = 2 * (normal[0] * dx + normal[2] * dz)
        x = dx - twice * normal[0] + position[0] * 1.2
        y = -twice * normal[1] + position[1] * 1.0
        z = dz - twice * normal[2] + position[2] * 1.2
        cos, sin = math.cos(stage.camera.azimuth), math.sin(stage.camera.azimuth)
        x, z = cos * x - sin * z, sin * x + cos * z
        around = np.arctan2(x, z) * stage.light.side
        above = y / np.sqrt(x * x + y * y + z * z + 1e-6)
        return cls(around, above)

    def windows(self, wall: float = 0.0) -> Array:
        """0 to 1: the bright windows; with a `wall`, those and the dark wall that far around them."""
        return np.maximum(
            np.maximum(
                _pane(self.around, self.above, 0.64, 0.24, -0.10, 0.42, wall),
                _pane(self.around, self.above, -1.05, 0.14, -0.20, 0.36, wall),
            ),
            _pane(np.abs(self.around - 0.15), self.above, math.pi, 0.18, 0.16, 0.44, wall),
        )


def _pane(around: Array, above: Array, middle: float, half: float, low: float, high: float, wall: float) -> Array:
    """A window, crisp at its edges: with a cross bar, or, where `wall` is not 0, filled and that much larger."""
    a = np.abs(around - middle)
    b = np.abs(above - (low + high) / 2)
    rise = (high - low) / 2
    pane = smoothstep(half + wall + 0.03, half + wall - 0.03, a) * smoothstep(rise + wall + 0.03, rise + wall - 0.03, b)
    return pane if wall else pane * (1 - 0.8 * np.maximum((a < half * 0.10), (b < (high - low) * 0.05)))


def body_light(
    stage: Stage, body: Body, directions: Vectors, along: Array, index: Array, canvas_P3: Array, pixels: int
) -> Array:
    """Colour (N, 3) of a body at its hits. `canvas_P3` holds what is behind it, for glass; `index` its pixels there."""
    light, eye = stage.light, stage.camera.frame()[0]
    dx, dy, dz = directions
    x, y, z = (float(eye[axis]) + along * directions[axis] for axis in range(3))
    local = to_local(body, x, y, z)
    inner = normals(body, *local)
    distances, parts = zip(*body.shape.parts(*local), strict=True)
    part = np.array(parts)[np.argmin(distances, 0)] if len(parts) > 1 else np.full(len(x), parts[0])
    nx, ny, nz = turn_out(body, *inner)
    facing = -(nx * dx + ny * dy + nz * dz)
    flip = np.where(facing < 0, np.float32(-1), np.float32(1))
    nx, ny, nz, facing = nx * flip, ny * flip, nz * flip, np.abs(facing)
    paint, share = _paint(body, local, inner, part)

    toward, sun = _sunlight(stage, body, (x, y, z), (nx, ny, nz))
    reach = 0.10 * body.scale
    gap = distance_at(body, x + nx * reach, y + ny * reach, z + nz * reach)
    open_ = np.clip(0.3 + 0.7 * gap / reach, 0.25, 1) * (0.75 + 0.25 * np.clip(y / (0.25 * body.scale), 0, 1))
    floor = texture(stage.ground.surface).mean_3
    high = (0.5 + 0.5 * ny)[:, None]
    around = (floor * 0.7 + 0.25) * (1 - high) + (light.zenith * 0.5 + 0.5) * high
    diffuse = around * (light.ambient * 1.15 * open_)[:, None] + light.key * (0.95 * toward * sun)[:, None]
    colour = paint * diffuse

    fixed = np.nonzero((part == BRASS) | (part == BLACK))[0]
    if len(fixed):
        shine = _fittings(light.sun, (dx[fixed], dy[fixed], dz[fixed]), (nx[fixed], ny[fixed], nz[fixed]))
        colour[fixed] += (shine * sun[fixed])[:, None] * (paint[fixed] + 0.1)
    glow = (part == FLAME) | (part == BULB)
    colour[glow] = paint[glow] * (0.55 + 0.45 * facing[glow])[:, None]

    main = part == MAIN
    m = slice(None) if main.all() else np.nonzero(main)[0]
    normal = (nx[m], ny[m], nz[m])
    size = unit(body) / body.scale
    middle = (body.shape.box[3] / 2) * body.scale
    position = ((x[m] - body.x) * size, (y[m] - middle) * size, (z[m] - body.z) * size)
    direction = (dx[m], dy[m], dz[m])
    if body.finish == "matte":
        colour[m] = _matte(colour[m], paint[m], facing[m])
    elif body.finish == "glossy":
        colour[m] = _glossy(stage, colour[m], facing[m], open_[m], Mirror.of(stage, position, direction, normal))
    elif body.finish == "metal":
        colour[m] = _metal(
            paint[m], share[m], diffuse[m], facing[m], open_[m], Mirror.of(stage, position, direction, normal)
        )
    else:
        behind = _behind(stage, body, normal, along[m], index[m], canvas_P3, pixels)
        colour[m] = _glass(body, behind, colour[m], share[m], facing[m], Mirror.of(stage, position, direction, normal))
    return colour


def _fittings(sun: Array, direction: Vectors, normal: Vectors) -> Array:
    """The highlight (N,) of brass and lacquer fittings, whatever the finish of the object."""
    hx, hy, hz = (float(sun[axis]) - direction[axis] for axis in range(3))
    shine = (normal[0] * hx + normal[1] * hy + normal[2] * hz) / np.sqrt(hx * hx + hy * hy + hz * hz)
    return 0.5 * np.clip(shine, 0, 1) ** 40


def _sunlight(stage: Stage, body: Body, point: Vectors, normal: Vectors) -> tuple[Array, Array]:
    """(how far points of the body face the sun, share of the sun that reaches them), each (N,), 0 to 1."""
    (x, y, z), (nx, ny, nz), towards = point, normal, stage.light.sun
    facing = np.clip(nx * towards[0] + ny * towards[1] + nz * towards[2], 0, 1)
    sun = np.ones(len(x), np.float32)
    lit = np.nonzero(facing > 0.01)[0]
    lift = 0.012 * body.scale
    from_x, from_y, from_z = x[lit] + nx[lit] * lift, y[lit] + ny[lit] * lift, z[lit] + nz[lit] * lift
    for other in stage.bodies:
        visible = sun_visibility(other, from_x, from_y, from_z, towards, 7.0, 14)
        sun[lit] *= visible if other.finish != "glass" else 0.55 + 0.45 * visible
    return facing, sun


def _paint(body: Body, local: Vectors, normal: Vectors, part: Array) -> tuple[Array, Array]:
    """(albedo (N, 3), share of the pattern's paint (N,)) of every hit, whatever the light."""
    table = np.empty((max(PART_COLOURS) + 1, 3), np.float32)
    table[MAIN] = body.colour
    for number, colour in PART_COLOURS.items():
        table[number] = colour
    paint = table[part]
    main = part == MAIN
    share = np.zeros(len(part), np.float32)
    if body.pattern != "plain":
        share = (pattern_share(body, *local, normal) * main).astype(np.float32)
        light = float(body.colour @ np.array((0.3, 0.55, 0.15), np.float32)) > 0.36
        grey = float(body.colour.min()) > 0.15  # in a mirror's bright bands cream on grey would not be seen
        second = NAVY_PAINT if light or grey else CREAM_PAINT
        paint += share[:, None] * (second - paint)
    x, y, z = local
    wood, leaf = part == WOOD, part == LEAF
    if wood.any():
        paint[wood] *= (0.8 + 0.35 * np.sin(y[wood] * 22 + np.sin((x[wood] + z[wood]) * 30) * 1.2) ** 2)[:, None]
    if leaf.any():
        paint[leaf] *= (0.7 + 0.8 * np.clip(y[leaf] - 0.5, 0, 0.6))[:, None]
    if body.shape.lid is not None:
        paint[main & (np.abs(y - body.shape.lid) < 0.012)] *= 0.45
    return paint, share


def _matte(colour: Array, paint: Array, facing: Array) -> Array:
    """Diffuse light only, with the pale bloom of a powdery surface at its edges."""
    bloom = (1 - facing) ** 3
    return colour * 0.95 + (bloom * 0.16)[:, None] * (paint * 0.7 + 0.06)


def _glossy(stage: Stage, colour: Array, facing: Array, open_: Array, mirror: Mirror) -> Array:
    """The same paint under a clear coat.

    It mirrors crisp white windows in a dark wall, which show on white paint too, and a pale horizon that grows towards
    the edges.
    """
    edge = 0.08 + 0.5 * (1 - facing) ** 4
    room = np.where(mirror.above > 0.02, 0.75, 0.12)
    coat = (edge * (0.4 + 0.6 * open_))[:, None]
    windows = (mirror.windows() * (0.5 + 0.5 * open_))[:, None]
    under = colour * (0.86 - 0.28 * mirror.windows(WALL))[:, None]
    return (
        under * (1 - coat)
        + coat * room[:, None] * (0.5 + 0.5 * stage.light.zenith)
        + windows * (1.25 - 0.35 * np.minimum(colour, 1))
    )


def _metal(paint: Array, share: Array, diffuse: Array, facing: Array, open_: Array, mirror: Mirror) -> Array:
    """A tinted mirror: bright sky, black horizon, pale floor and upright bands, hardly any light of its own.

    The pattern is dull paint on it.
    """
    horizon = 0.05 + 0.10 * np.cos(mirror.around)
    over = mirror.above - horizon
    sky = 0.55 + 0.75 * np.clip(over * 1.6, 0, 1)
    floor = 0.40 - 0.5 * np.clip(-over, 0, 0.6)
    room = np.where(over > 0, sky, floor) * (1 - 0.92 * smoothstep(0.20, 0.04, np.abs(over + 0.02)))
    bands = 0.5 + 0.5 * np.cos(mirror.around * 3.0 + 0.6)
    room = room * (0.30 + 1.05 * bands * bands) * (0.45 + 0.55 * open_)
    tint = paint * 0.92 + 0.07
    edge = ((1 - facing) ** 5 * 0.5)[:, None]
    bare = room[:, None] * 1.55 * (tint + (1 - tint) * edge) + tint * diffuse * 0.16
    return bare + 0.8 * share[:, None] * (paint * diffuse - bare)


def _behind(
    stage: Stage, body: Body, normal: Vectors, along: Array, index: Array, canvas_P3: Array, pixels: int
) -> Array:
    """What is on the canvas where a look through the glass, bent by its surface, comes out."""
    _, _, right, up = stage.camera.frame()
    across = sum(n * float(r) for n, r in zip(normal, right, strict=True))
    upward = sum(n * float(r) for n, r in zip(normal, up, strict=True))
    bend = 0.14 * body.scale / unit(body) * pixels / (2 * FIELD) / along
    column = np.clip(index % pixels - (across * bend).astype(np.int64), 0, pixels - 1)
    row = np.clip(index // pixels + (upward * bend).astype(np.int64), 0, pixels - 1)
    return canvas_P3[row * pixels + column]


def _glass(body: Body, behind: Array, colour: Array, share: Array, facing: Array, mirror: Mirror) -> Array:
    """Tinted and clear: the background shows through, a dark line and a bright rim follow the outline."""
    tint = glass_tint(body.colour)
    wall = smoothstep(0.15, 0.75, facing)[:, None]
    seen = behind * tint * (0.55 + 0.45 * wall)
    seen = seen * 0.95 + colour * 0.05
    rim = smoothstep(0.42, 0.12, facing)[:, None]
    seen = seen * (1 - 0.7 * rim) + rim * 0.7 * (0.45 + 0.75 * tint)
    painted = 0.85 * share[:, None]
    seen = seen * (1 - painted) + colour * painted
    return seen + (mirror.windows() * 0.6)[:, None]
