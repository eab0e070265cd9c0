"""Small plots as inline SVG: a strip of dots with whiskers, a difference with its interval, a scatter. Not the data.

Positions are per cent of the drawing and sizes are pixels, so that a plot keeps its strokes and its text on every
screen. Colours are classes (u-s1 to u-s4, u-win-picture ...): the stylesheet names them, light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from umr.ui.markup import macros


class Dot(NamedTuple):
    """A value with its interval (None where there is none), and the class of its series."""

    value: float
    interval: tuple[float, float] | None
    series: str
    label: str


class Point(NamedTuple):
    """One point of a scatter.

    Attributes:
        mark: "composed", "picture" or "text".
        data: what the page's script shows of it.
    """

    x: float
    y: float
    mark: str
    label: str
    href: str
    data: dict[str, str]


def strip(dots: Sequence[Dot], low: float = 0.0, high: float = 1.0, zero: float | None = None) -> Markup:
    """Dots with whiskers on one axis from low to high, one line for each; zero: a line to compare with."""
    marks = [_dot(dot, 11 + 14 * place, low, high) for place, dot in enumerate(dots)]
    said, height = "; ".join(dot.label for dot in dots), 14 * len(dots) + 8
    return macros("plots").strip(said, height, None if zero is None else _at(zero, low, high), marks)


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> Markup:
    """Points over a square from the smallest to the largest value, with the diagonal of equality.

    Each point is a link, where it leads anywhere; one of them is in the tab order, the page's script moves on from it
    with the arrow keys.
    """
    ticks = _ticks(points)
    low, high = ticks[0], ticks[-1]
    grid = [_at(tick, low, high) for tick in ticks]
    places = [(point, _at(point.x, low, high), _at(high - point.y + low, low, high)) for point in points]
    return macros("plots").scatter(x_name, y_name, grid, [f"{tick:.1f}" for tick in ticks], places)


def _dot(dot: Dot, y: int, low: float, high: float) -> tuple[str, str, str, list[str], int]:
    whisker = [_at(edge, low, high) for edge in dot.interval or ()]
    return dot.series, dot.label, _at(dot.value, low, high), whisker, y


def _ticks(points: Sequence[Point]) -> list[float]:
    """Even tenths (or fifths, where those are many) from below the smallest value to above the largest."""
    values = [value for point in points for value in (point.x, point.y)] or [0.0, 1.0]
    step = 1 if max(values) - min(values) <= 0.5 else 2
    first, last = math.floor(min(values) * 10 / step), math.ceil(max(values) * 10 / step)
    return [place * step / 10 for place in range(first, max(last, first + 1) + 1)]


def _at(value: float, low: float, high: float) -> str:
    return f"{min(1.0, max(0.0, (value - low) / (high - low))) * 100:.2f}%"


class Spot(NamedTuple):
    """One point of a curve: where, the value from 0 to 1, and its interval."""

    x: float
    value: float
    interval: tuple[float, ...]


class Line(NamedTuple):
    """A curve: what it is called, the class of its series, and its points from left to right."""

    label: str
    series: str
    spots: tuple[Spot, ...]


def curve(lines: Sequence[Line], x_name: str) -> Markup:
    """Values from 0 to 100 % over a logarithmic axis from the smallest to the largest x, the intervals as bands."""
    places = [spot.x for line in lines for spot in line.spots] or [1.0]
    low, high = math.log10(min(places)), math.log10(max(places))
    width = (high - low) or 1.0
    said = "; ".join(
        f"{line.label}: " + ", ".join(f"{spot.x:,.0f} {100 * spot.value:.1f} %" for spot in line.spots)
        for line in lines
    )
    ticks = [f"{value:,.0f}" for value in (min(places), max(places))]
    return macros("plots").curve(said, x_name, ticks, [_curve_line(line, low, width) for line in lines])


def _curve_line(line: Line, low: float, width: float) -> tuple[Line, str, str]:
    at = [((math.log10(spot.x) - low) / width * 100, spot) for spot in line.spots]
    path = " ".join(f"{x:.2f},{100 - 100 * spot.value:.2f}" for x, spot in at)
    upper = [f"{x:.2f},{100 - 100 * spot.interval[-1]:.2f}" for x, spot in at]
    lower = [f"{x:.2f},{100 - 100 * spot.interval[0]:.2f}" for x, spot in reversed(at)]
    return line, " ".join([*upper, *lower]), path
