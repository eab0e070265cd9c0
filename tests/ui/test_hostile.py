"""Every handler of the page, private ones too, given what no page would send: raw requests, as anyone can make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from umr.ui.handlers import OUR_FAULT
from umr.ui.layout.page import build_page, serve
from umr.ui.searchers import Searchers

SECRET = "/etc/passwd"
#: Each stands once in the place of every input, and of what was pressed.
HOSTILE: dict[str, Any] = {
    "nothing": None, "huge number": 1e300, "list": [[None]], "object": {"id": {"id": []}}, "path": {"path": SECRET},
    "climbing path": f"../../../..{SECRET}", "zero byte": "a\0b", "markup": "<img src=x onerror=alert(1)>{{value}}",
}
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
    assert not [line for line in frames if "/umr/" in line]  # what Gradio itself refuses never comes to a handler


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


def test_the_public_endpoints_are_exactly_the_five_and_no_handler_can_take_their_names(page):
    public = [function.api_name for function in page.fns.values() if function.api_visibility != "private"]
    assert public == ["search", "search_text", "compare", "list_models", "list_collections"]
    assert {function.api_visibility for function in page.fns.values()} == {"public", "private"}
    taken = [function.api_name for function in page.fns.values() if function.api_visibility == "private"]
    assert not set(taken) & set(public)
