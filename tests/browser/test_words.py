"""What a visitor reads is in words: of the field's terms and this repository's names none is on show."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, arrive, open_drawer

#: Of tasks, precision, measures and colloquial failures; commands and paths, which are to be copied, are code.
FOREIGN = re.compile(
    r"\b(?:i?t2(?:i|t|it|v|all)|i2(?:i|t|it|v|all)|float32|bfloat16|mrr|ndcg|logits?|qrels?|none?type|undefined|nan)\b"
    r"|\w+@\d|did not work|\b1 are\b|\b1 (?:results|queries|pictures|files|models|votes)\b|\{\{|\[object",
    re.IGNORECASE,
)
#: A measure's own name behind the words for it.
NAMED = re.compile(r"\(\w+@\d+\)")
#: What is on show, without code and without pages of other sites.
SEEN = """() => { const shown = document.querySelector('.gradio-container').innerText;
  const code = [...document.querySelectorAll('code, pre')].map((one) => one.innerText).filter(Boolean);
  return code.reduce((text, one) => text.replaceAll(one, ' '), shown); }"""


def searched(page: Page) -> None:
    page.locator(".u-example").first.click()
    expect(page.locator("#results .u-card")).to_have_count(24)
    open_drawer(page)
    page.locator("#results [data-details]").nth(1).click()
    expect(page.locator("#details-ranks tbody tr").first).to_be_attached()


def compared(page: Page) -> None:
    page.locator("#c-random").click()
    expect(page.locator("#compare .u-recall").first).to_be_attached()


def diagnosed(page: Page) -> None:
    expect(page.locator("#diagnose .u-scatter")).to_be_visible()


def measured(page: Page) -> None:
    page.locator("#benchmarks .u-num").first.click()
    expect(page.locator(".u-drill-row .u-query").first).to_be_visible()


def waited(page: Page) -> None:
    expect(page.locator("#f-go")).to_be_visible()


FILLED: dict[str, Callable[[Page], None]] = {
    "search": searched,
    "compare": compared,
    "diagnose": diagnosed,
    "benchmarks": measured,
    "files": waited,
}


@pytest.mark.parametrize("tab", list(FILLED))
def test_nothing_on_show_asks_for_the_fields_terms(visitor: Page, served: Served, tab: str):
    arrive(visitor, served, tab)
    FILLED[tab](visitor)
    shown = NAMED.sub("", visitor.evaluate(SEEN))
    assert len(shown) > 500
    found = [shown[max(0, one.start() - 60) : one.end() + 40] for one in FOREIGN.finditer(shown)]
    assert not found, found
