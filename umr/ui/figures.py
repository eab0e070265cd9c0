"""A diagnosis in figures: four numbers in words, the similarities as a scatter. Not where it is stored, not a tab."""

from __future__ import annotations

from markupsafe import Markup

from umr.eval.diagnosis import Diagnosed, Diagnosis
from umr.types import KIND_BY_LETTERS, Query
from umr.ui import queries
from umr.ui.markup import macros
from umr.ui.plots import Point, scatter

#: Why the share of queries whose part alone is nearer is no evidence.
CIRCULAR = (
    "MCA's training itself presses this share down: a low one is no evidence that a model trained with it composes "
    "better."
)
_WINNER = {
    "composed": "both together are nearest",
    "picture": "the picture alone is nearest",
    "text": "the text alone is nearest",
}


def headlines(found: Diagnosis) -> Markup:
    """What one part alone explains, as four numbers in words."""
    s = found.summary
    target = KIND_BY_LETTERS[found.task.partition("2")[2]].one
    either = (
        f"In {share(s['either_wins'])} of {s['n']:,.0f} queries the picture ({share(s['picture_wins'])}) or "
        f"the text ({share(s['text_wins'])}) alone is nearer to the right {target} than both together. {CIRCULAR}"
    )
    index = (
        f"Of the wrong results among the first ten, {share(s['shortcut_index'])} are what one "
        f"part alone finds: {share(s['shortcut_picture'])} the picture, {share(s['shortcut_text'])} the text. 0 % is "
        "none; 100 % means that the other part is ignored."
    )
    both = (
        f"The first result is right in {share(s['success@1'])} of the queries; one of the first ten in "
        f"{share(s['success@10'])}."
    )
    one = (
        f"Asked with the picture only: {share(s['masked_text_success@1'])} right first, "
        f"{share(s['masked_text_success@10'])} in the first ten. With the text only: "
        f"{share(s['masked_picture_success@1'])} and {share(s['masked_picture_success@10'])}."
    )
    best = max(s["masked_text_success@1"], s["masked_picture_success@1"])
    cards = (
        (s["either_wins"], "are nearer with one part alone", either, "modality preference, the preference loss of MCA"),
        (s["shortcut_index"], "of the mistakes are what one part alone finds", index, "shortcut index"),
        (s["success@1"], "have the right one first, with both parts", both, "success@1"),
        (best, "have it first with one part alone", one, "success@1 with the text or the picture masked"),
    )
    return macros("diagnosis").headlines([(share(value), *said) for value, *said in cards])


def plot(points: list[Point], caption: str) -> Markup:
    """Every query by its similarities, with what its colours mean.

    Args:
        points: one for each query.
        caption: what is said below of a point that none was chosen of.
    """
    counts = {mark: sum(point.mark == mark for point in points) for mark in _WINNER}
    legend = [(mark, f"{said[0].upper() + said[1:]} ({counts[mark]:,})") for mark, said in _WINNER.items()]
    return macros("diagnosis").plot(legend, scatter(points, "picture alone", "picture and text"), caption)


def point(one: Diagnosed, query: Query, href: str, picture: str) -> Point:
    """A query of the scatter.

    Args:
        one: its values.
        query: itself.
        href: where it leads.
        picture: address of its picture.
    """
    said = (
        f"both {one.composed_target:.2f}, picture {one.picture_target:.2f}, text {one.text_target:.2f}; "
        f"{_WINNER[one.winner]}"
    )
    return Point(
        x=one.picture_target,
        y=one.composed_target,
        mark=one.winner,
        label=f"{queries.words(query)}: {said}",
        href=href,
        data={"text": f"“{queries.words(query)}”", "facts": said, "picture": picture},
    )


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f}\u00a0%"
