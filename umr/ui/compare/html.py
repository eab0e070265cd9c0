"""A comparison as HTML: columns of ranks beside each other, what they share, votes. Its tags are in a template."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from markupsafe import Markup

from umr.eval import splits
from umr.eval.familiar import UNLIKE
from umr.types import KIND_OF, Result
from umr.ui.compare.columns import RERANK, split, title
from umr.ui.compare.comparison import FIRST, Comparison
from umr.ui.kinds import media_file
from umr.ui.markup import NOTHING, escape, macros, together
from umr.ui.models.html import name_button
from umr.ui.queries import task_name
from umr.ui.render import COSINE, RERANKED_SCORE, copy_link, media, media_url, message, name_of, took, verdict
from umr.verdict import UNLIKE_WORDS, beside_first

INVITATION = message(
    "One query, several models",
    "Ask something, or take a benchmark query, whose right answers "
    "are known. Every model answers in a column of its own, rank by rank.",
)
SIDE = 96  # px of a picture
VOTES = (("a", "A is better"), ("b", "B is better"), ("tie", "Equally good"), ("bad", "Both are bad"))


def comparison(found: Comparison, vote: str = "", tally: Markup = NOTHING) -> Markup:
    """The whole result.

    Args:
        found: what is shown.
        vote: what was just voted.
        tally: the count so far.
    """
    return macros("compare").comparison(
        columns=len(found.models),
        ranks=max(len(found.results(model)) for model in found.models),
        head=_head(found),
        asked=_asked(found),
        answers=_answers(found),
        notices=_notices(found),
        voted=_voted(found, vote),
        labels=[title(label) for label in found.labels],
        body=together(_column(found, number) for number in range(len(found.models))),
        bar=_bar(found, vote),
        tally=tally,
    )


def reports(pairs: Sequence[tuple[str, str]]) -> Markup:
    """The choice of two models that a report is saved of. pairs: the first is chosen; "" where there is none."""
    return macros("compare").reports(pairs)


def _bar(found: Comparison, vote: str) -> Markup:
    """The votes of a blind comparison; after one the way to the next."""
    if found.blind:
        return macros("compare").vote_bar(VOTES, found.battle)
    return macros("compare").next_bar() if vote else NOTHING


def _head(found: Comparison) -> Markup:
    label = dict(zip(found.models, found.labels, strict=True))
    shares = [
        (f"{title(label[a])} and {title(label[b])}", f"{share * 100:.0f}") for (a, b), share in found.overlaps().items()
    ]
    picture = base64.b64encode(found.picture).decode("ascii")
    words = f"“{found.text}”" if found.text else "More like this picture"
    return macros("compare").head(picture, words, _models(found), FIRST, shares, copy_link(found.own))


def _models(found: Comparison) -> str:
    if found.blind:
        return "Exactly two of those that you ticked, drawn by chance and named A and B,"
    return (
        f"{len(found.models)} columns"
        if any(split(name)[1] for name in found.models)
        else f"{len(found.models)} models"
    )


def _asked(found: Comparison) -> Markup:
    if not found.asked:
        return NOTHING
    task, split_name, query_id = found.asked.split(" ")
    count = len(found.targets)
    its = "Its right answer" if count == 1 else f"Its {count} right answers"
    shown = {result.hit.candidate_id for model in found.models for result in found.results(model)}
    is_framed = not found.blind and not shown.isdisjoint(found.targets)
    if found.blind:
        told = f"{its} {_is(count)} shown after your vote."
    elif not is_framed:
        told = f"{its} {_is(count)} not among the ranks on show."
    else:
        where = "" if shown.issuperset(found.targets) else " where shown"
        told = f"{its} {'has' if count == 1 else 'have'} a green frame{where}."
    what = f"{task_name(task)}, {splits.title(split_name)}"
    return macros("compare").asked(f"{task} {split_name}", is_framed, f"Benchmark query {query_id}: {what}. {told}")


def _answers(found: Comparison) -> Markup:
    """The right answers themselves, whether a model found them or not; before a blind vote their place."""
    if not found.answers:
        return NOTHING
    heading = "The right answer" if len(found.targets) == 1 else "Right answers"
    if found.blind:
        return macros("compare").later(heading, len(found.answers))
    items = [
        (media(one, False, SIDE, named=bool(one.title)), one.title, one.content.text, name_of(one))
        for one in found.answers
    ]
    places = [(title(label), _place(found, name)) for label, name in zip(found.labels, found.models, strict=True)]
    return macros("compare").answers(heading, items, len(found.told) - len(found.answers), places)


def _place(found: Comparison, name: str) -> str:
    best = found.best_target(name)
    return f"found at rank {best}" if best else "not in the first 100"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _notices(found: Comparison) -> Markup:
    """Each notice once; by which models it is given, where it is not by all.

    While the names are hidden, without the rate of false alarms, as each model has its own, without what the scores
    say, and without whose it is: a part of a model gives none.
    """
    given: dict[str, list[str]] = {}
    for label, outcome in zip(found.labels, found.outcomes.values(), strict=True):
        for notice in beside_first(outcome.notices) if found.blind else outcome.notices:
            given.setdefault(_without_rate(notice) if found.blind else notice, []).append(label)
    return together(macros("compare").notice(_by(labels, found), notice) for notice, labels in given.items())


def _without_rate(notice: str) -> str:
    return next((said for said in (UNLIKE, UNLIKE_WORDS) if notice.startswith(said)), notice)


def _by(labels: list[str], found: Comparison) -> str:
    if found.blind or len(labels) == len(found.labels):
        return ""
    return ", ".join(map(title, labels))


def _voted(found: Comparison, vote: str) -> str:
    if not vote:
        return ""
    a, b = (title(name) for name in found.models)
    told = {
        "a": f"You preferred {a} to {b}.",
        "b": f"You preferred {b} to {a}.",
        "tie": f"You found {a} and {b} equally good.",
        "bad": f"You found both {a} and {b} bad.",
    }
    return f"{told[vote]} A was {a}, B was {b}."


def _column(found: Comparison, number: int) -> Markup:
    name, label, ms = found.models[number], found.labels[number], found.outcomes[found.models[number]].ms
    cells = together(_cell(found, number, result) for result in found.results(name))
    times = NOTHING if found.blind else macros("parts").took(*took(ms, ("encode", "search", "rerank")))
    heading = label if found.blind else name_button(split(name)[0], title(name))
    return macros("compare").column(number, title(label), heading, _recall(found, name), times, cells)


def _recall(found: Comparison, name: str) -> Markup:
    """Where the first right answer is, and where there are several, how many are among the first ten."""
    recall = found.recall(name)
    if recall is None:
        return NOTHING
    count = len(found.told)
    some = f" · {round(recall * count)} of {count} in the first {FIRST}" if count > 1 else ""
    share = f"recall@{FIRST} {recall * 100:.0f} %"
    return macros("compare").recall(share, _place(found, name).capitalize(), some)


def _cell(found: Comparison, number: int, result: Result) -> Markup:
    """One item at one rank. The same item has the same data-id in every column, and opens as this column's own."""
    name, candidate, file = found.models[number], result.candidate, media_file(result.candidate.content)
    return macros("compare").cell(
        hit=result.hit,
        opens=f"{number} {result.hit.candidate_id}",
        url=escape(media_url(file, candidate.content.span)) if file is not None else "",
        name=name_of(candidate),
        is_clip=candidate.content.video is not None,
        is_target=result.hit.candidate_id in found.told,
        kind=KIND_OF[candidate.content.modality].title if found.search_in == "all" else "",
        scored="" if found.blind else _scored(name),
        verdict=NOTHING if found.blind else verdict(result.match),
        title=candidate.title and name_of(candidate),
        text=escape(candidate.content.text or ""),
        elsewhere=_elsewhere(found, name, result.hit.candidate_id),
    )


def _scored(name: str) -> str:
    """What the number of a column's cells is."""
    return RERANKED_SCORE if split(name)[1] == RERANK else COSINE


def _elsewhere(found: Comparison, name: str, candidate_id: str) -> str:
    """Where the others have what this column alone shows; "" where another one shows it."""
    if not found.only_in(candidate_id, name):
        return ""
    label = dict(zip(found.models, found.labels, strict=True))
    return "; ".join(
        f"{title(label[other])} has it at {rank}"
        if (rank := found.rank_of(candidate_id, other))
        else f"not in the first 100 of {title(label[other])}"
        for other in found.models
        if other != name
    )
