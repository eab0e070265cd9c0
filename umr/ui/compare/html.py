"""A comparison as HTML: columns of ranks beside each other, what they share, votes. Every supplied text is escaped."""

from __future__ import annotations

import base64

from umr.eval import splits
from umr.eval.familiar import UNLIKE
from umr.types import KIND_OF, Candidate, Result
from umr.ui.compare.columns import RERANK, split, title
from umr.ui.compare.comparison import FIRST, Comparison
from umr.ui.kinds import media_file
from umr.ui.models.html import name_button
from umr.ui.queries import task_name
from umr.ui.render import COSINE, RERANKED_SCORE, copy_link, escape, media_url, name_of, verdict
from umr.verdict import UNLIKE_WORDS, WEAK_FIRST

VOTES = (("a", "A is better"), ("b", "B is better"), ("tie", "Equally good"), ("bad", "Both are bad"))


def comparison(found: Comparison, vote: str = "", tally: str = "") -> str:
    """The whole result.

    Args:
        found: what is shown.
        vote: what was just voted.
        tally: the count so far, as HTML.
    """
    ranks = max(len(found.results(model)) for model in found.models)
    columns = "".join(_column(found, number) for number in range(len(found.models)))
    body = (
        f'<div class="u-columns">{columns}</div>'
        if ranks
        else '<p class="u-muted">This collection has nothing of that kind.</p>'
    )
    return (
        f'<section class="u-compare" data-shown="0" style="--u-columns:{len(found.models)};--u-ranks:{ranks}">'
        f"{_head(found)}{_asked(found)}{_answers(found)}{_notices(found)}{_voted(found, vote)}{_switch(found)}{body}"
        f"{_vote_bar() if found.blind else _next_bar() if vote else ''}{tally}</section>"
    )


def _head(found: Comparison) -> str:
    label = dict(zip(found.models, found.labels, strict=True))
    shares = "".join(
        f"<li><span>{escape(title(label[a]))} and {escape(title(label[b]))}</span>"
        f'<span class="u-part" aria-hidden="true"><i style="width:{share * 100:.0f}%"></i></span>'
        f"<b>{share * 100:.0f} %</b></li>"
        for (a, b), share in found.overlaps().items()
    )
    picture = base64.b64encode(found.picture).decode("ascii")
    image = (
        f'<img src="data:image/webp;base64,{picture}" alt="The query\'s picture" width="56" height="56">'
        if picture
        else ""
    )
    words = f"“{escape(found.text)}”" if found.text else "More like this picture"
    return (
        f'<div class="u-compare-head"><div class="u-compared">{image}<div><h2>{words}</h2>'
        f'<p class="u-muted">{_models(found)} on one query</p></div></div>'
        f'<div class="u-overlap"><p title="overlap@{FIRST}: share of the first {FIRST} results that both have">'
        f"The same among the first {FIRST}</p><ul>{shares}</ul></div>"
        '<div class="u-export"><button type="button" class="u-quiet" data-export="png">Save PNG</button>'
        '<button type="button" class="u-quiet" data-export="json">Save JSON</button>'
        f"{copy_link(found.own)}</div></div>"
    )


def _models(found: Comparison) -> str:
    if found.blind:
        return "Exactly two of those that you ticked, drawn by chance and named A and B,"
    return (
        f"{len(found.models)} columns"
        if any(split(name)[1] for name in found.models)
        else f"{len(found.models)} models"
    )


def _asked(found: Comparison) -> str:
    if not found.asked:
        return ""
    task, split_name, query_id = found.asked.split(" ")
    count = len(found.targets)
    its = "Its right answer" if count == 1 else f"Its {count} right answers"
    shown = {result.hit.candidate_id for model in found.models for result in found.results(model)}
    key = ""
    if found.blind:
        told = f"{its} {_is(count)} shown after your vote."
    elif shown.isdisjoint(found.targets):
        told = f"{its} {_is(count)} not among the ranks on show."
    else:
        key = '<span class="u-key" aria-hidden="true"></span>'
        where = "" if shown.issuperset(found.targets) else " where shown"
        told = f"{its} {'has' if count == 1 else 'have'} a green frame{where}."
    what = f"{task_name(task)}, {splits.title(split_name)}"
    return (
        f'<p class="u-asked" title="{escape(f"{task} {split_name}")}">{key}<span>Benchmark query {escape(query_id)}: '
        f"{escape(what)}. {told}</span></p>"
    )


