"""Your files: what each model finds first, as HTML. Tags are in a template."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from umr.search import Outcome
from umr.types import Result
from umr.ui.markup import macros, together
from umr.ui.models.html import name_button
from umr.ui.render import media, name_of


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
