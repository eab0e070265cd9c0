"""Small plots as inline SVG: a strip of dots with whiskers, a difference with its interval, a scatter. Not the data.

Positions are per cent of the drawing and sizes are pixels, so that a plot keeps its strokes and its text on every
screen. Colours are classes (u-s1 to u-s4, u-win-picture ...): the stylesheet names them, light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from umr.ui.render import escape


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


def strip(dots: Sequence[Dot], low: float = 0.0, high: float = 1.0, zero: float | None = None) -> str:
    """Dots with whiskers on one axis from low to high, one line for each; zero: a line to compare with."""
    height = 14 * len(dots) + 8
    grid = "".join(f'<line class="u-grid-line" x1="{at}%" x2="{at}%" y1="0" y2="100%"/>' for at in (0, 25, 50, 75, 100))
    if zero is not None:
        grid += f'<line class="u-zero" x1="{_at(zero, low, high)}" x2="{_at(zero, low, high)}" y1="0" y2="100%"/>'
    marks = "".join(_dot(dot, 11 + 14 * place, low, high) for place, dot in enumerate(dots))
    said = "; ".join(dot.label for dot in dots)
    return (
        f'<svg class="u-dots" role="img" aria-label="{escape(said)}" width="100%" height="{height}">{grid}{marks}</svg>'
    )


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> str:
    """Points over a square from the smallest to the largest value, with the diagonal of equality.

    Each point is a link, where it leads anywhere; one of them is in the tab order, the page's script moves on from it
    with the arrow keys.
    """
    ticks = _ticks(points)
    low, high = ticks[0], ticks[-1]
    lines = "".join(_cross(_at(tick, low, high)) for tick in ticks)
    marks = "".join(_point(point, low, high, number == 0) for number, point in enumerate(points))
    x_ticks = "".join(f"<span>{tick:.1f}</span>" for tick in ticks)
    y_ticks = "".join(f"<span>{tick:.1f}</span>" for tick in reversed(ticks))
    return (
        f'<div class="u-scatter"><span class="u-y-name">{escape(y_name)}</span>'
        f'<div class="u-y-ticks" aria-hidden="true">{y_ticks}</div>'
        f'<svg role="group" aria-label="{escape(y_name)} against {escape(x_name)}, one point for each query" '
        f'width="100%" height="100%">{lines}<line class="u-diagonal" x1="0" y1="100%" x2="100%" y2="0"/>{marks}'
        f'</svg><div class="u-x-ticks" aria-hidden="true">{x_ticks}</div><span class="u-x-name">{escape(x_name)}'
        "</span></div>"
    )


def _dot(dot: Dot, y: int, low: float, high: float) -> str:
    whisker = ""
    if dot.interval is not None:
        start, end = (_at(edge, low, high) for edge in dot.interval)
        whisker = f'<line class="u-whisker" x1="{start}" x2="{end}" y1="{y}" y2="{y}"/>'
    return (
        f'<g class="{dot.series}"><title>{escape(dot.label)}</title>{whisker}'
        f'<circle cx="{_at(dot.value, low, high)}" cy="{y}" r="4.5"/></g>'
    )


def _point(point: Point, low: float, high: float, first: bool) -> str:
    x, y = _at(point.x, low, high), _at(high - point.y + low, low, high)
    shape = (
        f'<circle cx="{x}" cy="{y}" r="4"/>'
        if point.mark == "composed"
        else f'<rect x="{x}" y="{y}" width="8" height="8" rx="1"/>'
    )
    if not point.href:
        return f'<g class="u-point u-win-{point.mark}"><title>{escape(point.label)}</title>{shape}</g>'
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in point.data.items())
    return (
        f'<a class="u-point u-win-{point.mark}" href="{escape(point.href)}" tabindex="{0 if first else -1}" '
        f'aria-label="{escape(point.label)}"{data}>{shape}</a>'
    )


def _cross(at: str) -> str:
    return (
        f'<line class="u-grid-line" x1="{at}" x2="{at}" y1="0" y2="100%"/>'
        f'<line class="u-grid-line" y1="{at}" y2="{at}" x1="0" x2="100%"/>'
    )


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


def curve(lines: Sequence[Line], x_name: str) -> str:
    """Values from 0 to 100 % over a logarithmic axis from the smallest to the largest x, the intervals as bands."""
    places = [spot.x for line in lines for spot in line.spots] or [1.0]
    low, high = math.log10(min(places)), math.log10(max(places))
    width = (high - low) or 1.0
    marks = "".join(_curve_line(line, low, width) for line in lines)
    grid = "".join(f'<line class="u-grid-line" x1="0" x2="100" y1="{at}" y2="{at}"/>' for at in (0, 25, 50, 75, 100))
    said = "; ".join(
        f"{line.label}: " + ", ".join(f"{spot.x:,.0f} {100 * spot.value:.1f} %" for spot in line.spots)
        for line in lines
    )
    ticks = "".join(f"<span>{value:,.0f}</span>" for value in (min(places), max(places)))
    return (
        f'<div class="u-curve"><div class="u-y-ticks" aria-hidden="true"><span>100</span><span>50</span><span>0</span>'
        f'</div><svg role="img" aria-label="{escape(said)}" viewBox="0 0 100 100" preserveAspectRatio="none">{grid}'
        f'{marks}</svg><div class="u-x-ticks" aria-hidden="true">{ticks}</div><span class="u-x-name">{escape(x_name)}'
        "</span></div>"
    )


def _curve_line(line: Line, low: float, width: float) -> str:
    at = [((math.log10(spot.x) - low) / width * 100, spot) for spot in line.spots]
    path = " ".join(f"{x:.2f},{100 - 100 * spot.value:.2f}" for x, spot in at)
    upper = [f"{x:.2f},{100 - 100 * spot.interval[-1]:.2f}" for x, spot in at]
    lower = [f"{x:.2f},{100 - 100 * spot.interval[0]:.2f}" for x, spot in reversed(at)]
    return (
        f'<g class="{line.series}"><title>{escape(line.label)}</title><polygon points="{" ".join([*upper, *lower])}"/>'
        f'<polyline points="{path}" vector-effect="non-scaling-stroke"/></g>'
    )
