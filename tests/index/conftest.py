"""A Qdrant server, played by its client's own mode in memory, which compares every row as a server does if asked.

A real one is asked where UMR_QDRANT_URL names it, or where its program is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from umr.bench.server import free_port
from umr.index import qdrant_server

NAMED = os.environ.get(qdrant_server.URL, "")  # before a test says otherwise
READY_S = 60.0


@pytest.fixture
def real_qdrant(tmp_path: Path) -> Iterator[str]:
    """The address of a server: the one that is named, or one that is started here, in a folder of its own."""
    if NAMED.startswith("http"):
        yield NAMED
        return
    program = shutil.which("qdrant")
    if program is None:
        pytest.skip(f"no Qdrant server at hand: {qdrant_server.URL} names none, and no program qdrant is installed")
    folder, port = tmp_path / "qdrant", free_port()
    folder.mkdir()
    settings = {
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__SERVICE__HTTP_PORT": str(port),
        "QDRANT__SERVICE__GRPC_PORT": str(free_port()),
        "QDRANT__STORAGE__STORAGE_PATH": str(folder / "storage"),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(folder / "snapshots"),
        "QDRANT__TELEMETRY_DISABLED": "true",
    }
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program], env=os.environ | settings, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            _wait(process, f"http://127.0.0.1:{port}", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < until:
        try:
            if httpx.get(f"{address}/readyz").is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.05)
    pytest.fail(f"qdrant does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")


@pytest.fixture
def qdrant(tmp_path, monkeypatch) -> Any:
    """The client that everything that connects is given."""
    package = pytest.importorskip("qdrant_client", reason="needs qdrant-client>=1.16")
    client = package.QdrantClient(":memory:")
    monkeypatch.setenv(qdrant_server.URL, f"file:{tmp_path / 'server'}")
    monkeypatch.delenv(qdrant_server.KEY, raising=False)
    monkeypatch.setattr(qdrant_server, "_local", lambda package, folder: client)
    return client


@pytest.fixture
def qdrant_edge(tmp_path, monkeypatch) -> Any:
    """The engine of a server, in a folder of this process."""
    for package in ("qdrant_client", "qdrant_edge"):
        pytest.importorskip(package, reason="needs requirements-edge.txt")
    monkeypatch.setenv(qdrant_server.URL, f"edge:{tmp_path / 'edge'}")
    client = qdrant_server.connect()
    yield client
    client.close()