def _answers(found: Comparison) -> str:
    """The right answers themselves, whether a model found them or not; nothing before a blind vote."""
    if not found.told or not found.answers:
        return ""
    items = "".join(
        f'<li class="u-answer">{_media(one)}<div class="u-cell-body">{_words(one) or escape(name_of(one))}</div></li>'
        for one in found.answers
    )
    more = len(found.told) - len(found.answers)
    rest = f'<li class="u-muted">and {more} more</li>' if more > 0 else ""
    places = "".join(
        f"<li><b>{escape(title(label))}</b> <span>{_place(found, name)}</span></li>"
        for label, name in zip(found.labels, found.models, strict=True)
    )
    heading = "The right answer" if len(found.told) == 1 else "Right answers"
    return (
        f'<section class="u-answers" aria-label="{heading}"><h3>{heading}</h3><ul class="u-answer-list">{items}{rest}'
        f'</ul><ul class="u-places">{places}</ul></section>'
    )


def _place(found: Comparison, name: str) -> str:
    best = found.best_target(name)
    return f"found at rank {best}" if best else "not in the first 100"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _notices(found: Comparison) -> str:
    """Each notice once; by which models it is given, where it is not by all.

    While the names are hidden, without the rate of false alarms, as each model has its own, without what the scores
    say, and without whose it is: a part of a model gives none.
    """
    given: dict[str, list[str]] = {}
    for label, outcome in zip(found.labels, found.outcomes.values(), strict=True):
        for notice in outcome.notices:
            if not (found.blind and notice == WEAK_FIRST):
                given.setdefault(_without_rate(notice) if found.blind else notice, []).append(label)
    return "".join(
        f'<p class="u-notice"><span>{_by(labels, found)}{escape(notice)}</span></p>' for notice, labels in given.items()
    )


def _without_rate(notice: str) -> str:
    return next((said for said in (UNLIKE, UNLIKE_WORDS) if notice.startswith(said)), notice)


def _by(labels: list[str], found: Comparison) -> str:
    if found.blind or len(labels) == len(found.labels):
        return ""
    return f"<b>{escape(', '.join(map(title, labels)))}:</b> "


def _voted(found: Comparison, vote: str) -> str:
    if not vote:
        return ""
    a, b = (escape(title(name)) for name in found.models)
    told = {
        "a": f"You preferred {a} to {b}.",
        "b": f"You preferred {b} to {a}.",
        "tie": f"You found {a} and {b} equally good.",
        "bad": f"You found both {a} and {b} bad.",
    }
    return f'<p class="u-voted" role="status">{told[vote]} A was {a}, B was {b}.</p>'


def _switch(found: Comparison) -> str:
    """The columns as tabs of a small screen; hidden on a wide one."""
    buttons = "".join(
        f'<button type="button" data-show="{number}" aria-pressed="{"false" if number else "true"}">'
        f"{escape(title(label))}</button>"
        for number, label in enumerate(found.labels)
    )
    return f'<div class="u-switch" role="group" aria-label="Model on show">{buttons}</div>'


def _column(found: Comparison, number: int) -> str:
    name, label, ms = found.models[number], found.labels[number], found.outcomes[found.models[number]].ms
    cells = "".join(_cell(found, name, result) for result in found.results(name))
    again = f" · rerank {ms['rerank']:.0f} ms" if "rerank" in ms else ""
    times = (
        ""
        if found.blind
        else f'<p class="u-timing">encode {ms["encode"]:.0f} ms · search {ms["search"]:.1f} ms{again}</p>'
    )
    heading = escape(label) if found.blind else name_button(split(name)[0], title(name))
    return (
        f'<section class="u-column" data-column="{number}" aria-label="{escape(title(label))}"><header>'
        f"<h3>{heading}</h3>{_recall(found, name)}{times}</header>"
        f"<ol>{cells}</ol></section>"
    )


