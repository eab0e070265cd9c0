"""How long a visitor waits on the page, in a real browser: until it can be used, for a search, for a comparison.

    python -m umr bench page [--url URL] [--repeat 30] [--json]

umr.bench.page_beside does the same for two versions in one run.

Times are taken inside the browser. Not the search alone (umr.bench), nor many visitors at once (umr.bench.load_test).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from umr.bench.browser import open_browser
from umr.bench.latency import row
from umr.bench.server import served_page
from umr.errors import ConfigError, MismatchError
from umr.eval.evaluate import Judged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

COLUMNS = ("step", "n", "p50_ms", "p95_ms", "wanted_p50_ms", "wanted_p95_ms", "met")
K = 24  # cards that the page shows
OPENINGS = 5
WARM_UP = 2
TALL: ViewportSize = {"width": 1440, "height": 2400}  # all cards are in view: pictures out of view are not loaded
PATIENCE_MS = 60_000
SETTLE_MS = 500  # after a picture was given, for the suggestions; a visitor takes longer to type

#: Step -> (p50, p95) that are wanted at most, in ms, on 2 CPU cores; None: nothing is wanted of it.
WANTED: dict[str, tuple[float | None, float | None]] = {
    "page interactive": (3000, 3000),
    f"search, {K} cards painted": (500, 1000),
    "of it in the server's search": (None, None),
    "comparison painted": (1500, None),
}

#: The first moment when the search button is there; performance.now() counts from the opening.
INTERACTIVE = """new Promise((resolve) => { const look = () =>
  document.querySelector('#q-go')?.offsetParent ? resolve(performance.now()) : requestAnimationFrame(look);
  look(); })"""
#: Presses a button; tells the time until new items are there, all pictures in view are decoded, and a frame has passed.
PAINTED = """async ({ button, place, item, count, patience }) => {
  const frame = () => new Promise(requestAnimationFrame);
  document.querySelectorAll(`${place} ${item}`).forEach((old) => { old.dataset.old = ''; });
  const begin = performance.now();
  document.querySelector(button).click();
  while (performance.now() - begin < patience) {
    const pictures = [...document.querySelectorAll(`${place} img`)].filter((image) => {
      const box = image.getBoundingClientRect(); return box.width && box.top < innerHeight; });
    if (document.querySelectorAll(`${place} ${item}:not([data-old])`).length >= count
        && pictures.every((image) => image.complete && image.naturalWidth)) {
      await Promise.all(pictures.map((image) => image.decode()));
      await frame();
      return performance.now() - begin;
    }
    await frame();
  }
  return null;
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a query is given and what it brings: selectors."""

    picture: str
    text: str
    button: str
    place: str
    item: str


SEARCH = Bar("#q-image", "#q-text textarea", "#q-go", "#results", ".u-card")
COMPARE = Bar("#c-image", "#c-text textarea", "#c-go", "#compare", ".u-cell")


def bench_page(judged: Judged, repeat: int = 30, url: str | None = None) -> list[dict[str, Any]]:
    """Time each step of a visit.

    Args:
        judged: queries of picture and text.
        repeat: searches, and comparisons, that are timed.
        url: a page that runs already on this machine; None starts app.py.

    Returns:
        The rows of the report: milliseconds of each step beside what is wanted.

    Raises:
        ConfigError: a setting is outside its limits, or there is no browser.
        MismatchError: nothing appears.
    """
    queries = queries_of(judged, repeat)
    with open_browser() as browser, served_page(url) as (address, _):
        timed = timed_visits(browser, address, queries)
    return [judged_row(step, ms) for step, ms in timed.items()]


def queries_of(judged: Judged, repeat: int) -> list[tuple[str, str]]:
    """Pictures and texts to ask with, those of the warm-up first.

    Raises:
        ConfigError: the repetitions are outside their limits, or no query has both.
    """
    queries = [(str(q.content.image), q.content.text) for q in judged.queries if q.content.image and q.content.text]
    if not 1 <= repeat <= 1000 or not queries:
        raise ConfigError(
            f"{repeat} repetitions of {len(queries)} queries of picture and text: give 1 to 1000, of a task with both"
        )
    return list(islice(cycle(queries), repeat + WARM_UP))


def timed_visits(
    browser: Browser, address: str, queries: Sequence[tuple[str, str]], openings: int = OPENINGS
) -> dict[str, list[float]]:
    """Milliseconds of each step of WANTED.

    Args:
        browser: where the page is opened.
        address: the page.
        queries: pictures and texts, those of the warm-up first.
        openings: how often the page is opened anew, after the searches: by then the server has loaded its model.
    """
    searching, inside = _searches(browser, address, queries)
    comparing = _comparisons(browser, address, queries)
    opening = [_opening(browser, address) for _ in range(openings)]
    return dict(zip(WANTED, (opening, searching, inside, comparing), strict=True))


def judged_row(step: str, ms: Sequence[float]) -> dict[str, Any]:
    """A step's percentiles beside what is wanted of them; met: None where nothing is."""
    measured, wanted = row(step, list(ms)), WANTED[step]
    pairs = [
        (measured[name], limit) for name, limit in zip(("p50_ms", "p95_ms"), wanted, strict=True) if limit is not None
    ]
    met = all(value <= limit for value, limit in pairs) if pairs else None
    return measured | {"wanted_p50_ms": wanted[0], "wanted_p95_ms": wanted[1], "met": met}


def server_ms(timing: str) -> float:
    """The sum of a result's timing line, "decode 3.1 ms · encode 40 ms · …".

    Raises:
        MismatchError: it names no milliseconds.
    """
    found = re.findall(r"[a-z]+ (\d+(?:\.\d+)?) ms", timing)
    if not found:
        raise MismatchError(f"the page's timing line {timing!r} names no milliseconds")
    return sum(map(float, found))


def _opening(browser: Browser, address: str) -> float:
    with browser.new_context(viewport=TALL) as context:  # nothing cached
        page = context.new_page()
        page.goto(address, wait_until="commit")
        return page.evaluate(INTERACTIVE)


def _searches(browser: Browser, address: str, queries: Sequence[tuple[str, str]]) -> tuple[list[float], list[float]]:
    with browser.new_context(viewport=TALL) as context:
        page = context.new_page()
        page.goto(address)
        inside: list[float] = []
        painted = _all_painted(
            page, SEARCH, queries, K, lambda: inside.append(server_ms(page.locator("#results .u-timing").inner_text()))
        )
    return painted[WARM_UP:], inside[WARM_UP:]


def _comparisons(browser: Browser, address: str, queries: Sequence[tuple[str, str]]) -> list[float]:
    with browser.new_context(viewport=TALL) as context:
        page = context.new_page()
        page.goto(f"{address}/?tab=compare")
        page.locator("#c-models input:checked").first.wait_for(timeout=PATIENCE_MS)
        models = page.locator("#c-models input:checked").count()
        return _all_painted(page, COMPARE, queries, models, lambda: None)[WARM_UP:]


def _all_painted(
    page: Page, bar: Bar, queries: Sequence[tuple[str, str]], count: int, after: Callable[[], None]
) -> list[float]:
    page.locator(bar.button).wait_for(timeout=PATIENCE_MS)
    times = []
    for picture, text in queries:
        _give(page, bar, picture, text)
        ms = page.evaluate(
            PAINTED,
            {"button": bar.button, "place": bar.place, "item": bar.item, "count": count, "patience": PATIENCE_MS},
        )
        if ms is None:
            raise MismatchError(f"no {count} results of {text!r} within {PATIENCE_MS / 1000:.0f} s; look at the page")
        times.append(ms)
        after()
    return times


def _give(page: Page, bar: Bar, picture: str, text: str) -> None:
    """Puts a picture and a text into a bar, in the place of those that are there."""
    shown = page.locator(f"{bar.picture} img")
    if shown.count():
        page.locator(f"{bar.picture} button[aria-label]").first.click()
        shown.wait_for(state="detached", timeout=PATIENCE_MS)
    page.set_input_files(f"{bar.picture} input[type=file]", picture, timeout=PATIENCE_MS)
    shown.first.wait_for(timeout=PATIENCE_MS)
    page.locator(bar.text).fill(text)
    page.wait_for_timeout(SETTLE_MS)
