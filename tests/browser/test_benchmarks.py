"""The Benchmarks tab in a real browser: stored numbers, another measure, a difference, and the queries of a number."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive


@pytest.fixture
def tab(visitor: Page, served: Served) -> Page:
    arrive(visitor, served, "benchmarks")
    visitor.wait_for_selector("#benchmarks table")
    return visitor


def choose(tab: Page, key: str, name: str) -> None:
    tab.locator(f"#{key} input").click()
    tab.get_by_role("option", name=name, exact=True).click()


def test_a_number_leads_to_its_queries_and_they_are_turned(tab: Page):
    tab.locator("#benchmarks .u-num").first.click()
    tab.wait_for_selector("#bench-drill .u-query")
    assert tab.locator("#bench-drill .u-query").count() == 30
    before = tab.locator("#bench-drill .u-query").first.get_attribute("data-query")
    tab.get_by_role("button", name="Easier").click()
    expect(tab.locator("#bench-drill .u-query").first).not_to_have_attribute("data-query", before)


def test_another_measure_changes_the_tables(tab: Page):
    choose(tab, "b-measure", "Reciprocal rank (MRR)")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")


def test_the_address_reopens_the_measure_and_the_pair(tab: Page):
    choose(tab, "b-measure", "Reciprocal rank (MRR)")
    choose(tab, "b-b", "unified")
    expect(tab).to_have_url(re.compile(r"\?b-measure=mrr&b-b=unified&tab=benchmarks$"))
    expect(tab.locator("#bench-pair h2")).to_have_text("unified against contrastive")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")
    shown = [tab.locator(place).text_content() for place in ("#benchmarks", "#bench-pair .u-origin")]
    tab.reload()
    expect(tab.locator("#bench-pair h2")).to_have_text("unified against contrastive")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")
    expect(tab.locator("#b-measure input")).to_have_value("Reciprocal rank (MRR)")
    expect(tab.locator("#b-b input")).to_have_value("unified")
    for place, text in zip(("#benchmarks", "#bench-pair .u-origin"), shown, strict=True):
        expect(tab.locator(place)).to_have_text(text or "")  # waits until the page has drawn all of it
    choose(tab, "b-measure", "First result right (success@1)")
    expect(tab).to_have_url(re.compile(r"\?b-b=unified&tab=benchmarks$"))


def test_the_difference_of_the_papers_pair_is_shown(tab: Page):
    tab.wait_for_selector("#bench-pair table")
    expect(tab.locator("#bench-pair h2")).to_have_text("mca against contrastive")
    assert tab.locator("#bench-pair svg").count() >= 10


def test_the_page_is_no_wider_than_the_screen(tab: Page):
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
