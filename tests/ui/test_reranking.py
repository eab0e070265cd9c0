"""The re-ranker on the page without a browser: offered where there is one; in links, exports and endpoints."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from urllib.parse import parse_qs

import gradio as gr
import pytest

from tests.conftest import no_model
from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.errors import ConfigError, MismatchError
from umr.eval.reports import RERANKED, reports_folder, stored_run_file
from umr.formats import write_run
from umr.rerank import load_reranker
from umr.rerank.fuse import Fusion, write_fusion
from umr.rerank.order import Reordering
from umr.rerank.store import save_reranker
from umr.search import decode
from umr.types import Hit
from umr.ui import api, handlers
from umr.ui.compare import actions as compare_actions
from umr.ui.compare import link as compare_link
from umr.ui.compare.columns import on_offer
from umr.ui.compare.comparison import as_rows, compare
from umr.ui.compare.drawn import ONLY, Filter, draw
from umr.ui.compare.export import as_json, as_png
from umr.ui.compare.html import comparison
from umr.ui.handlers import Question, make_query
from umr.ui.layout.page import build_page
from umr.ui.links import Given
from umr.ui.reranking import Offer, PageReranker, find_page_reranker
from umr.ui.results import details
from umr.ui.results.history import Answered, Turn
from umr.ui.search import actions as search
from umr.ui.search.html import rerank_info, rerank_label
from umr.ui.searchers import Searchers, find_searchers

DEPTH = 4


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A re-ranker of random weights, whose answers alone decide the order of the first four."""
    folder = tmp_path_factory.mktemp("page") / "reranker"
    save_reranker(tiny_reranker(tiny_tokenizer()), folder)
    fingerprint = load_reranker(folder, device="cpu").fingerprint
    chosen = Fusion(reranker=fingerprint, encoder="unified", collection="c" * 64, run="it2i.ind.composed.run", n=6,
                    depth=DEPTH, weight=1.0, success_at_1=[0.5] * 21)  # fmt: skip
    write_fusion(folder, chosen)
    return folder


@pytest.fixture
def plain(searchers) -> Searchers:
    return searchers


@pytest.fixture
def offered(searchers, made) -> Searchers:
    """The same two models with the re-ranker."""
    return Searchers(searchers.folders, searchers.default, reranker=PageReranker(Offer.of(made)))


def asked(searchers, uploads, rerank, text="a red card", k=8, trail=()):
    question = Question(uploads=uploads, text=text, search_in="images", k=k)
    return search.find(searchers, trail, question, "unified", (0, "", 0, "", rerank))


def ids(page: str) -> list[str]:
    return [part.partition('"')[0] for part in page.split('data-id="')[1:]]


# What is on offer


def test_a_shipped_folder_is_offered_and_its_absence_offers_nothing(searcher, benchmark, made):
    root = benchmark.parents[1]
    assert find_searchers(root=root).reranker.offer is None
    folder = Path(shutil.copytree(made, root / "reranker"))
    offer = find_searchers(root=root).reranker.offer
    assert offer == Offer(folder=folder, name="tiny", depth=DEPTH, encoder="unified")
    assert find_page_reranker(str(made), root).offer == Offer(folder=made, name="tiny", depth=DEPTH, encoder="unified")
    with pytest.raises(ConfigError, match="there is no re-ranker 'nowhere'"):
        find_searchers(root=root, reranker="nowhere")
    path = folder / "fusion.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"reranker": "x"}))
    with pytest.raises(MismatchError, match="was chosen for the re-ranker x"):
        find_searchers(root=root)


def test_without_a_chosen_weight_fifty_are_read_again_and_the_switch_says_so(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "reranker"))
    (folder / "fusion.json").unlink()
    assert (offer := Offer.of(folder)) == Offer(folder=folder, name="tiny", depth=50, encoder="")
    assert rerank_label(offer) == "Check the first 50 again (re-ranker)" and "counts half" in rerank_info(offer)


def switch(page: gr.Blocks, elem_id: str):
    return next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == elem_id)


def test_the_page_shows_the_switch_and_the_column_only_where_there_is_a_re_ranker(offered, plain):
    page = build_page(offered, [])
    shown = switch(page, "q-rerank")
    assert shown.visible and shown.label == f"Check the first {DEPTH} again (re-ranker)" and not shown.value
    assert "chosen with what unified finds" in shown.info and "every model" in shown.info
    assert ("With the re-ranker", "rerank") in switch(page, "c-parts").choices
    page = build_page(plain, [])
    assert not switch(page, "q-rerank").visible
    assert [part for _, part in switch(page, "c-parts").choices] == ["picture", "text", "sum"]


# Search


def test_a_search_with_the_switch_is_in_the_re_rankers_order_and_says_what_it_took(offered, plain, made, uploads):
    before, after = asked(plain, uploads, False)[0], asked(offered, uploads, True)[0]
    assert ids(asked(offered, uploads, False)[0]) == ids(before)  # until it is asked for, nothing changes
    assert set(ids(after)[:DEPTH]) == set(ids(before)[:DEPTH]) and ids(after)[DEPTH:] == ids(before)[DEPTH:]
    read = decode(make_query(None, "a red card", "images"))
    own = Reordering.open(str(made)).search(plain.get("unified"), read, 8)
    assert ids(after) == [result.hit.candidate_id for result in own.results] != ids(before)
    timing = after.partition("u-timing")[2].partition("</p>")[0]
    assert "· rerank " in timing and " ms, re-ranked</span>" in timing
    assert "score after the re-ranker" in after
    assert "rerank" not in before and 'title="cosine similarity"' in before and "u-match" not in after


def test_fewer_results_than_are_read_again_are_the_best_of_those(offered, uploads):
    assert ids(asked(offered, uploads, True, k=2)[0]) == ids(asked(offered, uploads, True, k=8)[0])[:2]


