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
    opener = page.get_by_role("button", name="Recent searches")
    expect(opener).to_be_in_viewport()  # beside the results they are a list below the bar that is opened
    expect(recent.first).to_be_hidden()
    opener.click()
    expect(recent.first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.keyboard.press("Escape")
    expect(recent.first).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    recent.nth(1).click()
    expect(recent.first).to_be_hidden()
    expect(page.locator(TEXT)).to_have_value("a red mug")
    expect(page).to_have_url(re.compile("text=a.red.mug"))
    page.reload()
    expect(recent).to_have_count(2)
    with visit(browser, "desktop", dark=False) as other:
        arrive(other, served)
        expect(other.locator("[data-recent]")).to_have_count(0)
    opener.click()
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


OWN = "#q-image .image-frame img"


def own(page: Page, tmp_path: Path, colour: str = "teal", width: int = 90) -> None:
    """Gives the bar a picture of the visitor's own; its width tells it from others."""
    Image.new("RGB", (width, 60), colour).save(tmp_path / f"own-{width}.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / f"own-{width}.png")
    expect(page.locator(OWN)).to_have_js_property("naturalWidth", width)


def kept(page: Page, words: str) -> None:
    page.wait_for_function(f"JSON.parse(sessionStorage['umr-own'] || '{{}}').part?.includes('{words}')")


def test_steps_of_own_pictures_are_there_after_a_reload(page: Page, tmp_path: Path):
    found = {}
    for words, width in (("on+grass", 90), ("on+sand", 90), ("on+snow", 120)):
        if not found or width != 90:
            if found:
                page.locator("#q-image .icon-button-wrapper button").last.click()
                expect(page.locator(OWN)).to_have_count(0)
            own(page, tmp_path, "teal" if width == 90 else "orange", width)
        ask(page, words.replace("+", " "))
        kept(page, words.split("+")[1])
        found[words] = first(page)
    page.reload()
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found["on+snow"])
    for step, words, width in (
        (page.go_back, "on+sand", 90),
        (page.go_back, "on+grass", 90),
        (page.go_forward, "on+sand", 90),
        (page.go_forward, "on+snow", 120),
    ):
        step()
        expect(page.locator(TEXT)).to_have_value(words.replace("+", " "))
        expect(page.locator(OWN)).to_have_js_property("naturalWidth", width)
        expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found[words])
        assert "picture=own" in page.url and words in page.url
    assert page.get_by_role("alert").count() == 0


def test_two_own_pictures_with_the_same_words_are_two_after_a_reload(page: Page, tmp_path: Path):
    for width, words in ((90, "on grass"), (90, "on sand"), (120, "on grass")):
        if page.locator(OWN).count() and width == 120:
            page.locator("#q-image .icon-button-wrapper button").last.click()
            expect(page.locator(OWN)).to_have_count(0)
        if not page.locator(OWN).count():
            own(page, tmp_path, width=width)
        ask(page, words)
        kept(page, words.split()[1])
    page.reload()
    expect(page.locator(OWN)).to_have_js_property("naturalWidth", 120)
    for width, words in ((90, "on sand"), (90, "on grass")):
        page.go_back()
        expect(page.locator(TEXT)).to_have_value(words)
        expect(page.locator(OWN)).to_have_js_property("naturalWidth", width)


def test_own_pictures_without_words_and_a_part_of_one_are_steps(page: Page, tmp_path: Path):
    found, lengths = {}, []
    for width, colour in ((90, "teal"), (120, "orange")):
        if found:
            page.locator("#q-image .icon-button-wrapper button").last.click()
            expect(page.locator(OWN)).to_have_count(0)
        own(page, tmp_path, colour, width)
        for _ in range(2):  # the same once more is no step
            lengths.append(answered(page, "#q-go"))
        found[width] = first(page)
    page.locator(OWN).click()
    expect(page.locator("#u-crop .u-crop-region")).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    lengths.append(answered(page, "#u-crop [data-crop=part]"))
    expect(page.locator(OWN)).to_have_js_property("naturalWidth", 118)
    assert [length - lengths[0] for length in lengths] == [0, 0, 1, 1, 2]
    for step, width in ((page.go_back, 120), (page.go_back, 90), (page.go_forward, 120), (page.go_back, 90)):
        step()
        expect(page.locator(OWN)).to_have_js_property("naturalWidth", width)
        expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found[width])
        assert "picture=own" in page.url
    page.evaluate("history.go(2)")
    expect(page.locator(OWN)).to_have_js_property("naturalWidth", 118)
    assert page.get_by_role("alert").count() == 0


