"""The tab Your files in a real browser: drop, progress, search, its steps, refusals, another visitor, removal."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive, settle, visit
from tests.browser.test_query_clip import CLIP
from tests.browser.test_query_picture import CARRY, wide
from umr.bench.server import served_page
from umr.shipped import BUNDLED, available, default_root


@pytest.fixture
def page(visitor: Page, served: Served) -> Page:
    open_tab(visitor, served)
    return visitor


def open_tab(page: Page, served: Served) -> None:
    arrive(page, served, "files")
    expect(page.locator("#f-intro")).to_contain_text("500 files")
    expect(page.locator("#f-go")).to_be_visible()


def search(page: Page, words: str, count: int) -> None:
    page.locator("#f-text textarea").fill(words)
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card")).to_have_count(count)


@pytest.fixture
def given(tmp_path: Path) -> list[Path]:
    """Three catalogue pictures, a note with markup, a program, and a zip with a bomb, a way out and a good picture."""
    pictures = sorted((default_root() / "media" / BUNDLED / "files" / "queries").iterdir())[:3]
    (tmp_path / "note.md").write_text("A note about <b>lamps</b> {{value}}.")
    (tmp_path / "setup.exe").write_bytes(b"MZ")
    inner = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(inner, "PNG")
    with zipfile.ZipFile(tmp_path / "more.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("teal.png", inner.getvalue())
        opened.writestr("../../climbs.png", inner.getvalue())
        opened.writestr("bomb.txt", bytes(30_000_000))
    return [*pictures, tmp_path / "note.md", tmp_path / "setup.exe", tmp_path / "more.zip"]


def index(page: Page, given: list[Path]) -> None:
    page.set_input_files("#f-drop input[type=file]", given)
    expect(page.locator("#f-drop")).to_contain_text(re.compile(f"more|{re.escape(given[0].stem)}"))
    page.locator("#f-go").click()
    expect(page.locator("#f-status")).to_contain_text("Ready to search")
    expect(page.locator("#f-text textarea")).to_be_visible()
    settle(page)


def test_own_files_are_indexed_searched_and_removed(page: Page, given: list[Path]):
    page.on("filechooser", lambda _: None)  # so early that the browser knows of it before the press
    place = page.locator("#f-place")
    expect(place).to_contain_text("Drop pictures, clips, text files or a zip here")
    expect(place).to_contain_text("up to 500 files, 20 MB each, 200 MB in all")
    expect(page.get_by_text("Drop File Here")).to_be_hidden()
    middle = place.evaluate("(one) => { const box = one.getBoundingClientRect(); return [box.x + 40, box.y + 10]; }")
    with page.expect_file_chooser():  # the words lie over the box, which takes the press
        page.mouse.click(*middle)
    index(page, given)
    expect(place).to_be_hidden()
    status = page.locator("#f-status")
    expect(status).to_contain_text("4 pictures, 1 passage")
    for refused in ("setup.exe", "climbs.png", "bomb.txt"):
        expect(status.locator(".u-own-refused")).to_contain_text(refused)
    search(page, "a teal thing", 5)
    expect(page.locator("#f-results")).to_contain_text("A note about <b>lamps</b> {{value}}.")
    expect(page.locator("#f-results .u-card").first).to_be_in_viewport(ratio=0.3)
    expect(page.locator("#f-text")).to_be_in_viewport()
    verdicts = page.locator("#f-results .u-card .u-match").all_inner_texts()
    assert len(verdicts) == 5 and {one.split()[0] for one in verdicts} <= {"strong", "fair", "weak"}
    first = page.locator("#f-results .u-card img").first
    expect(first).to_have_js_property("complete", True)
    assert first.evaluate("image => image.naturalWidth") > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=ARTEFACTS / f"files-{page.viewport_size['width']}.png", full_page=True)
    page.locator("#f-forget").click()
    expect(status).to_contain_text("no longer on this server")
    expect(page.locator("#f-search")).to_be_hidden()


def test_a_found_picture_becomes_the_reference_and_back_leads_to_the_search_before(page: Page, given: list[Path]):
    index(page, given[:3] + given[5:])
    before, words, cards = page.url, page.locator("#f-text textarea"), page.locator("#f-results .u-card")
    words.fill("anything")
    words.press("Enter")
    expect(cards).to_have_count(4)
    shown = cards.evaluate_all("cards => cards.map((card) => card.dataset.id)")
    page.locator("#f-results [data-pick]").first.click()
    expect(page.locator("#f-image img")).to_be_visible()
    expect(cards).to_have_count(3)  # four without the reference itself
    expect(words).to_have_value("")
    page.go_back()
    expect(words).to_have_value("anything")
    expect(cards).to_have_count(4)
    expect(page.locator("#f-image img")).to_have_count(0)
    assert cards.evaluate_all("cards => cards.map((card) => card.dataset.id)") == shown
    page.go_forward()
    expect(cards).to_have_count(3)
    expect(page.locator("#f-image img")).to_be_visible()
    page.go_back()
    expect(words).to_have_value("anything")
    page.go_back()
    expect(cards).to_have_count(0)
    expect(words).to_have_value("")
    assert page.url == before  # nothing of what was asked was ever in the address
    assert "anything" not in page.evaluate(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state])"
    )


def test_another_visitor_and_a_later_one_see_nothing_of_it(
    page: Page, browser: Browser, served: Served, given: list[Path]
):
    index(page, given)
    page.locator("#f-find").click()
    search(page, "a note", 5)
    address = page.locator("#f-results .u-card img").first.get_attribute("src")
    with visit(browser, "desktop", dark=False) as other:
        open_tab(other, served)
        expect(other.locator("#f-search")).to_be_hidden()
        assert "own-files-" not in other.content()
        page.locator("#f-forget").click()
        expect(page.locator("#f-status")).to_contain_text("no longer")
        assert other.request.get(served.address + address).status == 403


def test_the_index_button_without_files_says_what_to_do(page: Page):
    page.locator("#f-go").click()
    expect(page.locator("#f-status")).to_contain_text("Choose some files first")
    expect(page.locator("#f-go")).to_be_visible()


def test_details_every_model_and_the_download(page: Page, given: list[Path], tmp_path: Path):
    index(page, given[:4])
    search(page, "a note", 4)
    sheet, shown = page.locator("#f-details"), page.locator("#f-results .u-card")
    page.locator("#f-results .u-open").first.click()
    expect(sheet.locator("[data-close]")).to_be_focused()
    expect(sheet).to_contain_text("Your query")
    place = sheet.locator(".u-place").inner_text()
    sheet.locator("[data-step='1']").click()
    expect(sheet.locator(".u-place")).not_to_have_text(place)
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    shown.last.locator("[data-details]").click()
    expect(sheet).to_be_visible()
    page.go_back()
    expect(sheet).to_be_hidden()
    expect(shown).to_have_count(4)
    shown.first.locator(".u-menu summary").click()
    shown.first.get_by_role("button", name="Not this one").click()
    expect(shown).to_have_count(3)
    page.locator("#f-results [data-left='not=']").click()
    expect(shown).to_have_count(4)
    page.locator("#f-results .u-take summary").click()
    with page.expect_download() as saved:
        page.locator("#f-results [data-take=json]").click()
    saved.value.save_as(tmp_path / "results.json")
    made = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert made["query"] == {"model": "unified", "text": "a note", "in": "all"} and len(made["results"]) == 4
    page.locator("#f-every").click()
    expect(page.locator("#f-extra .u-own-model")).to_have_count(len(available()))
    expect(page.locator("#f-extra .u-own-model").last.locator("li")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=ARTEFACTS / f"own-models-{page.viewport_size['width']}.png", full_page=True)
    with page.expect_download() as waiting:
        page.locator("#f-save").click()
    waiting.value.save_as(tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as opened:
        names = set(opened.namelist())
        opened.extractall(tmp_path / "home")
    assert {"my-index/READ.txt", "my-index/index/manifest.json", "my-index/collection/candidates.jsonl"} <= names
    assert sum(name.startswith("my-index/files/") for name in names) == 4
    with served_page(arguments=["--index", str(tmp_path / "home" / "my-index" / "index")]) as (address, _):
        arrive(page, Served(address, tmp_path), query="&text=a+note&in=all")
        expect(page.locator("#results .u-card")).to_have_count(4)
        expect(page.locator("#results")).to_contain_text("A note about <b>lamps</b> {{value}}.")


def test_an_entry_of_ones_own_is_searched_looked_at_and_found_by_every_model(page: Page, tmp_path: Path):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "teal.png")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "A teal square, made by hand.", "title": "Teal", "image": "teal.png"}\n')
    index(page, [tmp_path / "teal.png", rows])
    expect(page.locator("#f-status")).to_contain_text("1 picture, 1 entry")
    page.locator("#f-kind label").filter(has_text="Entries").click()
    search(page, "a teal thing", 1)
    card = page.locator("#f-results .u-card")
    expect(card).to_contain_text("made by hand")
    expect(card.locator("img")).to_have_js_property("naturalWidth", 64)
    card.locator("[data-details]").first.click()
    expect(page.locator("#f-details")).to_contain_text("made by hand")
    page.locator("#f-details [data-close]").click()
    page.locator("#f-every").click()
    models = page.locator("#f-extra .u-own-model")
    expect(models).to_have_count(len(available()))
    for model in models.all():
        expect(model.get_by_role("img", name="Teal")).to_have_count(1)


def test_another_model_than_the_index_has_is_said(page: Page, given: list[Path]):
    index(page, given[:1])
    page.locator("#f-model input").click()
    page.get_by_role("option").last.click()
    expect(page.locator("#f-note")).to_contain_text("which goes on answering")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_what_is_pasted_or_dropped_is_a_file_and_then_what_the_files_are_searched_with(
    page: Page, kind: str, tmp_path: Path
):
    assert page.evaluate(CARRY, [kind, "#f-intro", list(wide()), "wide.png", "image/png"])
    expect(page.locator("#f-drop .file-preview")).to_contain_text("wide")
    page.locator("#f-go").click()
    expect(page.locator("#f-status")).to_contain_text("Ready to search")
    expect(page.locator("#f-text textarea")).to_be_visible()
    settle(page)
    page.evaluate(CARRY, [kind, "#f-intro", list(wide()), "query.png", "image/png"])
    shown = page.locator("#f-image .image-frame img")
    expect(shown).to_have_js_property("naturalWidth", 200)
    expect(page.locator("#f-drop")).not_to_contain_text("query")
    page.evaluate(CARRY, [kind, "#f-intro", list(CLIP.read_bytes()), "mine.mp4", "video/mp4"])
    expect(shown).to_have_js_property("naturalWidth", 640)
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card")).to_have_count(1)
    page.evaluate(CARRY, [kind, "#f-intro", [104, 105], "note.txt", "text/plain"])
    expect(page.locator("#f-drop")).to_contain_text("note")
