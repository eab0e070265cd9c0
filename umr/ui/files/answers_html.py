"""Your files: why a result is there, and what each model finds first, as HTML. Every supplied text is escaped."""

from __future__ import annotations

from collections.abc import Mapping

from umr.explain import Explanation
from umr.search import Outcome
from umr.types import Candidate, Result
from umr.ui.models.html import name_button
from umr.ui.render import escape, media, name_of

_BY = {"composed": "as you asked", "picture": "by the picture alone", "text": "by the words alone"}
WORDS = 8


def details(candidate: Candidate, found: Explanation) -> str:
    """A result, where each part of the query ranks it, and the words that bring it nearer or further."""
    places = "".join(
        f"<dt>{escape(_BY.get(variant, variant))}</dt><dd>rank {hit.rank} <span class='u-muted'>({hit.score:.3f})"
        "</span></dd>"
        for variant, hit in found.hits.items()
    )
    strongest = sorted(found.words, key=lambda pair: -abs(pair[1]))[:WORDS]
    words = ", ".join(f"{word} ({'nearer' if loss >= 0 else 'further'})" for word, loss in strongest if abs(loss) > 0)
    told = f"<dt>what each word does</dt><dd>{escape(words)}</dd>" if words else ""
    text = f'<p class="u-own-text">{escape(candidate.content.text)}</p>' if candidate.content.text else ""
    return (
        f'<section class="u-own-details" tabindex="-1" aria-label="Details of a result"><div class="u-own-seen">'
        f"{media(candidate)}</div><div><h3>{escape(name_of(candidate))}</h3>{text}"
        f'<dl class="u-source">{places}{told}<dt>file</dt><dd>{escape(candidate.candidate_id)}</dd></dl></div>'
        "</section>"
    )


def side_by_side(found: Mapping[str, Outcome], trained: str) -> str:
    """What each model finds first.

    Args:
        found: model -> its answer.
        trained: whether they were trained equally, as HTML.
    """
    rows = "".join(
        f'<div class="u-own-model"><h3>{name_button(name)}</h3><ol>{"".join(map(_tile, outcome.results))}</ol></div>'
        for name, outcome in found.items()
    )
    return f'<section class="u-own-models" aria-label="Every model on your files">{trained}{rows}</section>'


def _tile(result: Result) -> str:
    candidate = result.candidate
    seen = (
        media(candidate, controls=False) or f'<p class="u-own-text">{escape((candidate.content.text or "")[:160])}</p>'
    )
    return (
        f'<li data-id="{escape(candidate.candidate_id)}" title="{escape(name_of(candidate))}">{seen}'
        f'<p class="u-facts"><span class="u-rank">{result.hit.rank}</span>'
        f'<span class="u-score" title="cosine similarity">{result.hit.score:.3f}</span></p></li>'
    )
