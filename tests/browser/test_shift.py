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

MOST = 0.05  # half of what Web Vitals calls good
LATE_MS = 600  # of every request: longer than the 500 ms after a press
REST_MS = 700  # after an answer, for what comes late
#: Adds up what moves without a press, and what it was.
WATCH = """window.shifted = []; new PerformanceObserver((list) => { for (const shift of list.getEntries())
  if (!shift.hadRecentInput) window.shifted.push([shift.value, ...shift.sources.map((one) => `${one.node?.nodeName}#${
    one.node?.id || ''}.${one.node?.className || ''} ${one.previousRect.y} -> ${one.currentRect.y}`)]);
}).observe({ type: 'layout-shift', buffered: true });"""


@pytest.fixture(params=["desktop", "phone"])
def slow(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A visitor on a slow line; what moves is watched from the first paint. On the desktop things may move."""
    with visit(browser, request.param, dark=False, motion=request.param == "desktop") as page:
        page.add_init_script(WATCH)
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        limits = {"offline": False, "latency": LATE_MS, "downloadThroughput": -1, "uploadThroughput": -1}
        line.send("Network.emulateNetworkConditions", limits)
        yield page


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


def test_a_search_its_refinement_and_its_details_stand_still(slow: Page, served: Served):
    arrive(slow, served)
    still(slow, "arrival")
    slow.locator("#q-text textarea").fill("a red mug")
    slow.locator("#q-go").click()
    cards = slow.locator("#results .u-card")
    expect(cards).to_have_count(24)
    still(slow, "search")
    slow.locator("#results [data-details]").nth(2).click()
    expect(slow.locator("#details-ranks tbody tr").first).to_be_visible()
    still(slow, "details")
    slow.keyboard.press("Escape")
    still(slow, "details closed")
    slow.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(48)
    still(slow, "show more")
    slow.locator("#results [data-pick]").nth(1).click()
    expect(slow.locator("[data-turn]")).to_have_count(2)
    expect(slow.locator(".u-chip").first).to_be_visible()
    still(slow, "refinement")
    slow.locator(".u-chip").first.click()
    expect(slow.locator("#q-text textarea")).not_to_have_value("")
    expect(slow.locator("#results .pending")).to_have_count(0)
    still(slow, "suggestion")
    slow.locator("#q-compare").click()
    expect(slow.locator("#compare .u-cell").first).to_be_attached()
    still(slow, "compare this query")


def test_an_example_a_step_back_and_the_catalogue_stand_still(slow: Page, served: Served):
    arrive(slow, served)
    still(slow, "arrival")
    slow.locator(".u-example").first.click()
    expect(slow.locator("#results .u-card")).to_have_count(24)
    still(slow, "example")
    slow.locator("#results [data-pick]").nth(1).click()
    expect(slow).to_have_url(re.compile("from="))
    slow.go_back()
    expect(slow.locator("[data-turn]")).to_have_count(0)
    still(slow, "back")
    slow.go_back()
    expect(slow.locator("#results .u-card")).to_have_count(0)
    still(slow, "back at the start")
    slow.locator("#browse > button").click()
    expect(slow.locator("#tiles .u-pick")).to_have_count(36)
    still(slow, "catalogue")
    slow.locator("#tiles .u-pick").nth(3).click()
    expect(slow.locator("#browse > button")).not_to_have_class("open")
    expect(slow.locator("#tiles")).to_be_hidden()
    still(slow, "picture of the catalogue")


def test_another_kind_and_a_result_that_is_not_wanted_stand_still(slow: Page, served: Served):
    arrive(slow, served)
    slow.locator("#q-text textarea").fill("a red mug")
    slow.locator("#q-go").click()
    expect(slow.locator("#results .u-card")).to_have_count(24)
    still(slow, "search")
    for kind in ("Everything", "Passages", "Images", "Entries", "Clips", "Passages", "Everything", "Images"):
        before = slow.locator("#results h2").inner_text()
        slow.locator("#q-kind label").filter(has_text=kind).click()
        expect(slow.locator("#results h2")).not_to_have_text(before)
        expect(slow.locator("#results .pending")).to_have_count(0)
        still(slow, kind)
    slow.locator("#results .u-card .u-menu summary").nth(1).click()
    slow.locator("#results .u-card .u-menu[open] [data-left]").click()
    expect(slow.locator("#results .u-left .u-chip")).to_be_visible()
    still(slow, "not this one")
    slow.locator("#results .u-left .u-chip").click()
    expect(slow.locator("#results .u-left .u-chip")).to_have_count(0)
    still(slow, "taken back")


def test_an_own_picture_its_part_and_its_steps_after_a_reload_stand_still(slow: Page, served: Served, tmp_path: Path):
    arrive(slow, served)
    picture = slow.locator("#q-image .image-frame img")
    photograph(tmp_path / "own.jpg")
    slow.set_input_files("#q-image input[type=file]", tmp_path / "own.jpg")
    expect(picture).to_be_visible()
    still(slow, "own picture")
    picture.click()
    expect(slow.locator("#u-crop .u-crop-region")).to_be_focused()
    still(slow, "crop")
    slow.keyboard.press("Escape")
    still(slow, "crop closed")
    for words in ("on grass", "on sand"):
        slow.locator("#q-text textarea").fill(words)
        slow.locator("#q-go").click()
        expect(slow).to_have_url(re.compile(words.replace(" ", ".")))
        still(slow, words)
    slow.wait_for_function("JSON.parse(sessionStorage['umr-own'] || '{}').part?.includes('sand')")
    slow.reload()
    expect(slow.locator("#results .u-card")).to_have_count(24)
    still(slow, "reload")
    slow.go_back()
    expect(slow.locator("#q-text textarea")).to_have_value("on grass")
    expect(slow.locator("#results .u-card")).to_have_count(24)
    still(slow, "back after a reload")


def test_a_comparison_and_a_battle_stand_still(slow: Page, served: Served):
    arrive(slow, served, "compare")
    still(slow, "arrival")
    slow.locator("#c-random").click()
    expect(slow.locator("#compare .u-cell").first).to_be_attached()
    still(slow, "comparison")
    slow.locator("#c-blind input").check()
    votes = slow.locator("#compare [data-battle]")
    expect(votes).to_be_visible()
    still(slow, "blind")
    before = votes.get_attribute("data-battle")
    slow.locator("#c-random").click()
    expect(votes).not_to_have_attribute("data-battle", before)
    still(slow, "next battle")
    slow.locator("[data-vote=tie]").click()
    expect(slow.locator("#compare .u-tally tbody tr").first).to_be_visible()
    still(slow, "vote")


def test_diagnoses_benchmarks_and_tabs_stand_still(slow: Page, served: Served):
    arrive(slow, served, "benchmarks")
    slow.locator("#benchmarks .u-num").first.click()
    expect(slow.locator(".u-drill-row .u-query").first).to_be_visible()
    still(slow, "queries of a number")
    slow.locator(".u-drill-row [data-shut]").click()
    slow.locator("#tab-diagnose-button").click()
    expect(slow.locator("#diagnose .u-scatter")).to_be_visible()
    still(slow, "tab")
    slow.locator("#d-against input").click()
    slow.get_by_role("option", name="contrastive", exact=True).click()
    expect(slow.locator("#diagnose .u-side .u-scatter")).to_have_count(2)
    still(slow, "two diagnoses")
    for tab in ("files", "compare", "search"):
        slow.locator(f"#tab-{tab}-button").click()
        expect(slow.locator(f"#tab-{tab}")).to_be_visible()
        still(slow, f"tab {tab}")


def test_own_files_stand_still(slow: Page, served: Served):
    arrive(slow, served, "files")
    slow.set_input_files("#f-drop input[type=file]", pictures())
    expect(slow.locator("#f-drop .file-preview")).to_be_visible()
    still(slow, "files given")
    slow.locator("#f-go").click()
    expect(slow.locator("#f-status")).to_contain_text("Ready to search")
    expect(slow.locator("#f-text textarea")).to_be_visible()
    still(slow, "indexed")
    slow.locator("#f-text textarea").fill("a mug")
    slow.locator("#f-find").click()
    expect(slow.locator("#f-results .u-card").first).to_be_visible()
    still(slow, "own search")
    slow.locator("#f-results [data-details]").first.click()
    expect(slow.locator("#f-extra .u-own-details")).to_be_visible()
    still(slow, "own details")
    slow.locator("#f-every").click()
    expect(slow.locator("#f-extra .u-own-model").first).to_be_visible()
    still(slow, "every model")
    slow.locator("#f-forget").click()
    expect(slow.locator("#f-status")).to_contain_text("no longer on this server")
    still(slow, "removed")
