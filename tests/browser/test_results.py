"""Results in a real browser: opened by a press, stepped through, menus, more of them, kept to a fact, taken along."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive, visit


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    """Results of the words "a red mug"."""
    arrive(visitor, served, query="&text=a+red+mug")
    expect(visitor.locator("#results .u-card")).to_have_count(24)
    return visitor


def ids(page: Page) -> list[str]:
    return page.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.id)")


def test_a_press_of_a_picture_opens_it_and_steps_lead_through_the_results(page: Page):
    shown, sheet = ids(page), page.locator("#details")
    page.locator("#results .u-open").first.click()
    expect(sheet).to_have_attribute("data-for", shown[0])
    expect(sheet.locator("[data-close]")).to_be_focused()
    expect(sheet.locator(".u-place")).to_have_text("1 of 24")
    expect(sheet.locator("[data-step='-1']")).to_be_disabled()
    sheet.locator("[data-step='1']").click()
    expect(sheet).to_have_attribute("data-for", shown[1])
    expect(sheet.locator("[data-step='1']")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(sheet).to_have_attribute("data-for", shown[2])
    expect(sheet.locator(".u-place")).to_have_text("3 of 24")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.locator(f"[data-details='{shown[2]}']")).to_be_focused()


def test_a_press_beside_the_buttons_of_a_card_opens_it_too(page: Page):
    page.locator("#results .u-card .u-title").nth(1).click()
    expect(page.locator("#details")).to_have_attribute("data-for", ids(page)[1])
    expect(page.locator("#details")).to_be_visible()


def test_back_closes_the_sheet_and_nothing_else(page: Page):
    before = page.url
    page.locator("#results .u-open").first.click()
    expect(page.locator("#details")).to_be_visible()
    page.go_back()
    expect(page.locator("#details")).to_be_hidden()
    assert page.url == before and len(ids(page)) == 24


def test_a_cards_menu_closes_with_escape_and_the_focus_goes_back(page: Page):
    menu = page.locator("#results .u-card .u-menu").first
    menu.locator("summary").click()
    expect(menu.get_by_role("button", name="Not this one")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.get_by_role("button", name="Not this one")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_an_open_menu_lies_within_the_narrowest_window(browser: Browser, served: Served):
    with visit(browser, "phone", dark=False) as page:
        page.set_viewport_size({"width": 320, "height": 640})
        arrive(page, served, query="&text=a+red+mug")
        expect(page.locator("#results .u-card")).to_have_count(24)
        for place in (0, 1):
            menu = page.locator("#results .u-card .u-menu").nth(place)
            menu.locator("summary").click()
            box = menu.locator("> div").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 320
            expect(menu.get_by_role("button", name="Not this one")).to_be_in_viewport()


def test_an_address_that_asks_never_shows_what_would_jump_away(visitor: Page, served: Served):
    visitor.add_init_script(
        "new MutationObserver(() => { if (document.querySelector('.u-intro h1')?.offsetHeight > 1) "
        "window.welcomed = 1; })"
        ".observe(document, { childList: true, subtree: true, attributes: true })"
    )
    arrive(visitor, served, query="&text=a+red+mug")
    expect(visitor.locator("#results .u-card")).to_have_count(24)
    assert visitor.evaluate("window.welcomed") is None
    arrive(visitor, served)
    expect(visitor.locator(".u-intro h1")).to_be_visible()


def test_more_are_shown_below_with_the_focus_on_the_first_of_them(page: Page):
    expect(page.locator("#results h2").first).to_have_text(re.compile(r"24 of [\d,]+ images"))
    before = ids(page)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#results .u-card")).to_have_count(48)
    assert ids(page)[:24] == before
    expect(page.locator("#results [data-details]").nth(24)).to_be_focused()
    expect(page).to_have_url(re.compile("k=48"))


def test_results_are_kept_to_a_colour_and_a_link_says_so(page: Page, browser: Browser):
    page.get_by_label("Colour").select_option("blue")
    expect(page).to_have_url(re.compile("only=colour%3Dblue"))
    expect(page.get_by_label("Colour")).to_have_value("blue")
    titles = page.locator("#results .u-title").all_inner_texts()
    assert len(titles) == 24 and all("blue" in title for title in titles)
    shown = ids(page)
    with visit(browser, "desktop", dark=False) as again:
        again.goto(page.url)
        expect(again.get_by_label("Colour")).to_have_value("blue")
        assert ids(again) == shown
    page.get_by_label("Colour").select_option("")
    expect(page).not_to_have_url(re.compile("only="))


def test_what_is_not_wanted_goes_and_can_be_taken_back(page: Page):
    before = ids(page)
    page.locator("#results .u-card .u-menu summary").first.click()
    page.locator("#results .u-card .u-menu").first.get_by_role("button", name="Not this one").click()
    chip = page.locator("[data-left='not=']")
    expect(chip).to_contain_text("Less like 1 result")
    expect(chip).to_have_attribute("title", re.compile("outside the training"))
    assert before[0] not in ids(page)
    chip.click()
    expect(chip).to_have_count(0)
    assert ids(page) == before


@pytest.mark.parametrize("way", ["csv", "json", "trec", "png"])
def test_results_are_saved_as_they_are_shown(page: Page, way: str, tmp_path: Path):
    page.locator(".u-take summary").click()
    with page.expect_download() as saved:
        page.locator(f"[data-take={way}]").click()
    path, shown = tmp_path / "saved", ids(page)
    saved.value.save_as(path)
    if way == "png":
        with Image.open(path) as sheet:
            assert sheet.format == "PNG" and sheet.width == 1200 and len(sheet.convert("L").getcolors()) > 100
        return
    text = path.read_text("utf-8")
    if way == "csv":
        found = [row["id"] for row in csv.DictReader(text.splitlines())]
    elif way == "json":
        found = [row["id"] for row in json.loads(text)["results"]]
    else:
        lines = [line.split() for line in text.splitlines()]
        found = [line[2] for line in lines]
        assert all(len(line) == 6 for line in lines) and lines[0][3] == "1" and lines[0][5] == "unified"
    assert found == shown


def test_after_a_search_bar_suggestions_turns_and_link_are_in_view(visitor: Page, served: Served):
    arrive(visitor, served)
    visitor.locator(".u-example").first.click()
    expect(visitor.locator(".u-chip").first).to_be_visible()
    expect(visitor.locator("#results .u-card")).to_have_count(24)
    visitor.wait_for_timeout(500)
    for part in ("#q-go", "#suggestions", "[data-copy]"):
        expect(visitor.locator(part).first).to_be_in_viewport()
    top = visitor.locator("#results .u-card").first.bounding_box()["y"]
    assert top < visitor.viewport_size["height"]
    if visitor.viewport_size["width"] > 1000:
        expect(visitor.locator("#tab-compare-button")).to_be_in_viewport()
        assert visitor.evaluate("scrollY") == 0
    link, compare = (visitor.locator(part).bounding_box() for part in ("[data-copy]", "#q-compare"))
    assert abs(link["y"] + link["height"] / 2 - compare["y"] - compare["height"] / 2) < 4  # one row
    above = visitor.locator("#drawers").bounding_box()
    assert compare["y"] - above["y"] - above["height"] < 25
    visitor.screenshot(path=ARTEFACTS / f"results_{visitor.viewport_size['width']}.png")


def test_results_for_a_picture_of_ones_own_are_in_view_below_what_is_said_of_it(
    visitor: Page, served: Served, tmp_path: Path
):
    arrive(visitor, served)
    Image.effect_noise((120, 160), 80).convert("RGB").save(tmp_path / "own.png")
    visitor.set_input_files("#q-image input[type=file]", tmp_path / "own.png")
    expect(visitor.locator("#q-image .image-frame img")).to_be_visible()
    visitor.locator("#q-text textarea").fill("on grass")
    visitor.locator("#q-go").click()
    expect(visitor.locator("#results")).to_contain_text("This picture is unlike")
    for part in ("#q-go", "#results h2"):
        expect(visitor.locator(part)).to_be_in_viewport()
    visitor.wait_for_function(
        "document.querySelector('#results .u-card').getBoundingClientRect().top < .85 * innerHeight"
    )


def test_on_a_phone_picture_and_words_stand_above_the_filters_and_fingers_find_them(browser: Browser, served: Served):
    with visit(browser, "phone", dark=False) as page:
        arrive(page, served, query="&text=a+red+mug")
        expect(page.locator("#results .u-card")).to_have_count(24)
        places = {part: page.locator(part).bounding_box() for part in ("#q-image", "#q-text", "#q-kind", "#q-model")}
        assert max(places["#q-image"]["y"], places["#q-text"]["y"]) < places["#q-kind"]["y"] < places["#q-model"]["y"]
        small = page.evaluate(
            "(parts) => [...document.querySelectorAll(parts)].filter((part) => part.offsetParent "
            "&& part.getBoundingClientRect().height < 43.5).map((part) => part.outerHTML.slice(0, 80))",
            "#q-kind label, #q-go, #results .u-use, .u-menu summary, .u-facet, [data-more], [data-copy], [role=tab]",
        )
        assert small == []
        page.evaluate("window.scrollTo(0, 1500)")
        expect(page.locator("#q-go")).to_be_in_viewport()
        expect(page.locator("#q-bar")).to_have_class(re.compile("u-stuck"))
        at = page.locator("#q-kind").bounding_box()
        under = page.evaluate(
            "([x, y]) => document.elementFromPoint(x, y).closest('#q-bar')?.id || ''", [at["x"] + 9, at["y"] + 9]
        )
        assert under == ""
        page.evaluate("document.querySelector('#q-kind').style.minHeight = '90px'")  # as a script that comes late may
        page.wait_for_function(
            "() => { const bar = document.querySelector('#q-bar'), image = bar.querySelector('#q-image'); "
            "const bottom = (part) => part.getBoundingClientRect().bottom; "
            "const shown = bottom(bar) - parseFloat(bar.style.getPropertyValue('--u-clipped')); "
            "const options = document.querySelector('#q-kind').getBoundingClientRect(); "
            "const wanted = bottom(image) + parseFloat(getComputedStyle(bar).paddingBottom); "
            "return options.height >= 90 && shown <= options.top && Math.abs(shown - wanted) < 1; }"
        )


def test_the_link_of_a_turn_has_the_turns_before_it(page: Page):
    page.locator("#results [data-pick]").first.click()
    expect(page.locator("[data-turn]")).to_have_count(2)
    expect(page).to_have_url(re.compile("from="))
    assert parse_qs(parse_qs(urlsplit(page.url).query)["from"][0])["text"] == ["a red mug"]


def test_results_are_copied(page: Page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    menu = page.locator("#results .u-take > summary")
    menu.click()
    page.locator("#results [data-take=copy]").click()
    expect(menu).to_have_text("Copied")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    names = page.locator("#results .u-card").evaluate_all("cards => cards.map((card) => card.dataset.name)")
    for place, (line, name, one) in enumerate(zip(lines, names, ids(page), strict=True), 1):
        assert line.startswith(f"{place}. {name} ({one}, 0.")


def test_each_result_has_a_verdict_in_a_word(page: Page):
    verdicts = page.locator("#results .u-card .u-match").all_inner_texts()
    assert len(verdicts) == 24 and {one.split()[0] for one in verdicts} <= {"strong", "fair", "weak"}
    assert verdicts[0].split()[0] == "strong"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a steam engine in the snow", "These words are unlike what this model was trained on"),
        (
            "a red striped metal mug next to a purple cushion on grass",
            "Nothing in this collection fits all of it: the first result differs in",
        ),
    ],
)
def test_what_neither_collection_nor_model_has_is_said_above_the_results(
    visitor: Page, served: Served, words: str, said: str
):
    arrive(visitor, served, query=f"&text={words.replace(' ', '+')}")
    expect(visitor.locator("#results .u-card")).to_have_count(24)
    expect(visitor.locator("#results")).to_contain_text(said)
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
