"""The page's server: it has the port before its app begins, and says so where an app cannot begin."""

from __future__ import annotations

import socket
import time
from contextlib import asynccontextmanager

import gradio as gr
import httpx
import pytest
import uvicorn
from gradio import http_server
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from umr.ui.layout.listening import Listening, serve_listening
from umr.ui.layout.ports import listen


class App:
    """An app that begins once, as Gradio's with an MCP server does; how often it was begun and ended."""

    def __init__(self, takes_s: float = 0.0, fails: bool = False):
        self.begun = self.ended = 0

        @asynccontextmanager
        async def lifespan(_: Starlette):
            self.begun += 1
            time.sleep(takes_s)
            if fails:
                raise RuntimeError("no such folder")
            yield
            self.ended += 1

        self.app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))], lifespan=lifespan)

    def server(self, port: int, host: str = "127.0.0.1") -> Listening:
        return Listening(uvicorn.Config(self.app, host=host, port=port, log_level="critical"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def test_an_app_whose_port_is_taken_is_not_begun_and_begins_at_the_next():
    made = App()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        made.server(taken.getsockname()[1]).run_in_thread()
    assert made.begun == 0
    port = free_port()
    server = made.server(port)
    server.run_in_thread()
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "here"
    server.close()
    assert (made.begun, made.ended) == (1, 1)
    listen("127.0.0.1", port)[0].close()  # and the port is free again


def test_a_port_is_had_by_one_of_two_that_are_both_bound_to_it():
    port = free_port()
    with socket.socket() as bound:  # as one that looks whether it is free
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        (has,) = listen("127.0.0.1", port)
        with has, pytest.raises(OSError, match="in use"):
            bound.listen()


def test_a_slow_beginning_is_waited_for(monkeypatch):
    clock, begun = time.time, time.time()
    made, port = App(takes_s=0.2), free_port()
    server = made.server(port)
    with monkeypatch.context() as quick:
        quick.setattr(time, "time", lambda: begun + 1000 * (clock() - begun))  # Gradio gives up after 5 s of this clock
        server.run_in_thread()
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "here" and made.begun == 1
    server.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # uvicorn's thread ends by it
def test_a_beginning_that_fails_is_no_server_without_it():
    made, port = App(fails=True), free_port()
    with pytest.raises(RuntimeError, match="could not begin"):
        made.server(port).run_in_thread()
    assert made.begun == 1
    listen("127.0.0.1", port)[0].close()


def test_all_addresses_of_a_host_are_listened_at_and_one_that_is_not_of_this_machine_is_told(monkeypatch):
    everywhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    away = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: everywhere * 2 + away)
    (one,) = listen("localhost", 0)
    one.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: away)
    with pytest.raises(OSError, match="assign requested address"):
        listen("localhost", 0)


def test_gradio_starts_its_pages_by_it_and_looks_for_a_port_as_before(monkeypatch):
    monkeypatch.setattr(http_server, "Server", http_server.Server)
    serve_listening()
    with gr.Blocks() as page:
        gr.Markdown("here")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        monkeypatch.setattr(http_server, "INITIAL_PORT_VALUE", first)
        page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, _frontend=False)
    try:
        assert type(page.server) is Listening and page.server_port > first
    finally:
        page.close()
