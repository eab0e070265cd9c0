"""Every handler of the page, private ones too, given what no page would send: raw requests, as anyone can make them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from gradio import Error, Image

import umr
from umr.ui.edge import OUR_FAULT
from umr.ui.layout.bodies import NO_FILE
from umr.ui.layout.outside import REFUSED
from umr.ui.parts.wiring import UPLOADS
from umr.ui.render import media_url
from umr.ui.upload_folder import DRAFT

SECRET = "/etc/passwd"
#: Each stands once in the place of every input, and of what was pressed.
HOSTILE: dict[str, Any] = {
    "nothing": None,
    "huge number": 1e300,
    "list": [[None]],
    "object": {"id": {"id": []}},
    "path": {"path": SECRET},
    "climbing path": f"../../../..{SECRET}",
    "zero byte": "a\0b",
    "markup": "<img src=x onerror=alert(1)>{{value}}",
}
#: Addresses on other machines: by name, by number, as a Space, and on a machine next to this one.
OUTSIDE = (
    "http://example.org/a.png",
    "https://93.184.215.14/a.png",
    "https://x.hf.space/a.png",
    "http://10.0.0.1/a.png",
)
OURS = f"{Path(umr.__file__).parent}{os.sep}"  # what frames of our own code begin with, wherever the clone lies
#: Frames of ours around Gradio's own reading and calling (umr/ui/layout/api.py, leaving.py).
PASSES_ON = (", in filled", ", in called")


def is_handlers(frame: str) -> bool:
    """Whether a frame of a traceback is of a handler of ours."""
    return f'"{OURS}' in frame and not frame.endswith(PASSES_ON)


AT_ONCE = 30  # requests that wait together, fewer than the page's queue takes


def ask(page: Any, number: int, value: Any) -> dict[str, Any]:
    """A raw request for a function, with the value in the place of every input; it need not be queued."""
    data = [value] * len(page.fns[number].inputs)
    return {"data": data, "fn_index": number, "session_hash": "hostile", "event_data": {"id": value}}


def answers(page: Any, requests: list[dict[str, Any]]) -> Iterator[Any]:
    """What the server answers to each, in any order."""
    as_json = {"Content-Type": "application/json"}
    with httpx.Client(base_url=page.local_url, timeout=120) as http:
        for start in range(0, len(requests), AT_ONCE):
            joined = [
                http.post("gradio_api/queue/join", content=json.dumps(body), headers=as_json)
                for body in requests[start : start + AT_ONCE]
            ]
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
    assert not [line for line in frames if is_handlers(line)]  # what Gradio itself refuses never comes to a handler


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
    assert not [
        output for output in found if re.search(r'"(path|url)": "http://example', json.dumps(output.get("data")))
    ]


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server next to the page's, and the paths that it was asked for."""
    asked: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a.png", asked
    server.shutdown()
    server.server_close()


def test_no_answer_rebuilds_a_component_so_that_a_later_request_would_fetch(page, canary, monkeypatch):
    address, asked = canary
    fetched: list[str] = []

    async def fetch(url: str, *_: Any, **__: Any) -> httpx.Response:  # without its own filter of private addresses
        fetched.append(url)
        async with httpx.AsyncClient() as http:
            return await http.get(url)

    monkeypatch.setattr("safehttpx.get", fetch)
    changes = [
        {"__type__": "update"},
        {"__type__": "update", "visible": True, "value": {"path": address}},
        {"value": address},
    ]
    takers = [number for number, function in page.fns.items() if function.fn is not None]
    first = [ask(page, number, change) for number in takers for change in changes]
    echoed = [
        output for output in answers(page, first) if '"__type__": "update", "value": {"path"' in json.dumps(output)
    ]
    file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    second = list(answers(page, [ask(page, number, file) for number in takers]))
    assert (asked, fetched, echoed) == ([], [], []) and len(second) == len(takers)
    assert sum("not fetched" in json.dumps(output) for output in second) >= 20


def test_a_component_that_a_session_has_anew_fetches_nothing_either(page, canary):
    address, asked = canary
    rebuilt = type(next(block for block in page.blocks.values() if isinstance(block, Image)))()
    with pytest.raises(Error, match="not fetched"):
        asyncio.run(rebuilt.async_move_resource_to_block_cache(address))
    with pytest.raises(Error, match="not fetched"):
        rebuilt.move_resource_to_block_cache(address)
    assert asked == []


#: What was pressed -> a part of the sentence that each handler of it answers with.
PRESSED: dict[str, Any] = {
    "half a character": "\ud83d",
    "5,000 digits": "9" * 5_000,
    "too long": "x" * 2_000,
    "number": 10**30,
}
VALUES: dict[str, Any] = {
    "half a character": "\ud83d",
    "zero byte": {"path": "a\0b"},
    "half a path": {"path": "\ud83d"},
    "huge": 10**15,
    "beyond 64 bits": 10**30,
    "below 64 bits": -(2**63) - 1,
    "no number": float("nan"),
    "update": {"__type__": "update"},
    "deep": json.loads("[" * 90 + "]" * 90),
    "data URI": {"url": "data:image/png;base64,\u00e9"},
}


def test_what_cannot_be_said_in_json_is_answered_with_a_sentence(page, caplog, capfd):
    takers = [number for number, function in page.fns.items() if "event" in str(signature(function.fn or print))]
    pressed = [
        ask(page, number, None) | {"event_data": {"id": value}} for number in takers for value in PRESSED.values()
    ]
    found = list(answers(page, pressed))
    assert len(found) == len(pressed) > 40
    assert [output for output in found if "error" in output and not output["error"]] == []
    functions = [number for number, function in page.fns.items() if function.fn is not None]
    found += answers(page, [ask(page, number, value) for number in functions for value in VALUES.values()])
    assert OUR_FAULT[:30] not in json.dumps(found)
    assert not [record for record in caplog.records if record.name.startswith("umr")]
    frames = [line for line in capfd.readouterr().err.splitlines() if line.lstrip().startswith("File ")]
    assert not [line for line in frames if is_handlers(line)]


