"""What the Compare tab does with a request: compare, pick a query, vote, export, open a link. No Gradio."""

from __future__ import annotations

import logging
import os
import random
import secrets
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from umr.errors import ConfigError, UMRError
from umr.media import content_hash
from umr.shipped import SPACE, space_storage
from umr.ui import edge, links, render
from umr.ui.compare import drawn, tally_html
from umr.ui.compare import html as compare_html
from umr.ui.compare import link as compare_link
from umr.ui.compare.columns import split
from umr.ui.compare.comparison import MOST, Comparison, benchmark_of, compare, read_models
from umr.ui.compare.export import as_json, as_png
from umr.ui.compare.link import CompareLink, benchmark_link
from umr.ui.compare.votes import CHOICES, VoteBox
from umr.ui.download import download
from umr.ui.handlers import Question
from umr.ui.report import offer
from umr.ui.results.asking import GONE
from umr.ui.searchers import Searchers

log = logging.getLogger(__name__)

RANKS = 10
#: A benchmark query for the bar: picture's path or None, text, what to search, "task split query-id".
Asked = tuple[str | None, str, str, str]
#: HTML, the comparison to keep for a vote and an export, the tab's part of the address ("" leaves it as it is).
Shown = tuple[str, Comparison | None, str]


def compare_page(searchers: Searchers, question: Question, encoders: Any, blind: Any, asked: Any) -> Shown:
    """What the tab shows of a query, or what went wrong.

    Args:
        searchers: what the page offers.
        question: what was asked, unread.
        encoders: the names of two to four.
        blind: whether the names are hidden.
        asked: the benchmark query that filled in the bar, "" for none.
    """

    def compared() -> Shown:
        return _compare(searchers, question, encoders, bool(blind), asked)

    return edge.answered("a comparison", compared, lambda message: (message, None, ""))


def _compare(searchers: Searchers, question: Question, encoders: Any, blind: bool, asked: Any) -> Shown:
    picture, chosen = question.picture(), read_models(searchers, encoders)
    names = random.sample(chosen, 2) if blind else chosen  # two of the chosen ones, in an order that says nothing
    found = compare(searchers, picture, question.text, question.search_in, names, question.k, asked)
    searcher = searchers.get(split(chosen[0])[0])
    reference = links.reference_of(searcher, picture, content_hash(picture)) if isinstance(picture, Path) else ""
    battle = secrets.token_hex(8) if blind else ""
    found = replace(found, blind=blind, battle=battle, own=picture is not None and not (reference or found.asked))
    collection = links.collection_of(searchers, split(chosen[0])[0])
    link = CompareLink(text=found.text, search_in=question.search_in, models=chosen, blind=blind, asked=found.asked)
    return compare_html.comparison(found), found, compare_link.write(link, collection, reference, found.own)


def vote_page(
    box: VoteBox, found: Comparison | None, vote: Any, known: Collection[str] = ()
) -> tuple[str, Comparison | None]:
    """The comparison with its names, after the vote was kept.

    A comparison takes one vote.

    Args:
        box: where votes are kept.
        found: the comparison that came last.
        vote: one of CHOICES and the battle that the columns name: "a 0123456789abcdef".
        known: the models on offer, which have cards.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    if found is None or not found.blind:
        raise ConfigError("There is nothing to vote on. Compare blind first.")
    vote, _, battle = str(vote).partition(" ")
    if vote not in CHOICES:
        raise ConfigError(f"there is no vote {vote!r}; there are: {', '.join(CHOICES)}")
    if battle != found.battle:
        raise ConfigError("Other columns have come since. Vote on those that stand there now.")
    first, second = found.models
    box.add(found.asked, first, second, vote)
    found = replace(found, blind=False)
    return compare_html.comparison(
        found, vote, tally_html.tally(box.tally(), box.standings(), how_long_kept(box), known)
    ), found


def how_long_kept(box: VoteBox) -> str:
    """How long votes are kept, as a sentence: a Space's disk is emptied when it starts again, its storage is not."""
    if box.sent:
        return tally_html.SENT
    if not os.environ.get(SPACE):
        return tally_html.KEPT
    storage = space_storage()
    return tally_html.STORED if storage is not None and box.file.is_relative_to(storage) else tally_html.LOST


