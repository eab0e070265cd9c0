"""The details of a comparison's cell without a browser: as a search tells them; before a blind vote the item alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from umr.ui.compare import details
from umr.ui.compare.actions import compare_page
from umr.ui.compare.comparison import Comparison
from umr.ui.handlers import Question


def made(searchers, uploads, image=None, encoders=("unified", "other"), blind=False) -> Comparison:
    question = Question(uploads=uploads, image=image, text="red", k=10)
    return compare_page(searchers, question, list(encoders), blind, "")[1]


def second(found: Comparison) -> str:
    """The second column's second item, as its cell names it."""
    return f"1 {found.results(found.models[1])[1].hit.candidate_id}"


def test_a_cell_tells_its_rank_in_its_own_column_its_reasons_and_every_model(searchers, uploads, upload):
    found = made(searchers, uploads, upload("queries/3.bmp"))
    assert details.known(found, second(found)) == second(found)
    facts = details.facts(searchers, found, second(found))
    assert "Rank 2 of other" in facts and "data-pick" not in facts
    reasons = details.reasons(searchers, found, second(found))
    assert reasons.count('class="u-number"') >= 3 and "rank 2" in reasons  # the query, its picture and its words
    ranks = details.ranks(searchers, found, second(found))
    assert "unified" in ranks and "<td>2</td>" in ranks


def test_a_column_of_a_part_says_that_the_reasons_are_of_the_whole_query(searchers, uploads, upload):
    found = made(searchers, uploads, upload("queries/3.bmp"), ("unified", "unified+picture"))
    assert "This column is “picture only”." in details.reasons(searchers, found, second(found))
    assert "Rank 2 of unified, picture only" in details.facts(searchers, found, second(found))


def test_before_a_blind_vote_the_item_alone_is_told(searchers, uploads, upload):
    found = made(searchers, uploads, upload("queries/3.bmp"), blind=True)
    facts, reasons = (tell(searchers, found, second(found)) for tell in (details.facts, details.reasons))
    assert "Rank 2 of B" in facts and "come after your vote" in reasons
    told = facts + reasons + details.ranks(searchers, found, second(found))
    assert not [word for word in ("unified", "other<", "u-number", "u-ranks") if word in told]
    assert "u-ranks" in details.ranks(searchers, replace(found, blind=False), second(found))


@pytest.mark.parametrize("chosen", ["", "1", "7 x", "1 nobody", "-1 x", "x", None])
def test_what_the_comparison_has_not_is_refused_in_words(searchers, uploads, chosen):
    found = made(searchers, uploads)
    for kept in (found, None):
        assert details.known(kept, chosen) == ""
        assert "compare again" in details.facts(searchers, kept, chosen)


def test_a_picture_that_is_gone_is_said(searchers, uploads, upload):
    found = made(searchers, uploads, upload("queries/3.bmp"))
    Path(found.file).unlink()
    assert 'role="alert"' in details.reasons(searchers, found, second(found))
