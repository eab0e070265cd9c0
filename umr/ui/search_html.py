"""The Search tab's own HTML: suggestions, the trail of turns, the link. Every supplied text goes through `escape`."""

from __future__ import annotations

from collections.abc import Sequence

from umr.types import Candidate
from umr.ui.render import escape, icon, media_url, name_of
from umr.ui.turns import Trail, Turn

OWN_PICTURE = "Your own picture stays here: the link carries the rest."


def suggestions(texts: Sequence[str], nearest: Candidate | None) -> str:
    """Suggested edits as buttons. nearest: whose edits they are, where the picture is not the collection's own."""
    if not texts:
        return no_suggestions()
    label = "Try" if nearest is None else f"From the nearest catalogue picture, “{name_of(nearest)}”:"
    chips = "".join(f'<li><button type="button" class="u-chip" data-chip="{escape(text)}">{escape(text)}</button></li>'
                    for text in texts)
    return f'<div class="u-chips"><span class="u-muted">{escape(label)}</span><ul>{chips}</ul></div>'


def no_suggestions() -> str:
    """What stands in the suggestions' place, so that nothing jumps when they come."""
    return '<div class="u-chips"><span class="u-muted">Choose a picture, and suggested changes appear here.</span></div>'


def trail(turns: Trail) -> str:
    """The turns so far as a breadcrumb, from the second on, and the button that copies the page's link."""
    if not turns:
        return ""
    last = len(turns) - 1
    steps = "".join(_step(turn, number, number == last) for number, turn in enumerate(turns)) if last else ""
    nav = f'<nav class="u-trail" aria-label="Turns of this search"><ol>{steps}</ol></nav>' if steps else "<span></span>"
    own = turns[-1].picture is not None and not turns[-1].reference
    note = f'<span class="u-muted">{OWN_PICTURE}</span>' if own else ""
    return (f'<div class="u-trail-row">{nav}<p class="u-copy-link">{note}<button type="button" class="u-quiet" data-copy="1">'
            f'{icon("link")}<span aria-live="polite">Copy link</span></button></p></div>')


def _step(turn: Turn, number: int, current: bool) -> str:
    picture = f'<img src="{escape(media_url(turn.picture))}" alt="" width="40" height="40">' if turn.picture else (
        f'<span class="u-step-words">{icon("text")}</span>')
    words = f"“{escape(turn.text)}”" if turn.text else ("say what should change" if current else "the picture alone")
    mark = ' aria-current="step"' if current else ""
    return (f'<li><button type="button" class="u-step" data-turn="{number}"{mark}>{picture}'
            f'<span class="u-step-text"><span class="u-hidden">Turn {number + 1}: </span>{words}</span></button></li>')
