"""A running page to measure or to picture: app.py in a process of its own, or one that runs already on this machine."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from urllib.parse import urlsplit

from umr.errors import ConfigError, MismatchError
from umr.shipped import repository_root
from umr.ui.upload_folder import VARIABLE

LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_S = 300.0  # until a page that was started must answer
STOP_S = 30.0  # until it must have ended
PORTS = range(
    20_000, 32_768
)  # below those that Linux gives to connections: between looking and listening none is taken
TRIED_PORTS = 64


@contextmanager
def served_page(
    url: str | None = None,
    arguments: Sequence[str] = (),
    at: Path | None = None,
    log: Path | None = None,
    uploads: Path | None = None,
) -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """The address of a page, and its process where it was started for this; it ends with the context.

    Args:
        url: a page that runs already; None starts app.py.
        arguments: what app.py is started with beside its address.
        at: the folder of app.py; None: this repository.
        log: the file where what it says on its standard error goes; None: where this process's goes.
        uploads: the folder where it keeps what visitors send; None: the system's.

    Raises:
        ConfigError: the page is not on this machine.
        MismatchError: it does not answer.
    """
    if url is not None:
        _check_loopback(url)
        yield url.rstrip("/"), None
        return
    port = free_port()
    address = f"http://{LOOPBACK[0]}:{port}"
    with nullcontext() if log is None else log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--host", LOOPBACK[0], "--port", str(port), *arguments],
            cwd=at or repository_root(),
            env=None if uploads is None else os.environ | {VARIABLE: str(uploads)},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    try:
        _wait(address, process)
        yield address, process
    finally:
        process.terminate()
        process.wait(STOP_S)


def free_port() -> int:
    """A port of this machine that nobody listens at now, of those that no connection is given by the system.

    Raises:
        ConfigError: all that were tried are taken.
    """
    for port in random.SystemRandom().sample(PORTS, TRIED_PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK[0], port))
            return port
    raise ConfigError(f"{TRIED_PORTS} ports from {PORTS[0]} to {PORTS[-1]} are all taken: give the address of a page")


def _check_loopback(url: str) -> None:
    host = urlsplit(url).hostname
    if host not in LOOPBACK:
        raise ConfigError(f"{url} is not on this machine; only {', '.join(LOOPBACK)} are loaded")


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise MismatchError(f"app.py ended with status {process.returncode}; run it alone to see why")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise MismatchError(f"the page did not answer at {address} within {START_S:.0f} s")
