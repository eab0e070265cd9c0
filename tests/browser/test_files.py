"""The tab Your files in a real browser: drop, progress, search, refusals, another visitor, removal."""

from __future__ import annotations

import io
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
    index(page, given)
    status = page.locator("#f-status")
    expect(status).to_contain_text("4 pictures, 1 passage")
    for refused in ("setup.exe", "climbs.png", "bomb.txt"):
        expect(status.locator(".u-own-refused")).to_contain_text(refused)
    page.locator("#f-text textarea").fill("a teal thing")
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card")).to_have_count(5)
    expect(page.locator("#f-results")).to_contain_text("A note about <b>lamps</b> {{value}}.")
    first = page.locator("#f-results .u-card img").first
    expect(first).to_have_js_property("complete", True)
    assert first.evaluate("image => image.naturalWidth") > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=ARTEFACTS / f"files-{page.viewport_size['width']}.png", full_page=True)
    page.locator("#f-forget").click()
    expect(status).to_contain_text("no longer on this server")
    expect(page.locator("#f-search")).to_be_hidden()


def test_a_found_picture_becomes_the_reference(page: Page, given: list[Path]):
    index(page, given[:3] + given[5:])
    page.locator("#f-text textarea").fill("anything")
    page.locator("#f-text textarea").press("Enter")
    page.locator("#f-results [data-pick]").first.click()
    expect(page.locator("#f-image img")).to_be_visible()
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card")).to_have_count(3)  # four without the reference itself


def test_another_visitor_and_a_later_one_see_nothing_of_it(
    page: Page, browser: Browser, served: Served, given: list[Path]
):
    index(page, given)
    page.locator("#f-find").click()
    page.locator("#f-text textarea").fill("a note")
    page.locator("#f-find").click()
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
    page.locator("#f-text textarea").fill("a note")
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card")).to_have_count(4)
    page.locator("#f-results [data-details]").first.click()
    expect(page.locator("#f-extra .u-own-details")).to_contain_text("as you asked")
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
    page.locator("#f-text textarea").fill("a teal thing")
    page.locator("#f-find").click()
    card = page.locator("#f-results .u-card")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("made by hand")
    expect(card.locator("img")).to_have_js_property("naturalWidth", 64)
    card.locator("[data-details]").first.click()
    expect(page.locator("#f-extra .u-own-details")).to_contain_text("made by hand")
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
