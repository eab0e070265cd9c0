"""Every handler of the page, private ones too, given what no page would send: raw requests, as anyone can make them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

import umr
from umr.ui.handlers import OUR_FAULT
from umr.ui.layout.outside import REFUSED
from umr.ui.layout.page import build_page, serve
from umr.ui.render import media_url
from umr.ui.searchers import Searchers

SECRET = "/etc/passwd"
#: Each stands once in the place of every input, and of what was pressed.
HOSTILE: dict[str, Any] = {
    "nothing": None, "huge number": 1e300, "list": [[None]], "object": {"id": {"id": []}}, "path": {"path": SECRET},
    "climbing path": f"../../../..{SECRET}", "zero byte": "a\0b", "markup": "<img src=x onerror=alert(1)>{{value}}",
}
#: Addresses on other machines: by name, by number, as a Space, and on a machine next to this one.
OUTSIDE = ("http://example.org/a.png", "https://93.184.215.14/a.png", "https://x.hf.space/a.png", "http://10.0.0.1/a.png")
OURS = f"{Path(umr.__file__).parent}{os.sep}"  # what frames of our own code begin with, wherever the clone lies
AT_ONCE = 30  # requests that wait together, fewer than the page's queue takes


@pytest.fixture
def page(searcher, benchmark) -> Iterator[Any]:
    folder = benchmark.parents[1] / "unified" / "catalogue"
    built = build_page(Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: searcher), [])
    serve(built, [benchmark], "127.0.0.1", None)
    yield built
    built.close()


def ask(page: Any, number: int, value: Any) -> dict[str, Any]:
    """A raw request for a function, with the value in the place of every input; it need not be queued."""
    data = [value] * len(page.fns[number].inputs)
    return {"data": data, "fn_index": number, "session_hash": "hostile", "event_data": {"id": value}}


def answers(page: Any, requests: list[dict[str, Any]]) -> Iterator[Any]:
    """What the server answers to each, in any order."""
    with httpx.Client(base_url=page.local_url, timeout=120) as http:
        for start in range(0, len(requests), AT_ONCE):
            joined = [http.post("gradio_api/queue/join", json=body) for body in requests[start:start + AT_ONCE]]
            yield from (response.text for response in joined if response.is_error)
            waiting = {response.json()["event_id"] for response in joined if response.is_success}
            with http.stream("GET", "gradio_api/queue/data", params={"session_hash": "hostile"}) as events:
                for message in (json.loads(line[5:]) for line in events.iter_lines() if line.startswith("data:")):
                    if message["msg"] == "process_completed":
                        waiting.discard(message["event_id"])
                        yield message["output"]
            assert not waiting


@pytest.mark.parametrize("what", HOSTILE)
def test_every_handler_meets_a_hostile_request_with_words(page, what, capfd, caplog):
    functions = [number for number, function in page.fns.items() if function.fn is not None]
    found = list(answers(page, [ask(page, number, HOSTILE[what]) for number in functions]))
    assert len(found) == len(functions) > 40
    said = json.dumps(found)
    assert "root:" not in said and OUR_FAULT[:30] not in said
    shown = [part for output in found if "data" in output for part in output["data"] if part != HOSTILE["markup"]]
    assert "<img src=x" not in json.dumps(shown)  # a text box may hold it, a page's own HTML may not
    assert not [record for record in caplog.records if record.name.startswith("umr")]
    frames = [line for line in capfd.readouterr().err.splitlines() if line.lstrip().startswith("File ")]
    assert not [line for line in frames if f'"{OURS}' in line]  # what Gradio itself refuses never comes to a handler


def test_no_handler_makes_the_server_fetch_an_address(page, monkeypatch):
    asked: list[str] = []

    async def fetch(url: str, cache_dir: str) -> str:
        asked.append(url)
        raise ValueError(url)

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    address = "http://example.org/a.png"
    file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    takers = [number for number, function in page.fns.items() if function.fn is not None and function.inputs]
    found = list(answers(page, [ask(page, number, file) for number in takers]))
    assert asked == [] and len(found) == len(takers)
    assert sum("not fetched" in json.dumps(output) for output in found) >= 20
    assert not [output for output in found if re.search(r'"(path|url)": "http://example', json.dumps(output.get("data")))]


@pytest.fixture
def looked_up(monkeypatch) -> list[str]:
    """The hosts that anything in this process, the page's server too, looks up or connects to, but for this machine."""
    hosts: list[str] = []
    find, connect = socket.getaddrinfo, asyncio.BaseEventLoop.create_connection

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        hosts.append(str(host))
        return find("127.0.0.1", *rest, **more)

    def connected(self: Any, protocol: Any, host: Any = None, *rest: Any, **more: Any) -> Any:
        hosts.append(str(host))
        return connect(self, protocol, host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connected)
    return hosts


