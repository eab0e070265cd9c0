"""Rays against bodies: first hits, soft visibility of the sun, normals, openness; no colours."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from training.catalogue.layout import FIELD, Body, Camera
from training.catalogue.shapes import Array, Point

Vectors = tuple[Array, Array, Array]
Number = TypeVar("Number", float, Array)

HIT = 0.0025  # shape units
STEPS = 48


def rays(camera: Camera, pixels: int) -> Vectors:
    """Unit directions (pixels * pixels,) float32 of a square picture, row by row from the top left."""
    _, forward, right, up = camera.frame()
    across = ((np.arange(pixels) + 0.5) / pixels * 2 - 1).astype(np.float32) * FIELD
    x, y = across[None, :], -across[:, None]
    length = np.sqrt(1 + x * x + y * y)
    return tuple(((float(forward[i]) + x * float(right[i]) + y * float(up[i])) / length).ravel() for i in range(3))


def to_local(body: Body, x: Array, y: Array, z: Array) -> Vectors:
    """World points in the body's own frame and units."""
    cos, sin, shrink = math.cos(body.turn), math.sin(body.turn), 1 / body.scale
    x, z = (x - body.x) * shrink, (z - body.z) * shrink
    return cos * x - sin * z, y * shrink, sin * x + cos * z


def turn_in(body: Body, x: Number, y: Number, z: Number) -> tuple[Number, Number, Number]:
    """World directions, or one, in the body's own frame."""
    cos, sin = math.cos(body.turn), math.sin(body.turn)
    return cos * x - sin * z, y, sin * x + cos * z


def turn_out(body: Body, x: Array, y: Array, z: Array) -> Vectors:
    """The body's directions in the world frame."""
    cos, sin = math.cos(body.turn), math.sin(body.turn)
    return cos * x + sin * z, y, cos * z - sin * x


def those(vectors: Vectors, index: Array) -> Vectors:
    """The vectors at these places of their arrays."""
    x, y, z = vectors
    return x[index], y[index], z[index]


def distance_at(body: Body, x: Array, y: Array, z: Array) -> Array:
    """World distance bound from world points to the body."""
    return body.shape.distance(*to_local(body, x, y, z)) * body.scale


def _through_box(body: Body, origin: Vectors | Point, direction: Vectors, margin: float) -> tuple[Array, Array]:
    """Where rays (shape units) enter and leave the body's box; entry beyond exit means a miss."""
    lows, highs = [], []
    for axis in range(3):
        step = direction[axis]
        inverse = 1 / np.where(np.abs(step) < 1e-6, np.float32(1e-6), step)
        a = (body.shape.box[2 * axis] - margin - origin[axis]) * inverse
        b = (body.shape.box[2 * axis + 1] + margin - origin[axis]) * inverse
        lows.append(np.minimum(a, b))
        highs.append(np.maximum(a, b))
    return np.maximum(np.maximum(lows[0], lows[1]), lows[2]), np.minimum(np.minimum(highs[0], highs[1]), highs[2])


def _window(body: Body, camera: Camera, pixels: int) -> Array:
    """Indices of the pixels inside the screen rectangle of the body's box."""
    x0, x1, y0, y1, z0, z1 = body.shape.box
    corners = np.array([(x, y, z) for x in (x0, x1) for y in (y0, y1) for z in (z0, z1)]) * 1.03 * body.scale
    x, y, z = turn_out(body, *corners.T)
    eye, forward, right, up = camera.frame()
    offset = np.stack([x + body.x, y, z + body.z], 1) - eye
    depth = np.maximum(offset @ forward, 0.1)
    columns = np.clip(((offset @ right) / depth / FIELD + 1) / 2 * pixels + np.array([[-2], [2]]), 0, pixels)
    rows = np.clip((1 - (offset @ up) / depth / FIELD) / 2 * pixels + np.array([[-2], [2]]), 0, pixels)
    across = np.arange(int(columns[0].min()), math.ceil(columns[1].max()))
    down = np.arange(int(rows[0].min()), math.ceil(rows[1].max()))
    return (down[:, None] * pixels + across[None, :]).ravel()


def first_hits(body: Body, camera: Camera, directions: Vectors, pixels: int) -> tuple[Array, Array]:
    """(pixel indices, world distances) of the rays that meet the body, by sphere tracing."""
    index = _window(body, camera, pixels)
    x, y, z = to_local(body, *camera.frame()[0])
    origin = (float(x), float(y), float(z))
    dx, dy, dz = turn_in(body, *those(directions, index))
    enter, leave = _through_box(body, origin, (dx, dy, dz), 0.02)
    keep = np.nonzero(leave > np.maximum(enter, 0))[0]
    index, dx, dy, dz = index[keep], dx[keep], dy[keep], dz[keep]
    along, leave = np.maximum(enter[keep], 0), leave[keep]
    hit_index, hit_along = [], []
    for step in range(STEPS):
        if not len(index):
            break
        gap = body.shape.distance(origin[0] + along * dx, origin[1] + along * dy, origin[2] + along * dz)
        along = along + gap
        if step % 3 == 2 or step == STEPS - 1:
            hit = gap < (HIT if step < STEPS - 1 else 5 * HIT)
            hit_index.append(index[hit])
            hit_along.append(along[hit])
            keep = ~hit & (along < leave)
            index, along, leave, dx, dy, dz = index[keep], along[keep], leave[keep], dx[keep], dy[keep], dz[keep]
    if not hit_index:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    return np.concatenate(hit_index), np.concatenate(hit_along) * body.scale


def sun_visibility(body: Body, x: Array, y: Array, z: Array, sun: Array, softness: float, steps: int) -> Array:
    """Share of the sun in [0, 1] that the body leaves to world points; a larger `softness` is a sharper edge."""
    visible = np.ones(len(x), np.float32)
    origin = to_local(body, x, y, z)
    dx, dy, dz = turn_in(body, float(sun[0]), float(sun[1]), float(sun[2]))
    direction = (np.full(1, dx, np.float32), np.full(1, dy, np.float32), np.full(1, dz, np.float32))
    enter, leave = _through_box(body, origin, direction, 0.08)
    index = np.nonzero(leave > np.maximum(enter, 0))[0]
    if not len(index):
        return visible
    x, y, z = origin[0][index], origin[1][index], origin[2][index]
    along, leave = np.maximum(enter[index], 0.035), leave[index]
    clear, active = np.ones(len(index), np.float32), np.arange(len(index))
    for step in range(steps):
        gap = body.shape.distance(x + along * dx, y + along * dy, z + along * dz)
        clear[active] = np.minimum(clear[active], softness * gap / (along + 0.15))
        along = along + np.clip(gap, 0.03, 0.25)
        if step % 3 == 2:
            keep = (clear[active] > 0.01) & (along < leave)
            if not keep.any():
                break
            active, x, y, z, along, leave = active[keep], x[keep], y[keep], z[keep], along[keep], leave[keep]
    clear = np.clip(clear, 0, 1)
    visible[index] = clear * clear * (3 - 2 * clear)
    return visible


def normals(body: Body, x: Array, y: Array, z: Array) -> Vectors:
    """Outward unit normals in the body's frame at points of its surface, by four-point differences."""
    total: list[Array | float] = [0.0, 0.0, 0.0]
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        gap = body.shape.distance(x + corner[0] * 0.0035, y + corner[1] * 0.0035, z + corner[2] * 0.0035)
        total = [value + corner[axis] * gap for axis, value in enumerate(total)]
    length = np.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2) + 1e-9
    x, y, z = (value / length for value in total)
    return x, y, z
