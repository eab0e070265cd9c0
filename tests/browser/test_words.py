"""What a visitor reads is in words: of the field's terms and this repository's names none is on show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Served, arrive
from tests.browser.test_accessibility import FILLED

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


@pytest.mark.parametrize("tab", ["search", "compare", "diagnose", "benchmarks", "files"])
def test_nothing_on_show_asks_for_the_fields_terms(visitor: Page, served: Served, tmp_path: Path, tab: str):
    arrive(visitor, served, tab)
    FILLED[tab](visitor, tmp_path)
    shown = NAMED.sub("", visitor.evaluate(SEEN))
    assert len(shown) > 500
    found = [shown[max(0, one.start() - 60) : one.end() + 40] for one in FOREIGN.finditer(shown)]
    assert not found, found
