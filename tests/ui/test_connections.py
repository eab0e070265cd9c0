"""Connections that wait: given up after a while, and never in the way of one that asks; on a server without a page."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from umr.ui.layout import connections
from umr.ui.layout.connections import FEWEST, MOST, Patient, raise_descriptor_limit


async def answer(scope, receive, send) -> None:
    await asyncio.sleep(0.6 if scope["path"] == "/slow" else 0)
    await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def address(monkeypatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "ASK_S", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(answer, log_level="error", lifespan="off"))
    server.config.load()
    server.config.http_protocol_class = Patient
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Half", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_connection_that_asks_nothing_more_is_ended(address, sent):
    with socket.create_connection(address, timeout=10) as waiting:
        waiting.sendall(sent)
        while waiting.recv(4_096):
            pass  # what it asked is answered, then the server ends it


def test_an_answer_may_take_longer_than_the_patience(address):
    assert httpx.get(f"http://{address[0]}:{address[1]}/slow").text == "here"


def test_who_asks_gets_in_however_many_wait(address, monkeypatch):
    monkeypatch.setattr(connections, "ASK_S", 60)
    monkeypatch.setattr(Patient, "most", 8)
    waiting = [socket.create_connection(address, timeout=10) for _ in range(40)]
    assert httpx.get(f"http://{address[0]}:{address[1]}/").text == "here"
    assert waiting[0].recv(1) == b""  # the one that waited longest made room
    for one in waiting:
        one.close()


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "most"),
    [
        (1_024, 20_000, MOST + connections.RESERVED, MOST),
        (1_024, 1_024, None, 1_024 - connections.RESERVED),
        (100_000, 100_000, None, MOST),
        (1_024, resource.RLIM_INFINITY, MOST + connections.RESERVED, MOST),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, MOST),
        (256, 256, None, FEWEST),
    ],
)
def test_the_limit_on_descriptors_is_raised_as_far_as_it_is_needed(monkeypatch, soft, hard, raised, most):
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(Patient, "most", 0)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert raise_descriptor_limit() == Patient.most == most
    assert asked == ([] if raised is None else [(raised, hard)])
