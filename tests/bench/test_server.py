"""The port that a page is started at."""

from __future__ import annotations

import socket

import pytest

from umr.bench import server
from umr.errors import ConfigError


def test_a_port_that_is_taken_is_not_had_and_with_none_left_it_is_said(monkeypatch):
    assert server.free_port() in server.PORTS
    monkeypatch.setattr(server, "TRIED_PORTS", 1)
    with socket.create_server((server.LOOPBACK[0], 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "PORTS", range(port, port + 1))
        with pytest.raises(ConfigError, match=f"1 ports from {port} to {port} are all taken"):
            server.free_port()