@pytest.mark.parametrize("address", OUTSIDE)
@pytest.mark.parametrize("route", ["file=", "file/", "proxy="])
def test_a_route_that_would_fetch_an_address_is_closed(page, looked_up, route, address):
    with httpx.Client(base_url=page.local_url) as http:
        for path in (route + address, route + quote(address, safe=""), route + address.upper()):
            answer = http.get(f"gradio_api/{path}")
            assert (answer.status_code, answer.json()) == (403, {"detail": REFUSED}), path
            assert http.head(f"gradio_api/{path}").status_code == 403
    assert set(looked_up) <= {"127.0.0.1"}


@pytest.mark.parametrize(("method", "path"), [("POST", "login"), ("POST", "login/"), ("GET", "logout"),
                                              ("POST", "gradio_api/process_recording")])
def test_a_route_that_the_page_has_no_use_for_is_closed(page, method, path):
    answer = httpx.request(method, page.local_url + path, headers={"X-Forwarded-Host": "example.org"},
                           files={"video": ("a.mp4", b"#EXTM3U\nhttp://example.org/a.ts")} if "record" in path else None)
    assert (answer.status_code, answer.json()) == (403, {"detail": REFUSED})


def test_no_route_of_the_server_asks_or_names_another_host(page, looked_up):
    """Every route that the server has, with an address in each place of its path, its query, its headers and its body."""
    address, routes = OUTSIDE[0], page.app.openapi()["paths"]
    with httpx.Client(base_url=page.local_url, headers={"X-Forwarded-Host": "example.org"}, timeout=60) as http:
        for path, method in ((path, method) for path, methods in routes.items() for method in methods):
            filled = re.sub(r"\{\w+\}", lambda _: quote(address), path).lstrip("/")
            query = {"url": address, "deep_link": address, "session_hash": address}
            body = {"path": address, "url": address} if method == "post" else None
            with http.stream(method, filled, params=query, json=body) as answer:
                led = urlsplit(answer.headers.get("location", "")).hostname
            assert led in (None, "127.0.0.1"), f"{method} {path} leads to {led}"
    assert len(routes) > 60 and set(looked_up) <= {"127.0.0.1"}


def test_what_the_page_itself_shows_and_takes_is_not_closed(page, benchmark):
    picture = benchmark / "files" / "queries" / "3.bmp"
    with httpx.Client(base_url=page.local_url) as http:
        assert http.get(media_url(picture)).content == picture.read_bytes()
        (taken,) = http.post("gradio_api/upload", files={"files": ("http:a.bmp", picture.read_bytes())}).json()
        assert http.get(media_url(taken)).content == picture.read_bytes()
        assert [http.get(path).status_code for path in ("/", "config", "gradio_api/login_check")] == [200] * 3


def test_the_public_endpoints_are_exactly_the_five_and_no_handler_can_take_their_names(page):
    public = [function.api_name for function in page.fns.values() if function.api_visibility != "private"]
    assert public == ["search", "search_text", "compare", "list_models", "list_collections"]
    assert {function.api_visibility for function in page.fns.values()} == {"public", "private"}
    taken = [function.api_name for function in page.fns.values() if function.api_visibility == "private"]
    assert not set(taken) & set(public)
