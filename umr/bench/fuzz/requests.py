"""Damaged requests to a served page: what is answered to each. Not files (umr.bench.fuzz.kinds)."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from umr.bench.fuzz import damage
from umr.bench.fuzz.judge import FAULT, OPENED, REFUSED, Fault
from umr.bench.server import served_page

LABEL = "requests"
TIMEOUT_S = 60.0
OUR_FAULT = "Something went wrong on our side"  # what the page says of an unforeseen fault
_ANSWER = 1 << 22  # bytes of an answer that are read
#: Endpoint -> arguments that it answers.
SOUND: dict[str, list[Any]] = {
    "search": [None, "a red mug", "images", "unified", 3, False],
    "search_text": ["a red mug", "images", "unified", 3, False],
    "compare": [None, "a red mug", "images", None, 3, ""],
    "list_models": [],
    "list_collections": [],
}
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def made(seed: int, number: int) -> tuple[str, bytes]:
    """The number-th request: its path and its body, the same for the same seed."""
    rng = random.Random(f"{seed} {LABEL} {number}")
    name = sorted(SOUND)[number % len(SOUND)]
    sound = SOUND[name] or ["unasked"]
    way = rng.randrange(5)
    if way < 2:  # a call whose arguments alone are damaged
        return f"gradio_api/call/{name}", b'{"data": ' + damage.of_json(json.dumps(sound).encode(), rng) + b"}"
    if way == 2:
        body = {"data": sound, "fn_index": rng.randrange(60), "session_hash": "fuzz", "event_data": {"id": "x"}}
        return "gradio_api/queue/join", damage.of_json(json.dumps(body).encode(), rng)
    if way == 3:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {"text": "x"}}}
        return "gradio_api/mcp/", damage.of_json(json.dumps(body).encode(), rng)
    return f"gradio_api/run/{name}", damage.of_json(json.dumps({"data": sound}).encode(), rng)


def _asked(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    """(status, kind, answer) of one request on a connection of its own."""
    there = urlsplit(address)
    connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, f"/{path}", body, _HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("content-type", ""), answer.read(_ANSWER)
    finally:
        connection.close()


def judged(address: str, path: str, body: bytes) -> tuple[str, str]:
    """(outcome, why) of one request: a fault is no answer, an unforeseen one, or an error without a word."""
    try:
        status, kind, said = _asked(address, "POST", path, body)
        if status == 200 and "/call/" in path:
            event = json.loads(said)["event_id"]
            status, kind, said = _asked(address, "GET", f"{path}/{event}")
            if said.startswith(b"event: error") and b"data: null" in said:
                return FAULT, "an error without a word"
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        return FAULT, f"{type(error).__name__}: {error}"
    if OUR_FAULT.encode() in said or (status >= 500 and not kind.startswith("application/json")):
        return FAULT, f"{status} {said[:200]!r}"
    return (OPENED if status == 200 and b'"error"' not in said and b"event: error" not in said else REFUSED), ""


def fuzz_requests(seconds: float, seed: int) -> tuple[Counter[str], list[Fault]]:
    """Starts the page and sends it damaged requests for so long; the page's own end is a fault, and the last one.

    Raises:
        MismatchError: the page does not start.
    """
    found, faults = Counter[str](), []
    with served_page() as (address, process):
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            path, body = made(seed, number)
            outcome, why = judged(address, path, body)
            found[outcome] += 1
            ended = process is not None and process.poll() is not None
            if outcome == FAULT or ended:
                faults.append(Fault(kind=LABEL, number=number, name=path, why="the page ended" if ended else why))
            if ended:
                break
            number += 1
    return found, faults