#: Bodies that are no request of the page: each is answered, none by a fault of the server, and the page goes on.
RAW: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"data": ["\xff"]}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "depth": b"[" * 40_000,
    "some depth": b'{"data": ' + b"[" * 95 + b"]" * 95 + b', "fn_index": 0, "session_hash": "raw"}',
    "5,000 digits": b'{"data": [' + b"9" * 5_000 + b'], "fn_index": 0, "session_hash": "raw"}',
    "digits of a function": b'{"data": [], "fn_index": ' + b"9" * 40 + b', "session_hash": "raw"}',
    "half a character": b'{"data": ["\\ud83d"], "fn_index": 0, "session_hash": "\\ud83d"}',
    "no such function": b'{"data": [], "fn_index": -1, "session_hash": "raw"}',
    "a function's text": b'{"data": [], "fn_index": "x", "session_hash": "raw"}',
    "a list for a session": b'{"data": [], "fn_index": 0, "session_hash": ["raw"]}',
    "an object for data": b'{"data": {"__type__": "update"}, "fn_index": 0, "session_hash": "raw"}',
    "no numbers": b'{"data": [NaN, -Infinity], "fn_index": 0, "session_hash": "raw"}',
}
TAKERS = ("gradio_api/queue/join", "gradio_api/call/search", "gradio_api/run/search_text", "gradio_api/mcp/")


def test_bodies_that_are_no_requests_are_refused_without_a_fault_of_the_server(page, capfd):
    as_json = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    faults = {}
    with httpx.Client(base_url=page.local_url, timeout=60) as http:
        for route in TAKERS:
            for what, body in RAW.items():
                answer = http.post(route, content=body, headers=as_json)
                kind = answer.headers["content-type"]  # what a function refuses Gradio tells as 500, too, but in JSON
                if answer.status_code >= 500 and not kind.startswith("application/json"):
                    faults[f"{route}: {what}"] = answer.status_code
        assert faults == {}
        assert http.get("healthz").json() == {"status": "ok"}
    frames = [line for line in capfd.readouterr().err.splitlines() if line.lstrip().startswith("File ")]
    assert not [line for line in frames if is_handlers(line)]


@pytest.mark.parametrize(
    ("name", "rest"),
    [("search", ["red", "images", "unified", 3]), ("compare", ["red", "images", ["unified", "other"], 3, ""])],
)
def test_a_picture_that_is_none_is_refused_in_words_by_the_public_endpoints(page, name, rest):
    number = next(number for number, function in page.fns.items() if function.api_name == name)
    images = ("\ud83d", "data:image/png;base64,\u00e9", "data:image/png;base64,\ud83d", "a\0b", "x" * 5_000)
    found = list(answers(page, [ask(page, number, None) | {"data": [image, *rest]} for image in images]))
    assert len(found) == len(images) and all("picture" in (output["error"] or "") for output in found)


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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "login"),
        ("POST", "login/"),
        ("GET", "logout"),
        ("GET", "gradio_api/deep_link"),
        ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/process_recording"),
        ("GET", "pwa_icon/100000"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "gradio_api/custom_component/%1b%5b2J/client/x/y%0az"),
        ("POST", "gradio_api/stream/x"),
        ("GET", "gradio_api/stream/x/y/1/playlist.m3u8"),
        ("GET", "gradio_api/runs"),
        ("GET", "gradio_api/vibe-code/"),
        ("POST", "gradio_api/vibe-edit"),
        ("POST", "gradio_api/undo-vibe-edit"),
    ],
)
def test_a_route_that_the_page_has_no_use_for_is_closed(page, method, path, capfd):
    answer = httpx.request(
        method,
        page.local_url + path,
        headers={"X-Forwarded-Host": "example.org"},
        files={"video": ("a.mp4", b"#EXTM3U\nhttp://example.org/a.ts")} if "record" in path else None,
    )
    assert (answer.status_code, answer.json()) == (403, {"detail": REFUSED})
    assert capfd.readouterr() == ("", "")  # nor does what it writes reach the operator's terminal


def test_no_route_of_the_server_asks_or_names_another_host(page, looked_up):
    """Every route that the server has, with an address in each place of path, query, headers and body."""
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


@pytest.mark.parametrize("second", [("..", b"second"), (None, b"a field")])
def test_an_upload_with_a_part_that_is_no_file_leaves_nothing(page, second, capfd):
    before = set(UPLOADS.iterdir()) if UPLOADS.exists() else set()
    files = [("files", ("first.png", os.urandom(99))), ("files", second)]
    answer = httpx.post(f"{page.local_url}gradio_api/upload", files=files)
    assert (answer.status_code, answer.text) == (400, NO_FILE)
    left = {path for path in UPLOADS.iterdir() if not path.name.startswith(DRAFT)}  # drafts go with the next sweep
    assert left == before - {path for path in before if path.name.startswith(DRAFT)}
    assert "Traceback" not in "".join(capfd.readouterr())


def test_the_public_endpoints_are_exactly_the_five_and_no_handler_can_take_their_names(page):
    public = [function.api_name for function in page.fns.values() if function.api_visibility != "private"]
    assert public == ["search", "search_text", "compare", "list_models", "list_collections"]
    assert {function.api_visibility for function in page.fns.values()} == {"public", "private"}
    taken = [function.api_name for function in page.fns.values() if function.api_visibility == "private"]
    assert not set(taken) & set(public)
