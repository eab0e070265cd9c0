"""Results, examples and messages as HTML. Tags are in umr/ui/templates, which escape what is supplied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from umr.moments import Span, fragment, told
from umr.types import KIND_OF, Candidate, Match, Result
from umr.ui.kinds import choice_of, media_file, picture_file
from umr.ui.markup import NOTHING, macros, together
from umr.ui.markup import escape as escape
from umr.verdict import percent

if TYPE_CHECKING:
    from umr.search import Outcome
    from umr.ui.examples import Example

SHOWN_BY_EXAMPLE = 4  # results on an example's card
OWN_PICTURE = "Your own picture stays here: the link carries the rest."
#: Facts that results and pictures can be kept to -> what a person calls them, in the order of the page.
FACETS = {"category": "Object", "colour": "Colour", "surface": "Surface"}
COSINE = "cosine similarity"
#: What the number on a card is after the re-ranker (umr.rerank.fuse).
RERANKED_SCORE = "score after the re-ranker: weighted mean of the cosine similarity and of how sure the re-ranker is"
LONG_TEXT = 170  # characters that always fit; a longer passage can be unfolded


@lru_cache(maxsize=4096)
def media_url(path: str | Path, span: Span | None = None) -> str:
    """Address at which the page's server gives out a file that it may.

    Args:
        path: the file.
        span: of a clip the part that a player shows.
    """
    return "/gradio_api/file=" + quote(str(path)) + fragment(span)


def notices_of(outcome: Outcome) -> Markup:
    """What a person should know of a search, a line each."""
    return together(macros("parts").notice(notice, icon("text")) for notice in outcome.notices)


def nothing_found(many: str) -> Markup:
    """What stands in the place of results that there are none of. many: what was searched for."""
    return message("Nothing found", f"This collection has no {many} to show for the query.")


def grid(outcome: Outcome, shown: Callable[[Result], Markup]) -> Markup:
    """Ranked results as a list, passages wider than the rest. shown: one of them as a list item."""
    layout = "passages" if all(r.candidate.content.modality == "text" for r in outcome.results) else "mixed"
    return macros("results").grid(layout, together(map(shown, outcome.results)))


def title_of(candidate: Candidate) -> Markup:
    """The candidate's title as a card's heading, "" for none."""
    return macros("parts").title(candidate.title) if candidate.title else NOTHING


@cache
def badge(kind: str) -> Markup:
    """A modality's drawing and name."""
    return macros("results").badge(icon(kind), KIND_OF[kind].title)


@lru_cache(maxsize=256)
def verdict(match: Match | None) -> Markup:
    """What a score is worth as a small badge, with what it means and its measured rate in the tooltip; "" for none."""
    if match is None:
        return NOTHING
    if match.unlike:
        unlike = "the query, or what is searched, is unlike what this model was trained on"
        meaning = f"{unlike}, so that no score of it counts as a good one."
    elif match.right is None:
        meaning = "too few held-out results had such a score to say how often it is right."
    else:
        meaning = (
            f"of first results with such scores {percent(match.right)} were right, on held-out queries of which about "
            "every third had no right answer in the collection."
        )
    return macros("parts").verdict(match.word, meaning)


def browse(
    candidates: Sequence[Candidate],
    total: int,
    choices: Mapping[str, Sequence[str]] | None = None,
    wanted: Mapping[str, str] | None = None,
) -> Markup:
    """Catalogue pictures as buttons; pressing one makes it the query's picture.

    Args:
        candidates: those that are shown.
        total: how many there are of the kind.
        choices: fact -> the values that pictures can be kept to.
        wanted: what they are kept to, and the words that are sought.
    """
    wanted, choices = wanted or {}, choices or {}
    tiles = [
        (c.candidate_id, name_of(c), media_url(file))
        for c in candidates
        if (file := picture_file(c.content)) is not None
    ]
    selects = together(select(name, choices[name], wanted.get(name, "")) for name in choices if choices[name])
    said = f"{len(candidates)} of {total:,} pictures. Choose one to search with." if total else "No such pictures."
    return macros("results").browse(selects, wanted.get("words", ""), said, tiles, total > len(candidates))


def select(name: str, values: Sequence[str], chosen: str) -> Markup:
    """A choice among the values of a fact, the first of them any.

    Args:
        name: the fact's.
        values: what there is.
        chosen: one of them, or "".
    """
    return macros("parts").select(name, FACETS.get(name, name), values, chosen)


