"""The details of a result as HTML. Every text that an index or a visitor supplies goes through `escape`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umr.explain import Explanation
from umr.facts import facts_of
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.types import KIND_OF, Candidate, Hit, Result
from umr.ui.render import escape, icon, media, name_of
from umr.ui.search.html import tuning

#: Variant of the query -> what a person calls it, and what its ranking is without.
VARIANT = {"tuned": "Fine-tuned", "composed": "Your query", "picture": "Picture alone", "text": "Words alone"}
WITHOUT = {"text": "Without the picture", "picture": "Without the words"}

#: To the results beside it; the browser knows which these are, and says the place.
_STEPS = (
    '<span class="u-steps"><button type="button" class="u-quiet" data-step="-1" aria-label="Previous result">'
    '&lsaquo;</button><span class="u-place u-muted" aria-live="polite"></span>'
    '<button type="button" class="u-quiet" data-step="1" aria-label="Next result">&rsaquo;</button></span>'
)


def facts(candidate: Candidate) -> str:
    """Large media, title, text and source of a candidate, with the buttons that go on from it."""
    kind = candidate.content.modality
    title = f"<h2>{escape(candidate.title or KIND_OF[kind].title)}</h2>"
    text = f'<p class="u-details-text">{escape(candidate.content.text)}</p>' if candidate.content.text else ""
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in _rows(candidate))
    use = (
        ""
        if candidate.content.image is None
        else (
            f'<button type="button" class="u-use" data-pick="{escape(candidate.candidate_id)}">More like this</button>'
        )
    )
    return (
        f'<div class="u-details-head"><span class="u-badge">{icon(kind)}{KIND_OF[kind].title}</span>{_STEPS}'
        '<button type="button" '
        f'class="u-quiet" data-close="1" aria-label="Close the details">Close</button></div>'
        f'<div class="u-details-media">{media(candidate)}</div>{title}{text}{use}<dl class="u-source">{rows}</dl>'
    )


def waiting(text: str) -> str:
    """What stands where an explanation will be."""
    return f'<p class="u-muted u-waiting" role="status">{escape(text)}</p>'


def before_reranker(reranked: bool) -> str:
    """What the reasons leave out of a search whose first results were re-ranked."""
    if not reranked:
        return ""
    return (
        '<p class="u-muted">The re-ranker put the first results in a new order. What follows is the search of '
        "the model alone.</p>"
    )


def reasons(explanation: Explanation, moved: QueryArithmetic = UNMOVED) -> str:
    """Three bars (four where the search was fine-tuned), the rankings without a part, and what each word carries."""
    bars = "".join(_bar(VARIANT[name], hit) for name, hit in explanation.hits.items())
    without = "".join(
        _ranking(label, explanation.best[name]) for name, label in WITHOUT.items() if name in explanation.best
    )
    return (
        f'<section class="u-why"><h3>Why it is here</h3><p class="u-muted">Cosine similarity to this result, and its '
        f"rank, for the whole query and for each part alone.{_tuned(explanation, moved)}</p>"
        f'<ul class="u-bars">{bars}</ul></section>'
        f"{without}{_words(explanation)}"
    )


def ranks(places: Mapping[str, Hit], tuned: bool = False) -> str:
    """Where each model ranks the result.

    Args:
        places: model -> where it is.
        tuned: the search was fine-tuned, and so are these ranks.
    """
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{hit.rank}</td><td>{hit.score:.3f}</td></tr>'
        for name, hit in places.items()
    )
    note = '<p class="u-muted">With the fine-tuning of your search.</p>' if tuned else ""
    return (
        f'<section class="u-why"><h3>In every model</h3>{note}<table class="u-ranks"><thead><tr>'
        '<th scope="col">Model</th><th scope="col">Rank</th><th scope="col">Score</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _tuned(explanation: Explanation, moved: QueryArithmetic) -> str:
    """What the drawer's settings have to do with the explanation."""
    if "tuned" in explanation.hits:
        return (
            f" Your search was fine-tuned ({escape(tuning(moved))}): the first bar is with it. All the others, "
            "and what follows below, are without it."
        )
    return " The score cut hides results and changes no rank." if moved.cut else ""


def _bar(label: str, hit: Hit) -> str:
    width = max(0.0, min(1.0, hit.score)) * 100
    return (
        f'<li><span>{label}</span><span class="u-bar" aria-hidden="true"><i style="width:{width:.1f}%"></i></span>'
        f'<span class="u-number">{hit.score:.3f} · rank {hit.rank}</span></li>'
    )


def _ranking(label: str, results: Sequence[Result]) -> str:
    items = "".join(
        f'<li title="{escape(name_of(result.candidate))}">{_tile(result.candidate)}</li>' for result in results
    )
    return f'<section class="u-why"><h3>{label}</h3><ol class="u-strip">{items}</ol></section>'


def _tile(candidate: Candidate) -> str:
    if candidate.content.image is None and candidate.content.video is None:
        return f'<span class="u-strip-words">{escape(name_of(candidate)[:80])}</span>'
    return media(candidate, controls=False)


def _words(explanation: Explanation) -> str:
    if not explanation.words:
        return ""
    most = max(abs(loss) for _, loss in explanation.words) or 1.0
    rows = "".join(
        f'<li class="u-{"for" if loss >= 0 else "against"}"><span>{escape(word)}</span><span class="u-bar" '
        f'aria-hidden="true"><i style="width:{100 * abs(loss) / most:.0f}%"></i></span>'
        f'<span class="u-number">{loss:+.3f}</span></li>'
        for word, loss in explanation.words
    )
    more = f" The first {len(explanation.words)} words are shown." if explanation.cut else ""
    return (
        f'<section class="u-why"><h3>Which words carry it</h3><p class="u-muted">Similarity that is lost when the word '
        f"is left out; below zero, the result would be nearer without it.{more}</p>"
        f'<ul class="u-bars u-by-word">{rows}</ul></section>'
    )


def _rows(candidate: Candidate) -> list[tuple[str, str]]:
    rows = [(key, _plain(value)) for key, value in facts_of(candidate).items() if value not in (None, "")]
    if not rows and candidate.source:
        rows = [("source", candidate.source)]
    extra = (
        ("licence", candidate.licence),
        ("id", candidate.candidate_id),
        ("content hash", candidate.content_hash[:16]),
    )
    return rows + [(key, value) for key, value in extra if value]


def _plain(value: Any) -> str:
    if isinstance(value, dict) and {"category", "side"} <= set(value):  # what stands beside the item
        thing = " ".join(str(value[key]) for key in ("colour", "finish", "category") if value.get(key))
        return f"{thing}, {value['side']}"
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part not in (None, ""))
    return str(value)
