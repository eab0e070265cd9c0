"""Every tab at five widths: nothing overflows sideways, no control is cut, and fingers find what they press."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Served, arrive, open_drawer, settle, visit

WIDTHS = (320, 375, 768, 1440, 1920)
BESIDE = (700,)  # where the fifth filter was cut
#: Tab -> the rest of its address, and what is there once it is filled.
TABS = {
    "search": ("&text=a+red+mug&in=all", "#results .u-card"),
    "compare": ("&c-text=a+red+mug", "#compare .u-cell"),
    "diagnose": ("", "#diagnose .u-scatter"),
    "benchmarks": ("", "#benchmarks .u-num"),
    "files": ("", "#f-go"),
}
#: Controls that are shown, and have words or an edge outside the window, unless what holds them scrolls sideways.
OUTSIDE = """() => {
  const controls = 'button, select, textarea, summary, a, label, input:not([type=file], [type=radio], [type=checkbox])';
  const scrolls = (part) => { for (let one = part.parentElement; one && one !== document.body; one = one.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth + 1)
      return true;
    return false; };
  return [...document.querySelectorAll(controls)].filter((part) => part.checkVisibility({ visibilityProperty: true }))
    .filter((part) => { const box = part.getBoundingClientRect();
      const cut = part.matches('button, label, summary') && part.clientWidth && part.scrollWidth > part.clientWidth + 1
        && getComputedStyle(part).textOverflow !== 'ellipsis' && !part.querySelector('.u-hidden, .icon');
      return box.width > 1 && (box.left < -0.5 || box.right > innerWidth + 0.5 || cut) && !scrolls(part); })
    .map((part) => part.outerHTML.slice(0, 120)); }"""
#: Filters that are not whole within their row.
FILTERS = """(tab) => { const row = document.querySelector(`#tab-${tab} :is(#q-kind, #c-kind) .wrap`);
  return [...row?.querySelectorAll('label') || []].filter((one) =>
    one.getBoundingClientRect().right > row.getBoundingClientRect().right + 0.5).map((one) => one.textContent); }"""
#: Scores and buttons that reach out of their card.
OUT_OF_CARD = """() => [...document.querySelectorAll('#results .u-card :is(.u-score, button, summary)')].filter((one) =>
  one.getBoundingClientRect().right > one.closest('.u-card').getBoundingClientRect().right)
  .map((one) => one.outerHTML.slice(0, 120))"""
#: What is chosen of a list and runs under the list's arrow.
UNDER_ARROW = """() => [...document.querySelectorAll('.secondary-wrap:has(> .icon-wrap) > input')].filter((one) => {
  const [box, arrow] = [one, one.parentElement.querySelector('.icon-wrap')].map((part) => part.getBoundingClientRect());
  return box.width && box.right - parseFloat(getComputedStyle(one).paddingInlineEnd) > arrow.left + 0.5; })
  .map((one) => one.ariaLabel)"""
#: How much of the tab on show its list cuts, px.
CUT_TAB = """() => { const tab = document.querySelector('#tabs [role=tab][aria-selected=true]');
  const [box, list] = [tab, tab.closest('[role=tablist]')].map((part) => part.getBoundingClientRect());
  return Math.max(0, list.left - box.left, box.right - list.right); }"""
#: What is pressed and lower or narrower than a finger; links within sentences and points of a plot are not meant.
LOW = """(tab) => [...document.querySelectorAll(`#tab-${tab} :is(button, select, summary, input[type=number],
  input[type=range], #q-kind label, #c-kind label, #f-kind label), #tabs [role=tab]`)]
  .filter((part) => part.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter((part) => { const box = part.getBoundingClientRect();
    return box.height > 1 && Math.min(box.width, box.height) < 43.5 && !part.closest('p, li p, .u-text'); })
  .map((part) => { const box = part.getBoundingClientRect();
    return `${Math.round(box.width)} x ${Math.round(box.height)} ${part.outerHTML.slice(0, 110)}`; })"""


@pytest.fixture(params=["desktop", "phone"])
def sized(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A window that a pointer, or a finger, is used in."""
    with visit(browser, request.param, dark=request.param == "phone") as page:
        page.touched = request.param == "phone"  # type: ignore[attr-defined]
        yield page


@pytest.mark.parametrize("tab", list(TABS))
def test_a_tab_fits_every_width(sized: Page, served: Served, tab: str):
    query, filled = TABS[tab]
    arrive(sized, served, tab, query)
    expect(sized.locator(filled).first).to_be_attached()
    touched = sized.touched  # type: ignore[attr-defined]
    if touched and tab == "search":
        open_drawer(sized)
    for width in [width for width in (*WIDTHS, *BESIDE) if (width < 640) == touched]:
        sized.set_viewport_size({"width": width, "height": 900})
        settle(sized)
        assert sized.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
        assert sized.evaluate(OUTSIDE) == [], width
        assert sized.evaluate(CUT_TAB) < 1, width
        assert sized.evaluate(FILTERS, tab) == [], width
        assert sized.evaluate(OUT_OF_CARD) == [], width
        assert sized.evaluate(UNDER_ARROW) == [], width
        if touched:
            assert sized.evaluate(LOW, tab) == [], width
