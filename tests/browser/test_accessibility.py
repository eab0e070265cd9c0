"""Every tab under the accessibility checker axe, in light and dark, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served, arrive, open_drawer, settle, visit

SERIOUS = ("serious", "critical")


def searched(page: Page, folder: Path) -> None:
    """Results, the drawer, a turn of two, and the details of a result."""
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card")).to_have_count(24)
    page.locator("#results [data-pick]").first.click()
    expect(page.locator("[data-turn]")).to_have_count(2)
    open_drawer(page)
    expect(page.locator(".u-formula")).to_be_visible()
    page.locator("#results [data-details]").nth(1).click()
    expect(page.locator("#details-ranks tbody tr").first).to_be_attached()


def compared(page: Page, folder: Path) -> None:
    page.locator("#c-blind input").check()
    page.locator("#c-random").click()
    page.locator("[data-vote=tie]").click()
    expect(page.locator("#compare .u-tally")).to_be_visible()


def diagnosed(page: Page, folder: Path) -> None:
    expect(page.locator("#diagnose .u-scatter")).to_be_visible()


def measured(page: Page, folder: Path) -> None:
    page.locator("#benchmarks .u-num").first.click()
    expect(page.locator(".u-drill-row .u-query").first).to_be_visible()
    expect(page.locator("#bench-pair table:not(.u-facts-table)").first).to_be_attached()  # a phone has it folded


def indexed(page: Page, folder: Path) -> None:
    """A picture taken, a file refused, and a search."""
    Image.new("RGB", (64, 64), "teal").save(folder / "teal.png")
    (folder / "setup.exe").write_bytes(b"MZ")
    page.set_input_files("#f-drop input[type=file]", [folder / "teal.png", folder / "setup.exe"])
    expect(page.locator("#f-drop")).to_contain_text("setup")
    page.locator("#f-go").click()
    expect(page.locator("#f-status")).to_contain_text("Ready to search")
    expect(page.locator("#f-text textarea")).to_be_visible()
    settle(page)
    page.locator("#f-text textarea").fill("a teal thing")
    page.locator("#f-find").click()
    expect(page.locator("#f-results .u-card").first).to_be_visible()


def toured(page: Page, folder: Path) -> None:
    page.locator("[data-tour=begin]").click()
    expect(page.locator("#u-tour [data-tour=next]")).to_be_focused()


def untouched(page: Page, folder: Path) -> None:
    expect(page.locator("#tab-search-button")).to_be_visible()


FILLED: dict[str, Callable[[Page, Path], None]] = {
    "search": searched,
    "compare": compared,
    "diagnose": diagnosed,
    "benchmarks": measured,
    "files": indexed,
    "search&text=red&k=0": untouched,
    "search&text=red": toured,
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("address", list(FILLED))
def test_axe_finds_nothing_serious(
    browser: Browser, served: Served, tmp_path: Path, address: str, size: str, dark: bool
):
    with visit(browser, size, dark) as page:
        tab, mark, query = address.partition("&")
        arrive(page, served, tab, mark + query)
        for fill in (untouched, FILLED[address]):
            fill(page, tmp_path)
            found = Axe().run(page).response["violations"]
            told = [
                f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
                for one in found
                if one["impact"] in SERIOUS
                for node in one["nodes"]
            ]
            assert not told, "\n".join(told)