def _recall(found: Comparison, name: str) -> str:
    """Where the first right answer is, and where there are several, how many are among the first ten."""
    recall = found.recall(name)
    if recall is None:
        return ""
    count = len(found.told)
    some = f" · {round(recall * count)} of {count} in the first {FIRST}" if count > 1 else ""
    return (
        f'<p class="u-recall" title="recall@{FIRST} {recall * 100:.0f} %"><b>{_place(found, name).capitalize()}</b>'
        f"{some}</p>"
    )


def _cell(found: Comparison, name: str, result: Result) -> str:
    """One item at one rank. The same item has the same data-id in every column."""
    candidate, hit = result.candidate, result.hit
    target = hit.candidate_id in found.told
    right = '<span class="u-right">Target</span>' if target else ""
    kind = KIND_OF[candidate.content.modality].title if found.search_in == "all" else ""
    score = (
        ""
        if found.blind
        else f'{verdict(result.match)}<span class="u-score" title="{_scored(name)}">{hit.score:.3f}</span>'
    )
    return (
        f'<li class="u-cell{" u-is-target" if target else ""}" data-id="{escape(hit.candidate_id)}" '
        f'tabindex="{0 if hit.rank == 1 else -1}">{_media(candidate)}<div class="u-cell-body">'
        f'<p class="u-facts"><span class="u-rank">{hit.rank}</span>{right}<span class="u-muted">{kind}</span>'
        f"{score}</p>{_words(candidate)}"
        f"{_only(found, name, hit.candidate_id)}</div></li>"
    )


def _scored(name: str) -> str:
    """What the number of a column's cells is."""
    return RERANKED_SCORE if split(name)[1] == RERANK else COSINE


def _only(found: Comparison, name: str, candidate_id: str) -> str:
    if not found.only_in(candidate_id, name):
        return ""
    label = dict(zip(found.models, found.labels, strict=True))
    elsewhere = [
        f"{escape(title(label[other]))} has it at {rank}"
        if (rank := found.rank_of(candidate_id, other))
        else f"not in the first 100 of {escape(title(label[other]))}"
        for other in found.models
        if other != name
    ]
    return f'<p class="u-only"><b>Only here</b> <span>{"; ".join(elsewhere)}</span></p>'


def _media(candidate: Candidate) -> str:
    file, name = media_file(candidate.content), escape(name_of(candidate))
    if file is None:
        return ""
    if candidate.content.video is None:
        return (
            f'<div class="u-media"><img src="{escape(media_url(file))}" alt="{name}" '
            'width="96" height="96" loading="lazy" decoding="async"></div>'
        )
    return (
        f'<div class="u-media"><video src="{escape(media_url(file))}" muted loop playsinline '
        f'preload="metadata" aria-label="{name}"></video></div>'
    )


def _words(candidate: Candidate) -> str:
    """Title and text; CSS cuts them to the height of the row, the whole is in the tooltip."""
    title, text = candidate.title, candidate.content.text or ""
    shown = f'<p class="u-cell-title">{escape(title)}</p>' if title else ""
    return shown + (f'<p class="u-cell-text" title="{escape(text)}">{escape(text)}</p>' if text else "")


def _vote_bar() -> str:
    buttons = "".join(
        f'<button type="button" class="u-vote" data-vote="{vote}">{words}</button>' for vote, words in VOTES
    )
    return (
        f'<div class="u-votes" role="group" aria-label="Your vote"><p>Which of the two rankings is better? '
        f'<span class="u-muted">Names and the right answer come after your vote.</span></p><div>{buttons}</div></div>'
    )


def _next_bar() -> str:
    """In the place of the votes: the same press of the same finger goes on."""
    return (
        '<div class="u-votes" role="group" aria-label="After your vote"><p>Counted. <span class="u-muted">'
        'The names are above.</span></p><div><button type="button" class="u-vote u-next" data-next="1">Next battle'
        "</button></div></div>"
    )
