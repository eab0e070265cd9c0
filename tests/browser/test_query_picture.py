"""The query's picture in a real browser: pasted and dropped anywhere, shown whole, enlarged, cut to a part."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive

FRAME = "#q-image .image-frame img"
#: Which handles are smaller than a finger, or lie partly under or outside of something else.
HIDDEN = """() => [...document.querySelectorAll('.u-crop-region i')].filter((one) => {
  const { left, top, right, bottom } = one.getBoundingClientRect();
  const seen = [left + 1, right - 1].every((x) => [top + 1, bottom - 1].every(
    (y) => document.elementFromPoint(x, y) === one));
  return !seen || Math.min(right - left, bottom - top) < 43.99;  // 44 px, at a place between two
}).map((one) => one.dataset.at)"""
#: A picture as a clipboard or a dragging hand carries it: its bytes, and where it goes to.
CARRY = """async ([kind, selector, bytes, name, type]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const target = document.querySelector(selector), made = { bubbles: true, cancelable: true };
  if (kind === 'choose') target.files = carried.files;
  const event = kind === 'choose' ? new Event('change', made)
    : kind === 'paste' ? new ClipboardEvent('paste', { ...made, clipboardData: carried })
    : new DragEvent('drop', { ...made, dataTransfer: carried });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}"""


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    arrive(visitor, served)
    return visitor


def wide(path: Path | None = None) -> bytes:
    """A picture, red on the left and blue on the right, twice as wide as it is high."""
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    made = io.BytesIO()
    picture.save(made, "PNG")
    if path:
        path.write_bytes(made.getvalue())
    return made.getvalue()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("paste", "body"),
        ("paste", "#q-text textarea"),
        ("paste", "#q-image button.upload-container"),
        ("drop", "#examples"),
    ],
)
def test_a_picture_is_taken_wherever_it_is_pasted_or_dropped(page: Page, kind: str, target: str):
    assert page.evaluate(CARRY, [kind, target, list(wide()), "wide.png", "image/png"])
    expect(page.locator(FRAME)).to_be_visible()
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 200)


def test_a_heic_of_a_telephone_is_shown_and_searched_with(page: Page):
    page.set_input_files("#q-image input[type=file]", Path(__file__).parents[1] / "data" / "phone.heic")
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 64)
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card").first).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("choose", "#q-image input[type=file]"),
        ("drop", "#q-image button.upload-container"),
        ("drop", "#examples"),
        ("paste", "body"),
    ],
)
@pytest.mark.parametrize("name", ["phone.heic", "PHONE.HEIF"])
def test_a_heic_whose_type_the_browser_does_not_know_is_shown(page: Page, kind: str, target: str, name: str):
    heic = list((Path(__file__).parents[1] / "data" / "phone.heic").read_bytes())
    page.evaluate(CARRY, [kind, target, heic, name, ""])
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 64)
    expect(page.get_by_text("Invalid file type")).to_have_count(0)


def test_a_picture_is_pasted_where_the_thumbnail_has_the_focus(page: Page, tmp_path: Path):
    wide(tmp_path / "wide.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "wide.png")
    page.locator(FRAME).click()
    expect(page.locator("#u-crop .u-crop-region")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(FRAME)).to_be_focused()
    Image.new("RGB", (70, 50), "teal").save(tmp_path / "teal.png")
    assert page.evaluate(CARRY, ["paste", FRAME, list((tmp_path / "teal.png").read_bytes()), "teal.png", "image/png"])
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 70)


@pytest.mark.parametrize("tab", ["diagnose", "benchmarks"])
@pytest.mark.parametrize("kind", ["paste", "drop"])
@pytest.mark.parametrize("when", ["filled", "opening"])
def test_a_tab_without_a_query_gives_a_picture_to_search(visitor: Page, served: Served, tab: str, kind: str, when: str):
    if when == "filled":
        arrive(visitor, served, tab)
        filled = {"diagnose": "#diagnose .u-scatter", "benchmarks": "#benchmarks .u-num"}[tab]
        expect(visitor.locator(filled).first).to_be_visible()
    else:  # the page is still on its way to the tab of its address
        visitor.goto(f"{served.address}/?tab={tab}")
        expect(visitor.locator("#tab-search-button")).to_be_attached()
    assert visitor.evaluate(CARRY, [kind, "body", list(wide()), "wide.png", "image/png"])
    expect(visitor.locator("#tab-search-button")).to_have_attribute("aria-selected", "true")
    expect(visitor.locator(FRAME)).to_have_js_property("naturalWidth", 200)
    expect(visitor).not_to_have_url(re.compile("tab="))
    assert visitor.get_by_role("alert").count() == 0


def test_a_heic_is_shown_and_compared_on_and_a_broken_picture_told_in_compare_too(
    visitor: Page, served: Served, tmp_path: Path
):
    arrive(visitor, served, "compare")
    shown = visitor.locator("#c-image .image-frame img")
    visitor.set_input_files("#c-image input[type=file]", Path(__file__).parents[1] / "data" / "phone.heic")
    expect(shown).to_have_js_property("naturalWidth", 64)
    visitor.locator("#c-go").click()
    expect(visitor.locator("#compare .u-cell").first).to_be_attached()
    (tmp_path / "broken.png").write_bytes(wide()[:60])
    visitor.set_input_files("#c-image input[type=file]", tmp_path / "broken.png")
    expect(visitor.locator("#c-refused [role=alert]")).to_contain_text("broken.png")
    expect(shown).to_have_count(0)


def test_what_is_no_picture_is_told_where_it_is_dropped(page: Page):
    page.evaluate(CARRY, ["drop", "#examples", [1, 2, 3], "notes.txt", "text/plain"])
    expect(page.get_by_role("alert")).to_contain_text("notes.txt is not a picture")
    expect(page.locator(FRAME)).to_have_count(0)


def test_the_whole_picture_is_shown(page: Page, tmp_path: Path):
    wide(tmp_path / "wide.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "wide.png")
    expect(page.locator(FRAME)).to_be_visible()
    assert page.locator(FRAME).evaluate("image => getComputedStyle(image).objectFit") == "contain"


def test_a_suggestion_is_added_to_what_was_typed(page: Page):
    page.locator("#browse > button").click()
    page.locator(".u-pick").nth(2).click()
    chip = page.locator(".u-chip").first
    expect(chip).to_be_visible()
    page.locator("#q-text textarea").fill("a bit larger")
    said = chip.inner_text()
    chip.click()
    expect(page.locator("#q-text textarea")).to_have_value(f"a bit larger, {said}")


def test_the_catalogue_is_kept_to_an_object_a_colour_and_words(page: Page):
    page.locator("#browse > button").click()
    tiles = page.locator("#tiles .u-pick")
    expect(tiles).to_have_count(36)
    page.locator("#tiles [data-facet=category]").select_option("mug")
    expect(page.locator("#tiles")).not_to_contain_text("4,804")
    page.locator("#tiles [data-facet=colour]").select_option("red")
    expect(tiles.first).to_have_attribute("title", re.compile("red.*mug"))
    titles = tiles.evaluate_all("all => all.map((one) => one.title)")
    page.locator("#tiles [data-facet=words]").fill("on grass")
    page.locator("#tiles [data-facet=words]").press("Enter")
    expect(page.locator("#tiles [role=status]")).not_to_contain_text(f"{len(titles)} ")
    narrowed = tiles.evaluate_all("all => all.map((one) => one.title)")
    assert 0 < len(narrowed) < len(titles) and set(narrowed) <= set(titles)
    assert all(word in title for title in narrowed for word in ("red", "mug"))


def test_the_picture_is_enlarged_and_a_part_of_it_is_searched_with(page: Page, tmp_path: Path):
    wide(tmp_path / "wide.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "wide.png")
    image, dialog = page.locator(FRAME), page.locator("#u-crop")
    expect(image).to_have_attribute("role", "button")
    image.press("Enter")
    region = dialog.locator(".u-crop-region")
    expect(region).to_be_focused()
    expect(dialog.locator("[data-crop=part]")).to_be_disabled()
    for _ in range(25):  # each makes it 2 % smaller: the left half is left
        page.keyboard.press("Shift+ArrowLeft")
    expect(dialog.locator(".u-crop-said")).to_contain_text("50 % by 100 %")
    page.screenshot(path=ARTEFACTS / f"crop_{page.viewport_size['width']}.png")
    dialog.locator("[data-crop=part]").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 100)
    expect(page.locator("#results .u-card")).to_have_count(24)
    page.locator(FRAME).click()  # what it was cut from is there again, with the part
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 200)
    expect(dialog.locator(".u-crop-said")).to_contain_text("50 % by 100 %")
    dialog.locator("[data-crop=whole]").click()
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 200)


def test_back_closes_the_large_picture_and_the_search_stays(page: Page, tmp_path: Path):
    wide(tmp_path / "wide.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "wide.png")
    expect(page.locator(FRAME)).to_be_visible()
    page.locator("#q-go").click()
    expect(page.locator("#results .u-card")).to_have_count(24)
    address = page.url
    page.locator(FRAME).click()
    expect(page.locator("#u-crop")).to_be_visible()
    page.go_back()
    expect(page.locator("#u-crop")).to_be_hidden()
    assert page.url == address
    expect(page.locator("#results .u-card")).to_have_count(24)
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 200)


def test_a_handle_is_dragged(page: Page, tmp_path: Path):
    wide(tmp_path / "wide.png")
    page.set_input_files("#q-image input[type=file]", tmp_path / "wide.png")
    expect(page.locator(FRAME)).to_be_visible()
    page.locator(FRAME).click()
    expect(page.locator(".u-crop-region i")).to_have_count(8)
    assert page.evaluate(HIDDEN) == []
    page.locator("#u-crop img").evaluate("image => { image.style.width = '3000px'; }")  # of a large picture
    assert page.evaluate(HIDDEN) == []
    stage = page.locator(".u-crop-stage").bounding_box()
    page.mouse.move(stage["x"] + 4, stage["y"] + stage["height"] / 2)
    page.mouse.down()
    page.mouse.move(stage["x"] + 4 + stage["width"] / 2, stage["y"] + stage["height"] / 2, steps=4)
    page.mouse.up()
    expect(page.locator(".u-crop-said")).to_contain_text("50 % by 100 %")
    page.keyboard.press("Escape")
    expect(page.locator("#u-crop")).to_be_hidden()
    expect(page.locator(FRAME)).to_have_js_property("naturalWidth", 200)
