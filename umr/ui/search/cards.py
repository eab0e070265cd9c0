"""The Search tab's results as HTML: what was found of how many, one card for each. Every text goes through `escape`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from umr.search import Outcome
from umr.types import KIND_OF, Candidate, Result
from umr.ui.kinds import media_file, nouns
from umr.ui.render import (
    COSINE,
    FACETS,
    RERANKED_SCORE,
    css_of,
    escape,
    grid,
    icon,
    image,
    media_url,
    name_of,
    nothing_found,
    notices_of,
    select,
    timing,
    title_of,
    verdict,
    words_of,
)
from umr.ui.search.narrow import Narrowing

#: What results can be taken along as; the browser makes it of what it shows.
EXPORTS = {
    "csv": "Save as CSV",
    "json": "Save as JSON",
    "trec": "Save as TREC run",
    "png": "Save as a picture",
    "copy": "Copy as a list",
}
ARITHMETIC = "Vector arithmetic outside the training, an experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the heading says of the search behind the results.

    Attributes:
        search_in: a key of SEARCH_IN.
        encoder: its name.
        precision: what it computed in, or "saved" for results that no model was asked for.
        total: how many candidates were searched.
        most: how many results can be asked for.
        narrowed: what is left out.
        choices: fact -> what results can be kept to.
        reranked: the first results are in the order of the re-ranker, and the scores are its own.
    """

    search_in: str
    encoder: str
    precision: str
    total: int
    most: int = 100
    narrowed: Narrowing = field(default_factory=Narrowing)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reranked: bool = False


def results(outcome: Outcome, asked: Asked) -> str:
    """A search's answer: heading, notices, ranked cards, and the button for more of them."""
    one, many = nouns(asked.search_in)
    if not outcome.results:
        return notices_of(outcome) + nothing_found(many) + _left(asked)
    scored = RERANKED_SCORE if asked.reranked else COSINE
    mixed = len({r.candidate.content.modality for r in outcome.results}) > 1
    return (
        f'<div class="u-head"><h2>{_counted(len(outcome.results), asked.total, one, many)}</h2>'
        f"{timing(outcome, asked.precision, asked.encoder)}</div>{_left(asked)}{notices_of(outcome)}"
        f"{grid(outcome, partial(card, mixed=mixed, scored=scored))}{_more(len(outcome.results), asked)}"
    )


def card(result: Result, mixed: bool = False, scored: str = COSINE) -> str:
    """One ranked result as a list item: a press of its picture opens it, a menu holds what is asked for less often.

    Args:
        result: what was found.
        mixed: results of several kinds stand beside each other, so that a card says its own.
        scored: what the number is.
    """
    candidate, hit = result.candidate, result.hit
    kind, key, name = candidate.content.modality, escape(candidate.candidate_id), escape(name_of(candidate))
    badge = f'<span class="u-badge">{icon(kind)}{KIND_OF[kind].title}</span>' if mixed else ""
    return (
        f'<li class="u-card u-card-{css_of(kind)}" data-id="{key}" data-kind="{kind}" data-name="{name}" '
        f'data-score="{hit.score:.6f}">{_opened_by_picture(candidate)}<div class="u-body"><p class="u-facts">'
        f'<span class="u-rank">{hit.rank}</span>{badge}{verdict(result.match)}'
        f'<span class="u-score" title="{escape(scored)}">{hit.score:.3f}</span></p>'
        f"{title_of(candidate)}{words_of(candidate)}{_actions(candidate)}</div></li>"
    )


def _counted(count: int, total: int, one: str, many: str) -> str:
    if total <= count:
        return f"{count} {one if count == 1 else many}"
    return f"{count} of {total:,} {many}"


def _more(count: int, asked: Asked) -> str:
    if count >= asked.total:
        return ""
    if count >= asked.most:
        return f'<p class="u-muted u-show-more">{asked.most} results are shown at most.</p>'
    return '<p class="u-show-more"><button type="button" class="u-quiet" data-more="1">Show more</button></p>'


def _left(asked: Asked) -> str:
    """What results are kept to, as choices, what is not wanted, and the ways to take results along."""
    chosen = dict(asked.narrowed.facts)
    selects = "".join(
        select(name, asked.choices[name], chosen.get(name, "")) for name in FACETS if asked.choices.get(name)
    )
    count = len(asked.narrowed.unwanted)
    words = f"Less like {count} result{'' if count == 1 else 's'}"
    unwanted = (
        f'<button type="button" class="u-chip" data-left="not=" title="{ARITHMETIC}">{words} '
        '<span aria-hidden="true">&times;</span><span class="u-hidden">: take back</span></button>'
        if count
        else ""
    )
    return f'<div class="u-left">{selects}{unwanted}{_export()}</div>'


def _export() -> str:
    ways = "".join(f'<button type="button" data-take="{key}">{words}</button>' for key, words in EXPORTS.items())
    return f'<details class="u-menu u-take"><summary class="u-quiet">Save or copy</summary><div>{ways}</div></details>'


def _opened_by_picture(candidate: Candidate) -> str:
    file, name = media_file(candidate.content), escape(name_of(candidate))
    if file is None:
        return ""
    shown = (
        image(file, name_of(candidate))
        if candidate.content.video is None
        else f'<video src="{escape(media_url(file))}" muted loop playsinline preload="metadata" tabindex="-1"></video>'
    )
    return (
        f'<button type="button" class="u-open u-media" data-details="{escape(candidate.candidate_id)}" '
        f'aria-label="Open {name}" title="Open">{shown}</button>'
    )


def _actions(candidate: Candidate) -> str:
    key, hidden = escape(candidate.candidate_id), f'<span class="u-hidden">: {escape(name_of(candidate))}</span>'
    first = (
        f'<button type="button" class="u-use" data-pick="{key}" title="Search with this picture">'
        f"More like this{hidden}</button>"
        if candidate.content.image is not None
        else ""
    )
    if media_file(candidate.content) is None:
        first = f'<button type="button" class="u-use" data-details="{key}">Open{hidden}</button>'
    return f'<div class="u-actions">{first}{_menu(candidate, hidden)}</div>'


def _menu(candidate: Candidate, hidden: str) -> str:
    key, file = escape(candidate.candidate_id), media_file(candidate.content)
    what = "clip" if candidate.content.video is not None else "picture"
    saved = "" if file is None else f'<a href="{escape(media_url(file))}" download>Save the {what}{hidden}</a>'
    return (
        f'<details class="u-menu"><summary title="More"><span aria-hidden="true">⋯</span>'
        f'<span class="u-hidden">More for {escape(name_of(candidate))}</span></summary><div>'
        f'<button type="button" data-words="{key}">Add its words to my text{hidden}</button>'
        f'<button type="button" data-left="not={key}" title="{ARITHMETIC}">Not this one{hidden}</button>'
        f"{saved}</div></details>"
    )
