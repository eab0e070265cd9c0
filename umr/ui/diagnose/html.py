"""A stored diagnosis as HTML: headline numbers in words, scatter, worst queries. Its tags are in a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from umr.eval.diagnosis import Diagnosed, Diagnosis, worst
from umr.types import Query
from umr.ui import queries
from umr.ui.figures import headlines, plot, point
from umr.ui.markup import macros, together
from umr.ui.models.html import name_button
from umr.ui.plots import Point

POINT_AT = "Point at a query to read it; press it to compare the models on it."
WORST = 24  # queries in the list


def diagnosis(found: Diagnosis, known: Mapping[str, Query], file: str, current: bool) -> Markup:
    """The whole tab.

    Args:
        found: what is shown.
        known: the benchmark's queries by id.
        file: where the diagnosis is stored.
        current: it is of the weights that the index was built with.
    """
    points = [_point(found, one, known[one.query_id]) for one in found.queries if one.query_id in known]
    shown = plot(points, POINT_AT)
    return macros("diagnosis").diagnosis(current, headlines(found), shown, _worst(found, known), found, file)


def alone(page: Markup, name: str) -> Markup:
    """One diagnosis below its model's name.

    Args:
        page: the diagnosis as HTML.
        name: the model's.
    """
    return macros("diagnosis").alone(name_button(name), page)


def side_by_side(sides: Sequence[tuple[str, Markup]]) -> Markup:
    """Two diagnoses beside each other.

    Args:
        sides: a model's name, and its diagnosis as HTML.
    """
    return macros("diagnosis").side_by_side([(name_button(name), page) for name, page in sides])


def _point(found: Diagnosis, one: Diagnosed, query: Query) -> Point:
    href = queries.compare_link(one.query_id, found.task, found.split)
    return point(one, query, href, queries.picture_url(query))


def _worst(found: Diagnosis, known: Mapping[str, Query]) -> Markup:
    shown = [one for one in worst(found, WORST) if one.query_id in known]
    return together(queries.item(known[one.query_id], found.task, found.split, _facts(one)) for one in shown)


def _facts(one: Diagnosed) -> str:
    part = "picture" if one.picture_target >= one.text_target else "text"
    place = f"right one in place {one.composed_rank}" if one.composed_rank else "right one not found"
    return f"{part} alone {max(one.picture_target, one.text_target):.2f}, both {one.composed_target:.2f} · {place}"
