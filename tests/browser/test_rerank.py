"""The switch of the re-ranker in a real browser: a search and a comparison again, with a tiny one of random weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive
from tests.rerank.tiny import tiny_reranker, tiny_tokenizer
from umr.bench.server import served_page
from umr.rerank.store import save_reranker


@pytest.fixture(scope="module")
def reranked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("made") / "tiny"
    save_reranker(tiny_reranker(tiny_tokenizer()), folder)
    with served_page(arguments=["--reranker", str(folder)]) as (address, _):
        yield Served(address, folder)


def test_the_switch_reorders_the_first_results_and_stays_in_the_link(visitor: Page, reranked: Served):
    page = visitor
    arrive(page, reranked, query="&text=a+red+mug&k=10&model=unified")
    cards, timing = page.locator("#results .u-card"), page.locator("#results .u-timing")
    expect(cards).to_have_count(10)
    before = cards.evaluate_all("all => all.map((card) => card.dataset.id)")
    expect(timing).not_to_contain_text("re-ranked")
    switch = page.get_by_label("Check the first 50 again (re-ranker)")
    switch.check()
    expect(timing).to_contain_text("re-ranked")
    expect(page.locator("#q-rerank")).to_contain_text("A second, slower network (tiny)")
    after = cards.evaluate_all("all => all.map((card) => card.dataset.id)")
    assert len(after) == 10 and after != before
    page.wait_for_function("new URLSearchParams(location.search).get('rerank') === '1'")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.reload()
    expect(timing).to_contain_text("re-ranked")
    expect(switch).to_be_checked()
    assert cards.evaluate_all("all => all.map((card) => card.dataset.id)") == after

    switch.uncheck()
    expect(timing).not_to_contain_text("re-ranked")
    page.wait_for_function("!new URLSearchParams(location.search).has('rerank')")
    page.go_back()
    expect(timing).to_contain_text("re-ranked")
    expect(switch).to_be_checked()


def test_a_model_stands_beside_itself_with_the_re_ranker(visitor: Page, reranked: Served):
    page = visitor
    arrive(page, reranked, "compare")
    for model in page.locator("#c-models label").all()[1:]:
        model.click()
    page.locator("#c-parts label").filter(has_text="re-ranker").click()
    page.locator("#c-text textarea").fill("a red mug")
    page.locator("#c-go").click()
    columns = page.locator("#compare .u-column")
    expect(columns).to_have_count(2)
    expect(columns.nth(1).locator("h3")).to_contain_text("re-ranker")
    plain, again = (
        column.locator(".u-cell").evaluate_all("all => all.map((cell) => cell.dataset.id)") for column in columns.all()
    )
    assert len(plain) == len(again) and plain != again
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
