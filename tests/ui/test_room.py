"""What takes minutes waits in a line of its own length, and leaves the rest of the queue to searches."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from umr.ui.layout.room import MOST_WAITING, Room
from umr.ui.layout.turns import ASKED
from umr.ui.parts.wiring import INDEXING, SEARCHING

INDEX, SEARCH = 1, 2
JOIN = "/gradio_api/queue/join"


def waited(waiting: int) -> Any:
    """With so many that wait for indexing."""
    lines = {INDEXING["concurrency_id"]: SimpleNamespace(queue=[None] * waiting)}
    return SimpleNamespace(
        fns={
            INDEX: SimpleNamespace(concurrency_id=INDEXING["concurrency_id"], api_visibility="private"),
            SEARCH: SimpleNamespace(concurrency_id=SEARCHING["concurrency_id"], api_visibility="private"),
        },
        _queue=SimpleNamespace(event_queue_per_concurrency_id=lines),
    )


def ask(room_of: Any, number: Any, path: str = JOIN, **more: Any) -> SimpleNamespace:
    """What a function's call is answered; status 0 where it goes through."""
    sent: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 0, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, ASKED: {"fn_index": number}} | more
    asyncio.run(Room(behind, room_of)(scope, None, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return SimpleNamespace(status=sent[0]["status"], headers=headers, text=b"".join(m.get("body", b"") for m in sent))


def test_one_too_many_is_told_how_many_wait_and_when_to_come_again():
    told = ask(waited(MOST_WAITING), INDEX)
    assert told.status == 429 and told.headers["retry-after"] == "60"
    assert f"{MOST_WAITING} visitors already wait" in told.text.decode()


@pytest.mark.parametrize(
    ("waiting", "number", "more"),
    [
        (MOST_WAITING - 1, INDEX, {}),
        (MOST_WAITING, SEARCH, {}),
        (MOST_WAITING, 99, {}),
        (MOST_WAITING, INDEX, {"path": "/gradio_api/upload"}),
        (MOST_WAITING, INDEX, {"method": "GET"}),
        (MOST_WAITING, INDEX, {ASKED: None}),
        (MOST_WAITING, INDEX, {"type": "lifespan"}),
    ],
)
def test_everything_else_goes_through(waiting, number, more):
    assert ask(waited(waiting), number, **more).status == 0


def test_those_on_their_way_into_the_queue_count_too():
    """Of several that come at once none is in the queue when the next one is looked at."""
    answers: list[int] = []
    everybody_came = asyncio.Event()

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await everybody_came.wait()
        await send({"type": "http.response.start", "status": 0, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    async def come() -> None:
        room = Room(behind, waited(MOST_WAITING - 2))
        scope = {"type": "http", "method": "POST", "path": JOIN, ASKED: {"fn_index": INDEX}}
        comers = [asyncio.create_task(room(dict(scope), None, send)) for _ in range(5)]
        await asyncio.sleep(0)
        everybody_came.set()
        await asyncio.gather(*comers)
        await room(dict(scope), None, send)  # who passed is in the queue, or gone: there is room again

    asyncio.run(come())
    assert sorted(answers) == [0, 0, 0, 429, 429, 429]


def test_a_queue_in_which_nobody_has_waited_has_room():
    fresh = waited(0)
    fresh._queue.event_queue_per_concurrency_id.clear()
    assert ask(fresh, INDEX).status == 0


def test_a_served_page_keeps_to_it(page):
    number = next(number for number, one in page.fns.items() if one.api_name == "own_add")
    line = SimpleNamespace(
        queue=[SimpleNamespace(alive=False)] * MOST_WAITING, current_concurrency=1, concurrency_limit=1
    )
    page._queue.event_queue_per_concurrency_id[INDEXING["concurrency_id"]] = line
    asked = {"data": [[], "unified"], "fn_index": number, "session_hash": "room"}
    answer = httpx.post(f"{page.local_url}gradio_api/queue/join", json=asked)
    assert answer.status_code == 429 and "searches are answered meanwhile" in answer.json()["detail"]
    line.queue.clear()
