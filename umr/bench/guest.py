"""One visitor of a served page by plain HTTP: a session whose page is open, and what it sends. Not a crowd of them.

Each comes from an address of its own where the system lets it: a page counts what visitors send by their addresses.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from umr.bench.load_test import CALL, PATIENCE_S, Answer, K, read_answer
from umr.shipped import DEFAULT_ENCODER

_API = "/gradio_api"
_SAID = (413, 429, 503)  # statuses of a refusal in words
_PIECES = 20  # that an upload comes in
_BOUNDARY = "umr-guest"


class Refusal(Exception):
    """The page said in words that it does not do what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A visitor.

    Attributes:
        host: of the page, with its port.
        session: what it calls itself.
        source: the address that it comes from; None: any.
    """

    host: str
    session: str
    source: str | None = None

    @contextmanager
    def here(self) -> Iterator[None]:
        """While this lasts, the visitor's page is open."""
        connection = self._connection()
        try:
            connection.request("GET", f"{_API}/heartbeat/{self.session}")
            connection.getresponse().readline()
            yield
        finally:
            _hang_up(connection)

    def upload(self, name: str, content: bytes, seconds: float = 0.0, share: float = 1.0) -> str:
        """Send a file.

        Args:
            name: the file's.
            content: its bytes.
            seconds: that sending takes.
            share: of the request that is sent; of less than 1 the connection is closed then.

        Returns:
            Where the page keeps it; "" where it was not sent whole.

        Raises:
            Refusal: the page does not take it.
            ValueError: it answers something else.
            OSError: it does not answer.
        """
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = b"%b%b\r\n--%b--\r\n" % (head.encode(), content, _BOUNDARY.encode())
        sent, connection = body[: int(share * len(body))], self._connection()
        try:
            connection.putrequest("POST", f"{_API}/upload")
            connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # it was refused in the middle: the answer says why
                _send(connection, sent, seconds)
            return str(json.loads(_told(connection))[0]) if share == 1 else ""
        finally:
            _hang_up(connection)

    def begin(self, picture: str, text: str) -> str:
        """Ask a search with an uploaded picture; returns the event's id. Raises as `upload`."""
        return str(self._sent(CALL, {"data": [picture, text, "images", DEFAULT_ENCODER, K]})["event_id"])

    def answer(self, event: str) -> Answer:
        """Wait for a search's answer. Raises as `upload`."""
        with self._listening(f"{CALL}/{event}") as answered:
            return read_answer(answered.read().decode())

    def go_away(self, event: str, seconds: float) -> None:
        """Wait so long for a search's answer, and close the connection. Raises as `upload`."""
        connection = self._connection()
        try:
            connection.request("GET", f"{CALL}/{event}")
            time.sleep(seconds)
        finally:
            _hang_up(connection)

    def press(self, function: int, *values: Any) -> list[Any]:
        """Have a function of the page run, as a button does; returns what it shows at last. Raises as `upload`."""
        self._sent(f"{_API}/queue/join", {"data": list(values), "fn_index": function, "event_data": None})
        with self._listening(f"{_API}/queue/data?session_hash={self.session}") as events:
            for line in events:
                message = json.loads(line.partition(b":")[2]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed":
                    if message["success"]:
                        return list(message["output"]["data"])
                    raise ValueError(message["output"].get("error"))
        raise ValueError("the stream ended before the answer")

    def _sent(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        connection = self._connection()
        try:
            body = json.dumps(asked | {"session_hash": self.session})
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            return dict(json.loads(_told(connection)))
        finally:
            _hang_up(connection)

    @contextmanager
    def _listening(self, path: str) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection()
        try:
            connection.request("GET", path)
            yield _answered(connection)
        finally:
            _hang_up(connection)

    def _connection(self) -> http.client.HTTPConnection:
        source = None if self.source is None else (self.source, 0)
        return http.client.HTTPConnection(self.host, timeout=PATIENCE_S, source_address=source)


def source_of(host: str, number: int) -> str | None:
    """An address of this machine for the number-th visitor, from 0; None where the page's host has but one.

    On Linux all of 127.0.0.0/8 is this machine.
    """
    if sys.platform != "linux" or urlsplit(f"//{host}").hostname != "127.0.0.1":
        return None
    return f"127.1.{number // 250}.{1 + number % 250}"


def functions_of(host: str) -> dict[str, int]:
    """The functions of a page, by name.

    Raises:
        OSError: it does not answer.
        ValueError: it answers something else.
    """
    with Guest(host=host, session="functions")._listening("/config") as answered:
        return {str(one["api_name"]): int(one["id"]) for one in json.loads(answered.read())["dependencies"]}


def _send(connection: http.client.HTTPConnection, body: bytes, seconds: float) -> None:
    size = -(-len(body) // _PIECES)
    for at in range(0, len(body), size):
        connection.send(body[at : at + size])
        time.sleep(seconds / _PIECES)


def _answered(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The answer, of which the head came.

    Raises:
        Refusal: in words.
        ValueError: anything else than what was asked.
    """
    answer = connection.getresponse()
    if answer.status == 200:
        return answer
    told = answer.read().decode("utf-8", "replace")
    raise (Refusal if answer.status in _SAID and told else ValueError)(f"status {answer.status}: {told}")


def _told(connection: http.client.HTTPConnection) -> str:
    return _answered(connection).read().decode()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """Close a connection for good, also where its answer was not read: that holds a handle of its own."""
    if connection.sock is not None:
        with suppress(OSError):  # the other side was first
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
