"""The command that damages what strangers send: what it makes and counts, and a short run over every light kind."""

from __future__ import annotations

import json
import os
import random
import struct
import tempfile
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest

import umr
from umr.bench.fuzz import answers, command, damage, judge, requests, seeds
from umr.bench.fuzz.kinds import KINDS, Kind
from umr.bench.fuzz.requests import Asked, Function
from umr.errors import ConfigError, MismatchError
from umr.index.coarse import Coarse, CoarseIndex
from umr.index.flat import FlatIndex

#: Kinds whose readers take milliseconds, with how many of each the short part reads.
LIGHT = {"jpeg": 40, "png": 40, "webp": 40, "gif": 40, "heic": 30, "picture": 40, "clip": 10, "rows": 30, "arrays": 40,
         "faiss": 40, "index": 12, "address": 40, "zip": 4}  # fmt: skip
#: Of these there is no sound one that a page without benchmark and re-ranker opens whole.
REFUSED_WHOLE = {"judged", "own"}


@pytest.mark.parametrize("label", LIGHT)
def test_a_short_run_meets_no_fault(label):
    kind = KINDS[label]
    found = [judge.judged(kind, *judge.damaged(kind, label, 3, number)) for number in range(LIGHT[label])]
    assert [one.why for one in found if one.outcome == judge.FAULT] == []
    assert {one.outcome for one in found} <= {judge.OPENED, judge.REFUSED}


@pytest.mark.parametrize("label", LIGHT)
def test_what_is_not_damaged_is_opened(label):
    for name, data in KINDS[label].made().items():
        if name not in REFUSED_WHOLE:
            assert judge.judged(KINDS[label], name, data) == judge.Verdict(outcome=judge.OPENED), name


def test_a_seed_makes_the_same_damage_and_another_seed_other_damage():
    def made(seed: int) -> list[bytes]:
        return [judge.damaged(KINDS["png"], "png", seed, number)[1] for number in range(10)]

    assert made(1) == made(1) != made(2)
    assert requests.made(1, 7) == requests.made(1, 7) != requests.made(2, 7)


@pytest.mark.parametrize("label", ["jpeg", "clip", "zip", "faiss", "address"])
def test_almost_everything_damaged_differs_from_what_it_was(label):
    kind, rng = KINDS[label], random.Random(0)
    changed = [kind.damage(data, rng) != data for data in kind.made().values() for _ in range(40)]
    assert sum(changed) > 0.85 * len(changed)


def test_a_damaged_png_mostly_keeps_checksums_that_fit():
    def fits(data: bytes) -> bool:
        size = int.from_bytes(data[8:12], "big")
        end = 16 + size
        return end + 4 <= len(data) and data[end : end + 4] == struct.pack(">I", zlib.crc32(data[12:end]))

    sound, rng = seeds.pngs()["rgb.png"], random.Random(1)
    made = [damage.of_bytes(sound, rng) for _ in range(60)]
    assert sum(map(fits, made)) > 35


def test_sound_clips_are_the_same_bytes_every_time():
    """Their encoders had read memory that nobody filled: several of twenty came out otherwise."""
    once = seeds.clips()
    seeds.clips.cache_clear()
    assert seeds.clips() == once


def test_lists_that_lead_to_rows_that_are_not_there_are_refused_in_words(tmp_path):
    """FAISS raised its own RuntimeError at the search."""
    flat = FlatIndex.empty(16)
    rows = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
    flat.add(rows)
    wanted, path = Coarse.read(seeds.COARSE_FACTORY, 400, 16), tmp_path / "coarse.faiss"
    CoarseIndex.made(wanted, flat).write(path)
    ids = [struct.pack("<q", row) for row in range(390, 400)]
    data = path.read_bytes()
    for one in ids:
        data = data.replace(one, struct.pack("<q", 10**6))
    path.write_bytes(data)
    damaged = CoarseIndex.read(path, seeds.COARSE_FACTORY, flat, mapped=False)
    with pytest.raises(MismatchError, match="lead to rows that are not there"):
        damaged.search(rows[390:], 5)


