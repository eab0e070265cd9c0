"""Results, examples and messages as HTML. Every text that a visitor or an index supplies goes through `escape`."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from umr.types import KIND_OF, Candidate, Match, Result
from umr.ui.kinds import choice_of, media_file, nouns, picture_file
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

_ICON = {
    "image": '<rect x="2.5" y="3" width="11" height="10" rx="1.5"/><path d="m3 11.5 3.2-3 2.3 2 2-1.8 2.5 2.3"/>',
    "text": '<path d="M3 4h10M3 7h10M3 10h10M3 13h6"/>',
    "image,text": '<rect x="2.5" y="2.5" width="5" height="5" rx="1"/>'
    '<path d="M10 3h3.5M10 6.5h3.5M2.5 10.5h11M2.5 13.5h8"/>',
    "link": '<path d="M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2A2.6 2.6 0 0 0 9 3.3l-.8.8"/>'
    '<path d="M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9A2.6 2.6 0 0 0 7 12.7l.8-.8"/>',
    "video": '<rect x="2" y="3" width="12" height="10" rx="1.5"/><path d="m6.7 5.8 3.6 2.2-3.6 2.2z"/>',
}
#: Characters that Gradio's own templates would read, beside those of HTML.
_TEMPLATE = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escape(value: object) -> str:
    """The value as text that neither HTML nor Gradio's templates interpret, in content and in attributes."""
    return html.escape(str(value), quote=True).translate(_TEMPLATE)


def media_url(path: str | Path) -> str:
    """Address at which the page's server gives out a file that it may."""
    return "/gradio_api/file=" + quote(str(path))


def results(outcome: Outcome, search_in: str, encoder: str, dtype: str) -> str:
    """A search's answer: heading, timing line, notices, ranked cards.

    Args:
        outcome: what was found.
        search_in: a key of SEARCH_IN.
        encoder: its name.
        dtype: the precision that is named.
    """
    count, (one, many) = len(outcome.results), nouns(search_in)
    if not count:
        return notices_of(outcome) + nothing_found(many)
    return (
        f'<div class="u-head"><h2>{count} {one if count == 1 else many}</h2>'
        f"{timing(outcome, dtype, encoder)}</div>{notices_of(outcome)}{grid(outcome, card)}"
    )


def notices_of(outcome: Outcome) -> str:
    """What a person should know of a search, a line each."""
    return "".join(f'<p class="u-notice">{icon("text")}{escape(notice)}</p>' for notice in outcome.notices)


def nothing_found(many: str) -> str:
    """What stands in the place of results that there are none of. many: what was searched for."""
    return message("Nothing found", f"This collection has no {many} to show for the query.")


def grid(outcome: Outcome, shown: Callable[[Result], str]) -> str:
    """Ranked results as a list, passages wider than the rest. shown: one of them as a list item."""
    layout = "passages" if all(r.candidate.content.modality == "text" for r in outcome.results) else "mixed"
    return f'<ol class="u-grid u-grid-{layout}">{"".join(map(shown, outcome.results))}</ol>'


def title_of(candidate: Candidate) -> str:
    """The candidate's title as a card's heading, "" for none."""
    return f'<h3 class="u-title">{escape(candidate.title)}</h3>' if candidate.title else ""


def card(result: Result) -> str:
    """One ranked result as a list item; its id is in data-id, so that tests and scripts find it."""
    candidate, hit = result.candidate, result.hit
    kind = candidate.content.modality
    width = max(0.0, min(1.0, hit.score)) * 100
    use = (
        ""
        if candidate.content.image is None
        else (
            f'<button type="button" class="u-use" data-pick="{escape(candidate.candidate_id)}" '
            f'title="Search with this picture">More like this<span class="u-hidden">: {escape(name_of(candidate))}'
            "</span></button>"
        )
    )
    return (
        f'<li class="u-card u-card-{css_of(kind)}" data-id="{escape(candidate.candidate_id)}" data-kind="{kind}">'
        f'{media(candidate)}<div class="u-body"><p class="u-facts"><span class="u-rank">{hit.rank}</span>'
        f'<span class="u-badge">{icon(kind)}{KIND_OF[kind].title}</span>'
        f'<span class="u-score" title="cosine similarity">{hit.score:.3f}</span></p>'
        f'<div class="u-worth"><div class="u-bar" aria-hidden="true"><i style="width:{width:.1f}%"></i></div>'
        f"{verdict(result.match)}</div>"
        f'{title_of(candidate)}{words_of(candidate)}<div class="u-actions">{use}{_more(candidate)}</div></div></li>'
    )


