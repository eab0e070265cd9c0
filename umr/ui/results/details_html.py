"""The details of a result as HTML. Its tags are in a template, which escapes what is supplied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from umr.explain import Explanation
from umr.facts import facts_of
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.types import KIND_OF, Candidate, Hit
from umr.ui.markup import NOTHING, macros
from umr.ui.query_clip import frames_said
from umr.ui.render import badge, media, name_of

#: Variant of the query -> what a person calls it, and what its ranking is without.
VARIANT = {"tuned": "Fine-tuned", "composed": "Your query", "picture": "Picture alone", "text": "Words alone"}
WITHOUT = {"text": "Without the picture", "picture": "Without the words"}


def facts(candidate: Candidate, frames: int | None = None, place: str = "") -> Markup:
    """Large media, title, text and source of a candidate, with the buttons that go on from it.

    Args:
        candidate: what is shown.
        frames: of a clip, how many the model reads.
        place: where it stands, of a result that no search goes on from; "" for one of a search.
    """
    kind = candidate.content.modality
    return macros("details").facts(
        candidate.candidate_id,
        badge(kind),
        media(candidate),
        frames_said(frames, candidate.content.span) if frames else "",
        frames,
        name_of(candidate) if candidate.content.span else candidate.title or KIND_OF[kind].title,
        candidate.content.text,
        candidate.content.image is not None and not place,
        _rows(candidate),
        place,
    )


def waiting(text: str) -> Markup:
    """What stands where an explanation will be."""
    return macros("details").waiting(text)


def before_reranker(reranked: bool) -> Markup:
    """What the reasons leave out of a search whose first results were re-ranked."""
    return macros("details").before_reranker() if reranked else NOTHING


def beside_part(words: str) -> Markup:
    """What the reasons leave out of a column that is a part of a model: its words."""
    return macros("details").beside_part(words)


def reasons(explanation: Explanation, moved: QueryArithmetic = UNMOVED) -> Markup:
    """Three bars (four where the search was fine-tuned), the rankings without a part, and what each word carries."""
    bars = [(VARIANT[name], f"{_width(hit):.1f}", hit) for name, hit in explanation.hits.items()]
    without = [
        (label, [(name_of(one.candidate), media(one.candidate, controls=False)) for one in explanation.best[name]])
        for name, label in WITHOUT.items()
        if name in explanation.best
    ]
    return macros("details").reasons(_tuned(explanation, moved), bars, without, _words(explanation))


def ranks(places: Mapping[str, Hit], tuned: bool = False) -> Markup:
    """Where each model ranks the result.

    Args:
        places: model -> where it is.
        tuned: the search was fine-tuned, and so are these ranks.
    """
    return macros("details").ranks(places, tuned)


def tuning(moved: QueryArithmetic) -> str:
    """The drawer's settings in words, "" where it asks for nothing; not escaped."""
    parts = (
        f"balance {moved.balance:g}" if moved.balance else "",
        f"less of “{moved.less_of}”" if moved.less_of else "",
        f"less like {_results(len(moved.less_like))}" if moved.less_like else "",
        f"score cut {moved.cut:g}" if moved.cut else "",
    )
    return ", ".join(part for part in parts if part)


def _tuned(explanation: Explanation, moved: QueryArithmetic) -> str:
    """What the drawer's settings have to do with the explanation."""
    if "tuned" in explanation.hits:
        return (
            f" Your search was fine-tuned ({tuning(moved)}): the first bar is with it. All the others, "
            "and what follows below, are without it."
        )
    return " The score cut hides results and changes no rank." if moved.cut else ""


def _width(hit: Hit) -> float:
    """How much of a bar is filled, in per cent."""
    return max(0.0, min(1.0, hit.score)) * 100


def _words(explanation: Explanation) -> Markup:
    if not explanation.words:
        return NOTHING
    most = max(abs(loss) for _, loss in explanation.words) or 1.0
    rows = [(word, loss, f"{100 * abs(loss) / most:.0f}") for word, loss in explanation.words]
    more = f" The first {len(explanation.words)} words are shown." if explanation.cut else ""
    return macros("details").words(rows, more)


def _rows(candidate: Candidate) -> list[tuple[str, str]]:
    rows = [(key, _plain(value)) for key, value in facts_of(candidate).items() if value not in (None, "")]
    if not rows and candidate.source:
        rows = [("source", candidate.source)]
    extra = (
        ("licence", candidate.licence),
        ("id", candidate.candidate_id),
        ("fingerprint", candidate.content_hash[:16]),
    )
    return rows + [(key, value) for key, value in extra if value]


def _plain(value: Any) -> str:
    if isinstance(value, dict) and {"category", "side"} <= set(value):  # what stands beside the item
        thing = " ".join(str(value[key]) for key in ("colour", "finish", "category") if value.get(key))
        return f"{thing}, {value['side']}"
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part not in (None, ""))
    return str(value)


def _results(count: int) -> str:
    return f"{count} result" + ("" if count == 1 else "s")
