"""The Benchmarks tab in a real browser: stored numbers, another measure, a difference, and the queries of a number."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served


@pytest.fixture
def tab(visitor: Page, served: Served) -> Page:
    visitor.goto(f"{served.address}/?tab=benchmarks")
    visitor.wait_for_selector("#benchmarks table")
    return visitor


def test_a_number_leads_to_its_queries_and_they_are_turned(tab: Page):
    tab.locator("#benchmarks .u-num").first.click()
    tab.wait_for_selector("#bench-drill .u-query")
    assert tab.locator("#bench-drill .u-query").count() == 30
    before = tab.locator("#bench-drill .u-query").first.get_attribute("data-query")
    tab.get_by_role("button", name="Easier").click()
    expect(tab.locator("#bench-drill .u-query").first).not_to_have_attribute("data-query", before)


def test_another_measure_changes_the_tables(tab: Page):
    tab.locator("#b-measure input").click()
    tab.get_by_role("option", name="Reciprocal rank (MRR)").click()
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")


def test_the_difference_of_the_papers_pair_is_shown(tab: Page):
    tab.wait_for_selector("#bench-pair table")
    expect(tab.locator("#bench-pair h2")).to_have_text("mca against contrastive")
    assert tab.locator("#bench-pair svg").count() >= 10


def test_the_page_is_no_wider_than_the_screen(tab: Page):
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