def random_query(
    searchers: Searchers,
    random_from: random.Random | None = None,
    columns: Any = (),
    wanted: drawn.Filter | None = None,
) -> Asked:
    """A benchmark query: of picture and text where nothing else is asked, of any split.

    Args:
        searchers: what the page offers.
        random_from: None: anything.
        columns: what it is compared by, where stored runs decide; unread.
        wanted: which; None: any.

    Raises:
        ConfigError: there is no benchmark, or no such query.
    """
    chance, benchmark, which = random_from or random.Random(), benchmark_of(searchers), wanted or drawn.Filter()
    if benchmark is None:
        raise ConfigError("There are no benchmark queries beside this collection.")
    compared = read_models(searchers, columns) if which.needs_runs else ()
    return _filled(benchmark_link(searchers, drawn.draw(searchers, benchmark, compared, which, chance)))


def fill(searchers: Searchers, given: links.Given) -> links.Filled:
    """What an address puts into the bar: a query as random_query() gives it, models, whether blind, parts."""
    link = compare_link.read(searchers, given)
    models = [name for name in link.models if not split(name)[1]] if link.models else searchers.names[:MOST]
    parts = [split(name) for name in link.models if split(name)[1]]
    of = parts[0][0] if parts else searchers.default
    if {name for name, _ in parts} - {of}:
        given.notices.append(f"The link asks for parts of several models; those of {of} are shown.")
    return links.Filled(
        (*_filled(link), models, link.blind, of, [part for name, part in parts if name == of]), link.asks
    )


def travel(searchers: Searchers, address: Any) -> tuple[Any, ...]:
    """What a step of the browser's history shows again.

    Returns:
        The bar's fields as `fill` has them, and whether that is to be asked: or why it cannot be, in words; KEPT where
        the visitor's browser brings the picture.
    """
    given = links.Given.of(address)
    filled, picture = fill(searchers, given), given.values.get("c-picture")
    said = links.KEPT if picture == links.KEPT else GONE if picture else " ".join(given.notices)
    return *filled.values, filled.asks or said or False


def not_asked(reason: Any) -> Shown:
    """What is shown of a step of the history that is not asked again: why, if there is a reason."""
    if not isinstance(reason, str):
        return compare_html.INVITATION, None, ""
    return render.message("This comparison cannot be shown again", reason, "alert"), None, ""


def export_file(found: Comparison | None, kind: Any, box: VoteBox | None = None) -> dict[str, str]:
    """A file for the browser: its name, media type, and content in base64.

    Args:
        found: the comparison on show.
        kind: png or json of the comparison, or votes.
        box: where the votes are.

    Raises:
        ConfigError: what is asked cannot be given, in words.
    """
    if kind == "votes" and box is not None:
        return download("votes.jsonl", "application/jsonl", box.content())
    if found is None:
        raise ConfigError("There is no comparison to export. Compare first.")
    if kind not in ("png", "json"):
        raise ConfigError(f"there is no export as {kind!r}; there are: png, json")
    content = as_png(found) if kind == "png" else as_json(found).encode("utf-8")
    return download(f"comparison.{kind}", "image/png" if kind == "png" else "application/json", content)


def reports(searchers: Searchers) -> Markup:
    """The choice of two models that a report is saved of, as HTML, the best two of all first."""
    return edge.answered_html("a report", lambda: compare_html.reports(offer.pairs(searchers)))


def report_file(searchers: Searchers, pair: Any) -> dict[str, str]:
    """The report of two models as a file for the browser. pair: "MODEL|MODEL", unread.

    Raises:
        UMRError: what is asked cannot be given, in words.
    """
    a, _, b = str(pair).partition("|")
    return offer.report_file(searchers, a, b)


def warm(searchers: Searchers) -> None:
    """Opens every model on offer, so that the first comparison need not wait; what fails is told by the comparison."""
    for name in searchers.names:
        try:
            searchers.get(name)
        except UMRError as error:
            log.error("%s cannot be opened: %s", name, error)


def _filled(link: CompareLink) -> Asked:
    return str(link.picture) if link.picture else None, link.text, link.search_in, link.asked
