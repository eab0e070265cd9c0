"""The fourteen categories as signed distance functions with named parts; not their colours, finish or place.

Local frame: y is up, the ground is y = 0, +z is the front; lengths are in the shape's own units, scaled by layout.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Parts = list[tuple[Array, int]]
Point = tuple[float, float, float]
MAIN, WOOD, LEAF, FLAME, CREAM, BRASS, BLACK, BULB, SOIL = range(9)

#: Linear-light colours of the parts that keep their own material whatever the scene says.
PART_COLOURS = {
    WOOD: (0.33, 0.19, 0.09),
    LEAF: (0.06, 0.26, 0.05),
    FLAME: (1.6, 1.0, 0.35),
    CREAM: (0.80, 0.78, 0.70),
    BRASS: (0.30, 0.21, 0.09),
    BLACK: (0.02, 0.02, 0.02),
    BULB: (1.6, 1.35, 0.9),
    SOIL: (0.05, 0.03, 0.02),
}


@dataclass(frozen=True)
class Shape:
    """A category's surface: `parts(x, y, z)` gives (distance, part) pairs; the surface is their minimum."""

    parts: Callable[[Array, Array, Array], Parts]
    box: tuple[float, float, float, float, float, float]  # x0, x1, y0, y1, z0, z1 of everything
    girth: float = 0.0  # typical radius of the main part where patterns wrap around the vertical axis; 0 = flat sides
    lid: float | None = None  # height of a dark joint, if any

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance bound to the nearest part; negative inside."""
        pairs = self.parts(x, y, z)
        nearest = pairs[0][0]
        for other, _ in pairs[1:]:
            nearest = np.minimum(nearest, other)
        return nearest


def norm(a: Array, b: Array) -> Array:
    """Length of (a, b)."""
    return np.sqrt(a * a + b * b)  # several times faster than np.hypot, which guards against overflow


def cylinder(rho: Array, y: Array, radius: float, half: float, middle: float, edge: float = 0.02) -> Array:
    """A rounded cylinder, given the distance from its axis and the height along it."""
    a = rho - (radius - edge)
    b = np.abs(y - middle) - (half - edge)
    return np.minimum(np.maximum(a, b), 0) + norm(np.maximum(a, 0), np.maximum(b, 0)) - edge


def block(x: Array, y: Array, z: Array, half_x: float, half_y: float, half_z: float, edge: float = 0.02) -> Array:
    """A rounded block about the origin."""
    a, b, c = np.abs(x) - (half_x - edge), np.abs(y) - (half_y - edge), np.abs(z) - (half_z - edge)
    inside = np.minimum(np.maximum(a, np.maximum(b, c)), 0)
    a, b, c = np.maximum(a, 0), np.maximum(b, 0), np.maximum(c, 0)
    return inside + np.sqrt(a * a + b * b + c * c) - edge


def rod(x: Array, y: Array, z: Array, start: Point, end: Point, radius: float) -> Array:
    """A stick with round ends."""
    step = tuple(e - s for s, e in zip(start, end, strict=True))
    x, y, z = x - start[0], y - start[1], z - start[2]
    along = np.clip((x * step[0] + y * step[1] + z * step[2]) * (1 / sum(s * s for s in step)), 0, 1)
    x, y, z = x - along * step[0], y - along * step[1], z - along * step[2]
    return np.sqrt(x * x + y * y + z * z) - radius


def ball(x: Array, y: Array, z: Array, radius: float) -> Array:
    """A ball about the origin."""
    return np.sqrt(x * x + y * y + z * z) - radius


def ring(across: Array, along: Array, radius: float, thickness: float) -> Array:
    """A torus, given the distance from its axis and the height along it."""
    return norm(across - radius, along) - thickness


def _fold(x: Array, z: Array, rho: Array, copies: int, turn: float = 0.0) -> tuple[Array, Array]:
    """(x, z) turned into the nearest of `copies` equal sectors around the axis."""
    sector = 2 * math.pi / copies
    angle = np.arctan2(z, x) - turn
    angle = angle - sector * np.round(angle * (1 / sector))
    return rho * np.cos(angle), rho * np.sin(angle)


class _Profile:
    """A radius as a function of height, smoothed: the wall of a turned shape."""

    def __init__(self, heights: list[float], radii: list[float], smoothing: int = 3, samples: int = 96) -> None:
        radius = np.interp(np.linspace(heights[0], heights[-1], samples), heights, radii)
        for _ in range(smoothing):
            radius[1:-1] = 0.25 * radius[:-2] + 0.5 * radius[1:-1] + 0.25 * radius[2:]
        self.low, self.high, self.last = heights[0], heights[-1], samples - 1.001
        self.per_unit = (samples - 1) / (heights[-1] - heights[0])
        self.radius = radius.astype(np.float32)
        self.rise = np.append(np.diff(self.radius), np.float32(0))
        slope = min(float(np.abs(self.rise).max()) * self.per_unit, 2.2)
        self.shrink = 1 / math.sqrt(1 + slope * slope)  # keeps the radial difference a lower bound of the distance

    def wall(self, rho: Array, y: Array) -> Array:
        at = np.clip((y - self.low) * self.per_unit, 0, self.last)
        cell = at.astype(np.int32)
        return (rho - (self.radius[cell] + self.rise[cell] * (at - cell))) * self.shrink

    def solid(self, rho: Array, y: Array) -> Array:
        return np.maximum(self.wall(rho, y), np.maximum(self.low - y, y - self.high))

    def shell(self, rho: Array, y: Array, thickness: float, floor: float = 0.05) -> Array:
        wall = self.wall(rho, y)
        outer = np.maximum(wall, np.maximum(self.low - y, y - self.high))
        return np.maximum(outer, np.minimum(-wall - thickness, y - (self.low + floor)))


Draw = Callable[[float, float], float]


def _mug(u: Draw) -> Shape:
    radius, half = u(0.31, 0.36), u(0.37, 0.43)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        cup = np.maximum(
            cylinder(rho, y, radius, half, half, 0.03), -cylinder(rho, y, radius - 0.045, half, half + 0.07, 0.03)
        )
        handle = np.maximum(ring(norm(x - radius - 0.02, (y - half) * 0.85), z, 0.21, 0.05), radius - 0.03 - rho)
        return [(np.minimum(cup, handle), MAIN)]

    return Shape(parts, (-radius, radius + 0.29, 0, 2 * half, -radius, radius), radius)


def _bottle(u: Draw) -> Shape:
    body, neck = u(0.24, 0.29), u(0.085, 0.10)
    profile = _Profile([0, 0.03, 0.62, 0.72, 0.80, 1.06], [body - 0.03, body, body, body * 0.85, neck, neck], 8)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        return [(profile.solid(rho, y) - 0.01, MAIN), (cylinder(rho, y, neck + 0.02, 0.05, 1.08, 0.015), BLACK)]

    return Shape(parts, (-body - 0.02, body + 0.02, 0, 1.13, -body - 0.02, body + 0.02), body)


def _bowl(u: Draw) -> Shape:
    radius, height = u(0.50, 0.56), u(0.38, 0.45)
    profile = _Profile([0, 0.04, 0.1, 0.2, height], [0.20, 0.22, radius * 0.72, radius * 0.9, radius])

    def parts(x: Array, y: Array, z: Array) -> Parts:
        return [(profile.shell(norm(x, z), y, 0.045, 0.07) * 0.8, MAIN)]

    return Shape(parts, (-radius, radius, 0, height, -radius, radius), radius)


def _vase(u: Draw) -> Shape:
    body, neck = u(0.31, 0.38), u(0.11, 0.16)
    profile = _Profile([0, 0.08, 0.45, 0.85, 1.0, 1.12], [0.17, 0.22, body, neck + 0.03, neck, neck + 0.09], 40)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        return [(profile.shell(norm(x, z), y, 0.04, 0.06), MAIN)]

    return Shape(parts, (-body - 0.02, body + 0.02, 0, 1.13, -body - 0.02, body + 0.02), body * 0.8)


def _lamp(u: Draw) -> Shape:
    low, high = u(0.42, 0.47), u(0.22, 0.29)
    profile = _Profile([0.52, 1.12], [low, high])

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        shade = np.maximum(np.abs(profile.wall(rho, y)) - 0.012, np.abs(y - 0.82) - 0.30)
        base = np.minimum(cylinder(rho, y, 0.24, 0.03, 0.03), cylinder(rho, y, 0.035, 0.30, 0.33, 0.01))
        return [(shade, MAIN), (base, BRASS), (ball(x, y - 0.72, z, 0.11), BULB)]

    return Shape(parts, (-low, low, 0, 1.13, -low, low), (low + high) / 2)


def _stool(u: Draw) -> Shape:
    radius, height = u(0.40, 0.45), u(0.64, 0.76)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        across, side = _fold(x, z, rho, 3)
        leg = rod(across, y, side, (radius * 0.55, height - 0.1, 0), (radius * 0.98, 0.03, 0), 0.038)
        return [
            (cylinder(rho, y, radius, 0.10, height - 0.10, 0.05), MAIN),
            (leg * 0.9, WOOD),
            (ring(rho, y - 0.24, radius * 0.82, 0.02), WOOD),
        ]

    return Shape(parts, (-radius - 0.03, radius + 0.03, 0, height, -radius - 0.03, radius + 0.03), radius)


def _table(u: Draw) -> Shape:
    width, depth, height = u(0.62, 0.72), u(0.42, 0.50), u(0.50, 0.58)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        half, ax, az = height / 2, np.abs(x), np.abs(z)
        leg = block(ax - (width - 0.09), y - half, az - (depth - 0.09), 0.045, half, 0.045, 0.01)
        return [(block(x, y - height + 0.08, z, width, 0.08, depth, 0.025), MAIN), (leg, WOOD)]

    return Shape(parts, (-width, width, 0, height, -depth, depth))


def _chair(u: Draw) -> Shape:
    half, seat, top = u(0.32, 0.36), u(0.44, 0.50), u(1.08, 1.18)
    back = (top - seat) / 2 - 0.07

    def parts(x: Array, y: Array, z: Array) -> Parts:
        ax, az = np.abs(x), np.abs(z)
        leg = block(ax - (half - 0.045), y - seat / 2, az - (half - 0.045), 0.035, seat / 2, 0.035, 0.01)
        post = block(ax - (half - 0.05), y - (seat + top) / 2, z + half - 0.03, 0.028, (top - seat) / 2, 0.028, 0.01)
        cover = np.minimum(
            block(x, y - seat, z, half, 0.06, half, 0.03),
            block(x, y - top + back, z + half - 0.03, half - 0.01, back, 0.045, 0.03),
        )
        return [(cover, MAIN), (np.minimum(leg, post), WOOD)]

    return Shape(parts, (-half, half, 0, top + 0.01, -half - 0.02, half))


def _teapot(u: Draw) -> Shape:
    radius = u(0.37, 0.42)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        body = (norm(rho, (y - 0.36) * 1.18) - radius) * 0.85
        foot = cylinder(rho, y, 0.22, 0.03, 0.03)
        spout = np.minimum(
            rod(x, y, z, (-0.28, 0.26, 0), (-0.52, 0.48, 0), 0.07),
            rod(x, y, z, (-0.52, 0.48, 0), (-0.60, 0.62, 0), 0.05),
        )
        handle = np.maximum(ring(norm(x - 0.42, (y - 0.40) * 0.9), z, 0.20, 0.045), 0.30 - x)
        lid = np.minimum(ball(x, y - 0.72, z, 0.075), ring(rho, y - 0.645, 0.2, 0.02))
        return [(np.minimum(np.minimum(body, foot), np.minimum(spout, np.minimum(handle, lid))), MAIN)]

    return Shape(parts, (-0.67, 0.67, 0, 0.80, -radius - 0.01, radius + 0.01), radius)


def _candle(u: Draw) -> Shape:
    radius, height = u(0.20, 0.25), u(0.62, 0.76)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        wax = cylinder(rho, y, radius, height / 2, height / 2 + 0.05, 0.03)
        plate = np.minimum(cylinder(rho, y, 0.33, 0.025, 0.03), ring(rho, y - 0.06, 0.32, 0.02))
        tip = y - height - 0.18
        flame = (norm(rho, tip * 0.5) - 0.05 * (1 - 0.5 * np.clip(tip * 5, -1, 1))) * 0.45
        wick = np.maximum(rho - 0.014, np.abs(y - height - 0.07) - 0.06)
        return [(wax, MAIN), (plate, BRASS), (wick, BLACK), (flame, FLAME)]

    return Shape(parts, (-0.34, 0.34, 0, height + 0.31, -0.34, 0.34), radius)


def _plant_pot(u: Draw) -> Shape:
    radius, leaves, turn = u(0.36, 0.41), int(u(4.5, 6.99)), u(0, 1)
    profile = _Profile([0, 0.46, 0.47, 0.58], [radius * 0.7, radius, radius + 0.04, radius + 0.04])
    outer, inner = (u(0.62, 0.82), u(0.42, 0.50)), (u(0.18, 0.34), u(0.46, 0.56))

    def leaf(x: Array, y: Array, z: Array, rho: Array, lean: float, length: float, turn: float) -> Array:
        across, side = _fold(x, z, rho, leaves, turn)
        lean_x, lean_y = math.sin(lean), math.cos(lean)
        along = np.clip((across * lean_x + y * lean_y) * (1 / length), 0, 1.1)
        across, y = across - along * (length * lean_x), y - along * (length * lean_y)
        return np.sqrt(across * across + y * y + side * side) - (0.44 * along * (1.15 - along) + 0.012)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, z)
        above = y - 0.5
        green = np.minimum(leaf(x, above, z, rho, *outer, turn), leaf(x, above, z, rho, *inner, turn + 0.5))
        return [
            (profile.shell(rho, y, 0.05, 0.05), MAIN),
            (cylinder(rho, y, radius - 0.05, 0.03, 0.50, 0.01), SOIL),
            (green * 0.62, LEAF),
        ]

    return Shape(parts, (-0.46, 0.46, 0, 1.12, -0.46, 0.46), radius * 0.85)


def _box(u: Draw) -> Shape:
    width, depth, half = u(0.42, 0.50), u(0.32, 0.40), u(0.24, 0.30)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        body = block(x, y - half, z, width, half, depth)
        lid = block(x, y - 2 * half - 0.045, z, width + 0.025, 0.05, depth + 0.025)
        return [(np.minimum(body, lid), MAIN), (ball(x, y - 2 * half + 0.06, z - depth - 0.03, 0.05), BRASS)]

    top = 2 * half + 0.10
    return Shape(parts, (-width - 0.03, width + 0.03, 0, top, -depth - 0.03, depth + 0.09), lid=top - 0.105)


def _clock(u: Draw) -> Shape:
    radius = u(0.45, 0.49)
    middle, face = radius + 0.08, radius * 0.60
    hours, minutes = (
        (math.sin(angle) * length, middle + math.cos(angle) * length, 0.13)
        for angle, length in ((u(0, 6.28), 0.13), (u(0, 6.28), 0.21))
    )
    pin = (0, middle, 0.12)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        rho = norm(x, y - middle)
        body = np.maximum(cylinder(rho, z, radius, 0.14, 0, 0.05), -cylinder(rho, z, face, 0.06, 0.15, 0.01))
        hands = np.minimum(rod(x, y, z, pin, hours, 0.028), rod(x, y, z, pin, minutes, 0.018))
        across, side = _fold(y - middle, x, rho, 12)
        tick = block(across - (face - 0.04), side, z - 0.10, 0.028, 0.013, 0.01, 0.004)
        ax = np.abs(x)
        foot = rod(ax, y, z, (0.24, 0.22, 0), (0.32, 0.04, 0), 0.05)
        limbs = np.minimum(foot, ball(ax - 0.23, y - middle - radius, z, 0.11))
        return [
            (np.minimum(body, limbs), MAIN),
            (cylinder(rho, z, face + 0.01, 0.02, 0.085, 0.01), CREAM),
            (np.minimum(hands, tick), BLACK),
        ]

    return Shape(parts, (-radius - 0.02, radius + 0.02, 0, middle + radius + 0.10, -0.16, 0.16))


def _cushion(u: Draw) -> Shape:
    half, puff = u(0.42, 0.48), u(0.19, 0.23)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        a, b = x * (1 / half), (y - half) * (1 / half)
        a, b = a * a, b * b
        rim = np.sqrt(np.sqrt(a * a + b * b))
        thick = puff * np.sqrt(np.maximum(1 - rim * rim, 0)) + 0.012
        return [(np.maximum((np.abs(z) - thick) * 0.5, (rim - 1) * (half * 0.7)), MAIN)]

    return Shape(parts, (-half, half, 0, 2 * half, -puff - 0.01, puff + 0.01))


_BUILDERS = {
    "mug": _mug,
    "bottle": _bottle,
    "bowl": _bowl,
    "vase": _vase,
    "lamp": _lamp,
    "stool": _stool,
    "table": _table,
    "chair": _chair,
    "teapot": _teapot,
    "candle": _candle,
    "plant pot": _plant_pot,
    "box": _box,
    "clock": _clock,
    "cushion": _cushion,
}


def build_shape(category: str, rng: np.random.Generator) -> Shape:
    """A shape of the category with proportions drawn from `rng`.

    Raises:
        KeyError: the category is unknown.
    """
    return _BUILDERS[category](lambda low, high: float(rng.uniform(low, high)))
