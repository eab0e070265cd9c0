"""One visitor who asks too much is told so with status 429, in the page's own form; everybody else is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from umr.ui.access import Access
from umr.ui.layout.about import about
from umr.ui.layout.gate import Gate
from umr.ui.layout.turns import TURN, Turn, Turns, functions_of, turns_of
from umr.ui.limits import Accounts, Limits
from umr.ui.parts.wiring import COMPARING, INDEXING, PRIVATE, SEARCHING
from umr.ui.visitors import Visitors

FUNCTIONS = {1: "search", 2: "index", 3: "call", 4: "step"}
HERE = "127.0.0.1"


class Server:
    """The gate and what stands behind it, asked as a server does; `app` answers 200 unless it is another."""

    def __init__(self, visitors: Visitors, limits: Limits, app: Any = None, queued: list[Turn] | None = None) -> None:
        self.queued = [] if queued is None else queued
        self.reached = 0
        turns = Turns(app or self._app, Accounts(limits, lambda: 0.0), FUNCTIONS, lambda: iter(self.queued))
        self.gate = Gate(turns, visitors, "0.0.0.0")

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})

    def ask(self, path: str, body: Any = None, address: str = "10.0.0.7", **headers: str) -> SimpleNamespace:
        """One request's answer."""
        return asyncio.run(self.asked(path, body, address, **headers))

    async def asked(self, path: str, body: Any = None, address: str = "10.0.0.7", **headers: str) -> SimpleNamespace:
        sent: list[dict[str, Any]] = []
        given = {"host": "h", "content_type": "application/json"} | headers
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "client": (address, 1),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        }
        messages = [{"type": "http.request", "body": json.dumps(body or {}).encode(), "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.gate(scope, receive, send)
        told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return SimpleNamespace(status=sent[0]["status"], headers=told, text=text)


@pytest.fixture
def serve(tmp_path) -> Callable[..., Server]:
    return lambda *given, **named: Server(Visitors(tmp_path), *given, **named)


JOIN = "/gradio_api/queue/join"


@pytest.mark.parametrize(
    ("path", "body", "limit", "words"),
    [
        (JOIN, {"fn_index": 1, "session_hash": "s"}, {"searches": 2}, "2 searches of one visitor in a minute"),
        (JOIN, {"fn_index": 2}, {"indexings": 2}, "2 indexings of files of one visitor in an hour"),
        (JOIN, {"fn_index": 3}, {"calls": 2}, "2 calls of one visitor in a minute"),
        ("/gradio_api/run/predict", {"fn_index": 1}, {"searches": 2}, "2 searches"),
        ("/gradio_api/call/search", {"data": []}, {"calls": 2}, "2 calls"),
        ("/space/gradio_api/call/v2/search_text/", {"text": "red"}, {"calls": 2}, "2 calls"),
        ("/gradio_api/run/compare", {"data": []}, {"calls": 2}, "2 calls"),
        ("/gradio_api/mcp/", {"method": "tools/call"}, {"calls": 2}, "2 calls"),
        ("/gradio_api/upload", None, {"uploads": 2}, "2 uploads of one visitor in a minute"),
    ],
)
def test_over_a_limit_comes_429_with_the_limit_and_the_time(serve, path, body, limit, words):
    server = serve(Limits(**limit))
    assert [server.ask(path, body).status for _ in range(2)] == [200, 200]
    refused = server.ask(path, body)
    assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1 and server.reached == 2
    said = refused.text if path.endswith("upload") else json.loads(refused.text)["detail"]
    assert words in said and "again in" in said
    assert server.ask(path, body, address="10.0.0.8").status == 200
    assert [server.ask(path, body, address=HERE).status for _ in range(9)] == [200] * 9


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (JOIN, {"fn_index": 9}),  # browsing, what follows an answer
        (JOIN, {"data": []}),
        ("/gradio_api/mcp/", {"method": "tools/list"}),
        ("/gradio_api/cancel", {}),
    ],
)
def test_what_costs_little_is_not_counted(serve, path, body):
    server = serve(Limits(searches=1, calls=1, uploads=1, indexings=1))
    assert [server.ask(path, body).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    "kind", ["application/JSON", "application/vnd.x+JSON", "Application/Json; charset=utf-8", "text/plain", ""]
)
def test_what_is_asked_counts_however_its_kind_is_written(serve, kind):
    server = serve(Limits(searches=1, calls=1))
    for path, body in ((JOIN, {"fn_index": 1}), ("/gradio_api/mcp/", {"method": "tools/call"})):
        assert [server.ask(path, body, content_type=kind).status for _ in range(2)] == [200, 429]