def examples(items: Sequence[Example]) -> Markup:
    """Example queries as cards: picture, plus sign, text, and what is searched."""
    cards = [
        (
            image(item.image, "") if item.image else NOTHING,
            f"“{item.text}”" if item.text else "More like this",
            choice_of(item.search_in),
            together(_found(result.candidate) for result in item.results[:SHOWN_BY_EXAMPLE]),
        )
        for item in items
    ]
    return macros("results").examples(cards) if cards else NOTHING


def _found(candidate: Candidate) -> Markup:
    content, file = candidate.content, media_file(candidate.content)
    if file is None:
        return macros("results").found_words((content.text or "")[:90])
    return image(file, "") if content.video is None else macros("parts").preview(media_url(file, content.span))


def error(text: str) -> Markup:
    """What went wrong, in words, announced to screen readers."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    word = first.rstrip(".,:;").replace("-", "").isalpha()  # else perhaps a file's name, which stays as it is
    begun = text[:1].upper() + text[1:] if word else text
    sentence = begun + ("" if text.endswith((".", "!", "?")) else ".")
    what, end, more = sentence.partition(". ")
    return message(what + end.rstrip(), more, role="alert")


def message(title: str, text: str, role: str = "status") -> Markup:
    """A calm panel in the place of results."""
    return macros("parts").message(title, text, role)


def copy_link(own: bool) -> Markup:
    """The button that copies the page's address.

    Args:
        own: the picture is the visitor's own, so the address lacks it.
    """
    return macros("parts").copy_link(OWN_PICTURE if own else "")


def notices(said: Sequence[str]) -> Markup:
    """What of an address cannot be given, with a button that puts it away; "" where all of it can."""
    return macros("parts").link_notices(said) if said else NOTHING


def media(candidate: Candidate, controls: bool = True, side: int = 256, named: bool = False) -> Markup:
    """A candidate's picture or clip in a frame; "" for words alone.

    Args:
        candidate: what is shown.
        controls: whether a clip can be played.
        side: of the picture, in px.
        named: its name stands beside it in words, so that the picture itself need not say it again.
    """
    file = media_file(candidate.content)
    if file is None:
        return NOTHING
    is_clip = candidate.content.video is not None
    name = "" if named and not is_clip else name_of(candidate)
    return macros("parts").media(media_url(file, candidate.content.span), name, is_clip, controls, side)


def image(source: str | Path, alt: str) -> Markup:
    """A picture of the allowed folders that is loaded when it comes into view."""
    return macros("parts").image(media_url(source), alt)


def words_of(candidate: Candidate) -> Markup:
    """A candidate's text; a long one can be unfolded. "" for none."""
    text = candidate.content.text
    return macros("parts").words(text, len(text) > LONG_TEXT) if text else NOTHING


def name_of(candidate: Candidate) -> str:
    """What a person calls a candidate: its title, else how its text begins; of a part of a clip with its moments."""
    kind, span = KIND_OF[candidate.content.modality].title, candidate.content.span
    name = candidate.title or (candidate.content.text or "")[:120] or f"{kind} {candidate.candidate_id}"
    return name if span is None else f"{name}, {told(span)}"


def moments_of(candidate: Candidate) -> Markup:
    """From when to when a part of a clip is; "" for all else."""
    span = candidate.content.span
    return NOTHING if span is None else macros("parts").moments(told(span))


def timing(outcome: Outcome, precision: str, encoder: str) -> Markup:
    """What a search took and which model answered; in what that computed, and the steps, stand in tooltips.

    Args:
        outcome: with its milliseconds.
        precision: such as float32; "saved answer" for results that no model was asked for.
        encoder: its name.
    """
    said, steps = took(outcome.ms, ("decode", "encode", "search", "rerank"))
    return macros("parts").timing(precision, macros("parts").took(said or precision, steps), encoder)


def took(ms: Mapping[str, float], among: Sequence[str]) -> tuple[str, str]:
    """How long an answer took, in words, and its steps by their names; "" where no step is known.

    Args:
        ms: step -> milliseconds.
        among: the steps that count.
    """
    known = [step for step in among if step in ms]
    steps = " · ".join(f"{step} {_ms(ms[step])}" for step in known)
    again = ", re-ranked" if "rerank" in known else ""
    return f"answered in {_ms(sum(ms[step] for step in known))}{again}" if known else "", steps


def _ms(value: float) -> str:
    return f"{value:.{0 if value >= 10 else 1}f} ms"


def css_of(kind: str) -> str:
    """The end of the style names of a modality."""
    return {"image,text": "entry", "text": "passage"}.get(kind, kind)


@cache
def icon(kind: str) -> Markup:
    """A small drawing: a modality's, or "link"."""
    return macros("parts").icon(kind)
