"""The page in a real browser, on a desktop and on a phone: pictures go in, the right results come out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Known, Served, arrive, visit


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served)
    return visitor


def ask(page: Page, known: Known, kind: str = "Images") -> None:
    page.locator("#q-kind label", has_text=kind).click()  # first: with a query in the bar it would search already
    page.set_input_files("#q-image input[type=file]", known.picture)
    expect(page.locator("#q-image img")).to_be_visible()
    page.locator("#q-text textarea").fill(known.text)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card").first).to_be_visible()


def test_an_uploaded_picture_with_a_text_finds_the_right_image(page: Page, known: Known):
    ask(page, known)
    expect(page.locator("#results .u-card-image")).to_have_count(24)
    shown = [card.get_attribute("data-id") for card in page.locator("#results .u-card").all()]
    assert known.relevant & set(shown[:5])
    assert re.search(r"answered in [\d.]+ ms$", page.locator(".u-timing").inner_text())
    steps = page.locator(".u-timing > span").get_attribute("title")
    assert re.search(r"encode [\d.]+ ms · search [\d.]+ ms", steps or "")


def test_pictures_are_shown_and_the_page_is_never_wider_than_the_window(page: Page, known: Known):
    ask(page, known)
    first = page.locator("#results .u-card img").first
    expect(first).to_have_js_property("complete", True)
    assert first.evaluate("image => image.naturalWidth") > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_query_stays_on_top_while_results_scroll(page: Page, known: Known):
    ask(page, known)
    page.evaluate("window.scrollTo(0, 1200)")
    expect(page.locator("#q-go")).to_be_in_viewport()
    expect(page.locator("#q-image img")).to_be_in_viewport()


def test_enter_in_the_text_searches_without_a_picture(page: Page):
    page.locator("#q-kind label", has_text="Passages").click()
    page.locator("#q-text textarea").fill("a red mug on wood")
    page.locator("#q-text textarea").press("Enter")
    expect(page.locator("#results .u-card-passage").first).to_be_visible()


def test_a_clip_plays_under_the_pointer(page: Page, known: Known):
    ask(page, known, "Clips")
    clip = page.locator("#results .u-card-video").first
    clip.hover()
    expect(clip.locator("video")).to_have_js_property("paused", False)


def test_everything_mixes_kinds_in_one_ranking(page: Page, known: Known):
    ask(page, known, "Everything")
    expect(page.locator("#results .u-card")).to_have_count(24)
    ranks = page.locator("#results .u-rank").all_inner_texts()
    assert ranks == [str(rank) for rank in range(1, 25)]


def test_an_example_fills_the_bar_and_searches(page: Page):
    expect(page.locator(".u-example")).to_have_count(8)
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card").first).to_be_visible()
    expect(page.locator("#q-text textarea")).not_to_have_value("")


def test_a_result_becomes_the_next_reference(page: Page, known: Known):
    ask(page, known)
    before = page.locator("#q-image img").get_attribute("src")
    page.locator("#results [data-pick]").nth(1).click()
    expect(page.locator("#q-image img")).not_to_have_attribute("src", before)


def test_a_picture_can_be_chosen_from_the_catalogue(page: Page):
    page.locator("#browse > button").click()
    page.locator(".u-pick").nth(2).click()
    expect(page.locator("#q-image img")).to_be_visible()
    expect(page.locator(".u-pick").first).to_be_hidden()


def test_an_empty_search_asks_for_words_and_a_broken_picture_is_refused_at_once(page: Page, tmp_path):
    page.locator("#q-go").click()
    expect(page.get_by_role("alert")).to_contain_text("Say what you look for")
    expect(page.locator("#q-text textarea")).to_be_focused()
    expect(page.locator("#results")).not_to_contain_text("did not work")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n but nothing more")
    page.set_input_files("#q-image input[type=file]", broken)
    expect(page.locator("#q-refused")).to_contain_text("broken.png")
    expect(page.locator("#q-image button.upload-container")).to_be_visible()
    expect(page.locator(".toast-body")).to_have_count(0)


def test_every_tab_is_in_view(page: Page):
    tabs = page.locator("[role=tab]")
    expect(tabs).to_have_text(["Search", "Compare", "Diagnose", "Benchmarks", "Your files"])
    for tab in tabs.all():
        box = tab.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    tabs.last.click()
    expect(page.locator("#f-go")).to_be_visible()


def test_a_cards_actions_stand_in_the_card_beside_each_other(page: Page, known: Known):
    ask(page, known)
    like, more, outer = page.locator("#results .u-card").first.evaluate("""card => ['[data-pick]', '.u-menu summary',
        '.u-body'].map((part) => card.querySelector(part).getBoundingClientRect().toJSON())""")
    assert like["top"] == more["top"] and like["right"] < more["left"] and more["right"] <= outer["right"]


def test_no_request_leaves_the_machine(browser: Browser, served: Served, known: Known):
    asked = []
    with visit(browser, "desktop", dark=False) as opened:
        opened.on("request", lambda request: asked.append(request.url))
        arrive(opened, served)
        ask(opened, known)
    assert asked and [url for url in asked if not url.startswith((served.address, "data:", "blob:"))] == []
