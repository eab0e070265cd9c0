"""What reaches the page's server: from where, how much, how slowly.

Asked of the middleware alone; of a page where Gradio's own middleware, outside of it, would answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from umr.ui import visitors as visitors_module
from umr.ui.access import read_access
from umr.ui.layout import gate
from umr.ui.layout.bodies import MAX_PARTS
from umr.ui.layout.gate import HEADERS, MAX_BODY, NOT_FROM_HERE, NOT_THESE_HOSTS, Gate, is_loopback
from umr.ui.layout.page import build_page, serve
from umr.ui.render import media_url
from umr.ui.visitors import Visitors

HASH = "ab" * 32
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"


@pytest.fixture
def visitors(tmp_path: Path) -> Visitors:
    return Visitors(tmp_path)


@pytest.fixture
def inner(visitors: Visitors) -> Starlette:
    """What stands behind the gate: it tells how much came, and keeps uploads as Gradio does."""

    async def tell(request: Request) -> JSONResponse:
        return JSONResponse(len(await request.body()))

    async def keep(request: Request) -> JSONResponse:
        body, path = await request.body(), visitors.root / HASH / "x.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        return JSONResponse([str(path)])

    return Starlette(
        routes=[Route(UPLOAD, keep, methods=["POST"]), Route("/{path:path}", tell, methods=["GET", "POST"])]
    )


def ask(app: Any, path: str = JOIN, host: str = "localhost:7860", method: str = "POST", **more: Any) -> httpx.Response:
    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=("9.9.9.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            return await http.request(method, path, **more)

    return asyncio.run(sent())


async def slowly(*parts: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause_s)
        yield part


def allowed(**settings: str) -> Any:
    """What an operator says by options."""
    return read_access(Namespace(**{"limits": None, "proxies": None, "hosts": None, "frames": None} | settings), {})


@pytest.mark.parametrize(
    ("host", "headers", "passes"),
    [
        ("localhost:7860", {}, True),  # curl, gradio_client, an MCP client
        ("localhost:7860", {"Origin": "http://localhost:7860"}, True),
        ("127.0.0.1:7860", {"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"}, True),
        ("localhost:7860", {"Origin": "http://evil.example"}, False),
        ("localhost:7860", {"Origin": "http://localhost:3000"}, False),
        ("localhost:7860", {"Origin": "null"}, False),
        ("localhost:7860", {"Sec-Fetch-Site": "cross-site"}, False),
        ("10.0.0.5:7860", {"Origin": "https://me-umr.hf.space", "X-Forwarded-Host": "me-umr.hf.space"}, True),
        ("me-umr.hf.space", {"Origin": "https://me-umr.hf.space"}, True),
        ("10.0.0.5:7860", {"Origin": "https://me-umr.hf.space", "Sec-Fetch-Site": "same-origin"}, True),
        (
            "10.0.0.5:7860",
            {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "Sec-Fetch-Site": "cross-site"},
            False,
        ),
    ],
)
@pytest.mark.parametrize("path", [JOIN, UPLOAD])
def test_other_sites_pages_are_refused_and_programs_and_proxies_are_not(inner, visitors, path, host, headers, passes):
    answer = ask(Gate(inner, visitors, "0.0.0.0"), path, host, headers=headers, content=b"x")
    assert answer.status_code == (200 if passes else 403)
    assert passes or NOT_FROM_HERE in answer.text
    assert ask(Gate(inner, visitors, "0.0.0.0"), "/", host, "GET", headers=headers).status_code == 200


EVIL = "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def shared(answer: httpx.Response) -> list[str]:
    """What lets other sites read an answer."""
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Origin": EVIL}, False),
        ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost:7860"}, True),
        ({"Origin": "https://me-umr.hf.space", "X-Forwarded-Host": "me-umr.hf.space"}, True),
        ({}, True),  # a program
    ],
)
def test_another_sites_page_that_asks_beforehand_is_refused(inner, visitors, headers, passes):
    app = Gate(inner, visitors, "0.0.0.0")
    for path in (JOIN, UPLOAD, "/", "/metrics", "/gradio_api/mcp/"):
        answer = ask(app, path, method="OPTIONS", headers=headers | PREFLIGHT)
        assert (answer.status_code == 403, NOT_FROM_HERE in answer.text) == (not passes, not passes)
        assert not shared(answer)


def test_what_is_behind_lets_no_other_site_read_its_answers(visitors):
    async def sharing(request: Request) -> JSONResponse:
        open_to_all = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true", "X-Kept": "1"}
        return JSONResponse(None, headers=open_to_all)

    answer = ask(Gate(Starlette(routes=[Route("/", sharing)]), visitors, "0.0.0.0"), "/", method="GET")
    assert answer.headers["x-kept"] == "1" and not shared(answer)


@pytest.fixture
def named(searchers: Any, benchmark: Path) -> Iterator[httpx.Client]:
    """What asks a served page that answers to example.org."""
    page = build_page(searchers, [])
    serve(page, [benchmark], "127.0.0.1", None, access=allowed(hosts="example.org"))
    with httpx.Client(base_url=page.local_url, headers={"Host": "example.org"}, timeout=60) as http:
        yield http
    page.close()


def test_no_answer_of_a_page_may_be_read_by_another_site(named, benchmark):
    picture = media_url(benchmark / "files" / "queries" / "3.bmp").lstrip("/")
    script = re.findall(r'assets/[^"]*\.js', named.get("").text)[0]
    heartbeat, told = "gradio_api/heartbeat/x", "gradio_api/queue/data?session_hash="
    paths = ["", "config", "gradio_api/info", "metrics", "healthz", picture, script, script, "not/there"]
    paths += [heartbeat, told]
    for number, origin in enumerate((EVIL, "https://example.org", "null")):
        asked = {"data": [], "fn_index": 0, "session_hash": str(number)}
        assert named.post("gradio_api/queue/join", json=asked).status_code == 200
        for path in paths:
            whole = f"{path}{number}" if path == told else path
            with named.stream("GET", whole, headers={"Origin": origin}) as answer:
                assert answer.status_code == (404 if path == "not/there" else 200) and not shared(answer), path
                assert path not in (heartbeat, told) or "text/event-stream" in answer.headers["content-type"]
    for path in paths:
        answer = named.options(path, headers={"Origin": EVIL, "Access-Control-Request-Method": "GET"})
        assert answer.status_code == 403 and not shared(answer), path


def test_a_page_goes_on_answering_itself_and_programs(named):
    asked = {"data": [], "fn_index": 0, "session_hash": "x"}
    own = {"Origin": "https://example.org", "Sec-Fetch-Site": "same-origin"}
    framed = own | {"Referer": "https://example.org/?__theme=light", "Sec-Fetch-Dest": "empty"}  # within the Hub's page
    for headers in (own, framed, {"Origin": "https://example.org"}, {}):
        assert named.post("gradio_api/queue/join", json=asked, headers=headers).status_code == 200
        assert named.post("gradio_api/upload", files={"files": b"x"}, headers=headers).status_code == 200
    assert named.post("gradio_api/queue/join", json=asked, headers={"Origin": EVIL}).status_code == 403
    first = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe", "Referer": "https://huggingface.co/"}
    assert named.get("", headers=first).status_code == 200


@pytest.mark.parametrize(
    ("bound", "host", "passes"),
    [
        ("127.0.0.1", "127.0.0.1:7860", True),
        ("127.0.0.1", "localhost:7860", True),
        ("localhost", "[::1]:7860", True),
        ("127.0.0.1", "evil.example", False),
        ("::1", "evil.example:7860", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("0.0.0.0", "page.example", True),
        ("192.168.0.7", "page.example", True),
    ],
)
def test_a_server_of_this_machine_alone_is_not_asked_by_a_foreign_name(inner, visitors, bound, host, passes):
    for path, method in (("/", "GET"), ("/gradio_api/mcp/", "POST")):
        assert ask(Gate(inner, visitors, bound), path, host, method).status_code == (200 if passes else 403)


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("page.example", True),
        ("Page.Example:8443", True),
        ("[2001:db8::1]:7860", True),
        ("localhost:7860", True),
        ("127.0.0.1:7860", True),
        ("192.168.0.7:7860", True),  # as it listens
        ("evil.example", False),
        ("page.example.evil.example", False),
        ("sub.page.example", False),
        ("10.0.0.5:7860", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_server_with_names_is_asked_by_them_and_loopback_alone(inner, visitors, host, passes):
    app = Gate(inner, visitors, "192.168.0.7", allowed(hosts="page.example:443, [2001:db8::1]"))
    for path, method in (("/", "GET"), ("/healthz", "GET"), ("/gradio_api/mcp/", "POST")):
        answer = ask(app, path, method=method, headers={"Host": host})
        assert answer.status_code == (200 if passes else 403)
        assert passes or NOT_THESE_HOSTS in answer.text


def test_a_server_of_this_machine_is_asked_by_the_names_that_a_proxy_passes_on(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1", allowed(hosts="page.example"))
    names = {"page.example": 200, "localhost": 200, "evil.example": 403}
    assert {name: ask(app, host=name).status_code for name in names} == names


def test_names_and_origins_that_are_none_are_refused_without_a_fault(inner, visitors):
    for headers in ({"Host": "["}, {"Host": "[a"}, {"Origin": "http://["}, {"Origin": "["}, {"Origin": ""}):
        assert ask(Gate(inner, visitors, "127.0.0.1"), headers=headers).status_code == 403


def test_every_answer_tells_the_browser_what_it_may_do_and_only_the_hub_may_frame_it(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1")
    for answer in (
        ask(app, "/", method="GET"),
        ask(app, "/", "evil.example", "GET"),
        ask(app, "/none/none", method="PUT"),
    ):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"] == "'self' https://huggingface.co https://*.hf.space"
        assert "X-Frame-Options" not in answer.headers


def test_pages_that_the_operator_names_may_frame_it_too_and_nothing_else_changes(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1", allowed(frames="https://example.org, http://localhost:3000"))
    policy = ask(app, "/", method="GET").headers["Content-Security-Policy"]
    assert policy == HEADERS["Content-Security-Policy"] + " https://example.org http://localhost:3000"
    *_, last = policy.split("; ")
    assert last.startswith("frame-ancestors 'self' ")


def test_a_body_is_given_on_whole_up_to_the_limit_and_refused_over_it(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1")
    assert ask(app, content=b"x" * MAX_BODY).json() == MAX_BODY
    for content in (b"x" * (MAX_BODY + 1), slowly(*[b"x" * (1 << 20)] * 25)):  # with a length, and without
        answer = ask(app, content=content)
        assert answer.status_code == 413 and "24 MiB" in answer.json()["detail"]
    assert app.reading == 0


def test_a_body_of_many_small_things_is_refused_before_it_is_parsed(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1")
    assert ask(app, content=json.dumps({"data": list(range(1_000))}).encode()).status_code == 200
    for body in ({"data": [[]] * MAX_PARTS}, {str(n): n for n in range(MAX_PARTS + 1)}):
        assert ask(app, content=json.dumps(body).encode()).status_code == 413
    assert ask(app, content=b"[" * (MAX_PARTS + 1)).status_code == 413


def test_a_body_that_is_nested_too_deeply_is_refused_before_it_is_parsed(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1")
    for body in (b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101, b"[" * 40_000):
        answer = ask(app, content=body)
        assert answer.status_code == 413 and "100 deep" in answer.text
    wide = json.dumps({"data": [{"path": ["x"]}] * 3_000})
    for body in (wide.encode(), b"[" * 100 + b"]" * 100, json.dumps({"data": ["[" * 90] * 1}).encode()):
        assert ask(app, content=body).status_code == 200


KINDS = ("application/json", "application/JSON", "application/vnd.x+JSON", "Application/Json; charset=utf-16",
         "application/json; charset=utf-8", "text/plain", "multipart/form-data; boundary=x", None)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"fn_index": -1}',
        b'{"fn_index": 99999999999999999999999}',
        b'{"data": {"a": 1e999}}',
        b'{"data": [NaN]}',
        b'{"session_hash": "\\ud83d"}',
        b'{"data": "x"}',
        b'{"data": [' + b"9" * 5_000 + b"]}",
        b'{"data": ["\xff"]}',
        '{"fn_index": -1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"fn_index": -1}',
    ],
)
def test_a_body_is_checked_however_its_kind_is_written(inner, visitors, body, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    answer = ask(Gate(inner, visitors, "127.0.0.1"), content=body, headers=headers)
    assert answer.status_code == 400 and answer.json()["detail"]
    sound = ask(Gate(inner, visitors, "127.0.0.1"), content=b'{"fn_index": 1, "data": ["[1e999"]}', headers=headers)
    assert sound.status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("application/JSON", 400), ("text/plain", 200), (None, 200)])
def test_what_is_no_json_is_refused_where_it_says_it_is_and_is_left_to_gradio_elsewhere(inner, visitors, kind, status):
    headers = {} if kind is None else {"Content-Type": kind}
    for body in (b"", b"a=1&b=2", b"{"):
        assert ask(Gate(inner, visitors, "127.0.0.1"), content=body, headers=headers).status_code == status


def test_an_upload_is_bytes_of_any_kind(inner, visitors):
    for kind in ("multipart/form-data; boundary=x", "application/json"):
        headers = {"Content-Type": kind}
        answer = ask(Gate(inner, visitors, "127.0.0.1"), UPLOAD, content=b'\xff{"fn_index": -1}', headers=headers)
        assert answer.status_code == 200


def test_many_large_bodies_at_once_are_refused(inner, visitors, monkeypatch):
    monkeypatch.setattr(gate, "MAX_BODIES", 1_000)
    app = Gate(inner, visitors, "127.0.0.1")
    assert ask(app, content=b"x" * 1_001).status_code == 503
    assert ask(app, content=b"x" * 1_000).status_code == 200


@pytest.mark.parametrize("path", [JOIN, UPLOAD])
@pytest.mark.parametrize(("limit", "value"), [("STALL_S", 0.05), ("BODY_S", 0.25), ("UPLOAD_S", 0.25)])
def test_a_body_that_does_not_come_in_time_is_given_up(inner, visitors, monkeypatch, path, limit, value):
    monkeypatch.setattr(gate, limit, value)
    pause_s = 0.2 if limit == "STALL_S" else 0.1
    answer = ask(Gate(inner, visitors, "127.0.0.1"), path, content=slowly(*[b"x"] * 6, pause_s=pause_s))
    slow = limit == "STALL_S" or (limit == "UPLOAD_S") == (path == UPLOAD)
    assert answer.status_code == (408 if slow else 200)
    assert not slow or "in time" in answer.text


def test_an_upload_over_the_limit_is_refused_in_plain_words_while_it_comes(inner, visitors, monkeypatch):
    monkeypatch.setattr(visitors_module, "VISITOR_BYTES", 3 << 20)
    app = Gate(inner, visitors, "127.0.0.1")
    for content in (b"x" * (4 << 20), slowly(*[b"x" * (1 << 20)] * 4)):
        answer = ask(app, UPLOAD, content=content)
        assert (
            answer.status_code == 413 and answer.text.startswith("You have sent") and not list(visitors.root.iterdir())
        )
    assert ask(app, UPLOAD, content=b"x" * (2 << 20)).status_code == 200


def test_an_upload_is_its_sessions_once_it_is_named_in_a_request(inner, visitors):
    app = Gate(inner, visitors, "127.0.0.1")
    (path,) = ask(app, UPLOAD, content=b"x").json()
    said = {"data": [{"path": path}, 'in words: "session_hash": "you"'], "session_hash": "me"}
    assert ask(app, json=said).status_code == 200
    visitors.release("you")
    assert Path(path).exists()
    visitors.release("me")
    assert not Path(path).exists()


def test_a_page_is_open_while_its_heartbeat_is_connected(visitors):
    seen: list[bool] = []

    async def beating(scope: Any, receive: Any, send: Any) -> None:
        seen.append(visitors.lives("me"))
        await JSONResponse("")(scope, receive, send)

    ask(Gate(beating, visitors, "127.0.0.1"), "/gradio_api/heartbeat/me", method="GET")
    assert seen == [True] and not visitors.lives("me") and visitors.address_of("me") == "9.9.9.9"


@pytest.mark.parametrize(("most_open", "fits"), [(None, 3), (100, 3), (2, 2)])
def test_one_visitor_holds_so_many_requests_open_and_others_are_answered(visitors, most_open, fits):
    released = asyncio.Event()

    async def beating(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/healthz":
            await released.wait()
        await JSONResponse("")(scope, receive, send)

    app = Gate(beating, visitors, "0.0.0.0", allowed(limits="open_at_once=3"), most_open)

    async def status(peer: str, path: str) -> tuple[int, str, str]:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://umr") as http:
            answer = await http.get(path)
            return answer.status_code, answer.headers.get("retry-after", ""), answer.text

    async def asked() -> None:
        held = [asyncio.create_task(status("9.9.9.9", f"/gradio_api/heartbeat/{n}")) for n in range(fits)]
        await asyncio.sleep(0.05)
        code, wait, said = await status("9.9.9.9", "/healthz")
        assert (code, wait) == (429, "5") and f"at most {fits} pages and requests" in said
        assert [(await status(peer, "/healthz"))[0] for peer in ("9.9.9.8", "127.0.0.1")] == [200, 200]
        released.set()
        assert [(await one)[0] for one in held] == [200] * fits
        assert (await status("9.9.9.9", "/healthz"))[0] == 200

    asyncio.run(asked())


def test_without_limits_a_visitor_holds_as_many_as_the_server_bears(visitors, inner):
    assert Gate(inner, visitors, "0.0.0.0", allowed(limits="off"), 2).open is None


@pytest.mark.parametrize(("space", "address"), [("me/umr", "2.2.2.2"), (None, "9.9.9.9")])
def test_the_address_that_a_header_names_counts_in_a_space_alone(visitors, monkeypatch, inner, space, address):
    monkeypatch.setattr(gate, "get_space", lambda: space)
    ask(
        Gate(inner, visitors, "0.0.0.0"),
        "/gradio_api/heartbeat/me",
        method="GET",
        headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"},
    )
    assert visitors.address_of("me") == address


def test_the_address_that_a_header_names_counts_behind_a_proxy_that_the_operator_named(inner, visitors):
    app = Gate(inner, visitors, "0.0.0.0", allowed(proxies="9.9.9.0/24"))
    lines = [("X-Forwarded-For", "1.1.1.1, 2.2.2.2"), ("X-Forwarded-For", "9.9.9.7")]  # a proxy may add a line
    ask(app, "/gradio_api/heartbeat/me", method="GET", headers=lines)
    assert visitors.address_of("me") == "2.2.2.2"


def test_the_proxy_of_a_space_may_add_a_line_of_its_own(inner, visitors, monkeypatch):
    monkeypatch.setattr(gate, "get_space", lambda: "me/umr")
    lines = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")]
    ask(Gate(inner, visitors, "0.0.0.0"), "/gradio_api/heartbeat/me", method="GET", headers=lines)
    assert visitors.address_of("me") == "2.2.2.2"


def test_loopback_is_told_from_other_hosts():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "a.localhost")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "localhost.example", "10.0.0.1", "::")))