@pytest.mark.parametrize(
    ("name", "at", "into"),
    [
        ("coarse.faiss", slice(533, None), b""),  # FAISS mapped it and read on behind it: a crash
        ("vectors.faiss", slice(32, 33), b"\0"),  # is_trained; FAISS raised its own RuntimeError at the search
        ("coarse.faiss", slice(32, 33), b"\0"),
        ("vectors.faiss", slice(73, 81), b"\xff\xff\xff\x7f\0\0\0\0"),  # bytes of rows, which FAISS took: 2 GiB
    ],
)
def test_an_index_file_that_ends_early_or_was_never_trained_is_refused(name, at, into):
    data = bytearray(seeds.vectors()[name])
    data[at] = into
    found = judge.judged(KINDS["faiss"], name, bytes(data))
    assert found.outcome == judge.REFUSED and "rebuild it" in found.why


def made() -> dict[str, bytes]:
    return {"a": b"0123456789"}


def ends(*_: object) -> None:
    os._exit(9)


def hangs(*_: object) -> None:
    time.sleep(60)


def breaks(*_: object) -> None:
    raise ZeroDivisionError("of a reader")


def refuses(*_: object) -> None:
    raise ConfigError("no")


def leaves(*_: object) -> None:
    Path(tempfile.mkdtemp(), "left").write_text("by a reader that was ended")
    os._exit(9)


def test_what_readers_write_is_gone_after_them_however_they_end(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with judge.Apart({"leaves": Kind(made=made, read=leaves)}, seed=0) as apart:
        assert "status 9" in apart.verdict("leaves", 0)[1].why
        apart.verdict("leaves", 1)
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_process_a_delay_and_an_exception_are_faults_and_the_next_one_is_read():
    readers = {"breaks": breaks, "refuses": refuses, "ends": ends, "hangs": hangs}
    kinds = {name: Kind(made=made, read=read) for name, read in readers.items()}
    with judge.Apart(kinds, seed=0, timeout_s=1.0) as apart:
        said = {name: apart.verdict(name, 0)[1] for name in readers}
    assert [said[name].outcome for name in readers] == [judge.FAULT, judge.REFUSED, judge.FAULT, judge.FAULT]
    assert "status 9" in said["ends"].why and "no answer in 1 s" in said["hangs"].why
    assert said["breaks"].why.startswith("ZeroDivisionError: of a reader (test_fuzz.py:")


def test_faults_are_told_kept_and_the_exit_status(monkeypatch, tmp_path, capsys):
    fault = judge.Fault(kind="png", number=3, name="rgb.png", why="Boom\x1b[2J")

    def fuzz(labels, seconds, seed):
        assert (labels, seconds, seed) == (["png"], 1.0, 5)
        return {"png": judge.Counter({judge.OPENED: 2, judge.FAULT: 1})}, [fault]

    monkeypatch.setattr(command, "fuzz", fuzz)
    assert command.main(["--only", "png", "--seconds", "1", "--seed", "5", "--keep", str(tmp_path / "kept")]) == 1
    said = capsys.readouterr().out
    assert "3 damaged" in said and r"FAULT png 3 (rgb.png): Boom\x1b[2J" in said and "3 in all, 1 faults" in said
    kept = (tmp_path / "kept" / "png-3-rgb.png").read_bytes()
    assert kept == judge.damaged(KINDS["png"], "png", 5, 3)[1]


FUNCTIONS = [Function(number=7, values=('"red"', "null", "[]")), Function(number=9, values=())]


def test_requests_name_every_function_of_the_page_and_other_visitors():
    found = [requests.made(0, number, FUNCTIONS) for number in range(400)]
    assert found == [requests.made(0, number, FUNCTIONS) for number in range(400)]
    assert [requests.made(1, number, FUNCTIONS) for number in range(20)] != found[:20]
    joined = [one for one in found if one.path == requests.JOIN and one.session == requests.SESSION]
    asked = {str(json.loads(one.body).get("fn_index")) for one in joined}
    assert {"7", "9"} <= asked and len(joined) > 100
    absent = str(requests.ABSENT)
    assert absent in asked and {f"gradio_api/{way}/{absent}" for way in ("run", "call/v2")} <= {
        one.path for one in found
    }
    said = b"".join(one.body for one in found)
    for hostile in (b"\\ud83d", b'"__type__"', b"9" * 30, b"[" * 90, b"victim", b"1e999"):
        assert hostile in said, hostile
    assert {one.path.partition("?")[0].split("/")[1] for one in found if "gradio_api" in one.path} >= {
        "call", "run", "queue", "mcp", "cancel", "reset"
    }  # fmt: skip
    assert Asked("POST", requests.JOIN, b"[").session is None


def test_requests_call_their_bodies_by_every_name_of_json_by_others_and_by_none():
    found = [requests.made(0, number, FUNCTIONS).kind for number in range(1_000)]
    assert set(found) == {requests.JSON, *requests.KINDS} and None in requests.KINDS
    assert found.count(requests.JSON) > 500


def test_the_functions_of_a_page_are_those_with_a_backend_and_what_their_fields_hold():
    config = {
        "components": [{"id": 1, "props": {"value": "red"}}, {"id": 2, "props": {}}],
        "dependencies": [{"id": 5, "inputs": [1, 2], "backend_fn": True}, {"id": 6, "inputs": [], "backend_fn": False}],
    }
    assert requests.functions_of(config) == [Function(number=5, values=('"red"', "null"))]


class Page(BaseHTTPRequestHandler):
    """Answers by the path: what a page may say to a request."""

    said: ClassVar[dict[str, tuple[int, str, bytes]]] = {
        "/fine": (200, "application/json", b'{"data": []}'),
        "/words": (422, "application/json", b'{"detail": "no list"}'),
        "/told": (500, "application/json", b'{"error": "no picture"}'),
        "/bare": (500, "text/plain", b"Internal Server Error"),
        "/ours": (200, "application/json", answers.OUR_FAULT.encode()),
        f"/{requests.JOIN}": (200, "application/json", b'{"event_id": "e"}'),
    }
    streams: ClassVar[dict[str, list[dict]]] = {
        "done": [{"msg": "heartbeat"}, {"success": True, "output": {"data": []}}],
        "refused": [{"success": False, "output": {"error": "no picture"}}],
        "wordless": [{"success": False, "output": {"error": None}}],
        "ours": [{"success": True, "output": {"data": [answers.OUR_FAULT]}}],
        "dropped": [{"msg": "heartbeat"}],
    }

    kinds: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        session = self.path.partition("session_hash=")[2]
        events = [{"msg": "process_completed", "event_id": "e"} | one for one in self.streams[session]]
        self.answer(200, "text/event-stream", b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in events))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.kinds.append(self.headers["Content-Type"])
        self.answer(*self.said[self.path])

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def page():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_answer_of_a_page_is_a_fault_without_words_and_a_refusal_with_them(page):
    found = {
        path: answers.judged(page, Asked("POST", path, b"{}"))[0] for path in ("fine", "words", "told", "bare", "ours")
    }
    assert found == {"fine": judge.OPENED, "words": judge.REFUSED, "told": judge.REFUSED, "bare": judge.FAULT,
                     "ours": judge.FAULT}  # fmt: skip
    nobody = answers.judged("http://127.0.0.1:1", Asked("POST", "gradio_api/run/search", b"{}"))
    assert nobody[0] == judge.FAULT and "refused" in nobody[1]


