"""Your files: why a result is there, and what each model finds first, as HTML. Tags are in a template."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from umr.explain import Explanation
from umr.search import Outcome
from umr.types import Candidate, Result
from umr.ui.markup import macros, together
from umr.ui.models.html import name_button
from umr.ui.render import media, name_of

_BY = {"composed": "as you asked", "picture": "by the picture alone", "text": "by the words alone"}
WORDS = 8


def details(candidate: Candidate, found: Explanation) -> Markup:
    """A result, where each part of the query ranks it, and the words that bring it nearer or further."""
    places = [(_BY.get(variant, variant), hit) for variant, hit in found.hits.items()]
    strongest = sorted(found.words, key=lambda pair: -abs(pair[1]))[:WORDS]
    words = ", ".join(f"{word} ({'nearer' if loss >= 0 else 'further'})" for word, loss in strongest if abs(loss) > 0)
    text, name = candidate.content.text, name_of(candidate)
    return macros("files").details(media(candidate), name, text, places, words, candidate.candidate_id)


def side_by_side(found: Mapping[str, Outcome], trained: Markup) -> Markup:
    """What each model finds first.

    Args:
        found: model -> its answer.
        trained: whether they were trained equally.
    """
    columns = [(name_button(name), together(map(_tile, outcome.results))) for name, outcome in found.items()]
    return macros("files").side_by_side(trained, columns)


def _tile(result: Result) -> Markup:
    candidate = result.candidate
    text, seen = (candidate.content.text or "")[:160], media(candidate, controls=False)
    return macros("files").tile(seen, text, name_of(candidate), result.hit)
