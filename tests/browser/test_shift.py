"""Nothing jumps: the layout shift of every flow, on a slow line, so that each answer comes when a shift counts.

A shift within 500 ms of a press is the visitor's own and does not count (hadRecentInput); every answer takes longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served, arrive, settle, visit
from umr.shipped import BUNDLED, default_root
from umr.ui.queries import task_name

MOST = 0.05  # half of what Web Vitals calls good
LATE_MS = 600  # of every request: longer than the 500 ms after a press
REST_MS = 700  # after an answer, for what comes late
#: Adds up what moves without a press, and what it was.
WATCH = """window.shifted = []; new PerformanceObserver((list) => { for (const shift of list.getEntries())
  if (!shift.hadRecentInput) window.shifted.push([shift.value, ...shift.sources.map((one) => `${one.node?.nodeName}#${
    one.node?.id || ''}.${one.node?.className || ''} ${one.previousRect.y} -> ${one.currentRect.y}`)]);
}).observe({ type: 'layout-shift', buffered: true });"""


@pytest.fixture(params=["desktop", "phone"])
def watched(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A visitor for whom what moves is watched from the first paint. On the desktop things may move."""
    with visit(browser, request.param, dark=False, motion=request.param == "desktop") as page:
        page.add_init_script(WATCH)
        yield page


@pytest.fixture
def slow(watched: Page) -> Page:
    """The same on a slow line."""
    delay(watched)
    return watched


def delay(page: Page) -> None:
    """From now on every request takes LATE_MS longer."""
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    limits = {"offline": False, "latency": LATE_MS, "downloadThroughput": -1, "uploadThroughput": -1}
    line.send("Network.emulateNetworkConditions", limits)


def begin(page: Page, served: Served, tab: str = "search") -> None:
    """The page at a tab, from where the line is slow; arrivals on a slow line are tested on their own."""
    arrive(page, served, tab)
    delay(page)


def still(page: Page, flow: str) -> None:
    """What has moved since the last call stays below the limit."""
    settle(page)
    page.wait_for_timeout(REST_MS)
    moved = page.evaluate("window.shifted.splice(0)")
    told = "\n".join(map(str, sorted(moved, key=lambda one: -one[0])[:3]))
    assert sum(one[0] for one in moved) < MOST, f"{flow}:\n{told}"


def pictures() -> list[Path]:
    return sorted((default_root() / "media" / BUNDLED / "files" / "queries").iterdir())[:3]


def photograph(path: Path) -> None:
    """A picture of a camera's size that no catalogue has."""
    Image.effect_noise((1800, 2400), 80).convert("RGB").save(path, quality=90)


@pytest.mark.parametrize("tab", ["search", "search&text=a+red+mug", "compare", "diagnose", "benchmarks", "files"])
def test_an_arrival_stands_still(slow: Page, served: Served, tab: str):
    name, mark, query = tab.partition("&")
    arrive(slow, served, name, mark + query)
    filled = {"search": ".u-example", "compare": "#c-go", "files": "#f-go", "diagnose": ".u-scatter"}
    expect(slow.locator("#results .u-card" if query else filled.get(name, "#benchmarks .u-num")).first).to_be_visible()
    still(slow, f"arrival at {tab}")


def test_a_search_its_refinement_and_its_details_stand_still(watched: Page, served: Served):
    begin(watched, served)
    watched.locator("#q-text textarea").fill("a red mug")
    watched.locator("#q-go").click()
    cards = watched.locator("#results .u-card")
    expect(cards).to_have_count(24)
    still(watched, "search")
    watched.get_by_role("button", name="Recent searches").click()
    expect(watched.locator("[data-recent]")).to_be_visible()
    still(watched, "recent searches")
    watched.keyboard.press("Escape")
    watched.locator("#results [data-details]").nth(2).click()
    expect(watched.locator("#details-ranks tbody tr").first).to_be_visible()
    still(watched, "details")
    watched.keyboard.press("Escape")
    still(watched, "details closed")
    watched.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(48)
    still(watched, "show more")
    watched.locator("#results [data-pick]").nth(1).click()
    expect(watched.locator("[data-turn]")).to_have_count(2)
    expect(watched.locator(".u-chip").first).to_be_visible()
    still(watched, "refinement")
    watched.locator(".u-chip").first.click()
    expect(watched.locator("#q-text textarea")).not_to_have_value("")
    expect(watched.locator("#results .pending")).to_have_count(0)
    still(watched, "suggestion")
    watched.locator("#q-compare").click()
    expect(watched.locator("#compare .u-cell").first).to_be_attached()
    still(watched, "compare this query")


def test_an_example_a_step_back_and_the_catalogue_stand_still(watched: Page, served: Served):
    begin(watched, served)
    watched.locator(".u-example").first.click()
    expect(watched.locator("#results .u-card")).to_have_count(24)
    still(watched, "example")
    watched.locator("#results [data-pick]").nth(1).click()
    expect(watched).to_have_url(re.compile("from="))
    watched.go_back()
    expect(watched.locator("[data-turn]")).to_have_count(0)
    still(watched, "back")
    watched.go_back()
    expect(watched.locator("#results .u-card")).to_have_count(0)
    still(watched, "back at the start")
    watched.locator("#browse > button").click()
    expect(watched.locator("#tiles .u-pick")).to_have_count(36)
    still(watched, "catalogue")
    watched.locator("#tiles .u-pick").nth(3).click()
    expect(watched.locator("#browse > button")).not_to_have_class("open")
    expect(watched.locator("#tiles")).to_be_hidden()
    still(watched, "picture of the catalogue")


