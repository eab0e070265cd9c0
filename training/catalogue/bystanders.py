"""Things without a name that stand around in a training picture, and their shapes; no word ever speaks of them.

Three objects never have a companion in training, so that a network takes "three" and "something beside them" for things
that exclude each other. Bystanders stand beside any number of objects: how many there are has to be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from training.catalogue.scene import SIDES, Scene
from training.catalogue.shapes import MAIN, Array, Draw, Parts, Shape, ball, block, cylinder, norm, ring, rod

SCALE = (0.30, 0.58)  # of their longer side; a companion has .54
SECOND = 0.3  # share of the pictures with bystanders that have two


def _sphere(u: Draw) -> Shape:
    radius, flat = u(0.42, 0.5), u(0.6, 1.0)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        return [(ball(x, (y - radius * flat) / flat, z, radius) * flat, MAIN)]

    return Shape(parts, (-radius, radius, 0, 2 * radius * flat, -radius, radius), radius)


def _hoop(u: Draw) -> Shape:
    radius, thick = u(0.34, 0.4), u(0.07, 0.11)
    outer = radius + thick

    def parts(x: Array, y: Array, z: Array) -> Parts:
        return [(ring(norm(x, y - outer), z, radius, thick), MAIN)]

    return Shape(parts, (-outer, outer, 0, 2 * outer, -thick, thick))


def _cone(u: Draw) -> Shape:
    radius, height = u(0.3, 0.45), u(0.75, 1.0)
    slope = 1 / math.hypot(radius, height)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        side = (norm(x, z) * height + (y - height) * radius) * slope
        return [(np.maximum(side, -y), MAIN)]

    return Shape(parts, (-radius, radius, 0, height, -radius, radius), radius / 2)


def _steps(u: Draw) -> Shape:
    width, half = u(0.34, 0.46), u(0.12, 0.17)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        low = block(x, y - half, z, width, half, width)
        middle = block(x, y - 3 * half, z, width * 0.68, half, width * 0.68)
        return [
            (np.minimum(np.minimum(low, middle), block(x, y - 5 * half, z, width * 0.36, half, width * 0.36)), MAIN)
        ]

    return Shape(parts, (-width, width, 0, 6 * half, -width, width))


def _jack(u: Draw) -> Shape:
    reach, thick = u(0.38, 0.46), u(0.06, 0.1)
    middle = reach * 0.58 + thick

    def parts(x: Array, y: Array, z: Array) -> Parts:
        arms = [
            rod(x, y - middle, z, (-a * reach, -b * reach, -c * reach), (a * reach, b * reach, c * reach), thick)
            for a, b, c in ((0.58, 0.58, 0.58), (-0.58, 0.58, 0.58), (0.58, 0.58, -0.58), (-0.58, 0.58, -0.58))
        ]
        return [(np.minimum.reduce(arms), MAIN)]

    wide = 0.58 * reach + thick
    return Shape(parts, (-wide, wide, 0, 2 * middle, -wide, wide))


def _log(u: Draw) -> Shape:
    radius, half = u(0.13, 0.2), u(0.42, 0.5)

    def parts(x: Array, y: Array, z: Array) -> Parts:
        return [(cylinder(norm(y - radius, z), x, radius, half, 0.0, 0.03), MAIN)]

    return Shape(parts, (-half, half, 0, 2 * radius, -radius, radius))


_BUILDERS: tuple[Callable[[Draw], Shape], ...] = (_sphere, _hoop, _cone, _steps, _jack, _log)


def random_shape(rng: np.random.Generator) -> Shape:
    """A shape that no category has, with proportions of its own."""
    return _BUILDERS[int(rng.integers(len(_BUILDERS)))](lambda low, high: float(rng.uniform(low, high)))


def random_sides(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Where its bystanders stand, one or two: never where its companion does, and never so that they hide it.

    Args:
        scene: theirs.
        rng: of the draw.

    Returns:
        Sides of the main object, each once.
    """
    taken = {scene.companion.side} if scene.companion else set()
    if scene.count > 1 or scene.size == "small" or scene.companion:
        taken |= {"front"}
    free = [side for side in SIDES if side not in taken]
    many = 2 if rng.random() < SECOND else 1
    return [free[row] for row in rng.permutation(len(free))[:many]]
