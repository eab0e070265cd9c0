"""The Search tab in a real browser: refine and return, suggestions, details, drawer, and links that reopen."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Known, Served, arrive, open_drawer, visit


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served)
    return visitor


def start(page: Page) -> None:
    """The first example, of picture and words, whose results are stored or found."""
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card")).to_have_count(24)
    expect(page.locator("#results h2").first).to_have_text("24 of 4,804 images")
    expect(page.locator("#q-text textarea")).not_to_have_value("")
    expect(page).to_have_url(re.compile("text="))


def state(page: Page) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_result_becomes_the_reference_and_the_breadcrumb_leads_back(page: Page):
    start(page)
    text = page.locator("#q-text textarea").input_value()
    chosen = page.locator("#results .u-card").nth(1).get_attribute("data-id")
    page.locator("#results [data-pick]").nth(1).click()
    expect(page.locator("[data-turn]")).to_have_count(2)
    expect(page.locator("#q-text textarea")).to_have_value("")
    page.locator(".u-chip").first.click()
    expect(page).to_have_url(re.compile(rf"ref={chosen.replace(':', '%3A')}&text="))
    expect(page.locator("[data-turn]")).to_have_count(2)
    page.locator("[data-turn]").first.click()
    expect(page.locator("[data-turn]")).to_have_count(0)
    expect(page.locator("#q-text textarea")).to_have_value(text)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_link_reopens_picture_text_kind_and_results(page: Page, browser: Browser):
    start(page)
    page.locator("#results [data-pick]").first.click()
    expect(page).to_have_url(re.compile("ref=100%3A"))
    expect(page.locator("#suggestions")).to_be_visible()
    page.locator(".u-chip").first.click()
    expect(page).to_have_url(re.compile("ref=100%3A.*&text="))
    expect(page.locator("#results .u-card")).to_have_count(24)
    shown = page.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.id)")
    with visit(browser, "desktop", dark=False) as again:
        again.goto(page.url)
        expect(again.locator("#results .u-card")).to_have_count(24)
        expect(again.locator("#q-text textarea")).to_have_value(state(page)["text"])
        expect(again.locator("#q-image img")).to_be_visible()
        assert again.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.id)") == shown


def test_a_search_that_is_asked_while_another_is_on_its_way_is_made_next(page: Page):
    page.locator("#q-text textarea").fill("a blue vase")
    page.evaluate(
        """() => {
            const go = document.querySelector('#q-go'), text = document.querySelector('#q-text textarea');
            go.click();
            text.value = 'a red lamp';
            text.dispatchEvent(new Event('input', { bubbles: true }));
            setTimeout(() => go.click());
        }"""
    )
    expect(page).to_have_url(re.compile(r"text=a\+red\+lamp"))
    expect(page.locator("#results .u-card")).to_have_count(24)


def test_an_uploaded_picture_is_not_in_the_address(page: Page, known: Known, tmp_path):
    own = tmp_path / "own.png"
    Image.open(known.picture).convert("RGB").save(own)  # other bytes, so that nobody knows it
    page.set_input_files("#q-image input[type=file]", own)
    expect(page.locator("#q-image img")).to_be_visible()
    page.locator("#q-text textarea").fill(known.text)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card").first).to_be_visible()
    expect(page).to_have_url(re.compile("text="))
    assert "ref" not in state(page) and "own.png" not in page.url
    expect(page.locator("#trail")).to_contain_text("Your own picture stays here")
    expect(page.locator("#suggestions")).to_contain_text("From the nearest catalogue picture")


def test_details_open_fill_and_close_with_the_focus_back_on_the_card(page: Page):
    start(page)
    button = page.locator("#results [data-details]").nth(2)
    button.click()
    expect(page.locator("#details [data-close]")).to_be_focused()
    expect(page.locator("#details-reasons")).to_contain_text("Which words carry it")
    expect(page.locator("#details-reasons .u-bars").first.locator("li")).to_have_count(3)
    expect(page.locator("#details-ranks tbody tr")).not_to_have_count(0)
    page.screenshot(path=ARTEFACTS / f"details_{page.viewport_size['width']}.png")
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()
    expect(button).to_be_focused()


def test_details_take_the_focus_and_give_it_back_where_things_move_too(browser: Browser, served: Served):
    with visit(browser, "desktop", dark=False, motion=True) as page:
        arrive(page, served)
        start(page)
        button = page.locator("#results [data-details]").nth(2)
        button.press("Enter")
        expect(page.locator("#details [data-close]")).to_be_focused()
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('#details').contains(document.activeElement)")
        page.locator("#details [data-close]").press("Enter")
        expect(button).to_be_focused()
        expect(page.locator("#details")).to_be_hidden()


def test_details_tell_of_the_search_on_show_though_another_reference_was_chosen(page: Page):
    start(page)
    words = page.locator("#q-text textarea").input_value().split()
    before = page.locator("#q-image img").get_attribute("src")
    page.locator("#browse > button").click()
    page.locator(".u-pick").nth(1).click()
    expect(page.locator("#q-image img")).not_to_have_attribute("src", before)
    page.locator("#results [data-details]").nth(2).click()
    reasons = page.locator("#details-reasons")
    expect(reasons).to_contain_text("Which words carry it")  # those of the example
    for word in words:
        expect(reasons).to_contain_text(word)


def test_the_drawer_is_closed_tells_its_formula_and_moves_the_ranking(page: Page):
    start(page)
    expect(page.locator("#q-less")).to_be_hidden()
    open_drawer(page)
    expect(page.locator(".u-formula")).to_contain_text("outside the training")
    before = page.locator("#results .u-score").first.inner_text()
    less = page.locator("#q-less").locator("input, textarea").first
    less.fill(page.locator("#results .u-title").first.inner_text())
    less.press("Enter")
    expect(page.locator("#results .u-score").first).not_to_have_text(before)


def test_a_results_words_come_into_the_bar(page: Page):
    start(page)
    before = page.locator("#q-text textarea").input_value()
    page.locator("#results .u-card .u-menu summary").first.click()
    page.locator("#results [data-words]").first.click()
    expect(page.locator("#q-text textarea")).not_to_have_value(before)
    assert page.locator("#q-text textarea").input_value().startswith(before)


def test_choosing_a_tab_changes_the_address_and_nothing_else_of_it(page: Page):
    start(page)
    before = state(page)
    page.evaluate("window.kept = true")
    for tab in ("compare", "files", "diagnose"):
        page.locator(f"#tab-{tab}-button").click()
        expect(page).to_have_url(re.compile(f"tab={tab}"))
        assert state(page) == before | {"tab": tab}
    page.locator("#tab-search-button").click()
    expect(page).not_to_have_url(re.compile("tab="))
    assert state(page) == before and page.evaluate("window.kept")


def test_a_link_restores_the_drawer_and_the_tab(page: Page, browser: Browser):
    start(page)
    open_drawer(page)
    page.locator("#q-less").locator("input, textarea").first.fill("wood & glass")
    page.locator("#q-cut input[type=number]").fill("0.5")
    page.locator("#q-less").locator("input, textarea").first.press("Enter")
    expect(page).to_have_url(re.compile("less=wood.*cut=0.5"))
    page.locator("#tab-benchmarks-button").click()
    expect(page).to_have_url(re.compile("tab=benchmarks"))
    with visit(browser, "desktop", dark=False) as again:
        again.goto(page.url)
        expect(again.locator("#tab-benchmarks-button")).to_have_attribute("aria-selected", "true")
        again.locator("#tab-search-button").click()
        expect(again.locator("#results .u-card").first).to_be_visible()
        open_drawer(again)
        expect(again.locator("#q-less").locator("input, textarea").first).to_have_value("wood & glass")
        expect(again.locator("#q-cut input[type=number]")).to_have_value("0.5")


def test_what_a_link_cannot_give_is_told_and_the_rest_is_given(visitor: Page, served: Served):
    visitor.goto(f"{served.address}/?text=a+red+mug&in=planets&k=5&model=%3Cimg%20src%3Dx%3E")
    expect(visitor.locator("#results .u-card")).to_have_count(5)
    expect(visitor.get_by_role("alert")).to_contain_text("<img src=x>")
    expect(visitor.get_by_role("alert")).to_contain_text("planets")
    visitor.get_by_role("button", name="Close").first.click()
    expect(visitor.get_by_role("alert")).to_have_count(0)


def test_a_link_to_nothing_is_explained(browser: Browser, served: Served):
    with visit(browser, "desktop", dark=False) as opened:
        opened.goto(f"{served.address}/?collection=catalogue&ref=100:999999")
        expect(opened.get_by_role("alert")).to_contain_text("not in this collection")