def test_another_kind_and_a_result_that_is_not_wanted_stand_still(watched: Page, served: Served):
    begin(watched, served)
    watched.locator("#q-text textarea").fill("a red mug")
    watched.locator("#q-go").click()
    expect(watched.locator("#results .u-card")).to_have_count(24)
    still(watched, "search")
    for kind in ("Everything", "Passages", "Images", "Entries", "Clips", "Passages", "Everything", "Images"):
        before = watched.locator("#results h2").inner_text()
        watched.locator("#q-kind label").filter(has_text=kind).click()
        expect(watched.locator("#results h2")).not_to_have_text(before)
        expect(watched.locator("#results .pending")).to_have_count(0)
        still(watched, kind)
    watched.locator("#results .u-card .u-menu summary").nth(1).click()
    watched.locator("#results .u-card .u-menu[open] [data-left]").click()
    expect(watched.locator("#results .u-left .u-chip")).to_be_visible()
    still(watched, "not this one")
    watched.locator("#results .u-left .u-chip").click()
    expect(watched.locator("#results .u-left .u-chip")).to_have_count(0)
    still(watched, "taken back")


def test_an_own_picture_its_part_and_its_steps_after_a_reload_stand_still(
    watched: Page, served: Served, tmp_path: Path
):
    begin(watched, served)
    picture = watched.locator("#q-image .image-frame img")
    photograph(tmp_path / "own.jpg")
    watched.set_input_files("#q-image input[type=file]", tmp_path / "own.jpg")
    expect(picture).to_be_visible()
    still(watched, "own picture")
    picture.click()
    expect(watched.locator("#u-crop .u-crop-region")).to_be_focused()
    still(watched, "crop")
    watched.keyboard.press("Escape")
    still(watched, "crop closed")
    for words in ("on grass", "on sand"):
        watched.locator("#q-text textarea").fill(words)
        watched.locator("#q-go").click()
        expect(watched).to_have_url(re.compile(words.replace(" ", ".")))
        still(watched, words)
    watched.wait_for_function("JSON.parse(sessionStorage['umr-own'] || '{}').part?.includes('sand')")
    watched.reload()
    expect(watched.locator("#results .u-card")).to_have_count(24)
    still(watched, "reload")
    watched.go_back()
    expect(watched.locator("#q-text textarea")).to_have_value("on grass")
    expect(watched.locator("#results .u-card")).to_have_count(24)
    still(watched, "back after a reload")


@pytest.mark.parametrize("task", ["it2i", "it2t", "it2v"])
def test_a_comparison_and_a_battle_stand_still(watched: Page, served: Served, task: str):
    begin(watched, served, "compare")
    watched.locator("#c-task input").click()
    watched.get_by_role("option", name=task_name(task), exact=True).click()
    still(watched, "choice of a task")
    watched.locator("#c-random").click()
    expect(watched.locator("#compare .u-cell").first).to_be_attached()
    still(watched, "comparison")
    watched.locator("#c-blind input").check()
    votes = watched.locator("#compare [data-battle]")
    expect(votes).to_be_visible()
    still(watched, "blind")
    before = votes.get_attribute("data-battle")
    watched.locator("#c-random").click()
    expect(votes).not_to_have_attribute("data-battle", before)
    still(watched, "next battle")
    watched.locator("[data-vote=tie]").click()
    expect(watched.locator("#compare .u-tally tbody tr").first).to_be_visible()
    still(watched, "vote")


def test_diagnoses_benchmarks_and_tabs_stand_still(watched: Page, served: Served):
    begin(watched, served, "benchmarks")
    watched.locator("#benchmarks .u-num").first.click()
    expect(watched.locator(".u-drill-row .u-query").first).to_be_visible()
    still(watched, "queries of a number")
    watched.locator(".u-drill-row [data-shut]").click()
    watched.locator("#tab-diagnose-button").click()
    expect(watched.locator("#diagnose .u-scatter")).to_be_visible()
    still(watched, "tab")
    watched.locator("#d-against input").click()
    watched.get_by_role("option", name="contrastive", exact=True).click()
    expect(watched.locator("#diagnose .u-side .u-scatter")).to_have_count(2)
    still(watched, "two diagnoses")
    for tab in ("files", "compare", "search"):
        watched.locator(f"#tab-{tab}-button").click()
        expect(watched.locator(f"#tab-{tab}")).to_be_visible()
        still(watched, f"tab {tab}")


def test_own_files_stand_still(watched: Page, served: Served):
    begin(watched, served, "files")
    watched.set_input_files("#f-drop input[type=file]", pictures())
    expect(watched.locator("#f-drop .file-preview")).to_be_visible()
    still(watched, "files given")
    watched.locator("#f-go").click()
    expect(watched.locator("#f-status")).to_contain_text("Ready to search")
    expect(watched.locator("#f-text textarea")).to_be_visible()
    still(watched, "indexed")
    watched.locator("#f-text textarea").fill("a mug")
    watched.locator("#f-find").click()
    expect(watched.locator("#f-results .u-card").first).to_be_visible()
    still(watched, "own search")
    watched.locator("#f-results [data-details]").first.click()
    expect(watched.locator("#f-details .u-bars").first).to_be_visible()
    still(watched, "own details")
    watched.keyboard.press("Escape")
    still(watched, "own details closed")
    watched.locator("#f-results [data-pick]").first.click()
    expect(watched.locator("#f-results .u-card")).to_have_count(2)
    still(watched, "own refinement")
    watched.go_back()
    expect(watched.locator("#f-results .u-card")).to_have_count(3)
    still(watched, "own step back")
    watched.locator("#f-every").click()
    expect(watched.locator("#f-extra .u-own-model").first).to_be_visible()
    still(watched, "every model")
    watched.locator("#f-forget").click()
    expect(watched.locator("#f-status")).to_contain_text("no longer on this server")
    still(watched, "removed")
