"""A stored diagnosis as HTML: headline numbers in words, scatter, worst queries. Every supplied text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from umr.eval.diagnosis import Diagnosed, Diagnosis, worst
from umr.types import Query
from umr.ui import queries
from umr.ui.figures import headlines, plot, point
from umr.ui.models.html import name_button
from umr.ui.plots import Point
from umr.ui.render import escape

POINT_AT = "Point at a query to read it; press it to compare the models on it."
WORST = 24  # queries in the list


def diagnosis(found: Diagnosis, known: Mapping[str, Query], file: str, current: bool) -> str:
    """The whole tab.

    Args:
        found: what is shown.
        known: the benchmark's queries by id.
        file: where the diagnosis is stored.
        current: it is of the weights that the index was built with.
    """
    points = [_point(found, one, known[one.query_id]) for one in found.queries if one.query_id in known]
    stale = (
        ""
        if current
        else (
            '<p class="u-notice">These numbers were measured with other weights than those of the index '
            "that is searched "
            "now. Run the command below again.</p>"
        )
    )
    return (
        f'{stale}{headlines(found)}<div class="u-diagnosis">{plot(points, POINT_AT)}{_worst(found, known)}</div>'
        f'<p class="u-origin">{_source(found, file)}</p>'
    )


def side_by_side(sides: Sequence[tuple[str, str]]) -> str:
    """Two diagnoses beside each other.

    Args:
        sides: a model's name, and its diagnosis as HTML.
    """
    columns = "".join(f'<div class="u-side"><h2>{name_button(name)}</h2>{page}</div>' for name, page in sides)
    return f'<div class="u-sides">{columns}</div>'


def _point(found: Diagnosis, one: Diagnosed, query: Query) -> Point:
    href = queries.compare_link(one.query_id, found.task, found.split)
    return point(one, query, href, queries.picture_url(query))


def _worst(found: Diagnosis, known: Mapping[str, Query]) -> str:
    shown = [one for one in worst(found, WORST) if one.query_id in known]
    rows = "".join(queries.item(known[one.query_id], found.task, found.split, _facts(one)) for one in shown)
    return (
        '<section class="u-worst" aria-label="Worst queries"><h3>Where one part leads the most</h3>'
        '<p class="u-muted">Press a query to compare the models on it.</p>'
        f'<ol class="u-queries">{rows}</ol></section>'
    )


def _facts(one: Diagnosed) -> str:
    part = "picture" if one.picture_target >= one.text_target else "text"
    place = f"right at {one.composed_rank}" if one.composed_rank else "right one not found"
    return f"{part} alone {max(one.picture_target, one.text_target):.2f}, both {one.composed_target:.2f} · {place}"


def _source(found: Diagnosis, file: str) -> str:
    return (
        f"Read from <code>{escape(file)}</code>, written {escape(found.built_at[:10])} by "
        f"<code>{escape(found.command)} --out DIR</code> · encoder {escape(found.encoder[:12])}"
    )