def test_a_page_without_one_refuses_the_switch_and_names_the_way_out(plain, uploads):
    page, answered, *_ = asked(plain, uploads, True)
    assert answered is None and "--reranker DIR" in page and "no re-ranker" in page
    for wrong in ("yes", 1, [True]):
        assert "give true or false" in asked(plain, uploads, wrong)[0]


def test_the_switch_is_in_the_link_the_turns_and_the_details(offered, plain, uploads):
    *_, trail, address = asked(offered, uploads, True)
    assert parse_qs(address[1:])["rerank"] == ["1"] and trail == (Turn(text="a red card", reranked=True),)
    assert "rerank" not in asked(offered, uploads, False)[4]
    filled = search.fill(offered, Given.of(address))
    assert filled.asks and filled.values[7] is True and filled.values[1] == "a red card"
    assert search.return_to(trail, "0")[7] is True
    given = Given.of(address)
    assert search.fill(plain, given).values[7] is False and "which this page has not" in given.notices[0]
    given = Given.of("?text=red&rerank=perhaps")
    assert search.fill(offered, given).values[7] is False and "perhaps" in given.notices[0]
    two = search.use_result(offered, trail, "unified", "100:3")
    assert two[3][-1].reranked and "re-ranked" in two[2]
    visited = search.travel(offered, {}, address)
    assert visited[7] is True and visited[-1] is True
    reasons = details.reasons(offered, Answered(trail[-1], "unified"), "100:3")
    assert "The re-ranker put the first results in a new order" in reasons


# Compare


def compared(searchers, models):
    return compare(searchers, None, "a red card", "images", models, 6)


def test_a_re_ranked_column_stands_beside_its_model_and_goes_into_the_exports(offered, made):
    found = compared(offered, ["unified", "unified+rerank"])
    own, again = ([r.hit.candidate_id for r in found.results(name)] for name in found.models)
    assert set(own[:DEPTH]) == set(again[:DEPTH]) and own[DEPTH:] == again[DEPTH:] and own != again
    columns = as_rows(found)["models"]
    assert [column["name"] for column in columns] == ["unified", "unified+rerank"]
    assert columns[1]["ms"]["rerank"] > 0 and "rerank" not in columns[0]["ms"]
    assert columns[1]["ms"]["total"] > columns[1]["ms"]["rerank"]
    told = json.loads(as_json(found))["made"]["reranker"]
    assert told == {"reranker": "tiny", "fingerprint": load_reranker(made).fingerprint, "weight": 1.0, "depth": DEPTH}
    assert "reranker" not in json.loads(as_json(compared(offered, ["unified", "other"])))["made"]
    page = comparison(found)
    assert "unified, with the re-ranker" in page and " ms · rerank " in page and "score after the re-ranker" in page
    assert as_png(found).startswith(b"\x89PNG")


def test_a_re_ranked_column_is_in_the_link_and_refused_where_there_is_no_re_ranker(offered, plain):
    given = Given.of("?c-text=red&c-models=unified,unified%2Brerank")
    assert compare_link.read(offered, given).models == ("unified", "unified+rerank") and not given.notices
    filled = compare_actions.fill(offered, Given.of("?c-text=red&c-models=unified,unified%2Brerank"))
    assert filled.values[-2:] == ("unified", ["rerank"])
    given = Given.of("?c-text=red&c-models=unified,unified%2Brerank")
    assert compare_link.read(plain, given).models == () and "no re-ranker" in given.notices[0]
    with pytest.raises(ConfigError, match="--reranker DIR"):
        compared(plain, ["unified", "unified+rerank"])
    assert "rerank" in on_offer(offered) and "rerank" not in on_offer(plain)


def test_queries_are_drawn_by_the_stored_run_of_the_re_ranker(offered, benchmark):
    root = benchmark.parents[1]
    right = {f"100:{n}": [Hit(f"100:{n}", 1.0, 1)] for n in range(6)}
    wrong = {query: [Hit("100:11", 1.0, 1)] for query in right}
    own = reports_folder("unified", root)
    write_run(stored_run_file(own, "it2i", "ind", "composed"), wrong, "unified")
    write_run(stored_run_file(own / RERANKED, "it2i", "ind", "composed"), wrong | {"100:4": right["100:4"]}, "unified")
    wanted = Filter(task="it2i", split="ind", winner=f"{ONLY}unified+rerank")
    found = draw(offered, benchmark, ["unified", "unified+rerank"], wanted, random.Random(0))
    assert found == "it2i ind 100:4"


# Endpoints


def test_the_endpoint_takes_the_switch_and_lists_the_re_ranker(offered, plain, uploads):
    question = Question(uploads=uploads, text="a red card", search_in="images", k=8)
    own = handlers.search_rows(offered, question, "unified", print)
    again = handlers.search_rows(offered, question, "unified", print, True)
    assert handlers.search_rows(offered, question, "unified", print, None) == own
    assert {row["id"] for row in again[:DEPTH]} == {row["id"] for row in own[:DEPTH]} and again != own
    assert [row["score"] for row in again] == sorted((row["score"] for row in again), reverse=True)
    assert {row["match"] for row in again} == {None}
    with pytest.raises(ConfigError, match="--reranker DIR"):
        handlers.search_rows(plain, question, "unified", print, True)
    assert {row["reranker"] for row in api.models(offered)} == {"tiny"}
    assert {row["reranker"] for row in api.models(plain)} == {None}


def test_no_weights_are_read_before_the_switch_is_used(searchers, made):
    page = Searchers(searchers.folders, "unified", no_model, PageReranker(Offer.of(made), no_model))
    assert build_page(page, []) is not None and page.reranker.told() == {}
