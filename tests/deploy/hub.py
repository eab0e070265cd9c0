"""A stand-in for the Hub's HTTP border: repositories, what is in them, LFS, commits; it can break off in the middle."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Hub:
    """What the stand-in holds and was asked.

    Attributes:
        files: path in the repository -> bytes, after the last commit.
        stored: sha256 -> bytes that came by LFS.
        created: bodies of requests for a new repository.
        commits: the paths of each commit.
        sent: how often bytes came by LFS.
        token: the only one that may write.
        breaks_after: so many LFS uploads or commits are taken, then the server fails; None: never.
        lfs: whether what is not text must come by LFS, as the real one says.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    sent: int = 0
    token: str = "hf_right"
    breaks_after: int | None = None
    lfs: bool = True
    address: str = ""
    lock: Lock = field(default_factory=Lock)

    def broken(self) -> bool:
        with self.lock:
            if self.breaks_after is None:
                return False
            self.breaks_after -= 1
            return self.breaks_after < 0


def is_text(data: bytes) -> bool:
    return b"\0" not in data and not any(byte > 0xF4 for byte in data)


def oid(data: bytes, lfs: bool) -> str:
    if lfs:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Border(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        if "/revision/" in self.path:
            return self._answer(200, {"id": "me/search", "sha": f"{len(self.hub.commits):040x}", "tags": []})
        if "/resolve/" in self.path:
            return self._file()
        if "/tree/" not in self.path:
            return self._answer(404, {"error": "not in the stand-in"})
        self._answer(
            200,
            [
                {"type": "file", "path": path, "size": len(data), "oid": oid(data, False)}
                for path, data in self.hub.files.items()
            ],
        )

    def do_HEAD(self) -> None:
        self._file()

    def _file(self) -> None:
        path = urlsplit(self.path).path.partition("/resolve/")[2].partition("/")[2]
        data, commit = self.hub.files.get(path), f"{len(self.hub.commits):040x}"
        if data is None:
            return self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        self._answer(200, data, {"X-Repo-Commit": commit, "ETag": f'"{oid(data, False)}"'})

    def do_PUT(self) -> None:
        data = self._body()
        if self.hub.broken():
            return self._answer(400, {"error": "the line broke"})
        sha256 = self.path.rpartition("/")[2]
        assert hashlib.sha256(data).hexdigest() == sha256
        with self.hub.lock:
            self.hub.stored[sha256], self.hub.sent = data, self.hub.sent + 1
        self._answer(200, {})

    def do_POST(self) -> None:
        body, path = self._body(), urlsplit(self.path).path
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._answer(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            self.hub.created.append(json.loads(body))
            name = "/".join((self.hub.created[-1]["organization"], self.hub.created[-1]["name"]))
            return self._answer(200, {"url": f"{self.hub.address}/spaces/{name}", "name": name})
        if "/preupload/" in path:
            return self._answer(200, {"files": [self._mode(file) for file in json.loads(body)["files"]]})
        if path.endswith("/info/lfs/objects/batch"):
            return self._answer(200, {"objects": [self._lfs(one) for one in json.loads(body)["objects"]]})
        if "/commit/" in path:
            return self._commit([json.loads(line) for line in body.splitlines()])
        return self._answer(404, {"error": f"{path} is not in the stand-in"})

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        lfs = self.hub.lfs and not is_text(base64.b64decode(file["sample"]))
        there = self.hub.files.get(file["path"])
        return {
            "path": file["path"],
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": False,
            "oid": None if there is None else oid(there, lfs),
        }

    def _lfs(self, one: dict[str, Any]) -> dict[str, Any]:
        action = {"upload": {"href": f"{self.hub.address}/lfs/{one['oid']}", "header": {}}}
        return one | ({} if one["oid"] in self.hub.stored else {"actions": action})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, f"{len(self.hub.commits):040x}"):
            return self._answer(412, {"error": "A commit has happened since"})
        if not self.hub.lfs and self.hub.broken():
            return self._answer(400, {"error": "the line broke"})
        changed = []
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                self.hub.files[value["path"]] = self.hub.stored[value["oid"]]
            elif key == "deletedFile":
                del self.hub.files[value["path"]]
            changed += [] if key == "header" else [value["path"]]
        self.hub.commits.append(changed)
        number = f"{len(self.hub.commits):040x}"
        self._answer(200, {"commitUrl": f"{self.hub.address}/spaces/me/search/commit/{number}", "commitOid": number})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def standing_in(hub: Hub | None = None, border: type[Border] = Border) -> Iterator[Hub]:
    """The stand-in on this machine, at `address`."""
    hub = hub or Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (border,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
