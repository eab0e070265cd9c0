"""The Diagnose tab in a real browser: it shows a stored diagnosis, tells of its points, and leads to the comparison."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served


@pytest.fixture
def tab(visitor: Page, served: Served) -> Page:
    visitor.goto(f"{served.address}/?tab=diagnose")
    visitor.wait_for_selector("#diagnose .u-scatter")
    return visitor


def test_points_are_told_of_by_pointer_and_by_keys(tab: Page):
    points = tab.locator("#diagnose .u-point")
    assert points.count() >= 300
    tab.locator("#diagnose .u-point[tabindex='0']").focus()
    first = tab.locator(".u-caption-text").inner_text()
    assert first == f"{points.nth(0).get_attribute('data-text')} · {points.nth(0).get_attribute('data-facts')}"
    tab.keyboard.press("ArrowRight")
    expect(points.nth(1)).to_be_focused()
    expect(tab.locator(".u-caption-picture img")).to_be_visible()
    assert tab.locator("#diagnose .u-point[tabindex='0']").count() == 1


def test_the_page_is_no_wider_than_the_screen(tab: Page):
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


def test_a_worst_query_opens_its_comparison(tab: Page):
    query = tab.locator("#diagnose .u-query").first
    asked = query.get_attribute("data-query")
    query.click()
    tab.wait_for_selector("#compare [data-id]")
    assert "tab=compare" in tab.url and asked.replace(":", "%3A") in tab.url
