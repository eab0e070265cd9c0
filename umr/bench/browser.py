"""Chromium through playwright, for what looks at the page as a visitor does. A development tool: app.py needs none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from umr.errors import ConfigError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: The first one that is there. The shell is the same engine without windows, at half the processor time for a visit.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The system's Chromium without a window.

    Raises:
        ConfigError: it, or what drives it, is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigError("this needs playwright: pip install -r requirements-dev.txt") from error
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise ConfigError(f"this needs a browser; none of {', '.join(BROWSERS)} is installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
