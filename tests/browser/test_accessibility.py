"""Every tab, filled, in light and dark, on a desktop and on a phone: axe finds nothing, and what is shown is in words.

Of the field's terms and this repository's names none is on show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZES, Served, arrive, open_drawer, settle, visit

#: Of tasks, precision, measures, settings, steps and colloquial failures; commands and paths, which are to be copied,
#: are code.
FOREIGN = re.compile(
    r"\b[a-z]+\d?_\w+|\b(?:fillers|subword|tint|content hash|shortcut index|masked|\w+outside)\b"
    r"|\b(?:cosine|diagonal|preference loss)\b"
    r"|\b(?:decode|encode|search|rerank) [\d.]+ ms"
    r"|\b(?:i?t2(?:i|t|it|v|all)|i2(?:i|t|it|v|all)|float32|bfloat16|mrr|ndcg|logits?|qrels?|none?type|undefined|nan)\b"
    r"|\w+@\d|did not work|\b1 are\b|\b1 (?:results|queries|pictures|files|models|votes)\b|\{\{|\[object",
    re.IGNORECASE,
)
#: A measure's own name behind the words for it.
NAMED = re.compile(r"\(\w+@\d+\)")
#: Nothing is on its way to another look, but what turns for as long as there is work.
STILL = """() => document.getAnimations().every((one) => one.playState !== 'running'
  || one.effect.getComputedTiming().iterations === Infinity)"""
#: What is on show, without code and without pages of other sites.
SEEN = """() => { const shown = document.querySelector('.gradio-container').innerText;
  const code = [...document.querySelectorAll('code, pre')].map((one) => one.innerText).filter(Boolean);
  return code.reduce((text, one) => text.replaceAll(one, ' '), shown); }"""


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
    """A picture taken, a file refused, a search, and the details of a result."""
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
    page.locator("#f-results [data-details]").click()
    expect(page.locator("#f-details .u-bars").first).to_be_visible()


def told(page: Page, folder: Path) -> None:
    """The card of a model; the words of the others are the same."""
    page.locator("#c-names .u-model").first.click()
    expect(page.locator("#u-models .u-model-card:visible")).to_be_visible()


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
    "compare&c-in=clips": told,
    "search&text=red&k=0": untouched,
    "search&text=red": toured,
}

#: Where axe looks before anything is done too; the other addresses begin as one of these, or nothing is done there.
BEFORE = ("search", "compare", "diagnose", "benchmarks", "files")
CASES = [(address, size, dark) for address in FILLED for size in SIZES for dark in (False, True)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{'dark' if case[2] else 'light'}")
def case(
    request: pytest.FixtureRequest, browser: Browser, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, list[str]]]:
    """A tab that was filled, and what axe found in it before and after."""
    address, size, dark = request.param
    with visit(browser, size, dark) as page:
        tab, mark, query = address.partition("&")
        arrive(page, served, tab, mark + query)
        fill, found = FILLED[address], violations(page) if address in BEFORE else []
        fill(page, tmp_path_factory.mktemp(tab))
        yield page, found + violations(page)


def violations(page: Page) -> list[str]:
    """What axe finds, of every impact, in its words, once nothing fades: that would be a colour of its own."""
    page.wait_for_function(STILL)
    expect(page.locator(":is(#results, #f-results, #compare) .pending")).to_have_count(0)  # paler while it is asked
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in Axe().run(page).response["violations"]
        for node in one["nodes"]
    ]


def test_axe_finds_nothing(case: tuple[Page, list[str]]):
    assert not case[1], "\n".join(case[1])


def test_nothing_on_show_asks_for_the_fields_terms(case: tuple[Page, list[str]]):
    shown = NAMED.sub("", case[0].evaluate(SEEN))
    assert len(shown) > 500
    found = [shown[max(0, one.start() - 60) : one.end() + 40] for one in FOREIGN.finditer(shown)]
    assert not found, found