def test_a_new_session_is_no_new_visitor(serve):
    server = serve(Limits(searches=3))
    answers = [server.ask(JOIN, {"fn_index": 1, "session_hash": f"s{number}"}).status for number in range(5)]
    assert answers == [200, 200, 200, 429, 429]


def test_behind_the_proxy_of_a_space_a_visitor_is_who_the_proxy_says(serve):
    server, body = serve(Limits(searches=1)), {"fn_index": 1}
    server.gate.behind_proxy = True
    assert server.ask(JOIN, body, "10.0.0.1", x_forwarded_for="6.6.6.6, 1.2.3.4").status == 200
    assert server.ask(JOIN, body, "10.0.0.2", x_forwarded_for="7.7.7.7, 1.2.3.4").status == 429
    assert server.ask(JOIN, body, "10.0.0.1", x_forwarded_for="1.2.3.4, 5.6.7.8").status == 200


def test_behind_a_proxy_that_the_operator_named_every_visitor_has_limits_of_their_own(serve):
    server, body = serve(Limits(searches=1)), {"fn_index": 1}
    server.gate.access = Access(proxies=(ip_network("10.0.0.0/8"), ip_network(HERE)))
    for visitor in ("1.2.3.4", "5.6.7.8"):
        for told, proxy, status in ((visitor, "10.0.0.1", 200), (f"9.9.9.9, {visitor}, 10.0.0.2", HERE, 429)):
            assert server.ask(JOIN, body, proxy, x_forwarded_for=told).status == status
    assert server.ask(JOIN, body, "8.8.8.8", x_forwarded_for="1.1.1.1").status == 200
    assert server.ask(JOIN, body, "8.8.8.8", x_forwarded_for="2.2.2.2").status == 429  # no proxy: its own word


@pytest.mark.parametrize("told", ["", HERE, "unknown", "::1", "10.0.0.2"])
def test_who_comes_through_a_proxy_on_this_machine_is_not_this_machine(serve, told):
    server, body = serve(Limits(searches=1)), {"fn_index": 1}
    assert [server.ask(JOIN, body, HERE, x_forwarded_for=told).status for _ in range(3)] == [200] * 3
    server.gate.access = Access(proxies=(ip_network("127.0.0.0/8"), ip_network("10.0.0.2")))
    assert [server.ask(JOIN, body, HERE, x_forwarded_for=told).status for _ in range(2)] == [200, 429]


def test_an_mcp_call_counts_once_though_gradio_asks_the_queue_for_it_with_its_headers(serve):
    tool, answered = {"method": "tools/call"}, []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if "mcp" in scope["path"]:
            headers = {name.decode().replace("-", "_"): value.decode() for name, value in scope["headers"]}
            answered.append((await server.asked(JOIN, {"fn_index": 3}, HERE, **headers)).status)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})

    server = serve(Limits(calls=2), app=app)
    server.gate.access = Access(proxies=(ip_network("127.0.0.0/8"),))
    for told in ("1.2.3.4", "5.6.7.8"):
        named = {"x_forwarded_for": told, "x_umr_ticket": "guessed\xe9"}
        assert [server.ask("/gradio_api/mcp/", tool, HERE, **named).status for _ in range(3)] == [200, 200, 429]
        assert server.ask(JOIN, {"fn_index": 3}, HERE, **named).status == 429
    assert answered == [200] * 4


