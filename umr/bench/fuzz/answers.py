"""What a page answers to damaged requests: sent, followed to their end, judged. Not what is sent (requests)."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import umr
from umr.bench.fuzz.judge import FAULT, OPENED, REFUSED, Fault
from umr.bench.fuzz.requests import JOIN, LABEL, Asked, functions_of, made
from umr.bench.server import served_page

TIMEOUT_S = 90.0
OUR_FAULT = "Something went wrong on our side"  # what the page says of an unforeseen fault
_ANSWER = 1 << 22  # bytes of an answer that are read
_HEADERS = {"Accept": "application/json, text/event-stream"}
#: Frames of a traceback that are ours around Gradio's own reading and calling: what it refuses passes them.
_PASSES_ON = (", in filled", ", in called")


@contextmanager
def _answer_to(address: str, asked: Asked) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request, on a connection of its own."""
    there = urlsplit(address)
    connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=TIMEOUT_S)
    headers = _HEADERS if asked.kind is None else _HEADERS | {"Content-Type": asked.kind}
    try:
        connection.request(asked.method, f"/{asked.path}", asked.body or None, headers)
        yield connection.getresponse()
    finally:
        connection.close()


def judged(address: str, asked: Asked) -> tuple[str, str]:
    """(outcome, why) of one request: a fault is no answer, an unforeseen one, or an error without a word."""
    try:
        if asked.method == "GET":
            return _held(address, asked)
        with _answer_to(address, asked) as answer:
            status, kind, said = answer.status, answer.headers.get("content-type", ""), answer.read(_ANSWER)
        if status == 200 and "/call/" in asked.path:
            event = json.loads(said)["event_id"]
            with _answer_to(address, Asked("GET", f"{asked.path}/{event}", b"")) as answer:
                status, kind, said = answer.status, answer.headers.get("content-type", ""), answer.read(_ANSWER)
            if said.startswith(b"event: error") and b"data: null" in said:
                return FAULT, "an error without a word"
        elif status == 200 and asked.path == JOIN and asked.session:
            return _followed(address, asked.session, json.loads(said)["event_id"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        return FAULT, f"{type(error).__name__}: {error}"
    return _verdict(status, kind, said)


def _verdict(status: int, kind: str, said: bytes) -> tuple[str, str]:
    if OUR_FAULT.encode() in said or (status >= 500 and not kind.startswith("application/json")):
        return FAULT, f"{status} {said[:200]!r}"
    return (OPENED if status == 200 and b'"error"' not in said and b"event: error" not in said else REFUSED), ""


def _held(address: str, asked: Asked) -> tuple[str, str]:
    """As judged, for an address that may keep its stream open."""
    with _answer_to(address, asked) as answer:
        status, kind = answer.status, answer.headers.get("content-type", "")
        if "event-stream" in kind:
            return (OPENED if status == 200 else REFUSED), ""
        return _verdict(status, kind, answer.read(_ANSWER))


def _followed(address: str, session: str, event: str) -> tuple[str, str]:
    """What came of an event of the queue; a stream that ends before it does is a fault."""
    path = f"gradio_api/queue/data?session_hash={quote(session, safe='', errors='replace')}"
    until = time.monotonic() + TIMEOUT_S  # the stream itself says every few seconds that it is there
    with _answer_to(address, Asked("GET", path, b"")) as stream:
        for line in iter(stream.readline, b""):
            if time.monotonic() > until:
                return FAULT, f"no answer in {TIMEOUT_S:.0f} s"
            if not line.startswith(b"data:"):
                continue
            message = json.loads(line[5:])
            if message["msg"] == "process_completed" and message["event_id"] == event:
                output = message["output"]
                if not message["success"] and not output.get("error"):
                    return FAULT, "an error without a word"
                said = OUR_FAULT in json.dumps(output, ensure_ascii=False)
                return (FAULT, OUR_FAULT) if said else (OPENED if message["success"] else REFUSED, "")
    return FAULT, "the stream ended before its event did"


def tracebacks(log: str) -> list[str]:
    """Last lines of the tracebacks in a page's log that go through code of this project."""
    ours, found = f'File "{Path(umr.__file__).parent}', []
    for block in log.split("Traceback (most recent call last):")[1:]:
        frames = [line for line in block.splitlines() if line.lstrip().startswith("File ")]
        if any(ours in frame and not frame.endswith(_PASSES_ON) for frame in frames):
            ends = [line for line in block.splitlines() if line and not line.startswith(" ")]
            found.append(ends[0][:200] if ends else "a traceback")
    return found


def fuzz_requests(seconds: float, seed: int) -> tuple[Counter[str], list[Fault]]:
    """Starts the page and sends it damaged requests for so long; the page's own end is a fault, and the last one.

    Raises:
        MismatchError: the page does not start.
    """
    found, faults = Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with served_page(log=log) as (address, process):
            with _answer_to(address, Asked("GET", "config", b"")) as answer:
                functions = functions_of(json.loads(answer.read()))
            until, number, read = time.monotonic() + seconds, 0, 0
            while time.monotonic() < until:
                asked = made(seed, number, functions)
                outcome, why = judged(address, asked)
                said = log.read_text("utf-8", "replace")
                if outcome != FAULT and (seen := tracebacks(said[read:])):
                    outcome, why = FAULT, f"a traceback in the log: {seen[0]}"
                read = len(said)
                ended = process is not None and process.poll() is not None
                found[FAULT if ended else outcome] += 1
                if outcome == FAULT or ended:
                    told = {"name": asked.path, "why": "the page ended" if ended else why}
                    faults.append(Fault(kind=LABEL, number=number, data=asked.body or asked.path.encode(), **told))
                if ended:
                    break
                number += 1
    return found, faults
