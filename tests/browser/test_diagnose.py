"""The Diagnose tab in a real browser: it shows a stored diagnosis, tells of its points, and leads to the comparison."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive


@pytest.fixture
def tab(visitor: Page, served: Served) -> Page:
    arrive(visitor, served, "diagnose")
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
    expect(tab).to_have_url(re.compile("tab=compare"))
    expect(tab).to_have_url(re.compile(asked.replace(":", "%3A")))


def test_the_address_reopens_the_model_and_the_split(tab: Page):
    for key, name in (("d-split", "picture + text → images, other phrasings"), ("d-model", "mca")):
        tab.locator(f"#{key} input").click()
        tab.get_by_role("option", name=name, exact=True).click()
    expect(tab).to_have_url(re.compile(r"\?d-model=mca&d-split=it2i\+phrasing&tab=diagnose$"))
    expect(tab.locator("#diagnose")).to_contain_text("--encoder mca --task it2i --split phrasing")
    drawn = tab.locator("#diagnose .html-container")  # without Gradio's clock, which comes and goes above it
    expect(drawn).to_contain_text("--encoder mca --task it2i --split phrasing")
    shown = drawn.text_content()
    tab.reload()
    expect(tab.locator("#diagnose")).to_contain_text("--encoder mca --task it2i --split phrasing")
    expect(tab.locator("#d-model input")).to_have_value("mca")
    expect(tab.locator("#d-split input")).to_have_value("picture + text → images, other phrasings")
    expect(drawn).to_have_text(shown or "")


def test_a_choice_that_is_not_here_is_told_and_the_usual_one_is_shown(visitor: Page, served: Served):
    arrive(visitor, served, "diagnose", "&d-model=gpt&d-split=it2i+phrasing")
    expect(visitor.get_by_role("alert")).to_contain_text("gpt")
    expect(visitor.locator("#diagnose")).to_contain_text("--encoder unified --task it2i --split phrasing")
    expect(visitor.locator("#d-model input")).to_have_value("unified")


def test_two_models_are_diagnosed_side_by_side(tab: Page):
    tab.locator("#d-against input").click()
    tab.get_by_role("option", name="contrastive", exact=True).click()
    expect(tab.locator("#diagnose .u-side .u-scatter")).to_have_count(2)
    expect(tab.locator("#diagnose .u-equal > summary")).to_be_visible()
    expect(tab).to_have_url(re.compile("d-against=contrastive"))
    second = tab.locator("#diagnose .u-side").nth(1)
    second.locator(".u-point[tabindex='0']").focus()
    expect(second.locator(".u-caption-text")).to_contain_text("both ")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
