"""The tour in a real browser: begun by a press, left at any step, with keys, and nothing of the page moves."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive

#: Whether what the step is about begins above the card and nothing around it cuts it, the card lies in the window, and
#: the page is no wider.
SEEN = """() => {
  const [marked, card] = ['.u-toured', '#u-tour'].map((one) => document.querySelector(one).getBoundingClientRect());
  const cuts = (one) => getComputedStyle(one).overflowY !== 'visible' && (one.getBoundingClientRect().top > marked.top
    || one.getBoundingClientRect().bottom < marked.bottom);
  for (let one = document.querySelector('.u-toured').parentElement; one !== document.body; one = one.parentElement)
    if (cuts(one)) return [false];
  return [marked.top >= 0 && marked.top < card.top, card.right <= innerWidth && card.bottom <= innerHeight,
    document.documentElement.scrollWidth <= innerWidth];
}"""


@pytest.mark.parametrize("query", ["", "&text=a+red+mug"], ids=["start", "results"])
def test_each_step_marks_what_it_is_about_and_the_last_gives_the_focus_back(visitor: Page, served: Served, query: str):
    arrive(visitor, served, query=query)
    if query:
        expect(visitor.locator("#results .u-card").first).to_be_visible()
    begin, tour = visitor.locator("[data-tour=begin]"), visitor.locator("#u-tour")
    expect(tour).to_be_hidden()
    begin.click()
    for step in range(1, 7):
        expect(tour.locator(".u-place")).to_have_text(f"{step} of 6")
        expect(tour.locator("h2:visible")).to_have_count(1)
        expect(visitor.locator(".u-toured")).to_have_count(1)
        visitor.wait_for_function(f"({SEEN})().every(Boolean)")
        visitor.screenshot(
            path=ARTEFACTS / f"tour-{step}-{'results' if query else 'start'}-{visitor.viewport_size['width']}.png"
        )
        expect(tour.locator("[data-tour=next]")).to_be_focused()
        visitor.keyboard.press("Enter")
    expect(tour).to_be_hidden()
    expect(visitor.locator(".u-toured")).to_have_count(0)
    expect(begin).to_be_focused()


def test_it_begins_in_the_search_and_is_left_by_escape_or_skip_at_any_step(visitor: Page, served: Served):
    arrive(visitor, served, "benchmarks")
    tour = visitor.locator("#u-tour")
    for leave in (lambda: visitor.keyboard.press("Escape"), tour.locator("[data-tour=skip]").click):
        visitor.locator("[data-tour=begin]").click()
        expect(visitor.locator("#tab-search-button")).to_have_attribute("aria-selected", "true")
        tour.locator("[data-tour=next]").click()
        tour.locator("[data-tour=back]").click()
        expect(tour.locator(".u-place")).to_have_text("1 of 6")
        expect(tour.locator("[data-tour=next]")).to_be_focused()
        leave()
        expect(tour).to_be_hidden()
        expect(visitor.locator(".u-toured")).to_have_count(0)
        expect(visitor.locator("[data-tour=begin]")).to_be_focused()
