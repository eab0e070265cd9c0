"""The way to a Qdrant server: its client, what a collection says of itself, errors in words. Not rows or searches.

Address and key come from the environment alone, never from an index or a command line: an index that was copied from
elsewhere must not say where queries and a key are sent, nor name a folder of the client's local mode, which is read
with pickle; and the words of a command are kept in manifests and seen by others on the machine.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from umr.errors import ConfigError, reason

URL, KEY = "UMR_QDRANT_URL", "UMR_QDRANT_API_KEY"
#: An address that starts so is a folder that this process has alone: LOCAL is the client's own mode, which compares
#: every row in Python and reads pickles, for trying out; EDGE the server's engine as a library (umr.index.qdrant_edge).
LOCAL, EDGE = "file:", "edge:"
_LEGAL = f"legal: http://HOST:6333, https://HOST:6333, or without a server {LOCAL}DIR or {EDGE}DIR"
_opened: weakref.WeakValueDictionary[tuple[str, str], Any] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def connect(timeout: int = 30) -> Any:
    """A qdrant_client.QdrantClient of the server, or the folder, that the environment names; one for all that ask.

    Args:
        timeout: seconds that an answer may take.

    Raises:
        ConfigError: the package is not installed, no address is set, it is none, or a folder cannot be opened.
    """
    package = client_package()
    url, key = os.environ.get(URL, ""), os.environ.get(KEY, "")
    if not url:
        raise ConfigError(
            f"{URL} is not set: give the address of the Qdrant server in it ({_LEGAL}), and its key, if any, in {KEY}; "
            "or build with --engine faiss, which needs no server"
        )
    if not url.startswith(("http://", "https://", LOCAL, EDGE)) or "@" in url:
        raise ConfigError(f"{URL} is no address of a Qdrant server; {_LEGAL}, and a key stands in {KEY}")
    with _lock:  # a folder can be opened once in a process
        mode, _, where = url.partition(":")
        key_of = (f"{mode}:{os.path.abspath(where)}", "") if url.startswith((LOCAL, EDGE)) else (url, key)
        known = _opened.get(key_of)
        if known is None:
            known = _client(package, key_of[0], key, timeout)
            _opened[key_of] = known
            atexit.register(_close, weakref.ref(known))  # which it cannot do itself once Python is shutting down
        return known


def check_server() -> None:
    """Look whether the server answers, before anything is encoded for it.

    Raises:
        ConfigError: as of `connect`, or it does not.
    """
    client = connect()
    with told("its collections"):
        client.get_collections()


def _close(client: weakref.ReferenceType[Any]) -> None:
    if (known := client()) is not None:
        known.close()


def _client(package: Any, url: str, key: str, timeout: int) -> Any:
    if url.startswith(EDGE):
        from umr.index.qdrant_edge import EdgeClient  # optional as well

        return EdgeClient(Path(url.removeprefix(EDGE)))
    if url.startswith(LOCAL):
        return _local(package, url.removeprefix(LOCAL))
    return package.QdrantClient(url=url, api_key=key or None, timeout=timeout, check_compatibility=False)


def _local(package: Any, folder: str) -> Any:
    try:
        return package.QdrantClient(path=folder, force_disable_check_same_thread=True)
    except RuntimeError as error:  # what it raises where another process has the folder
        raise ConfigError(
            f"{folder} cannot be opened ({reason(error)[:160]}): it is for one process at a time. End the other one, "
            f"or give the address of a server in {URL}"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{folder}, which {URL} names, is no folder of Qdrant's local mode ({reason(error)[:160]}); name an empty "
            "one"
        ) from error


def metadata(client: Any, name: str) -> dict[str, Any]:
    """What a collection, or the one that an alias stands for, says of itself.

    Raises:
        ConfigError: the server does not answer, or has none of this name.
    """
    with told(name):
        try:
            return dict(client.get_collection(name).config.metadata or {})
        except _errors():
            if client.collection_exists(name):
                raise
    raise ConfigError(
        f"the Qdrant server has no collection {name!r}: it is another server, or the index was built again or removed "
        "meanwhile; open the index again, or build it again"
    )


def client_package() -> Any:
    """The package qdrant_client.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import qdrant_client  # heavy and optional
    except ImportError as error:
        raise ConfigError(
            "Qdrant needs the package qdrant-client: pip install 'qdrant-client>=1.16,<2'; or build with --engine faiss"
        ) from error
    return qdrant_client


@contextmanager
def told(name: str) -> Iterator[None]:
    """What the server did not do, in words without its address or key.

    Args:
        name: of what is asked of it.

    Raises:
        ConfigError: in place of the client's own errors.
    """
    try:
        yield
    except _errors() as error:
        raise ConfigError(
            f"the Qdrant server did not do what {name!r} needs ({reason(error)[:160]}); is it up, and are {URL} and "
            f"{KEY} right? What was sent to it is kept: the same command goes on"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    """Of a server that is away or refuses, and ValueError, which the local mode raises in their place."""
    from qdrant_client.http.exceptions import ApiException  # optional, as the package

    return ApiException, ValueError
