"""A stored diagnosis as HTML: headline numbers in words, scatter, worst queries. Every supplied text is escaped."""

from __future__ import annotations

from collections.abc import Mapping

from umr.encoders.caveats import CIRCULAR
from umr.eval.diagnosis import Diagnosed, Diagnosis, worst
from umr.types import KIND_BY_LETTERS, Query
from umr.ui import queries
from umr.ui.plots import Point, scatter
from umr.ui.render import escape

WORST = 24  # queries in the list
_WINNER = {
    "composed": "the composition is nearest",
    "picture": "the picture alone is nearest",
    "text": "the text alone is nearest",
}


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
        f'{stale}{_headlines(found)}<div class="u-diagnosis">{_plot(points)}{_worst(found, known)}</div>'
        f'<p class="u-origin">{_source(found, file)}</p>'
    )


def _headlines(found: Diagnosis) -> str:
    s = found.summary
    target = KIND_BY_LETTERS[found.task.partition("2")[2]].one
    either = (
        f"In {_share(s['either_wins'])} of {s['n']:,.0f} queries the picture ({_share(s['picture_wins'])}) or "
        f"the text ({_share(s['text_wins'])}) alone is nearer to the right {target} than both together. {CIRCULAR}"
    )
    index = (
        f"Of the wrong results among the first ten, {_share(s['shortcut_index'])} are what one part alone finds: "
        f"{_share(s['shortcut_picture'])} the picture, {_share(s['shortcut_text'])} the text. 0 % is none; 100 % "
        "means that the other part is ignored."
    )
    both = (
        f"The first result is right in {_share(s['success@1'])} of the queries; one of the first ten in "
        f"{_share(s['success@10'])}."
    )
    one = (
        f"Text masked: {_share(s['masked_text_success@1'])} right first, {_share(s['masked_text_success@10'])} in "
        f"the first ten. Picture masked: {_share(s['masked_picture_success@1'])} and "
        f"{_share(s['masked_picture_success@10'])}."
    )
    best = max(s["masked_text_success@1"], s["masked_picture_success@1"])
    cards = (
        (s["either_wins"], "one part alone is nearer", either),
        (s["shortcut_index"], "shortcut index", index),
        (s["success@1"], "right first, with both", both),
        (best, "right first, with one part", one),
    )
    return (
        '<ul class="u-figures">'
        + "".join(
            f'<li><p class="u-figure"><b>{_share(value)}</b> <span>{escape(name)}</span></p><p>{escape(text)}</p></li>'
            for value, name, text in cards
        )
        + "</ul>"
    )


def _plot(points: list[Point]) -> str:
    counts = {mark: sum(point.mark == mark for point in points) for mark in _WINNER}
    legend = "".join(
        f'<li class="u-win-{mark}"><i aria-hidden="true"></i>{escape(words[0].upper() + words[1:])} '
        f"({counts[mark]:,})</li>"
        for mark, words in _WINNER.items()
    )
    return (
        f'<section class="u-plot" aria-label="Similarity to the target"><h3>How near is the right result?</h3>'
        '<p class="u-muted">Each point is a query, by the cosine with its nearest right result. Below the diagonal '
        "the picture alone is nearer than picture and text together.</p>"
        f'<ul class="u-legend">{legend}</ul>'
        f"{scatter(points, 'picture alone', 'picture and text')}"
        '<p class="u-caption" role="status" aria-live="polite"><span class="u-caption-picture"></span>'
        '<span class="u-caption-text">Point at a query to read it; press it to compare the models on it.</span></p>'
        "</section>"
    )


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


def _point(found: Diagnosis, one: Diagnosed, query: Query) -> Point:
    said = (
        f"both {one.composed_target:.2f}, picture {one.picture_target:.2f}, text {one.text_target:.2f}; "
        f"{_WINNER[one.winner]}"
    )
    return Point(
        x=one.picture_target,
        y=one.composed_target,
        mark=one.winner,
        label=f"{queries.words(query)}: {said}",
        href=queries.compare_link(one.query_id, found.task, found.split),
        data={"text": f"“{queries.words(query)}”", "facts": said, "picture": queries.picture_url(query)},
    )


def _source(found: Diagnosis, file: str) -> str:
    return (
        f"Read from <code>{escape(file)}</code>, written {escape(found.built_at[:10])} by "
        f"<code>{escape(found.command)} --out DIR</code> · encoder {escape(found.encoder[:12])}"
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f}\u00a0%"