def verdict(match: Match | None) -> str:
    """What a score is worth as a small badge, with what it means and its measured rate in the tooltip; "" for none."""
    if match is None:
        return ""
    if match.unlike:
        meaning = "the query is unlike what this model was trained on, so that no score of it counts as a good one."
    elif match.right is None:
        meaning = "too few held-out results had such a score to say how often it is right."
    else:
        meaning = (
            f"of first results with such scores {percent(match.right)} were right, on held-out queries of which about "
            "every third had no right answer in the collection."
        )
    return (
        f'<span class="u-match u-match-{match.word}" title="{match.word.title()} match: {meaning}">{match.word}'
        '<span class="u-hidden"> match</span></span>'
    )


def _more(candidate: Candidate) -> str:
    name, key = f'<span class="u-hidden">: {escape(name_of(candidate))}</span>', escape(candidate.candidate_id)
    return (
        f'<button type="button" class="u-use" data-words="{key}" title="Add its words to the text">Add words{name}'
        f'</button><button type="button" class="u-use" data-details="{key}" title="Why it is here, and its source">'
        f"Details{name}</button>"
    )


def browse(
    candidates: Sequence[Candidate],
    total: int,
    choices: Mapping[str, Sequence[str]] | None = None,
    wanted: Mapping[str, str] | None = None,
) -> str:
    """Catalogue pictures as buttons; pressing one makes it the query's picture.

    Args:
        candidates: those that are shown.
        total: how many there are of the kind.
        choices: fact -> the values that pictures can be kept to.
        wanted: what they are kept to, and the words that are sought.
    """
    wanted, choices = wanted or {}, choices or {}
    tiles = "".join(
        f'<li><button type="button" class="u-pick" data-pick="{escape(c.candidate_id)}" title="{escape(name_of(c))}">'
        f"{image(file, name_of(c))}</button></li>"
        for c in candidates
        if (file := picture_file(c.content)) is not None
    )
    more = (
        ""
        if total <= len(candidates)
        else ('<button type="button" class="u-quiet" data-more="1">Show other pictures</button>')
    )
    selects = "".join(select(name, choices[name], wanted.get(name, "")) for name in choices if choices[name])
    words = (
        '<input type="search" class="u-facet" data-facet="words" aria-label="Words in the description" '
        f'placeholder="Find by words" value="{escape(wanted.get("words", ""))}" maxlength="200">'
    )
    said = f"{len(candidates)} of {total:,} pictures. Choose one to search with." if total else "No such pictures."
    return (
        f'<div class="u-browse"><div class="u-left">{selects}{words}</div><p class="u-muted" role="status">{said}</p>'
        f'<ul class="u-tiles">{tiles}</ul>{more}</div>'
    )


def select(name: str, values: Sequence[str], chosen: str) -> str:
    """A choice among the values of a fact, the first of them any.

    Args:
        name: the fact's.
        values: what there is.
        chosen: one of them, or "".
    """
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(value)}</option>'
        for value in values
    )
    label = FACETS.get(name, name)
    return (
        f'<select class="u-facet" data-facet="{escape(name)}" aria-label="{escape(label)}"'
        f'{" data-chosen" if chosen else ""}><option value="">Any {escape(label.lower())}</option>{options}</select>'
    )


def examples(items: Sequence[Example]) -> str:
    """Example queries as cards: picture, plus sign, text, and what is searched."""
    cards = []
    for number, item in enumerate(items):
        picture = (
            f'<span class="u-media">{image(item.image, "")}</span>'
            if item.image
            else (f'<span class="u-media u-media-none">{icon("text")}</span>')
        )
        words = f"“{escape(item.text)}”" if item.text else "More like this"
        found = "".join(_found(result.candidate) for result in item.results[:SHOWN_BY_EXAMPLE])
        strip = f'<span class="u-found" aria-hidden="true">{found}</span>' if found else ""
        cards.append(
            f'<li><button type="button" class="u-example" data-example="{number}">{picture}<span '
            f'class="u-example-text"><span class="u-words">{words}</span><span class="u-target">'
            f"{_arrow()}{choice_of(item.search_in)}"
            f"</span></span>{strip}</button></li>"
        )
    return (
        ""
        if not cards
        else (
            '<section class="u-examples"><div class="u-head"><h2>Try one of these</h2></div>'
            f'<ul class="u-example-grid">{"".join(cards)}</ul></section>'
        )
    )


