"""The Search tab's results as HTML: what was found of how many, one card for each. Their tags are in a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from markupsafe import Markup

from umr.search import Outcome
from umr.types import Result
from umr.ui.kinds import media_file, nouns
from umr.ui.markup import NOTHING, escape, macros, together
from umr.ui.render import (
    COSINE,
    FACETS,
    RERANKED_SCORE,
    badge,
    css_of,
    grid,
    media_url,
    moments_of,
    name_of,
    nothing_found,
    notices_of,
    select,
    timing,
    title_of,
    verdict,
    words_of,
)
from umr.ui.results.narrow import Narrowing

#: What results can be taken along as; the browser makes it of what it shows.
EXPORTS = {
    "csv": "Save as CSV",
    "json": "Save as JSON",
    "trec": "Save as TREC run",
    "png": "Save as a picture",
    "copy": "Copy as a list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the heading says of the search behind the results.

    Attributes:
        search_in: a key of SEARCH_IN.
        encoder: its name.
        precision: what it computed in, or "saved answer" for results that no model was asked for.
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


def results(outcome: Outcome, asked: Asked) -> Markup:
    """A search's answer: heading, notices, ranked cards, and the button for more of them."""
    one, many = nouns(asked.search_in)
    if not outcome.results:
        return notices_of(outcome) + nothing_found(many) + _left(asked)
    scored = RERANKED_SCORE if asked.reranked else COSINE
    mixed = len({r.candidate.content.modality for r in outcome.results}) > 1
    heading = _counted(len(outcome.results), asked.total, one, many)
    shown = grid(outcome, partial(card, mixed=mixed, scored=scored))
    times = timing(outcome, asked.precision, asked.encoder)
    more = _more(len(outcome.results), asked)
    return macros("cards").results(heading, times, _left(asked), notices_of(outcome), shown, more)


def card(result: Result, mixed: bool = False, scored: str = COSINE) -> Markup:
    """One ranked result as a list item: a press of its picture opens it, a menu holds what is asked for less often.

    Args:
        result: what was found.
        mixed: results of several kinds stand beside each other, so that a card says its own.
        scored: what the number is.
    """
    candidate, kind, file = result.candidate, result.candidate.content.modality, media_file(result.candidate.content)
    return macros("cards").card(
        key=escape(candidate.candidate_id),
        name=escape(name_of(candidate)),
        kind="video" if candidate.content.video is not None else kind,
        css=css_of(kind),
        hit=result.hit,
        badge=badge(kind) if mixed else NOTHING,
        verdict=verdict(result.match),
        scored=scored,
        moments=moments_of(candidate),
        url=escape(media_url(file, candidate.content.span)) if file is not None else "",
        title=title_of(candidate),
        words=words_of(candidate),
        can_use=candidate.content.image is not None,
    )


def _counted(count: int, total: int, one: str, many: str) -> str:
    if total <= count:
        return f"{count} {one if count == 1 else many}"
    return f"{count} of {total:,} {many}"


def _more(count: int, asked: Asked) -> Markup:
    if count >= asked.total:
        return NOTHING
    return macros("cards").most(asked.most) if count >= asked.most else macros("cards").more()


def _left(asked: Asked) -> Markup:
    """What results are kept to, as choices, what is not wanted, and the ways to take results along."""
    chosen = dict(asked.narrowed.facts)
    selects = together(
        select(name, asked.choices[name], chosen.get(name, "")) for name in FACETS if asked.choices.get(name)
    )
    count = len(asked.narrowed.unwanted)
    unwanted = f"Less like {count} result{'' if count == 1 else 's'}" if count else ""
    return macros("cards").left(selects, unwanted, EXPORTS)
