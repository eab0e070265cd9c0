"""The real server in a process of its own: what visitors sent goes when they say so, leave, or it ends."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from PIL import Image

from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.index.index import build_index
from umr.ui.render import media_url
from umr.ui.upload_folder import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
#: app.py itself, with an encoder that needs no weights, and a grace of no half minute. It hears Ctrl-C also where these
#: tests run in the background of a shell, which has its jobs ignore it.
SERVER = """
import signal, sys, umr.encoders, umr.ui.files.visitor_collections, umr.ui.visitors
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.conftest import _load_fake
umr.encoders.load_encoder = _load_fake
umr.ui.files.visitor_collections.GRACE_S = umr.ui.visitors.LEFT_S = 1.0
import app
sys.exit(app.main(sys.argv[1:]))
"""
#: What a server does with its folder before it is killed; no page is needed for that.
KILLED = """
from umr.ui.upload_folder import claim
(claim() / "killed.png").touch()
print("there", flush=True)
input()
"""
#: In the page's own process too, so that a picture that it decoded itself would end it.
BROKEN_DECODER = str(ROOT / "tests" / "broken_decoder")
WAIT_S = 300.0  # a limit against hanging, not a speed: other processes may hold the machine


@dataclass(frozen=True)
class Server:
    """A running server. base: where its folder for uploads is made."""

    address: str
    base: Path
    process: subprocess.Popen

    @property
    def files(self) -> list[str]:
        """Names of all files of visitors that are on the disk."""
        return sorted(path.name for path in self.base.rglob("*") if path.is_file() and path.name != ".lock")


def until(fact: Callable[[], Any]) -> Any:
    """Waits for a fact; its value."""
    end = time.monotonic() + WAIT_S
    while not (value := fact()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for colour in ("red", "blue"):
        (folder / "pictures").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(folder / "pictures" / f"{colour}.png")
    encoder = FakeEncoder(dim=8)
    encoder.save(folder / "encoder")
    collection = Collection.from_folder(folder / "pictures").save(folder / "collection")
    build_index(encoder, collection, folder / "index", encoder_at=folder / "encoder")
    return folder / "index"


@contextmanager
def started(index: Path, base: Path) -> Iterator[Server]:
    process = subprocess.Popen(  # on the first free port: one that is looked for here may be another's by then
        [sys.executable, "-c", SERVER, "--index", str(index), "--host", "127.0.0.1"],
        cwd=ROOT,
        env=os.environ | {VARIABLE: str(base), "PYTHONPATH": os.pathsep.join((BROKEN_DECODER, str(ROOT)))},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = next((line for line in process.stdout if "The page is at" in line), "")
        assert told, process.wait()
        yield Server(told.split()[-1].rstrip("/"), base, process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(index, tmp_path_factory.mktemp("uploads")) as running:
        yield running
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(WAIT_S) == 0
        assert list(running.base.iterdir()) == []


class Visitor:
    """A page that is open: its heartbeat is connected until leave()."""

    def __init__(self, server: Server, session: str):
        self.server, self.session = server, session
        self.http = httpx.Client(base_url=server.address, timeout=WAIT_S)
        self.functions = {fn["api_name"]: fn["id"] for fn in self.http.get("config").json()["dependencies"]}
        self._left, here = Event(), Event()

        def beat() -> None:
            with httpx.stream("GET", f"{server.address}/gradio_api/heartbeat/{session}", timeout=WAIT_S) as beats:
                chunks = beats.iter_raw()
                next(chunks)
                here.set()
                self._left.wait()

        self._beating = Thread(target=beat)
        self._beating.start()
        assert here.wait(WAIT_S)

    def leave(self) -> None:
        """Closes the page."""
        self._left.set()
        self._beating.join()

    def send(self, name: str, colour: str) -> dict[str, Any]:
        """Uploads a picture; Gradio's value of it."""
        picture = Path(self.server.base.parent, name)
        Image.new("RGB", (9, 9), colour).save(picture)
        (path,) = self.http.post("gradio_api/upload", files={"files": (name, picture.read_bytes())}).json()
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def ask(self, name: str, *data: Any, event: Any = None) -> Any:
        """What a function answers at last."""
        body = {"data": list(data), "fn_index": self.functions[name], "session_hash": self.session, "event_data": event}
        self.http.post("gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": self.session}) as events:
            for message in (json.loads(line[5:]) for line in events.iter_lines() if line.startswith("data:")):
                if message["msg"] == "process_completed":
                    return message["output"]
        return pytest.fail(f"{name} was not answered")

    def status(self, file: dict[str, Any]) -> int:
        """What the file's address answers."""
        return self.http.get(media_url(file["path"])).status_code