def answered(page: Page, button: str) -> int:
    """How many steps the browser's history has when what a button asks is there."""
    page.locator("#results .u-card").evaluate_all("all => all.forEach((card) => { card.dataset.old = ''; })")
    page.locator(button).click()
    expect(page.locator("#results .u-card:not([data-old])")).to_have_count(24)
    page.wait_for_function("history.state?.own && history.state.own === umr.own.called()")
    return page.evaluate("history.length")


def test_a_turn_of_an_own_picture_is_returned_to_after_a_reload(page: Page, tmp_path: Path):
    own(page, tmp_path)
    ask(page, "on grass")
    kept(page, "grass")
    found = first(page)
    page.locator("#results [data-pick]").nth(1).click()
    expect(page).to_have_url(re.compile("from="))
    expect(page.locator("[data-turn]")).to_have_count(2)
    page.reload()
    expect(page.locator("[data-turn]")).to_have_count(2)
    page.locator("[data-turn]").first.click()
    expect(page.locator(OWN)).to_have_js_property("naturalWidth", 90)
    expect(page.locator(TEXT)).to_have_value("on grass")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", found)
    page.go_back()
    expect(page.locator("[data-turn]")).to_have_count(2)
    assert page.get_by_role("alert").count() == 0


def test_an_own_picture_that_is_gone_is_said_in_the_place_of_the_results(page: Page, tmp_path: Path):
    own(page, tmp_path)
    ask(page, "on grass")
    ask(page, "on sand")
    kept(page, "sand")
    page.evaluate("umr.own.forget()")
    page.reload()
    expect(page.locator("#notices")).to_contain_text("owner's own")
    page.go_back()
    expect(page.locator(TEXT)).to_have_value("on grass")
    expect(page.locator("#results [role=alert]")).to_contain_text("Add the picture again")
    own(page, tmp_path)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card")).to_have_count(24)


def test_own_pictures_are_kept_within_bounds(page: Page, tmp_path: Path):
    page.evaluate("Object.assign(umr.own, { steps: 2, pictures: 1 })")
    own(page, tmp_path)
    ask(page, "on grass")
    kept(page, "grass")
    page.locator("#q-image .icon-button-wrapper button").last.click()
    expect(page.locator(OWN)).to_have_count(0)
    own(page, tmp_path, "orange", 120)
    for words in ("on sand", "on snow"):
        ask(page, words)
        kept(page, words.split()[1])
    held = page.evaluate("umr.own.ask('readonly', (store) => store.getAllKeys())")
    assert len(held) == 1
    assert len(page.evaluate("Object.keys(umr.own.read().steps)")) == 2
    ask(page, "on grass")  # the server has this picture of these words now, and the one before is kept nowhere
    kept(page, "grass")
    page.evaluate("history.go(-3)")
    expect(page.locator("#results [role=alert]")).to_contain_text("Add the picture again")
    expect(page.locator(OWN)).to_have_count(0)


@pytest.mark.parametrize("above", ["a sheet", "a sheet and a dialog"])
def test_what_a_reload_closed_is_no_step_of_the_browser_any_more(page: Page, above: str):
    ask(page, "a red mug")
    red = first(page)
    ask(page, "a blue vase")
    page.locator("#results [data-details]").first.click()
    expect(page.locator("#details [data-close]")).to_be_focused()
    if above.endswith("dialog"):
        page.locator("#results .u-model").first.dispatch_event("click")  # a sheet lies over it on a phone
        expect(page.locator("dialog[open]")).to_be_visible()
    page.reload()
    expect(page.locator("#results .u-card")).to_have_count(24)
    page.wait_for_function("umr.address.given && !history.state?.sheet && !history.state?.dialog")
    page.go_back()
    expect(page.locator(TEXT)).to_have_value("a red mug")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", red)


def test_a_tab_is_a_step_and_the_search_before_it_stays(page: Page):
    ask(page, "a red mug")
    red = first(page)
    page.locator("#tab-benchmarks-button").click()
    expect(page).to_have_url(re.compile("tab=benchmarks"))
    page.locator("#tab-diagnose-button").click()
    expect(page).to_have_url(re.compile("tab=diagnose"))
    page.go_back()
    expect(page.locator("#tab-benchmarks-button")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.locator("#tab-search-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", red)
    page.locator("#q-compare").click()
    expect(page.locator("#compare .u-cell").first).to_be_attached()
    expect(page).to_have_url(re.compile("tab=compare"))
    page.go_back()
    expect(page.locator("#tab-search-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#results .u-card").first).to_have_attribute("data-id", red)
    page.go_forward()
    expect(page.locator("#compare .u-cell").first).to_be_attached()
    expect(page.locator("#tab-compare-button")).to_have_attribute("aria-selected", "true")
