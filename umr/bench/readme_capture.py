"""The README's moving picture: one search, one refinement and one comparison on the real page. Not a test of it.

python -m umr.bench.readme_capture [--out docs/tour.webp] [--url URL]
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from umr.bench.browser import open_browser
from umr.bench.readme_screenshots import LOADED, PATIENCE_MS, TO_RESULTS, TO_TOP, best_webp, open_example
from umr.bench.server import served_page
from umr.disk import replacing
from umr.errors import ConfigError, exit_status
from umr.shipped import repository_root

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MAX_BYTES = 110_000
WINDOW, SHOWN = (960, 760), (720, 570)  # px, width and height: of the window, of the picture
QUALITIES = range(70, 9, -10)
READ_MS, LOOK_MS, TYPE_MS = 1_400, 2_600, 240  # how long a step, a result and a word that is typed are shown
CHANGE = "on grass"  # what the refinement asks for
FIELD = "#q-text textarea"


@dataclass
class Film:
    """Frames of a page and how long each is shown.

    Attributes:
        page: what is filmed.
        frames: (picture, milliseconds).
    """

    page: Page
    frames: list[tuple[Image.Image, int]] = field(default_factory=list)

    def look(self, milliseconds: int) -> None:
        """One frame of what is on show, once its pictures are there."""
        self.page.wait_for_function(LOADED, timeout=PATIENCE_MS)
        self.page.wait_for_timeout(400)  # until what moves has come to rest
        self.still(milliseconds)

    def still(self, milliseconds: int) -> None:
        """One frame of what is on show."""
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append((shot.resize(SHOWN, Image.Resampling.LANCZOS), milliseconds))

    def write(self, words: str) -> None:
        """The query's words, one after another."""
        self.page.locator(FIELD).fill("")
        said = ""
        for word in words.split():
            said = f"{said} {word}".strip()
            self.page.locator(FIELD).fill(said)
            self.still(TYPE_MS)


def film(browser: Browser, address: str) -> list[tuple[Image.Image, int]]:
    """The frames of a search from an example's picture, a refinement of its first result, and a comparison of it."""
    width, height = WINDOW
    with browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", color_scheme="light"
    ) as context:
        page = context.new_page()
        page.goto(address)
        page.locator(".u-example").first.wait_for(timeout=PATIENCE_MS)
        made = Film(page)
        made.look(READ_MS)
        _search(made)
        _refine(made)
        _compare(made)
        return made.frames


def _search(made: Film) -> None:
    page = made.page
    open_example(page)
    made.look(READ_MS)
    page.evaluate(TO_RESULTS)
    made.look(LOOK_MS)


def _refine(made: Film) -> None:
    page = made.page
    page.locator("#results [data-pick]").first.click()
    page.locator("[data-turn]").nth(1).wait_for(timeout=PATIENCE_MS)
    page.evaluate(TO_TOP)
    made.look(READ_MS)
    made.write(CHANGE)
    page.locator("#q-go").click()
    page.wait_for_url("**text=*", timeout=PATIENCE_MS)
    page.evaluate(TO_RESULTS)
    made.look(LOOK_MS)


def _compare(made: Film) -> None:
    page = made.page
    page.locator("#q-compare").click()
    cell = page.locator("#compare .u-cell").first
    cell.wait_for(timeout=PATIENCE_MS)
    page.evaluate(TO_TOP)
    made.look(READ_MS)
    cell.evaluate("cell => window.scrollBy({ top: cell.getBoundingClientRect().top - 300, behavior: 'instant' })")
    made.look(LOOK_MS)


def moving_webp(frames: Sequence[tuple[Image.Image, int]], limit: int = MAX_BYTES) -> bytes:
    """Frames as one animated WebP of at most `limit` bytes that begins anew at its end, as good as fits.

    Args:
        frames: pictures of one size, each with its milliseconds.
        limit: bytes.

    Raises:
        ConfigError: no quality fits.
    """
    pictures, durations = [picture for picture, _ in frames], [shown for _, shown in frames]
    moving = {"save_all": True, "append_images": pictures[1:], "duration": durations, "loop": 0}
    found = best_webp(pictures[0], QUALITIES, limit, **moving)
    if found is None:
        raise ConfigError(f"{len(pictures)} frames of {pictures[0].size} px do not fit into {limit:,} bytes")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Films the page; returns the exit status: 2 with a message where it cannot be filmed."""
    parser = argparse.ArgumentParser(description="Films one search, one refinement and one comparison.")
    parser.add_argument("--out", type=Path, default=repository_root() / "docs" / "tour.webp", help="the file to write")
    parser.add_argument("--url", help="a page that runs already on this machine (default: app.py is started)")
    options = parser.parse_args(arguments)
    with exit_status("umr") as ended:
        with open_browser() as browser, served_page(options.url) as (address, _):
            content = moving_webp(film(browser, address))
        with replacing(options.out) as draft:
            draft.write_bytes(content)
        print(f"{options.out}: {len(content) / 1000:.0f} kB")
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