@pytest.fixture
def visitor(server: Server, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    opened = Visitor(server, request.node.name[:60])
    yield opened
    opened.leave()
    assert until(lambda: not server.files), server.files


def test_removed_files_are_on_the_disk_no_more_and_their_addresses_answer_nothing(server, visitor):
    own, query = visitor.send("own.png", "green"), visitor.send("query.png", "pink")
    assert visitor.status(own) == visitor.status(query) == 200
    ready = visitor.ask("own_add", [own], FakeEncoder(dim=8).name, False)
    assert "Ready to search" in json.dumps(ready) and len(server.files) > 2
    assert "own.png" in json.dumps(visitor.ask("own_search", query, "", "all"))
    assert "no longer on this server" in json.dumps(visitor.ask("own_remove"))
    assert server.files == [] and visitor.status(own) == visitor.status(query) == 403


def test_files_go_when_the_page_is_left_and_another_visitors_stay(server, visitor):
    mine, other = visitor.send("mine.png", "green"), Visitor(server, "other")
    theirs = other.send("theirs.png", "pink")
    visitor.ask("own_search", mine, "", "all"), other.ask("own_search", theirs, "", "all")
    other.leave()
    assert until(lambda: "theirs.png" not in server.files)
    assert other.status(theirs) == 403 and visitor.status(mine) == 200


def test_a_picture_that_ends_its_decoder_costs_a_sentence_wherever_it_is_sent(server, visitor):
    query, deadly = visitor.send("query.png", "pink"), Path(server.base.parent, "deadly.png")
    deadly.write_bytes(deadly.with_name("query.png").read_bytes() + b"UMR-ABORT")
    (path,) = visitor.http.post("gradio_api/upload", files={"files": ("deadly.png", deadly.read_bytes())}).json()
    sent = query | {"path": path, "orig_name": "deadly.png"}
    as_address = f"data:image/png;base64,{base64.b64encode(deadly.read_bytes()).decode()}"
    told = "cannot be read: it stops the decoder"
    assert told in json.dumps(visitor.ask("own_add", [sent], FakeEncoder(dim=8).name, False))
    ready = json.dumps(visitor.ask("own_add", [sent, query], FakeEncoder(dim=8).name, False))
    assert "Ready to search" in ready and told in ready
    assert told in json.dumps(visitor.ask("own_search", sent, "", "all"))
    for image in (sent["path"], as_address):
        assert told in json.dumps(visitor.ask("search", image, "", "images", "fake", 3, False, None))
    other = visitor.send("other.png", "green")
    assert "query.png" in json.dumps(visitor.ask("own_search", other, "", "all")) and server.process.poll() is None
    visitor.ask("own_remove")


def test_an_upload_that_breaks_off_leaves_nothing(server, visitor):
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))) as line:
        line.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; "
            b'name="files"; filename="a.png"\r\n\r\n' + b"x" * 100_000
        )
        assert until(lambda: server.files)
    assert until(lambda: not server.files)


def test_an_upload_from_another_sites_page_is_refused(server, visitor):
    answer = visitor.http.post("gradio_api/upload", files={"files": b"x"}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403 and server.files == []


def test_what_a_killed_server_left_goes_with_the_next_one_and_a_living_ones_stays(index, server, visitor):
    base, mine = server.base, visitor.send("mine.png", "pink")
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env=os.environ | {VARIABLE: str(base)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert killed.stdout.readline() == b"there\n"
    killed.kill()
    killed.communicate()
    assert server.files == ["killed.png", "mine.png"]
    with started(index, base) as running:
        assert running.files == ["mine.png"] and visitor.status(mine) == 200
        guest = Visitor(running, "guest")
        guest.ask("own_add", [guest.send("stopped.png", "green")], FakeEncoder(dim=8).name, False)
        assert len(running.files) > 3
        running.process.terminate()
        assert running.process.wait(WAIT_S) == 0
        guest.leave()
    assert server.files == ["mine.png"] and len(list(base.iterdir())) == 1
    visitor.ask("own_search", mine, "", "all")  # so that it is this page's, and goes with it
