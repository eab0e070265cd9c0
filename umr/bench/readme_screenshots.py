"""The README's pictures of the page, taken from the real one in a real browser. Not a test of it.

python -m umr.bench.readme_screenshots [--out docs] [--url URL]
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from umr.bench.browser import open_browser
from umr.bench.server import served_page
from umr.errors import ConfigError, exit_status
from umr.eval import evaluate
from umr.shipped import BUNDLED, default_root, repository_root
from umr.ui.queries import compare_link

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MAX_BYTES = 60_000  # of one picture
QUALITIES = range(86, 20, -6)
PATIENCE_MS = 120_000
TASK = ("it2i", "ind")
#: Every picture in view is there.
LOADED = """[...document.images].every((image) => {
  const box = image.getBoundingClientRect(), seen = box.width && box.bottom > 0 && box.top < innerHeight;
  return !seen || (image.complete && image.naturalWidth); })"""

TO_TOP = "window.scrollTo({ top: 0, behavior: 'instant' })"
#: The results' beginning below the bar, which stays on top.
TO_RESULTS = """() => { const bar = document.querySelector('#q-bar');
  const kept = bar.offsetHeight + parseFloat(getComputedStyle(bar).top);  // it may stand partly above the window
  const top = document.querySelector('#results').getBoundingClientRect().top;
  window.scrollBy({ top: top - kept - 16, behavior: 'instant' }); }"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the page.

    Attributes:
        name: of the file.
        width, height: of the window.
        show: what is done before it is taken, given the page and its address.
        dark: in dark colours.
    """

    name: str
    width: int
    height: int
    show: Callable[[Page, str], None]
    dark: bool = False


def open_example(page: Page) -> None:
    """Press the first example, and wait for its results and suggestions."""
    page.locator(".u-example").first.click(timeout=PATIENCE_MS)
    page.locator("#results .u-card").first.wait_for(timeout=PATIENCE_MS)
    page.locator("#suggestions .u-chip").first.wait_for(timeout=PATIENCE_MS)
    page.evaluate(TO_TOP)


def show_search(page: Page, address: str) -> None:
    """Search with the first example."""
    page.goto(address)
    open_example(page)


def _results(page: Page, address: str) -> None:
    show_search(page, address)
    page.evaluate(TO_RESULTS)


def show_comparison(page: Page, address: str) -> None:
    """Compare the first query of TASK, and wait for its columns."""
    judged = evaluate.load(default_root() / "media" / BUNDLED, *TASK)
    page.goto(f"{address}/{compare_link(judged.queries[0].query_id, *TASK)}")
    page.locator("#compare .u-cell").first.wait_for(timeout=PATIENCE_MS)
    page.evaluate(TO_TOP)


def shows_tab(tab: str, shown: str) -> Callable[[Page, str], None]:
    """What opens a tab, and waits for the first of some elements.

    Args:
        tab: as the address names it.
        shown: their selector.
    """

    def show(page: Page, address: str) -> None:
        page.goto(f"{address}/?tab={tab}")
        page.locator(shown).first.wait_for(timeout=PATIENCE_MS)

    return show


#: What is done until Diagnose has something to look at.
show_diagnosis = shows_tab("diagnose", "#diagnose svg")

SHOTS = (
    Shot("search.webp", 1280, 960, show_search),
    Shot("compare.webp", 1280, 960, show_comparison),
    Shot("diagnose.webp", 1280, 960, show_diagnosis),
    Shot("phone.webp", 390, 844, _results, dark=True),
)


def best_webp(picture: Image.Image, qualities: Iterable[int], limit: int, **more: Any) -> bytes | None:
    """A picture as WebP in the first of the qualities that takes at most `limit` bytes; None where none does.

    Args:
        picture: what is saved.
        qualities: from 1 to 100.
        limit: bytes.
        more: of Pillow's writer, such as save_all.
    """
    for quality in qualities:
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=quality, method=6, **more)
        if out.tell() <= limit:
            return out.getvalue()
    return None


def small_webp(png: bytes, limit: int = MAX_BYTES) -> bytes:
    """A picture as WebP of at most `limit` bytes, in the best quality that fits.

    Raises:
        ConfigError: none does.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    found = best_webp(picture, QUALITIES, limit)
    if found is None:
        raise ConfigError(f"a picture of {picture.width} x {picture.height} does not fit into {limit:,} bytes")
    return found


def take(browser: Browser, address: str, shot: Shot) -> bytes:
    """One picture of a running page."""
    with browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        reduced_motion="reduce",
        color_scheme="dark" if shot.dark else "light",
    ) as context:
        page = context.new_page()
        shot.show(page, address)
        page.wait_for_function(LOADED, timeout=PATIENCE_MS)
        page.wait_for_timeout(800)  # until the bars have stopped to move
        return small_webp(page.screenshot())


def main(arguments: list[str] | None = None) -> int:
    """Takes every picture; returns the exit status: 2 with a message where one cannot be taken."""
    parser = argparse.ArgumentParser(description="Takes the README's pictures of the page.")
    parser.add_argument("--out", type=Path, default=repository_root() / "docs", help="folder (default: docs)")
    parser.add_argument("--url", help="a page that runs already on this machine (default: app.py is started)")
    options = parser.parse_args(arguments)
    with exit_status("umr") as ended:
        options.out.mkdir(parents=True, exist_ok=True)
        with open_browser() as browser, served_page(options.url) as (address, _):
            for shot in SHOTS:
                content = take(browser, address, shot)
                (options.out / shot.name).write_bytes(content)
                print(f"{options.out / shot.name}: {len(content) / 1000:.0f} kB")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
