"""Each tab of the page beside an older version of it, at five widths, as pictures to look at. Not a test of either.

    python -m umr.bench page-pictures COMMIT --out DIR

DIR/TAB.WIDTH.png has this version at the left. Needs git and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from umr.bench.browser import open_browser
from umr.bench.page_beside import checked_out
from umr.bench.readme_screenshots import (
    LOADED,
    PATIENCE_MS,
    show_comparison,
    show_diagnosis,
    show_search,
    shows_tab,
)
from umr.bench.server import served_page
from umr.disk import replacing
from umr.errors import UMRError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (320, 375, 768, 1440, 1920)
HEIGHT = 1400
GAP = 16  # px between both


#: Tab -> what is done until there is something to look at, given a page and its address.
TABS: Mapping[str, Callable[[Page, str], None]] = {
    "search": show_search,
    "compare": show_comparison,
    "diagnose": show_diagnosis,
    "benchmarks": shows_tab("benchmarks", "#benchmarks .u-num"),
    "files": shows_tab("files", "#f-intro p"),
}


def pictures(commit: str, out: Path) -> list[Path]:
    """Takes and joins them all.

    Args:
        commit: the older version.
        out: the folder for the pictures.

    Returns:
        Their paths.

    Raises:
        ConfigError: git knows no such commit.
        MismatchError: a page does not answer.
    """
    written = []
    with checked_out(commit) as folder, served_page() as (here, _), served_page(at=folder) as (there, _):
        out.mkdir(parents=True, exist_ok=True)
        with open_browser() as browser:
            for tab, show in TABS.items():
                for width in WIDTHS:
                    both = [_taken(browser, address, width, show) for address in (here, there)]
                    written.append(out / f"{tab}.{width}.png")
                    with replacing(written[-1]) as draft:
                        side_by_side(*both).save(draft, "PNG")
    return written


def _taken(browser: Browser, address: str, width: int, show: Callable[[Page, str], None]) -> Image.Image:
    page = browser.new_page(viewport={"width": width, "height": HEIGHT}, reduced_motion="reduce")
    try:
        show(page, address)
        page.wait_for_function(LOADED, timeout=PATIENCE_MS)
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    finally:
        page.close()


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Both, from the same top, with a white gap."""
    found = Image.new("RGB", (left.width + GAP + right.width, max(left.height, right.height)), "white")
    found.paste(left, (0, 0))
    found.paste(right, (left.width + GAP, 0))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pictures, and says where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m umr.bench page-pictures", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("commit", help="the older version")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the pictures")
    given = parser.parse_args(arguments)
    try:
        written = pictures(given.commit, given.out)
    except (UMRError, OSError) as error:
        print(f"umr.bench: {error}", file=sys.stderr)
        return 1
    print(f"{len(written)} pictures in {given.out}")
    return 0
