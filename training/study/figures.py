"""Differences with their intervals as an SVG file, for the study's report. Not the differences (report.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 300, 24  # px; the labels stand in the left part
LINE, HEAD, FOOT = 22, 30, 30
STEPS = (1, 2, 5, 10, 20, 50, 100)  # points between two ticks


class Difference(NamedTuple):
    """A row of a figure: points, and their interval."""

    label: str
    points: float
    low: float
    high: float


def forest(title: str, rows: Sequence[Difference]) -> str:
    """The text of an SVG: a dot and a whisker for each row over one axis of points, with a line at zero.

    Args:
        title: what is compared, which is read out too.
        rows: at least one.
    """
    low, high = min(0.0, *(row.low for row in rows)), max(0.0, *(row.high for row in rows))
    step = next((one for one in STEPS if (high - low) / one <= 8), STEPS[-1])
    first, last = int(low // step) * step, -int(-high // step) * step
    last = last if last > first else first + step
    bottom = HEAD + LINE * len(rows)

    def at(points: float) -> str:
        return f"{LEFT + (points - first) / (last - first) * (WIDTH - LEFT - RIGHT):.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + FOOT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{bottom + FOOT}" fill="#fff"/>',
        f'<text x="12" y="19" font-weight="600">{escape(title)}</text>',
    ]
    for tick in range(first, last + 1, step):
        stroke = "#334" if tick == 0 else "#dde"
        lines.append(f'<path d="M{at(tick)} {HEAD} V{bottom}" stroke="{stroke}"/>')
        lines.append(f'<text x="{at(tick)}" y="{bottom + 18}" text-anchor="middle" fill="#556">{tick:+d}</text>')
    for place, row in enumerate(rows):
        y = HEAD + LINE * place + LINE // 2
        colour = "#1a7f4b" if row.low > 0 else "#b3261e" if row.high < 0 else "#556"
        lines.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>')
        lines.append(f'<path d="M{at(row.low)} {y} H{at(row.high)}" stroke="{colour}" stroke-width="2"/>')
        lines.append(
            f'<circle cx="{at(row.points)}" cy="{y}" r="4" fill="{colour}"><title>{row.points:+.1f} points, '
            f"{row.low:+.1f} to {row.high:+.1f}</title></circle>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"
