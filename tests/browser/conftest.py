"""A real Chromium on the real page: `python app.py` in its own process, with the bundled encoder and index."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Page, expect, sync_playwright

from umr import evaluation
from umr.search import BUNDLED, default_root

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "test-artifacts"
SIZES = {"desktop": (1440, 1000), "phone": (375, 812)}
SLOW = 120_000  # ms; a machine may be busy with other things, and the first comparison opens every model
expect.set_options(timeout=SLOW)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


@dataclass(frozen=True)
class Served:
    """The running page. start_s: seconds from process start to its first answer.  cache: where it keeps votes."""

    address: str
    start_s: float
    cache: Path


@dataclass(frozen=True)
class Known:
    """A benchmark query of picture and text, and what is right for it; the endpoint finds it among the first five."""

    picture: Path
    text: str
    relevant: frozenset[str]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("page") / "log.txt"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, stdout=output, stderr=output,
                                   env=os.environ | {"GRADIO_SERVER_PORT": str(port), "UMR_CACHE": str(log.parent)})
    try:
        yield Served(f"http://127.0.0.1:{port}", _wait(f"http://127.0.0.1:{port}", process, log, start), log.parent)
    finally:
        process.terminate()
        process.wait(20)


def _wait(address: str, process: subprocess.Popen, log: Path, start: float) -> float:
    while time.perf_counter() - start < 60:
        if process.poll() is not None:
            pytest.fail(f"app.py ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return time.perf_counter() - start
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    return pytest.fail(f"app.py served nothing within 60 s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("no Chromium: `make test` installs it, or install the package chromium")
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@contextmanager
def visit(browser: Browser, size: str, dark: bool, shot: str | None = None) -> Iterator[Page]:
    """A visitor's empty page. shot: what a screenshot of its end is kept as."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone",
                                  reduced_motion="reduce", color_scheme="dark" if dark else "light")
    context.set_default_timeout(SLOW)
    opened = context.new_page()
    try:
        yield opened
        if shot:
            opened.screenshot(path=ARTEFACTS / f"{shot}.png")
    finally:
        context.close()


@pytest.fixture(params=list(SIZES))
def visitor(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """An empty page on a desktop, in light, and on a phone, in the dark."""
    name = f"{Path(request.node.fspath).stem.removeprefix('test_')}_{request.node.name}"
    with visit(browser, request.param, request.param == "phone", name) as page:
        yield page


@pytest.fixture(scope="session")
def known(served: Served) -> Known:
    judged = evaluation.load(default_root() / "media" / BUNDLED, "it2i", "ind")
    client = Client(served.address, verbose=False)
    for query in judged.queries[:20]:
        rows = client.predict(image=handle_file(query.content.image), text=query.content.text, search_in="images", k=5,
                              api_name="/search")
        relevant = frozenset(judged.qrels[query.query_id])
        if relevant & {row["id"] for row in rows}:
            return Known(Path(query.content.image), query.content.text, relevant)
    return pytest.fail("none of the first 20 it2i queries finds its target among five results")
