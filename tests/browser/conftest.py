"""A real Chromium on the real page: `python app.py` in its own process, with the bundled encoder and index."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Page, expect

from umr.bench.browser import open_browser
from umr.bench.server import served_page
from umr.eval import evaluate
from umr.shipped import BUNDLED, default_root

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "test-artifacts"
SIZES = {"desktop": (1440, 1000), "phone": (375, 812)}
SLOW = 120_000  # ms; a machine may be busy with other things, and the first comparison opens every model
expect.set_options(timeout=SLOW)
FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    kinds, moving = [*SIZES, "all", "none"], "where things move; other visitors asked for reduced motion"
    parser.addoption("--motion", choices=kinds, default="desktop", help=moving)
    parser.addoption("--shots", action="store_true", help="a picture of every visit's end, not of failed ones alone")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@dataclass(frozen=True)
class Served:
    """The running page. cache: where it keeps votes."""

    address: str
    cache: Path


@dataclass(frozen=True)
class Known:
    """A benchmark query of picture and text, and what is right for it; the endpoint finds it among the first five."""

    picture: Path
    text: str
    relevant: frozenset[str]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMR_CACHE", str(cache))
        with served_page() as (address, _):
            yield Served(address, cache)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    with open_browser() as opened:
        yield opened


@contextmanager
def visit(browser: Browser, size: str, dark: bool, motion: bool = False) -> Iterator[Page]:
    """A visitor's empty page. motion: things may move."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=size == "phone",
        reduced_motion="no-preference" if motion else "reduce",
        color_scheme="dark" if dark else "light",
    )
    context.set_default_timeout(SLOW)
    opened = context.new_page()
    try:
        yield opened
    finally:
        context.close()


def arrive(page: Page, served: Served, tab: str = "search", query: str = "") -> None:
    """The page at one of its tabs, ready for a visitor's hands. query: the rest of the address, such as "&text=red"."""
    page.goto(f"{served.address}/?tab={tab}{query}")
    expect(page.locator(f"#tab-{tab}-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator(f"#tab-{tab}")).to_be_attached()  # the panel that the button controls is mounted after it
    page.wait_for_function("window.umr?.address.given")
    settle(page)


def open_drawer(page: Page) -> None:
    """Opens Fine-tune, ready to be typed into."""
    page.locator("#tune > button").click()
    expect(page.locator("#q-less")).to_be_visible()
    settle(page)


def settle(page: Page) -> None:
    """Waits until fields that have just appeared have their values.

    Gradio hands over what they were given earlier in the animation frame after they are mounted, and what was typed
    before that is lost.
    """
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")


@pytest.fixture(params=list(SIZES))
def visitor(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """An empty page on a desktop, in light, and on a phone, in the dark; things move where --motion says."""
    given = request.config.getoption
    moves = given("--motion", "desktop") in (request.param, "all")
    with visit(browser, request.param, request.param == "phone", moves) as page:
        yield page
        if request.node.stash.get(FAILED, False) or given("--shots", False):
            name = f"{Path(request.node.fspath).stem.removeprefix('test_')}_{request.node.name}"
            page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture(scope="session")
def known(served: Served) -> Known:
    judged = evaluate.load(default_root() / "media" / BUNDLED, "it2i", "ind")
    client = Client(served.address, verbose=False)
    for query in judged.queries[:20]:
        rows = client.predict(
            image=handle_file(query.content.image), text=query.content.text, search_in="images", k=5, api_name="/search"
        )
        relevant = frozenset(judged.qrels[query.query_id])
        if relevant & {row["id"] for row in rows}:
            return Known(Path(query.content.image), query.content.text, relevant)
    return pytest.fail("none of the first 20 it2i queries finds its target among five results")
