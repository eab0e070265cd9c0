"""The Benchmarks tab in a real browser: stored numbers, another measure, a difference, and the queries of a number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive, settle
from umr.shipped import available


@pytest.fixture
def tab(visitor: Page, served: Served) -> Page:
    arrive(visitor, served, "benchmarks")
    visitor.wait_for_selector("#benchmarks .u-num")
    return visitor


def choose(tab: Page, key: str, name: str) -> None:
    tab.locator(f"#{key} input").click()
    tab.get_by_role("option", name=name, exact=True).click()


def test_a_number_leads_to_its_queries_and_they_are_turned(tab: Page):
    tab.locator("#benchmarks .u-num").first.click()
    opened = tab.locator("#benchmarks tr:has(.u-num) + .u-drill-row .u-query")
    expect(opened).to_have_count(30)
    expect(tab.locator(".u-drill-row")).to_be_in_viewport()
    before = opened.first.get_attribute("data-query")
    tab.get_by_role("button", name="Easier").click()
    expect(opened.first).not_to_have_attribute("data-query", before)
    expect(opened).to_have_count(30)
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    query = opened.nth(3)
    known = query.get_attribute("data-query")
    query.click()
    expect(tab).to_have_url(re.compile("tab=compare"))
    tab.go_back()  # from a query to its list, from there to the table
    expect(tab.locator(f'.u-drill-row [data-query="{known}"]')).to_be_focused()
    expect(opened).to_have_count(30)
    tab.go_back()
    expect(tab.locator(".u-drill-row")).to_have_count(0)
    expect(tab.locator("#tab-benchmarks-button")).to_have_attribute("aria-selected", "true")
    tab.go_forward()
    expect(opened).to_have_count(30)
    tab.locator(".u-drill-row [data-shut]").click()
    expect(tab.locator(".u-drill-row")).to_have_count(0)
    expect(tab.locator("#benchmarks .u-num").first).to_be_focused()


def test_the_finding_is_on_top_and_a_phone_shows_one_table_first(tab: Page):
    expect(tab.locator("#benchmarks .u-finding")).to_contain_text("has the right one first in")
    opened = tab.locator("#benchmarks details.u-table[open]")
    if tab.viewport_size["width"] > 640:
        assert opened.count() >= 2
        return
    expect(opened).to_have_count(1)
    expect(tab.locator("#bench-pair details.u-table").first).to_be_visible()  # the rest has come
    expect(tab.locator("#bench-pair details.u-table[open]")).to_have_count(0)
    assert tab.evaluate("document.documentElement.scrollHeight") < 7500


def test_numbers_and_a_report_are_downloaded(tab: Page, tmp_path: Path):
    for button, name in (("#b-csv", "benchmarks.csv"), ("#b-report", "report-contrastive-mca.html")):
        with tab.expect_download() as waiting:
            tab.locator(button).click()
            if button == "#b-report":
                expect(tab.locator(button)).to_have_attribute("aria-busy", "true")
        assert waiting.value.suggested_filename == name
        expect(tab.locator(f"{button}[aria-busy]")).to_have_count(0)
        waiting.value.save_as(tmp_path / name)
    with tab.context.new_page() as opened:
        asked: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.set_viewport_size(tab.viewport_size)
        opened.goto((tmp_path / "report-contrastive-mca.html").as_uri())
        expect(opened.locator("h1")).to_have_text("mca against contrastive")
        assert opened.locator(".r-example img").first.evaluate("image => image.naturalWidth") > 0
        assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_another_measure_changes_the_tables(tab: Page):
    choose(tab, "b-measure", "Reciprocal rank (MRR)")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")


def test_the_address_reopens_the_measure_and_the_pair(tab: Page):
    choose(tab, "b-measure", "Reciprocal rank (MRR)")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")  # a list opened before would stand elsewhere
    settle(tab)
    choose(tab, "b-b", "unified")
    expect(tab).to_have_url(re.compile(r"\?b-measure=mrr&b-b=unified&tab=benchmarks$"))
    expect(tab.locator("#bench-pair h2")).to_have_text("unified against contrastive")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")
    places = ("#benchmarks .html-container", "#bench-pair .u-origin")  # without Gradio's clock
    shown = [tab.locator(place).text_content() for place in places]
    tab.reload()
    expect(tab.locator("#bench-pair h2")).to_have_text("unified against contrastive")
    expect(tab.locator("#benchmarks .u-measure")).to_contain_text("MRR")
    expect(tab.locator("#b-measure input")).to_have_value("Reciprocal rank (MRR)")
    expect(tab.locator("#b-b input")).to_have_value("unified")
    for place, text in zip(places, shown, strict=True):
        expect(tab.locator(place)).to_have_text(text or "")  # waits until the page has drawn all of it
    choose(tab, "b-measure", "First result right (success@1)")
    expect(tab).to_have_url(re.compile(r"\?b-b=unified&tab=benchmarks$"))


def test_the_difference_of_the_papers_pair_is_shown(tab: Page):
    tab.wait_for_selector("#bench-pair table:not(.u-facts-table)", state="attached")  # a phone has it folded
    expect(tab.locator("#bench-pair h2")).to_have_text("mca against contrastive")
    assert tab.locator("#bench-pair svg").count() >= 10


def test_the_page_is_no_wider_than_the_screen(tab: Page):
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


def test_each_model_has_a_column_of_all_kinds_beside_its_own(tab: Page):
    table = tab.locator("#benchmarks table:has(td.u-whole)").first
    heads = [head.strip() for head in table.locator("thead th").all_text_contents()]
    assert [heads[heads.index(name) + 1] for name in available()] == ["all kinds"] * len(available())
    numbers = table.locator("tbody td.u-whole b, tbody td.u-whole button").all_text_contents()
    assert len(numbers) >= 10 * len(available()) and all(0 <= float(one.split()[0]) <= 100 for one in numbers)


def test_accuracy_against_the_size_of_the_pool_is_drawn(tab: Page):
    fold = tab.locator("details.u-table").filter(has_text="As the pool grows")
    if fold.get_attribute("open") is None:  # on a phone
        fold.locator("summary").click()
    expect(fold.locator("svg").first).to_be_visible()
    expect(fold).to_contain_text("pictures searched")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