def _found(candidate: Candidate) -> str:
    content, file = candidate.content, media_file(candidate.content)
    if file is None:
        return f'<span class="u-found-words">{escape((content.text or "")[:90])}</span>'
    if content.video is None:
        return image(file, "")
    return f'<video src="{escape(media_url(file))}" muted playsinline preload="metadata" tabindex="-1"></video>'


def error(text: str) -> str:
    """What went wrong, in words, announced to screen readers."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    word = first.rstrip(".,:;").replace("-", "").isalpha()  # else perhaps a file's name, which stays as it is
    begun = text[:1].upper() + text[1:] if word else text
    sentence = begun + ("" if text.endswith((".", "!", "?")) else ".")
    what, end, more = sentence.partition(". ")
    return message(what + end.rstrip(), more, role="alert")


def message(title: str, text: str, role: str = "status") -> str:
    """A calm panel in the place of results."""
    more = f"<p>{escape(text)}</p>" if text else ""
    return f'<div class="u-message" role="{role}"><h2>{escape(title)}</h2>{more}</div>'


def copy_link(own: bool) -> str:
    """The button that copies the page's address.

    Args:
        own: the picture is the visitor's own, so the address lacks it.
    """
    note = f'<span class="u-muted">{OWN_PICTURE}</span>' if own else ""
    return (
        f'<p class="u-copy-link">{note}<button type="button" class="u-quiet" data-copy="1">'
        f'{icon("link")}<span aria-live="polite">Copy link</span></button></p>'
    )


def notices(said: Sequence[str]) -> str:
    """What of an address cannot be given, with a button that puts it away; "" where all of it can."""
    if not said:
        return ""
    lines = "".join(f"<p>{escape(line)}</p>" for line in said)
    return (
        f'<div class="u-notice u-link-notice" role="alert"><div>{lines}</div><button type="button" class="u-quiet" '
        'data-away="1">Close</button></div>'
    )


def media(candidate: Candidate, controls: bool = True) -> str:
    """A candidate's picture or clip in a frame; "" for words alone.

    Args:
        candidate: what is shown.
        controls: whether a clip can be played.
    """
    file, name = media_file(candidate.content), name_of(candidate)
    if file is None:
        return ""
    if candidate.content.video is None:
        return f'<div class="u-media">{image(file, name)}</div>'
    return (
        f'<div class="u-media"><video src="{escape(media_url(file))}" muted loop playsinline '
        f'{"controls " if controls else ""}preload="metadata" aria-label="{escape(name)}"></video></div>'
    )


def image(source: str | Path, alt: str) -> str:
    """A picture of the allowed folders that is loaded when it comes into view."""
    return (
        f'<img src="{escape(media_url(source))}" alt="{escape(alt)}" width="256" height="256" loading="lazy" '
        'decoding="async">'
    )


def words_of(candidate: Candidate) -> str:
    """A candidate's text; a long one can be unfolded. "" for none."""
    text = candidate.content.text
    if not text:
        return ""
    if len(text) <= LONG_TEXT:
        return f'<p class="u-text">{escape(text)}</p>'
    return (
        f'<details class="u-text"><summary><span class="u-clamp">{escape(text)}</span>'
        '<span class="u-more"></span></summary></details>'
    )


def name_of(candidate: Candidate) -> str:
    """What a person calls a candidate: its title, else how its text begins."""
    kind = KIND_OF[candidate.content.modality].title
    return candidate.title or (candidate.content.text or "")[:120] or f"{kind} {candidate.candidate_id}"


def timing(outcome: Outcome, precision: str, encoder: str) -> str:
    """What a search took and which model answered; in what that computed stands in the tooltip.

    Args:
        outcome: with its milliseconds.
        precision: such as float32; "saved" for results that no model was asked for.
        encoder: its name.
    """
    steps = [
        f"{step} {outcome.ms[step]:.{0 if outcome.ms[step] >= 10 else 1}f} ms"
        for step in ("decode", "encode", "search", "rerank")
        if step in outcome.ms
    ]
    words = " · ".join([*(steps or [precision]), encoder])
    return f'<p class="u-timing" title="{escape(precision)}">{escape(words)}</p>'


def css_of(kind: str) -> str:
    """The end of the style names of a modality."""
    return {"image,text": "entry", "text": "passage"}.get(kind, kind)


def icon(kind: str) -> str:
    """A small drawing: a modality's, or "link"."""
    return f'<svg viewBox="0 0 16 16" aria-hidden="true">{_ICON[kind]}</svg>'


def _arrow() -> str:
    return '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 8h9.5M9 4.5 12.5 8 9 11.5"/></svg>'
