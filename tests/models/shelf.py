"""The stand-in of the Hub with repositories to read: commits, files by range, gates, breaks in the middle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.deploy.hub import Border, Hub, oid
from umr.models.published import published

HEADS = ("bytes=0-100000", "HEAD")  # how the Hub's client asks for the head of a file


def contents(folder: Path) -> dict[str, bytes]:
    """{path: bytes} of the files under a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@dataclass
class Shelf(Hub):
    """What can be read.

    Attributes:
        heads: (repository, branch) -> commit.
        commits_of: (repository, commit) -> {path: bytes}.
        gates: repository -> the status that its files are refused with.
        asked: (path, range or HEAD) of every request.
        cut: weights are sent to the half, and then nothing more.
        down: no weights are sent.
    """

    heads: dict[tuple[str, str], str] = field(default_factory=dict)
    commits_of: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False
    down: bool = False

    def shelve(self, repository: str, folder: Path | dict[str, bytes], branch: str = "main") -> str:
        """A new commit of a branch; returns it."""
        files = folder if isinstance(folder, dict) else contents(folder)
        seen = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())
        commit = hashlib.sha1(repr(seen).encode()).hexdigest()
        self.heads[repository, branch], self.commits_of[repository, commit] = commit, files
        return commit

    def shelve_published(self, repository: str, folder: Path) -> None:
        """The commit that umr's own table names, as the newest."""
        row = published(repository)
        assert row is not None and row.revision
        self.commits_of[repository, row.revision] = contents(folder)
        self.heads[repository, "main"] = row.revision

    def weights_asked(self) -> list[str]:
        """The paths of all weights that were asked for, but for their heads."""
        return [path for path, asked in self.asked if path.startswith("/cdn/") and asked not in HEADS]


def point(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Has the Hub's client ask this address, as HF_ENDPOINT does at its import."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


class Reading(Border):
    hub: Shelf

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append((path, "HEAD" if self.command == "HEAD" else self.headers.get("Range", "")))
        words = path.strip("/").split("/")
        if words[:2] == ["api", "models"]:
            return self._info("/".join(words[2:4]), words[5] if words[4:5] == ["revision"] else "main")
        if words[0] == "cdn":
            return self._send(self.hub.stored[words[1]])
        if words[2:3] == ["resolve"]:
            return self._file("/".join(words[:2]), words[3], "/".join(words[4:]))
        return self._refuse(404, "RepoNotFound")

    def _commit_of(self, repository: str, revision: str) -> str | None:
        """The commit; None after a refusal."""
        if repository not in {name for name, _ in self.hub.commits_of}:
            self._refuse(401, "RepoNotFound")  # as the real one answers who is not logged in
            return None
        commit = self.hub.heads.get((repository, revision), revision)
        if (repository, commit) not in self.hub.commits_of:
            self._refuse(404, "RevisionNotFound")
            return None
        return commit

    def _info(self, repository: str, revision: str) -> None:
        commit = self._commit_of(repository, revision)
        if commit is None:
            return
        files = self.hub.commits_of[repository, commit]
        rows: list[dict[str, Any]] = [
            {"rfilename": path, "size": len(data), "blobId": oid(data, False)} for path, data in files.items()
        ]
        for row, data in zip(rows, files.values(), strict=True):
            if row["rfilename"].endswith(".safetensors"):
                row["lfs"] = {"sha256": oid(data, True), "size": len(data), "pointerSize": 130}
        self._answer(200, {"id": repository, "modelId": repository, "sha": commit, "tags": [], "siblings": rows})

    def _file(self, repository: str, revision: str, path: str) -> None:
        commit = self._commit_of(repository, revision)
        if commit is None:
            return
        if repository in self.hub.gates:
            return self._refuse(self.hub.gates[repository], "GatedRepo")
        data = self.hub.commits_of[repository, commit].get(path)
        if data is None:
            return self._refuse(404, "EntryNotFound")
        told = {"X-Repo-Commit": commit, "ETag": f'"{oid(data, path.endswith(".safetensors"))}"'}
        if not path.endswith(".safetensors"):
            return self._send(data, told)
        self.hub.stored[oid(data, True)] = data
        self.send_response(302)  # weights lie elsewhere
        self._tell(told | {"Location": f"{self.hub.address}/cdn/{oid(data, True)}", "X-Linked-Size": str(len(data))})
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _tell(self, headers: dict[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)

    def _send(self, data: bytes, told: dict[str, str] | None = None) -> None:
        weights = told is None  # which lie elsewhere
        if weights and self.hub.down:
            return self._refuse(503, "Down")
        asked = self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1 if last else None] if asked else data
        head = asked == "bytes=0-100000"  # of a file's head alone: huggingface_hub's get_safetensors_metadata
        self.send_response(206 if asked else 200)
        self._tell(told or {})
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if weights and self.hub.cut and not head:
            self.wfile.write(part[: len(part) // 2])
            self.hub.down, self.close_connection = True, True
            return
        self.wfile.write(part)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
