"""The port that the page is to be served on, checked before Gradio is imported: it reads the variables on import."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping

from umr.errors import ConfigError

PORT, HOST = "GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME"
ROOT_PATH = "GRADIO_ROOT_PATH"  # what a proxy has before the page's own addresses
TRIED = ("GRADIO_NUM_PORTS", "GRADIO_NODE_NUM_PORTS")  # how many ports from the first are tried
DEFAULT_HOST = "127.0.0.1"
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # of a host with several addresses, those of another family


def chosen_port(host: str | None, port: str | None, variables: Mapping[str, str] = os.environ) -> int | None:
    """The port that --port or the variable names; None where neither does, and any free one will do.

    Raises:
        ConfigError: one of them is no port, the port cannot be listened on, or a variable of TRIED is no number.
    """
    for name in TRIED:
        _number(name, variables.get(name, "1"), "number of ports")
    named = [(name, value) for name, value in (("--port", port), (PORT, variables.get(PORT))) if value is not None]
    numbers = [_number(name, value, "port") for name, value in named]
    if not numbers:
        return None
    _check_free(host or variables.get(HOST) or DEFAULT_HOST, numbers[0], named[0][0])
    return numbers[0]


def _number(name: str, value: str, what: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= 65535):
        raise ConfigError(f"{name} is {value!r}, which is no {what}; give a whole number from 1 to 65535")
    return int(value)


def _check_free(host: str, port: int, name: str) -> None:
    try:
        for one in listen(host.strip("[]"), port):
            one.close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"{name} is {port}, and {host}:{port} cannot be listened on: {reason}; "
            "choose another, or end what listens there"
        ) from error


def listen(host: str, port: int, backlog: int = 2048) -> list[socket.socket]:
    """Sockets that listen at all of a host's addresses.

    Raises:
        OSError: at one of them the port is taken, or none is of this machine.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    away: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            sockets.append(_listening(socket.socket(family, kind, protocol), address, backlog))
        except OSError as error:
            if error.errno not in NOT_HERE:
                for one in sockets:
                    one.close()
                raise
            away = error
    if not sockets:
        raise away or OSError(errno.EADDRNOTAVAIL, f"{host} is no address of this machine")
    return sockets


def _listening(one: socket.socket, address: tuple, backlog: int) -> socket.socket:
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(backlog)  # of two that are bound to it, one
    except OSError:
        one.close()
        raise
    return one
