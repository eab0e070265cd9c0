"""The Compare tab in a real browser: columns, the same item everywhere, the vote, the downloads, a phone's switch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Served
from umr import evaluation
from umr.search import BUNDLED, default_root
from umr.ui.votes import FILE

SIZES = {"desktop": (1440, 1000), "phone": (375, 812)}
WAIT = 60_000  # ms; the first comparison opens every model


@pytest.fixture(params=list(SIZES))
def page(request: pytest.FixtureRequest, browser: Browser, served: Served) -> Iterator[Page]:
    width, height = SIZES[request.param]
    phone = request.param == "phone"
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=phone, reduced_motion="reduce",
                                  color_scheme="dark" if phone else "light", accept_downloads=True)
    opened = context.new_page()
    opened.goto(f"{served.address}/?tab=compare")
    expect(opened.locator("#c-go")).to_be_visible(timeout=WAIT)
    yield opened
    opened.screenshot(path=ARTEFACTS / f"{request.node.name}.png")
    context.close()


def random_query(page: Page) -> None:
    page.locator("#c-random").click()
    expect(page.locator("#compare .u-cell").first).to_be_attached(timeout=WAIT)


def test_a_random_benchmark_query_is_compared_with_its_targets_known(page: Page):
    random_query(page)
    models = page.locator("#c-models input").count()
    expect(page.locator("#compare .u-column")).to_have_count(models)
    expect(page.locator("#compare .u-asked")).to_contain_text("Benchmark query")
    expect(page.locator("#compare .u-column:visible .u-recall").first).to_contain_text("recall@10")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_columns_are_aligned_by_rank_or_chosen_by_the_switch(page: Page):
    random_query(page)
    columns = page.locator("#compare .u-column")
    if page.viewport_size["width"] > 640:
        tops = [[cell.bounding_box()["y"] for cell in column.locator(".u-cell").all()] for column in columns.all()]
        assert all(other == pytest.approx(tops[0], abs=0.5) for other in tops[1:])
        return
    expect(columns.nth(0)).to_be_visible()
    expect(columns.nth(1)).to_be_hidden()
    page.locator("#compare [data-show='1']").click()
    expect(columns.nth(1)).to_be_visible()
    expect(columns.nth(0)).to_be_hidden()


def test_the_same_item_is_outlined_in_every_column_and_arrows_move(page: Page):
    random_query(page)
    first = page.locator("#compare .u-cell:visible").first
    page.mouse.move(0, 0)
    first.focus()
    same = page.locator(f"#compare .u-cell[data-id='{first.get_attribute('data-id')}']")
    expect(page.locator("#compare .u-same")).to_have_count(same.count())
    page.keyboard.press("ArrowDown")
    expect(page.locator("#compare .u-column:visible").first.locator(".u-cell").nth(1)).to_be_focused()


def test_a_blind_vote_reveals_the_names_and_is_counted(page: Page, served: Served):
    votes = served.cache / FILE
    page.locator("#c-blind input").check()
    random_query(page)
    names = page.locator("#c-models label").all_inner_texts()
    expect(page.locator("#compare h3")).to_have_text(["A", "B"])
    assert not [name for name in names if name.strip() in page.locator("#compare").inner_html()]
    before = len(votes.read_text("utf-8").splitlines()) if votes.is_file() else 0
    page.locator("[data-vote=tie]").click()
    expect(page.locator("#compare .u-voted")).to_contain_text("equally good", timeout=WAIT)
    expect(page.locator("#compare .u-tally tbody tr").first).to_be_visible()
    rows = [json.loads(line) for line in votes.read_text("utf-8").splitlines()]
    assert len(rows) == before + 1 and rows[-1]["vote"] == "tie" and set(rows[-1]) == {"query", "a", "b", "vote", "time"}


def test_the_comparison_is_downloaded_as_a_picture_and_as_json(page: Page, tmp_path: Path):
    random_query(page)
    for kind in ("png", "json"):
        with page.expect_download(timeout=WAIT) as waiting:
            page.locator(f"[data-export={kind}]").click()
        assert waiting.value.suggested_filename == f"comparison.{kind}"
        waiting.value.save_as(tmp_path / f"comparison.{kind}")
    assert Image.open(tmp_path / "comparison.png").width > 1000
    told = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert len(told["models"]) == page.locator("#compare .u-column").count() and told["query"]["benchmark"]


def test_a_link_opens_the_comparison_of_a_benchmark_query(page: Page, served: Served):
    query = evaluation.load(default_root() / "media" / BUNDLED, "it2i", "ind").queries[4]
    link = {"tab": "compare", "q": query.query_id, "task": "it2i", "split": "ind"}
    page.goto(f"{served.address}/?{urlencode(link)}")
    expect(page.locator("#compare .u-asked")).to_contain_text(query.query_id, timeout=WAIT)
    expect(page.locator("#c-text textarea")).to_have_value(query.content.text)


def test_an_empty_comparison_is_explained_in_words(page: Page):
    page.locator("#c-go").click()
    expect(page.locator("#compare [role=alert]")).to_contain_text("Give a picture, a text, or both", timeout=WAIT)
