"""Back, Forward, reload and recent searches in a real browser, with a visitor's own picture and without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served, arrive, visit

TEXT = "#q-text textarea"


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served)
    return visitor


def ask(page: Page, text: str) -> None:
    page.locator(TEXT).fill(text)
    page.locator("#q-go").click()
    expect(page).to_have_url(re.compile(f"text={text.replace(' ', '.')}"))
    expect(page.locator("#results .u-card")).to_have_count(24)


def first(page: Page) -> str:
    return page.locator("#results .u-card").first.get_attribute("data-id")


def test_each_search_is_a_step_of_the_browser(page: Page):
    ask(page, "a red mug")
    red = first(page)
    ask(page, "a blue vase")
    blue = first(page)
    assert red != blue
    page.go_back()
    expect(page.locator(TEXT)).to_have_value("a red mug")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", red)
    page.go_forward()
    expect(page.locator(TEXT)).to_have_value("a blue vase")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", blue)
    page.go_back()
    page.go_back()
    expect(page.locator("#results .u-card")).to_have_count(0)
    expect(page.locator(TEXT)).to_have_value("")
    assert page.evaluate("location.search").removeprefix("?") in ("", "tab=search")


def test_a_reload_keeps_the_turns(page: Page):
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card")).to_have_count(24)
    text = page.locator(TEXT).input_value()
    page.locator("#results [data-pick]").nth(1).click()
    expect(page).to_have_url(re.compile("from="))
    page.reload()
    expect(page.locator("[data-turn]")).to_have_count(2)
    page.locator("[data-turn]").first.click()
    expect(page.locator(TEXT)).to_have_value(text)
    expect(page.locator("[data-turn]")).to_have_count(0)


def test_recent_searches_stay_in_this_browser_and_can_be_cleared(page: Page, browser: Browser, served: Served):
    ask(page, "a red mug")
    ask(page, "a blue vase")
    recent = page.locator("[data-recent]")
    expect(recent).to_have_text(["a blue vase", "a red mug"])
    recent.nth(1).click()
    expect(page.locator(TEXT)).to_have_value("a red mug")
    expect(page).to_have_url(re.compile("text=a.red.mug"))
    page.reload()
    expect(recent).to_have_count(2)
    with visit(browser, "desktop", dark=False) as other:
        arrive(other, served)
        expect(other.locator("[data-recent]")).to_have_count(0)
    page.locator("[data-forget]").click()
    expect(recent).to_have_count(0)
    assert page.evaluate("localStorage.getItem('umr-recent')") == "[]"


def test_an_own_picture_survives_its_owners_reload_and_reaches_nobody_else(
    page: Page, browser: Browser, tmp_path: Path
):
    Image.new("RGB", (90, 60), "teal").save(tmp_path / "own.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "own.png")
    expect(page.locator("#q-image .image-frame img")).to_be_visible()
    ask(page, "on grass")
    found = first(page)
    ask(page, "on sand")
    page.go_back()  # to a search of the same picture
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found)
    expect(page.locator("#q-image .image-frame img")).to_be_visible()
    page.wait_for_function("JSON.parse(sessionStorage['umr-own'] || '{}').part?.includes('grass')")
    page.reload()
    expect(page.locator("#q-image .image-frame img")).to_be_visible()
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found)
    assert page.get_by_role("alert").count() == 0
    with visit(browser, "desktop", dark=False) as other:
        other.goto(page.url)
        expect(other.get_by_role("alert").first).to_contain_text("owner's own")
        expect(other.locator("#q-image .image-frame img")).to_have_count(0)
    recent = page.evaluate("localStorage.getItem('umr-recent')") or ""
    assert "own.png" not in recent and "grass" not in recent
