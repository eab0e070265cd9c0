"""The page's own scripts and styles come from memory, and from nowhere else, and nothing else does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from umr.ui.layout.assets import FOR_EVER, OVERHEAD, Assets

SCRIPT = "/assets/index-DphvyggB.js"
BODY = [b"first ", b"", b"second"]


class Gradio:
    """Stands for what is behind: answers in pieces, and counts."""

    def __init__(self, status: int = 200, pieces: Sequence[bytes] = BODY):
        self.status, self.pieces, self.asked = status, pieces, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        headers = [(b"content-type", b"text/javascript")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for at, piece in enumerate(self.pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": at + 1 < len(self.pieces)})


def ask(app: Any, path: str = SCRIPT, method: str = "GET", **headers: str) -> httpx.Response:
    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers={"accept-encoding": ""} | named)

    return asyncio.run(get())


def test_a_second_visit_is_answered_from_memory_with_the_same_bytes():
    behind = Gradio()
    app = Assets(behind)
    first, second = ask(app), ask(app, origin="http://page")
    assert behind.asked == 1 and first.content == second.content == b"".join(BODY)
    assert second.headers["content-length"] == str(len(second.content))
    assert first.headers["cache-control"] == second.headers["cache-control"] == FOR_EVER
    assert second.headers["content-type"] == "text/javascript"


def test_what_is_no_request_goes_through():
    passed = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope)

    asyncio.run(Assets(behind)({"type": "lifespan"}, None, None))
    assert passed == [{"type": "lifespan"}]


def test_who_changes_an_answer_on_its_way_changes_no_other():
    app = Assets(Gradio())
    plain = ask(app)

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            message.setdefault("headers", []).append((b"vary", b"Origin"))
            message["body"] = b"another"
            await send(message)

        await app(scope, receive, sent)

    for _ in range(2):
        assert ask(outside).headers["vary"] == "Origin"
    again = ask(app)
    assert again.content == plain.content and "vary" not in again.headers


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "HEAD"},
        {"method": "POST"},
        {"range": "bytes=0-3"},
        {"if_none_match": '"x"'},
        {"if_modified_since": "Sun, 29 Nov 2026 20:12:05 GMT"},
        {"path": f"/assets/x/%2e%2e/{SCRIPT.removeprefix('/assets/')}"},
        {"path": "/gradio_api/file=/assets/mine.webp"},
        {"path": "/"},
    ],
    ids=str,
)
def test_what_must_be_answered_for_itself_is_neither_kept_nor_answered_from_memory(asked):
    behind = Gradio()
    app = Assets(behind)
    ask(app)
    for _ in range(2):
        ask(app, **asked)
    assert behind.asked == 3 and len(app.kept) == 1


def test_each_packing_has_an_answer_of_its_own():
    behind = Gradio()
    app = Assets(behind)
    for accepted in ("", "identity", "gzip", "gzip, deflate", "gzip, deflate, br, zstd", "br"):
        assert ask(app, accept_encoding=accepted).content == ask(app, accept_encoding=accepted).content
    assert behind.asked == 3 and {packed for _, packed in app.kept} == {"", "gzip", "br"}


@pytest.mark.parametrize("packed", ["br", "gzip"])
def test_what_packing_makes_smaller_is_kept_packed(packed):
    words = [b"the same words " * 100]
    app = Assets(Gradio(pieces=words))
    ask(app, accept_encoding=packed)
    again = ask(app, accept_encoding=packed)  # httpx unpacks it
    assert again.headers["content-encoding"] == packed and again.headers["vary"] == "Accept-Encoding"
    assert again.content == words[0] and int(again.headers["content-length"]) < 100
    assert all(len(body) < 100 for _, body in app.kept.values())


def test_what_is_not_there_and_what_was_sent_by_half_is_not_kept():
    missing = Gradio(404)
    app = Assets(missing)
    ask(app), ask(app)
    assert missing.asked == 2 and not app.kept

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first ", "more_body": True})
        raise ConnectionError("the disk is gone")

    app = Assets(breaks)
    with pytest.raises(ConnectionError):
        ask(app)
    assert not app.kept


def test_no_more_is_kept_than_there_is_room_for():
    behind = Gradio()
    app = Assets(behind, most=2 * (sum(map(len, BODY)) + OVERHEAD) + 1)
    for number in range(4):
        ask(app, f"/assets/index-Dphvygg{number}.js")
    assert len(app.kept) == 2 and app.room == 1
    assert ask(app, "/assets/index-Dphvygg3.js").content == b"".join(BODY)


def test_a_name_that_stays_while_its_content_changes_is_not_kept_by_browsers():
    app = Assets(Gradio())
    assert ["cache-control" in ask(app, f"/assets/{name}").headers for name in ("theme.css", "a-Akn07EZk2.js")] == [
        False,
        True,
    ]


def test_the_address_of_a_root_path_is_kept_too():
    behind = Gradio()
    app = Assets(behind, root_path="https://host/demo/")
    for path in (SCRIPT, f"/demo{SCRIPT}", f"/other{SCRIPT}"):
        ask(app, path), ask(app, path)
    assert behind.asked == 4


@pytest.mark.parametrize("packed", ["br", "gzip", "identity"])
def test_the_page_gives_its_scripts_out_alike_from_disk_and_from_memory(page, packed):
    with httpx.Client(base_url=page.local_url, headers={"Accept-Encoding": packed}) as http:
        name = re.findall(r'assets/[^"]*\.js', http.get("").text)[0]
        first, second = http.get(name), http.get(name)
    left_out = {"date", "transfer-encoding", "content-length"}
    said, again = ({key: answer.headers[key] for key in {*answer.headers} - left_out} for answer in (first, second))
    assert first.content == second.content and said == again and first.status_code == 200
    assert second.headers.get("content-encoding", "identity") == packed
    assert second.headers["cache-control"] == FOR_EVER and "content-security-policy" in second.headers


def test_no_visitor_changes_what_the_page_gives_to_others(page):
    with httpx.Client(base_url=page.local_url, headers={"Accept-Encoding": "br"}) as http:
        name = re.findall(r'assets/[^"]*\.js', http.get("").text)[0]
        before = [http.get(name) for _ in range(2)][1]
        for _ in range(3):
            http.get(name, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"})
        after = http.get(name)
    assert after.content == before.content and "access-control-allow-origin" not in after.headers
    assert after.headers["vary"] == before.headers["vary"]
