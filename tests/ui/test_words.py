"""What Gradio refuses of a request reaches its sender as a sentence: values, events, functions and streams."""

from __future__ import annotations

import json
import time

import gradio as gr
import httpx
import pytest

from tests.ui.test_hostile import answers, ask, is_handlers
from umr.ui.edge import OUR_FAULT
from umr.ui.layout.words import NO_FUNCTION, NO_STREAM, NO_SUCH_FUNCTION, NO_VALUES

FILE = {"meta": {"_type": "gradio.FileData"}}


def test_values_and_events_that_nothing_holds_are_refused_in_words_and_without_a_traceback(page, capfd):
    functions = [number for number, function in page.fns.items() if function.fn is not None][::4]
    few = [ask(page, number, "x") for number in functions if page.fns[number].inputs]
    few = [body | {"data": body["data"][:-1]} for body in few]
    odd = [ask(page, number, value) for number in functions for value in ({"path": "\ud83d"} | FILE, "\0", [1e300])]
    pressed = [ask(page, number, None) | {"event_data": {"id": {"path": "\ud83d"} | FILE}} for number in functions]
    browsers = [number for number, function in page.fns.items() if function.fn is None][::4]
    alone = [ask(page, number, None) for number in browsers]
    found = {name: list(answers(page, asked)) for name, asked in
             {"few": few, "odd": odd, "pressed": pressed, "alone": alone}.items()}  # fmt: skip
    for outputs in found.values():
        assert outputs and [one for one in outputs if "error" in one and not one["error"]] == []
    said = {name: json.dumps(outputs, ensure_ascii=False) for name, outputs in found.items()}
    assert all(NO_VALUES in said[name] for name in ("few", "odd", "pressed")) and NO_FUNCTION in said["alone"]
    assert OUR_FAULT not in "".join(said.values())
    frames = [line for line in capfd.readouterr().err.splitlines() if line.lstrip().startswith("File ")]
    assert not [line for line in frames if is_handlers(line)]


@pytest.mark.parametrize("path", ["queue/data", "queue/data?session_hash=victim", "queue/data?session_hash=%ED%A0%BD",
                                  "call/search/0", "call/search/%00", "call/v2/search/" + "x" * 3_000])  # fmt: skip
def test_a_stream_of_nobody_is_refused_before_it_begins(page, path, capfd):
    answer = httpx.get(f"{page.local_url}gradio_api/{path}", timeout=60)
    assert (answer.status_code, answer.json()) == (404, {"detail": NO_STREAM})
    assert "Traceback" not in capfd.readouterr().err


def test_ones_own_streams_are_told_to_their_end(page):
    with httpx.Client(base_url=page.local_url, timeout=60) as http:
        event = http.post("gradio_api/call/list_models", json={"data": []}).json()["event_id"]
        said = http.get(f"gradio_api/call/list_models/{event}").text
        assert said.startswith("event: complete") and "unified" in said


def test_an_answer_is_told_to_who_names_their_session_too(page):
    with httpx.Client(base_url=page.local_url, timeout=60) as http:
        for wait in (False, True):
            asked = {"data": [], "session_hash": "mine"}
            event = http.post("gradio_api/call/list_models", json=asked).json()["event_id"]
            while wait and event in page._queue.event_ids_to_events:  # it is answered, and nobody has read it yet
                time.sleep(0.01)
            assert http.get(f"gradio_api/call/list_models/{event}").text.startswith("event: complete")
        assert http.get(f"gradio_api/call/list_models/{event}").status_code == 404  # it was read


def posted(page: gr.Blocks, path: str, body: bytes) -> httpx.Response:
    as_json = {"Content-Type": "application/json"}
    return httpx.post(f"{page.local_url}gradio_api/{path}", content=body, headers=as_json, timeout=60)


def test_a_body_of_another_form_is_refused_by_its_places_and_not_quoted(page, capfd):
    for path, body in (
        ("queue/join", b'"\\ud83d"'),
        ("queue/join", b'{"data": [], "event_id": ["\\ud83d"]}'),
        ("cancel", b'{"data": ["\\ud83d", "' + b"x" * 100_000 + b'"]}'),
        ("reset", b'{"\\ud83d": 1}'),
    ):
        answer = posted(page, path, body)
        assert answer.status_code == 422 and len(answer.content) < 1_000
        assert all(one["msg"] and one["loc"][0] == "body" for one in answer.json()["detail"])
    assert "Traceback" not in capfd.readouterr().err


#: What is asked, and the status of its answer.
FUNCTIONS = (
    ("call/nope", {"data": []}, 404),
    ("run/nope", {"data": []}, 404),
    ("run/predict", {"data": []}, 404),
    ("api/nope/", {"data": [], "session_hash": "me"}, 404),
    ("call/v2/nope", {}, 404),
    ("run/list_models", {"data": [], "fn_index": 9_999}, 404),
    ("queue/join", {"data": [], "fn_index": 9_999, "session_hash": "me"}, 404),
    ("queue/join", {"data": [], "session_hash": "me"}, 400),
    ("call/v2/search_text", {"nope\ud83d": 1}, 400),
    ("call/v2/list_models", {}, 200),
    ("run/list_models", {"data": []}, 200),
    ("call/list_models", {"data": [], "fn_index": 9_999}, 200),
)


def test_a_function_that_is_not_there_and_arguments_that_are_not_its_are_refused_in_words(page, capfd):
    for path, body, status in FUNCTIONS:
        answer = posted(page, path, json.dumps(body).encode())
        assert (path, answer.status_code) == (path, status)
        assert status == 200 or answer.json()["detail"]
        assert status != 404 or answer.json()["detail"] == NO_SUCH_FUNCTION
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("body", [b'{"": [1e999]}', b'{"data": [NaN]}', b'{"data": [-Infinity], "x": 1}'])
def test_numbers_that_no_answer_could_quote_are_refused_in_words(page, body):
    answer = posted(page, "run/list_models", body)
    assert answer.status_code == 400 and "finite numbers" in answer.json()["detail"]
