"""The place in the queue in a real browser: who must wait is told how many are before them, until the answer comes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ARTEFACTS, Served, arrive, visit
from umr.search import Searcher
from umr.ui.files import actions
from umr.ui.layout.page import build_page, serve
from umr.ui.parts.wiring import COMPARING, SEARCHING
from umr.ui.searchers import Searchers


@dataclass
class Held:
    """A page whose searches and indexing begin and do not end before `go`. begun: is counted up by each."""

    address: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@pytest.fixture
def held(searcher: Searcher, benchmark, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made, answer = Held(), searcher.search

    def search(*asked, **named):
        made.begun.release()
        made.go.wait(60)
        return answer(*asked, **named)

    def add(*asked):
        made.begun.release()
        made.go.wait(60)
        yield from added(*asked)

    added = actions.add
    monkeypatch.setattr(actions, "add", add)
    monkeypatch.setattr(Searcher, "search", staticmethod(search))
    folder = benchmark.parents[1] / "unified" / "catalogue"
    page = build_page(Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: searcher), [])
    made.address = serve(page, [benchmark], "127.0.0.1", None).rstrip("/")
    yield made
    made.go.set()
    page.close()


@pytest.mark.parametrize(
    ("tab", "bar", "shown", "api", "most"),
    [
        ("search", "q", "#results", "/search_text", SEARCHING["concurrency_limit"]),
        ("compare", "c", "#compare", "/compare", COMPARING["concurrency_limit"]),
    ],
)
def test_who_waits_is_told_the_place(visitor: Page, held: Held, tmp_path, tab, bar, shown, api, most):
    client = Client(held.address, verbose=False)
    jobs = [client.submit(text=f"red {number}", api_name=api) for number in range(most)]
    for _ in jobs:
        assert held.begun.acquire(timeout=60)
    arrive(visitor, Served(held.address, tmp_path), tab)
    visitor.locator(f"#{bar}-text textarea").fill("red")
    visitor.locator(f"#{bar}-go").click()
    place = visitor.get_by_role("status").filter(has_text="Waiting")
    expect(place).to_be_visible()
    expect(place).to_have_text(re.compile(r"^Waiting: you are next$|^Waiting for your turn: \d+ before you$"))
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visitor.screenshot(path=ARTEFACTS / f"queue-{tab}-{visitor.viewport_size['width']}.png")
    held.go.set()
    expect(visitor.locator(f"{shown} [data-id]").first).to_be_visible()
    expect(visitor.locator("#u-queue")).to_be_hidden()
    for job in jobs:
        job.result(timeout=60)


def test_who_waits_for_anothers_files_to_be_indexed_is_told_so(visitor: Page, browser: Browser, held: Held, tmp_path):
    with visit(browser, "desktop", dark=False) as other:
        for page in (other, visitor):
            arrive(page, Served(held.address, tmp_path), "files")
            page.locator("#f-go").click()
            if page is other:
                assert held.begun.acquire(timeout=60)
        expect(visitor.locator("#u-queue")).to_have_text("Waiting: you are next")
        expect(other.locator("#u-queue")).to_be_hidden()
        held.go.set()
        for page in (other, visitor):
            expect(page.locator("#f-status")).to_contain_text("Choose some files first")
            expect(page.locator("#u-queue")).to_be_hidden()
