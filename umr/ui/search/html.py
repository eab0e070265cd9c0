"""The Search tab's own HTML: suggestions, the trail of turns, the link. Its tags are in a template."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from umr.query_arithmetic import FORMULA
from umr.types import Candidate
from umr.ui.markup import NOTHING, macros, together
from umr.ui.models.html import name_buttons
from umr.ui.query_clip import frames_said
from umr.ui.render import copy_link, media_url, name_of
from umr.ui.reranking import Offer
from umr.ui.results.details_html import tuning
from umr.ui.results.history import LOST, Trail, Turn


def suggestions(texts: Sequence[str], nearest: Candidate | None) -> Markup:
    """Suggested edits as buttons.

    Args:
        texts: the edits.
        nearest: whose edits they are, where the picture is not the collection's own.
    """
    if not texts:
        return no_suggestions()
    label = "Try" if nearest is None else f"From the nearest catalogue picture, “{name_of(nearest)}”:"
    return macros("search").suggestions(label, texts)


def no_suggestions(unlike: bool = False, frames: int | None = None) -> Markup:
    """What stands in the suggestions' place, so that nothing jumps when they come.

    Args:
        unlike: why there are none.
        frames: of a clip, how many are read.
    """
    if frames is not None:
        return macros("search").suggestions(frames_said(frames), ())
    words = (
        "No suggestions for this picture: it is unlike what this model was trained on."
        if unlike
        else "Choose a picture, and suggested changes appear here."
    )
    return macros("search").suggestions(words, ())


def trail(turns: Trail) -> Markup:
    """The turns so far as a breadcrumb, from the second on, and the button that copies the page's link."""
    if not turns:
        return NOTHING
    last = len(turns) - 1
    steps = together(_step(turn, number, number == last) for number, turn in enumerate(turns)) if last else NOTHING
    own = bool(turns[-1].key) and not turns[-1].reference
    return macros("search").trail(steps, copy_link(own))


def scope(names: Sequence[str] = ()) -> Markup:
    """What the bundled models can be expected to know, for a visitor who brings a photograph.

    Args:
        names: of the models on offer, whose cards are opened from here.
    """
    return macros("search").scope(name_buttons(names))


def arithmetic() -> Markup:
    """What stands below the sliders of Fine-tune: what they do, and its formula."""
    return macros("search").arithmetic(FORMULA)


def rerank_label(offer: Offer | None) -> str:
    """What the switch of the re-ranker says."""
    return f"Check the first {offer.depth if offer else 0} again (re-ranker)"


def rerank_info(offer: Offer | None) -> str:
    """What the re-ranker does, and what its share in the score was chosen with; plain text, "" without one."""
    if offer is None:
        return ""
    share = (
        f"how much it counts was chosen with what {offer.encoder} finds"
        if offer.encoder
        else "nobody has chosen yet how much it counts, so it counts half"
    )
    return (
        f"A second, slower network ({offer.name}) reads your query together with each of the first {offer.depth} "
        "results and puts those in a new order. It reads pictures and words itself, so it works after every model; "
        f"{share}."
    )


def _step(turn: Turn, number: int, current: bool) -> Markup:
    words = f"“{turn.text}”" if turn.text else ("say what should change" if current else "the picture alone")
    told = ", ".join(filter(None, (tuning(turn.arithmetic), "re-ranked" if turn.reranked else "")))
    url = media_url(turn.picture) if turn.picture else ""
    return macros("search").step(number, url, words, told, current, turn.key == LOST)
