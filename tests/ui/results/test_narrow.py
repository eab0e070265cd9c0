"""What is left out of results, and what Back and a reload find again, without a browser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.ui.search.test_actions import found, searchers  # noqa: F401 - a fixture
from umr.errors import ConfigError
from umr.query_arithmetic import QueryArithmetic, combined, encode
from umr.search import decode
from umr.ui import links
from umr.ui.handlers import make_query
from umr.ui.results import narrow
from umr.ui.results.history import LOST, Turn
from umr.ui.search import actions as search
from umr.ui.search import link as search_link


@pytest.mark.parametrize("told", ["colour=red", "category=mug&colour=red&not=100%3A5&not=100%3A2", "", "not=a+b"])
def test_what_is_left_out_is_written_as_it_is_read(told):
    assert str(narrow.read(told)) == told


def test_a_change_sets_replaces_or_takes_away_one_thing():
    red = narrow.read("").changed("colour=red")
    assert str(red) == "colour=red" and str(red.changed("colour=blue")) == "colour=blue"
    assert str(red.changed("not=100:5").changed("colour=")) == "not=100%3A5"
    assert str(red.changed("not=100:5").changed("not=")) == "colour=red"


@pytest.mark.parametrize("told", ["size=9", "<b>=1", 7, "colour=" + "x" * 3000])
def test_anything_else_is_refused_in_words(told):
    with pytest.raises(ConfigError, match="results"):
        narrow.read(told)


@pytest.mark.parametrize("change", [None, "colour", "size=large", "=1"])
def test_a_change_of_anything_else_is_refused(change):
    with pytest.raises(ConfigError, match="cannot be left out"):
        narrow.read("").changed(change)


def test_an_unwanted_result_goes_and_its_vector_is_taken_off_the_query(searchers, uploads, searcher):  # noqa: F811
    first = searcher.search(make_query(None, "a red card", "images"), 1).results[0].hit.candidate_id
    question = search.Question(uploads=uploads, text="a red card", k=5)
    page, answered, _, trail, address = search.find(
        searchers, (), question, "unified", (0, "", 0, str(narrow.read("").changed(f"not={first}")))
    )
    assert f'data-id="{first}"' not in page and "Less like 1 result" in page and "only=" in address
    assert answered.turn.arithmetic.less_like == (first,) == trail[-1].arithmetic.less_like
    query = decode(make_query(None, "a red card", "images")).query
    plain, unwanted = searcher.encoder.encode_queries([query]).vectors[0], searcher.index.vectors([first])
    moved = encode(searcher.encoder, query, QueryArithmetic(less_like=(first,)), unwanted).vectors[0]
    np.testing.assert_allclose(
        moved, combined(plain, None, None, unwanted[0] / np.linalg.norm(unwanted[0]), 0), atol=1e-6
    )
    assert moved @ unwanted[0] < plain @ unwanted[0]


def test_what_is_not_in_the_collection_cannot_be_unwanted(searchers, uploads):  # noqa: F811
    question = search.Question(uploads=uploads, text="red", k=5)
    page = search.find(searchers, (), question, "unified", (0, "", 0, "not=100%3A999"))[0]
    assert 'role="alert"' in page and "not in this collection" in page


def test_a_link_has_the_turns_before_it_and_says_of_an_own_picture_that_it_is_lost(searchers, uploads, upload):  # noqa: F811
    *_, trail, _ = found(searchers, uploads, image=upload("queries/3.bmp"), text="in blue")
    own = (replace(trail[0], reference=""),)
    _, _, _, longer = search.use_result(searchers, own, "unified", "100:4")
    address = search_link.write(longer[-1], "catalogue", "unified", 5, longer[:-1])
    read = search_link.read(searchers, links.Given.of(address))
    assert [(turn.text, turn.key == LOST) for turn in read.trail] == [("in blue", True), ("", False)]
    assert read.trail[-1] == longer[-1]
    with pytest.raises(Exception, match="upload it again"):
        search.return_to(read.trail, "0")


def test_many_turns_do_not_make_a_link_too_long():
    before = tuple(Turn(text="word " * 100, key=str(number)) for number in range(12))
    assert len(search_link.write(Turn(text="x"), "catalogue", "unified", 5, before)) < links.MAX_ADDRESS


def test_back_finds_a_search_with_an_own_picture_and_everything_else_by_its_address(searchers, uploads, upload):  # noqa: F811
    image = upload("queries/3.bmp")
    *_, trail, address = found(searchers, uploads, image=image, text="in blue")
    own = (replace(trail[0], reference=""),)
    visited = search.remember({}, address, own)
    again = search.travel(searchers, visited, address)
    assert again[0] == image["path"] and again[1] == "in blue" and again[-2:] == (own, True)
    *_, words = found(searchers, uploads, text="red")
    assert search.remember(visited, words, (Turn(text="red"),)) == visited
    assert search.travel(searchers, visited, words)[1] == "red"
    assert search.travel(searchers, visited, "")[-2:] == ((), False)
    for unread in ("?text=" + "x" * links.MAX_ADDRESS, "", None, ["?text=red"]):
        assert search.remember(visited, unread, own) == visited


def test_a_search_whose_own_picture_is_gone_says_so_unless_its_owners_browser_brings_it(searchers, tmp_path):  # noqa: F811
    address = "?text=in+blue&picture=own"
    gone = (Turn(picture=tmp_path / "gone.png", key="a", text="in blue"),)
    for visited in ({}, search.remember({}, address, gone)):
        *fields, said = search.travel(searchers, visited, address)
        assert fields[:2] == [None, "in blue"] and "Add the picture again" in said
        assert "Add the picture again" in search.not_asked(said)[0]
        assert search.travel(searchers, visited, address.replace("own", "kept"))[-1] is False
    assert search.not_asked(False) == search.NOTHING
