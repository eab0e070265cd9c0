"""A Qdrant server, played by its client's own mode in memory, which compares every row as a server does if asked."""

from __future__ import annotations

from typing import Any

import pytest

from umr.index import qdrant_server


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