def test_mcp_calls_count_as_at_once_for_whoever_makes_them_whatever_their_headers_say(serve):
    tool, inside = {"method": "tools/call"}, []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if "mcp" in scope["path"]:
            headers = {name.decode().replace("-", "_"): value.decode() for name, value in scope["headers"]}
            await server.asked(JOIN, {"fn_index": 3}, HERE, **headers)
            if len(inside) == 1:  # while the first waits
                inside.append((await server.asked("/gradio_api/mcp/", tool, x_forwarded_for="9.9.9.9")).status)
        else:
            inside.append(scope[TURN].visitor)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})

    server = serve(Limits(calls_at_once=1), app=app)
    assert server.ask("/gradio_api/mcp/", tool, x_forwarded_for="9.9.9.9").status == 200
    assert inside == ["10.0.0.7", 429]
    assert server.ask("/gradio_api/mcp/", tool).status == 200 and inside[2:] == ["10.0.0.7"]


def test_what_waits_in_the_queue_counts_as_at_once_until_it_is_answered(serve):
    server, body = serve(Limits(searches_at_once=2)), {"fn_index": 1}
    server.queued += [Turn("10.0.0.7", "search"), Turn("10.0.0.7", "call"), Turn("10.0.0.8", "search")]
    assert server.ask(JOIN, body).status == 200
    server.queued.append(Turn("10.0.0.7", "search"))
    refused = server.ask(JOIN, body)
    assert refused.status == 429 and "at most 2 searches of one visitor at a time" in refused.text
    server.queued.pop()
    assert server.ask(JOIN, body).status == 200


def test_what_is_no_search_takes_only_so_many_places_of_the_queue_either(serve):
    server, body = serve(Limits(steps_at_once=2, steps=3)), {"fn_index": 4}
    server.queued += [Turn("10.0.0.7", "step"), Turn("10.0.0.8", "step"), Turn("10.0.0.7", "search")]
    assert server.ask(JOIN, body).status == 200
    server.queued.append(Turn("10.0.0.7", "step"))
    refused = server.ask(JOIN, body)
    assert refused.status == 429 and "at most 2 steps on the page of one visitor at a time" in refused.text
    assert server.ask(JOIN, {"fn_index": 1}).status == 200 and server.ask(JOIN, body, "10.0.0.9").status == 200
    server.queued.clear()
    assert [server.ask(JOIN, body).status for _ in range(3)] == [200, 200, 429]  # one was asked above


def test_what_arrives_counts_before_it_is_in_the_queue(serve):
    async def both() -> list[int]:
        let_go = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await let_go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"[]"})

        server = serve(Limits(calls_at_once=1), app=app)
        first = asyncio.create_task(server.asked("/gradio_api/call/search", {"data": []}))
        await asyncio.sleep(0.01)
        second = await server.asked("/gradio_api/call/search", {"data": []})
        let_go.set()
        third = await first
        return [third.status, second.status, (await server.asked("/gradio_api/call/search", {"data": []})).status]

    assert asyncio.run(both()) == [200, 429, 200]


def test_the_functions_of_a_page_are_counted_by_what_they_do():
    with gr.Blocks() as page:
        button = gr.Button()

        def named(text: str) -> str:
            return text

        gr.api(named, api_name="named", **SEARCHING)
        for at_once in (SEARCHING, COMPARING, INDEXING, {}):
            button.click(lambda: None, None, None, **PRIVATE, **at_once)
        button.click(lambda: None, None, None, queue=False, **PRIVATE)
        button.click(None, None, None, js="() => {}", api_visibility="private")
    assert list(functions_of(page).values()) == ["call", "search", "search", "index", "step", "step", "step"]
    turn, event = Turn("a", "search"), SimpleNamespace(request=SimpleNamespace(scope={}))
    page._queue.event_ids_to_events |= {"1": event}
    assert list(turns_of(page)) == []
    event.request.scope[TURN] = turn
    assert list(turns_of(page)) == [turn]


def test_uploads_are_kept_up_to_the_limits_that_were_set(tmp_path):
    visitors = Visitors(tmp_path)
    visitors.own = 2_000_000, 5
    with visitors.arriving("a") as upload:
        visitors.take(upload, 1_900_000)
        with pytest.raises(Exception, match=r"5 files or 2 MB"):
            visitors.take(upload, 200_000)


def test_the_page_says_its_limits_beforehand():
    assert "ask 77 searches" in about(Limits(searches=77)) and "One visitor may" not in about()