def test_a_request_is_sent_with_the_kind_that_it_says_it_has(page):
    for kind in ("application/JSON", None):
        answers.judged(page, Asked("POST", "fine", b"{}", kind))
        assert Page.kinds[-1] == kind


def test_an_event_of_the_queue_is_followed_to_its_end_and_a_stream_that_is_dropped_is_a_fault(page):
    found = {
        session: answers.judged(page, Asked("POST", requests.JOIN, json.dumps({"session_hash": session}).encode()))
        for session in Page.streams
    }
    assert {session: outcome for session, (outcome, _) in found.items()} == {
        "done": judge.OPENED, "refused": judge.REFUSED, "wordless": judge.FAULT, "ours": judge.FAULT,
        "dropped": judge.FAULT,
    }  # fmt: skip
    assert found["wordless"][1] == "an error without a word" and "the stream ended" in found["dropped"][1]


def test_a_traceback_through_our_code_is_found_in_a_log_and_one_of_gradios_own_refusal_is_not():
    ours = Path(umr.__file__).parent / "ui" / "handlers.py"
    head, end = "Traceback (most recent call last):\n", "ValueError: odd\n"
    gradio, handler = '  File "/gradio/blocks.py", line 1, in call\n', f'  File "{ours}", line 2, in read\n'
    passing = f'  File "{ours.parent}/layout/api.py", line 3, in filled\n'
    assert answers.tracebacks(head + gradio + passing + end) == answers.tracebacks("all is well") == []
    assert answers.tracebacks(head + gradio + end + "a line\n" + head + gradio + handler + end) == ["ValueError: odd"]
