"""The Search tab in a real browser: refine and return, suggestions, details, drawer, and links that reopen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Known, Served

SIZES = {"desktop": (1440, 1000), "phone": (375, 812)}
SLOW = 30_000


@pytest.fixture(params=list(SIZES))
def page(request: pytest.FixtureRequest, browser: Browser, served: Served) -> Iterator[Page]:
    width, height = SIZES[request.param]
    phone = request.param == "phone"
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=phone, reduced_motion="reduce",
                                  color_scheme="dark" if phone else "light")
    opened = context.new_page()
    opened.goto(served.address)
    expect(opened.locator("#q-go")).to_be_visible(timeout=SLOW)
    yield opened
    opened.screenshot(path=ARTEFACTS / f"search_{request.node.name}.png")
    context.close()


def start(page: Page) -> None:
    """The first example, whose results are stored or found."""
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card")).to_have_count(24, timeout=SLOW)


def state(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_result_becomes_the_reference_and_the_breadcrumb_leads_back(page: Page):
    start(page)
    text = page.locator("#q-text textarea").input_value()
    chosen = page.locator("#results .u-card").nth(1).get_attribute("data-id")
    page.locator("#results [data-pick]").nth(1).click()
    expect(page.locator("[data-turn]")).to_have_count(2, timeout=SLOW)
    expect(page.locator("#q-text textarea")).to_have_value("")
    page.locator(".u-chip").first.click(timeout=SLOW)
    expect(page).to_have_url(re.compile(rf"ref={chosen.replace(':', '%3A')}&text="), timeout=SLOW)
    expect(page.locator("[data-turn]")).to_have_count(2)
    page.locator("[data-turn]").first.click()
    expect(page.locator("[data-turn]")).to_have_count(0, timeout=SLOW)
    expect(page.locator("#q-text textarea")).to_have_value(text)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_link_reopens_picture_text_kind_and_results(page: Page, browser: Browser):
    start(page)
    page.locator("#results [data-pick]").first.click()
    page.locator(".u-chip").first.click(timeout=SLOW)
    expect(page).to_have_url(re.compile("ref=100%3A"), timeout=SLOW)
    expect(page.locator("#results .u-card")).to_have_count(24)
    shown = page.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.id)")
    again = browser.new_context().new_page()
    again.goto(page.url)
    expect(again.locator("#results .u-card")).to_have_count(24, timeout=SLOW)
    expect(again.locator("#q-text textarea")).to_have_value(state(page)["text"])
    expect(again.locator("#q-image img")).to_be_visible()
    assert again.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.id)") == shown
    again.context.close()


def test_an_uploaded_picture_is_not_in_the_address(page: Page, known: Known, tmp_path):
    own = tmp_path / "own.png"
    Image.new("RGB", (64, 64), "gold").save(own)
    page.set_input_files("#q-image input[type=file]", own)
    expect(page.locator("#q-image img")).to_be_visible()
    page.locator("#q-text textarea").fill(known.text)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card").first).to_be_visible(timeout=SLOW)
    expect(page).to_have_url(re.compile("text="), timeout=SLOW)
    assert "ref" not in state(page)
    expect(page.locator("#suggestions")).to_contain_text("From the nearest catalogue picture", timeout=SLOW)


def test_details_open_fill_and_close_with_the_focus_back_on_the_card(page: Page):
    start(page)
    button = page.locator("#results [data-details]").nth(2)
    button.click()
    expect(page.locator("#details [data-close]")).to_be_focused(timeout=SLOW)
    expect(page.locator("#details-reasons")).to_contain_text("Which words carry it", timeout=SLOW)
    expect(page.locator("#details-reasons .u-bars").first.locator("li")).to_have_count(3)
    expect(page.locator("#details-ranks tbody tr")).not_to_have_count(0, timeout=2 * SLOW)
    page.screenshot(path=ARTEFACTS / f"details_{page.viewport_size['width']}.png")
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    expect(button).to_be_focused()


def test_the_drawer_is_closed_tells_its_formula_and_moves_the_ranking(page: Page):
    start(page)
    expect(page.locator("#q-less")).to_be_hidden()
    page.locator("#tune > button").click()
    expect(page.locator(".u-formula")).to_contain_text("outside the training")
    before = page.locator("#results .u-score").first.inner_text()
    less = page.locator("#q-less").locator("input, textarea").first
    less.fill(page.locator("#results .u-title").first.inner_text())
    less.press("Enter")
    expect(page.locator("#results .u-score").first).not_to_have_text(before, timeout=SLOW)


def test_a_results_words_come_into_the_bar(page: Page):
    start(page)
    before = page.locator("#q-text textarea").input_value()
    page.locator("#results [data-words]").first.click()
    expect(page.locator("#q-text textarea")).not_to_have_value(before, timeout=SLOW)
    assert page.locator("#q-text textarea").input_value().startswith(before)


def test_a_link_to_nothing_is_explained(browser: Browser, served: Served):
    opened = browser.new_context().new_page()
    opened.goto(f"{served.address}/?collection=catalogue&ref=100:999999")
    expect(opened.get_by_role("alert")).to_contain_text("not in this collection", timeout=SLOW)
    opened.context.close()
