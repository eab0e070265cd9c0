"""/healthz and /metrics, behind a root path too, and that neither numbers nor log tell what a visitor sent."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.ui.test_gate import ask
from tests.ui.test_metrics import values
from umr.errors import ConfigError
from umr.ui.json_log import JsonLines, log_as
from umr.ui.layout.gate import HEADERS, Gate
from umr.ui.layout.monitor import OTHER, Health, Monitor, prefix, route_of
from umr.ui.layout.page import build_page, serve
from umr.ui.metrics import REQUEST_S, REQUESTS, Metrics
from umr.ui.searchers import Searchers
from umr.ui.visitors import Visitors

QUERY = "a very private wish"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def app(metrics: Metrics, root: Path, root_path: str = "", healthy: bool = True) -> Monitor:
    """As the page is put together, around a server that answers, or fails at /gradio_api/call/."""

    async def tell(request: Request) -> JSONResponse:
        if "call" in request.url.path:
            raise RuntimeError(QUERY)
        return JSONResponse(len(await request.body()))

    inner = Starlette(routes=[Route("/{path:path}", tell, methods=["GET", "POST"])])
    told = Health(inner, lambda: healthy, root_path, metrics)
    return Monitor(Gate(told, Visitors(root), "127.0.0.1"), root_path, metrics)


@pytest.mark.parametrize("root", ["", "/umr", "https://example.org/umr/"])
def test_health_and_numbers_are_told_with_and_without_the_root_path(metrics, tmp_path, root):
    one = app(metrics, tmp_path, root)
    for before in {"", prefix(root)}:
        health = ask(one, f"{before}/healthz", method="GET")
        assert (health.status_code, health.json()) == (200, {"status": "ok"})
        numbers = ask(one, f"{before}/metrics", method="GET")
        assert numbers.headers["content-type"].startswith("text/plain; version=0.0.4")
        for answer in (health, numbers):
            assert answer.headers["cache-control"] == "no-store"
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    found = values(ask(one, "/metrics", method="GET").text)
    assert found[f'{REQUESTS}{{method="GET",route="/healthz",status="200"}}'] == len({"", prefix(root)})
    assert found[f'{REQUEST_S}_count{{route="/metrics"}}'] == len({"", prefix(root)})


def test_a_page_that_cannot_search_is_not_healthy_and_neither_address_takes_a_body(metrics, tmp_path):
    one = app(metrics, tmp_path, healthy=False)
    assert ask(one, "/healthz", method="GET").status_code == 503
    assert ask(one, "/healthz", method="HEAD").status_code == 503
    assert ask(one, "/healthz", content=b"x").status_code == 405
    assert ask(one, "/metrics", content=b"x").status_code == 405


def test_refused_and_failed_requests_are_counted_by_a_fixed_list_of_routes(metrics, tmp_path):
    one = app(metrics, tmp_path)
    ask(one, "/gradio_api/queue/join", headers={"Origin": "http://evil.example"}, content=b"x")
    with pytest.raises(RuntimeError):
        ask(one, "/gradio_api/call/search", content=b"x")
    ask(one, f"/{QUERY}", method="GET")
    ask(one, "/gradio_api/queue/join", method="BREW")
    found = values(metrics.text())
    assert found[f'{REQUESTS}{{method="POST",route="queue/join",status="403"}}'] == 1
    assert found[f'{REQUESTS}{{method="POST",route="call",status="500"}}'] == 1
    assert found[f'{REQUESTS}{{method="GET",route="{OTHER}",status="200"}}'] == 1
    assert any('method="other"' in name for name in found) and QUERY not in metrics.text()


@pytest.mark.parametrize(
    ("path", "root", "route"),
    [
        ("/", "", "page"),
        ("/umr", "/umr", "page"),
        ("/umr/gradio_api/queue/data", "/umr", "queue/data"),
        ("/umrx/healthz", "/umr", OTHER),
        ("/x/healthz", "", OTHER),
        ("/healthz", "/umr", "/healthz"),
        ("/gradio_api/file=/a/b.webp", "", "file"),
        ("/gradio_api/mcp/", "", "mcp"),
        ("/healthzz", "", OTHER),
    ],
)
def test_an_address_has_one_route(path, root, route):
    assert route_of(path, root) == route


@pytest.fixture
def lines():
    """What is logged as JSON meanwhile; the logger is as before afterwards."""
    logger, stream = logging.getLogger("umr"), io.StringIO()
    before = (logger.handlers, logger.propagate, logger.level)
    log_as("json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def test_a_line_of_json_for_each_request_tells_neither_query_nor_address(metrics, tmp_path, lines):
    one = app(metrics, tmp_path)
    ask(one, "/gradio_api/queue/join", content=QUERY.encode(), headers={"X-Forwarded-For": "7.7.7.7"})
    (line,) = lines()
    assert set(line) == {"time", "level", "logger", "event", "route", "method", "status", "ms"}
    assert (line["event"], line["route"], line["status"]) == ("request", "queue/join", 200)
    assert QUERY not in json.dumps(lines()) and "9.9.9.9" not in json.dumps(lines()) and "7.7" not in json.dumps(line)


def test_an_error_is_logged_by_its_kind_and_place_without_its_words(lines):
    try:
        raise ConfigError(QUERY)
    except ConfigError:
        logging.getLogger("umr.ui.edge").exception("%s failed", QUERY, extra={"fields": {"kind": "a search"}})
    (line,) = lines()
    assert (line["event"], line["error"], line["kind"], line["level"]) == (
        "%s failed",
        "ConfigError",
        "a search",
        "error",
    )
    assert line["at"][0].startswith("test_monitor.py:") and QUERY not in json.dumps(line)


def test_the_texts_of_other_loggers_stay_as_they_were(capsys):
    log_as("text")
    assert not any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger("umr").handlers)


@pytest.mark.parametrize("root", ["", "/deep/umr"])
def test_the_served_page_tells_its_health_queue_and_visitors(searcher, benchmark, monkeypatch, root):
    monkeypatch.setenv("GRADIO_ROOT_PATH", root)
    folder = benchmark.parents[1] / "unified" / "catalogue"
    searchers = Searchers({"unified": folder}, "unified", opener=lambda _: searcher)
    page = build_page(searchers, [])
    serve(page, [benchmark], "127.0.0.1", None, searchers.healthy)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{page.server_port}{root}", timeout=30) as http:
            assert http.get("/healthz").json() == {"status": "ok"}
            found = values(http.get("/metrics").text)
            joined = http.post("/gradio_api/call/search_text", json={"data": [QUERY, "images", "unified", 3]})
            text = http.get(f"/gradio_api/call/search_text/{joined.json()['event_id']}").text
            assert '"rank": 1' in text
            later = http.get("/metrics").text
        assert {"umr_queue_waiting", "umr_queue_running", "umr_pages_open", "umr_upload_bytes"} <= set(found)
        assert values(later)["umr_models_open"] == 1 and QUERY not in later
        assert values(later)['umr_events_total{kind="an endpoint",outcome="answered"}'] >= 1
    finally:
        page.close()


def test_a_page_whose_model_cannot_be_opened_is_not_healthy(benchmark, searcher):
    def broken(_: Path):
        raise ConfigError("no weights")

    searchers = Searchers({"unified": benchmark}, "unified", opener=broken)
    assert searchers.healthy()
    searchers.preload().join()
    assert not searchers.healthy()
