"""What the page's bench counts and reports, without a browser; tests/browser/test_bench.py runs it in one."""

from __future__ import annotations

import builtins
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from umr.bench import browser
from umr.bench.page import COLUMNS, WANTED, bench_page, judged_row, server_ms
from umr.bench.server import served_page
from umr.errors import ConfigError, MismatchError

SEARCH = "search, 24 cards painted"


def test_the_servers_share_is_the_sum_of_its_timing_line():
    assert server_ms("unified · answered in 36 ms") == 36
    assert server_ms("decode 5.0 ms · encode 31 ms · search 0.2 ms · float32 · unified") == pytest.approx(36.2)
    with pytest.raises(MismatchError, match="stored result"):
        server_ms("stored result · unified")


def test_percentiles_stand_beside_what_is_wanted():
    row = judged_row(SEARCH, range(1, 101))
    assert (row["p50_ms"], row["p95_ms"], row["n"], row["met"]) == (50.5, 95.05, 100, True)
    assert (row["wanted_p50_ms"], row["wanted_p95_ms"]) == (500, 1000)
    assert set(row) == set(COLUMNS)


@pytest.mark.parametrize(
    ("step", "ms", "met"),
    [
        (SEARCH, [500] * 20, True),
        (SEARCH, [501] * 20, False),
        (SEARCH, [100] * 18 + [1500] * 2, False),
        ("comparison painted", [1500] * 18 + [9000] * 2, True),
        ("comparison painted", [1501] * 20, False),
        ("page interactive", [3000], True),
        ("page interactive", [3001], False),
        ("of it in the server's search", [9000], None),
    ],
)
def test_a_step_is_met_where_every_limit_holds(step, ms, met):
    assert step in WANTED and judged_row(step, ms)["met"] is met


def test_every_step_is_reported_beside_what_is_wanted_of_it(monkeypatch):
    page = sys.modules["umr.bench.page"]
    monkeypatch.setattr(page, "open_browser", lambda: nullcontext("browser"))
    monkeypatch.setattr(page, "served_page", lambda url: nullcontext((url, None)))
    monkeypatch.setattr(page, "_searches", lambda browser, address, queries: ([400.0] * len(queries), [40.0]))
    monkeypatch.setattr(page, "_comparisons", lambda browser, address, queries: [2000.0] * len(queries))
    monkeypatch.setattr(page, "_opening", lambda browser, address: 1000.0)
    rows = bench_page(queries("a.png", "b"), 3, "http://localhost:1")
    assert [(row["step"], row["p50_ms"], row["met"]) for row in rows] == [
        ("page interactive", 1000, True),
        (SEARCH, 400, True),
        ("of it in the server's search", 40, None),
        ("comparison painted", 2000, False),
    ]


def queries(image: str | None, text: str | None) -> Any:
    return SimpleNamespace(queries=[SimpleNamespace(content=SimpleNamespace(image=image, text=text))])


@pytest.mark.parametrize(
    ("judged", "repeat"),
    [(queries("a.png", "b"), 0), (queries("a.png", "b"), 1001), (queries(None, "b"), 3), (queries("a.png", None), 3)],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(judged, repeat):
    with pytest.raises(ConfigError, match="queries of picture and text"):
        bench_page(judged, repeat)


def test_a_page_elsewhere_is_not_opened():
    with pytest.raises(ConfigError, match="not on this machine"), served_page("http://example.org"):
        raise AssertionError("opened")


def test_a_missing_playwright_is_named_with_the_way_out(monkeypatch):
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("playwright"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install -r requirements-dev.txt"), browser.open_browser():
        raise AssertionError("opened")


def test_a_missing_browser_is_named_with_the_way_out(monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match="apt install chromium"), browser.open_browser():
        raise AssertionError("opened")
