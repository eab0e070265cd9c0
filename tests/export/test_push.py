"""A model repository of the Hub: what it holds, and its way there through huggingface_hub to a stand-in of the Hub."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard

from umr.cli.commands import main
from umr.encoders import load_encoder
from umr.encoders.config import read_config
from umr.encoders.interop import INTEROP, read_interop
from umr.errors import ConfigError, MismatchError
from umr.export.push import contents, repository

ROW = {"task": "it2i", "split": "ind", "pool": "local", "n": 10, "success@1": 0.5, "success@5": 0.75,
       "success@10": 1.0, "ndcg@10": 0.7512345, "ci95_success@1": [0.4, 0.6]}  # fmt: skip


@pytest.fixture
def shipped(encoder, tmp_path) -> Path:
    """An encoder's folder as it lies under indexes/, with its report and a file that is nobody's business."""
    folder = tmp_path / "tiny" / "encoder"
    encoder.save(folder, {"train_config.json": "{}"})
    (folder / "notes.txt").write_text("private")
    write_report(tmp_path / "tiny" / "reports", encoder.fingerprint)
    return folder


def write_report(folder: Path, fingerprint: str) -> None:
    folder.mkdir(exist_ok=True)
    report = {"encoder": fingerprint, "collection": "c", "rows": [ROW, ROW | {"split": "typos", "success@1": 0.1}]}
    (folder / "report.json").write_text(json.dumps(report))


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: made, asked how to upload, given large files by LFS, the others within the commit."""

    def do_POST(self) -> None:
        hub, body = self.server, self.rfile.read(int(self.headers["Content-Length"] or 0))
        hub.asked.append((self.path, self.headers.get("Authorization")))
        if hub.refuses:
            self.answer({"error": "no"}, 401)
        elif self.path == "/api/repos/create":
            made = json.loads(body)
            hub.repositories.append(made)
            self.answer({"url": f"{hub.address}/{made.get('organization')}/{made['name']}"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            rows = [{"path": one["path"], "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                     "shouldIgnore": False} for one in json.loads(body)["files"]]  # fmt: skip
            self.answer({"files": rows})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [one | {"actions": {"upload": {"href": f"{hub.address}/lfs/{one['oid']}"}}}
                       for one in json.loads(body)["objects"]]  # fmt: skip
            self.answer({"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "lfsFile":
                    hub.files[line["value"]["path"]] = hub.large[line["value"]["oid"]]
            self.answer({"commitUrl": f"{hub.address}/me/tiny/commit/{'0' * 40}", "commitOid": "0" * 40})
        else:
            self.answer({"error": self.path}, 404)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.large[hashlib.sha256(data).hexdigest()] = data
        self.answer({})

    def answer(self, data: dict, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    server.asked, server.repositories, server.files, server.large, server.refuses = [], [], {}, {}, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)  # it talks to servers of its own
    monkeypatch.setenv("HF_TOKEN", "hf_tests")
    yield server
    server.shutdown()
    server.server_close()


def test_a_pushed_repository_opens_as_the_same_encoder(shipped, hub, tmp_path, capsys):
    assert main(["push", str(shipped), "me/tiny", "--private"]) == 0
    [made] = hub.repositories
    assert (made["name"], made["organization"]) == ("tiny", "me")
    assert made.get("private") is True or made.get("visibility") == "private"  # by the library's version
    assert {token for _, token in hub.asked} == {"Bearer hf_tests"}
    assert "/me/tiny/commit/" in capsys.readouterr().err
    copy = tmp_path / "fetched"
    for name, data in hub.files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data)
    assert load_encoder(copy, device="cpu").fingerprint == read_config(shipped).fingerprint()
    assert len(hub.large) == 1 and "notes.txt" not in hub.files
    assert {*read_config(shipped).files, *read_interop(shipped), INTEROP, "encoder.json", "README.md", "LICENSE"} == {
        *hub.files
    }


def test_a_dry_run_lists_every_file_with_its_size_and_asks_nobody(shipped, hub, capsys):
    assert main(["push", str(shipped), "me/tiny", "--dry-run", "--json"]) == 0
    out, said = capsys.readouterr()
    rows = {row["file"]: row["bytes"] for row in json.loads(out)}
    assert rows["model.safetensors"] == (shipped / "model.safetensors").stat().st_size
    assert set(rows) == set(contents(shipped)) and "nothing was uploaded" in said and hub.asked == []


def test_the_card_has_the_results_of_these_weights_alone(shipped, encoder, tmp_path):
    card = ModelCard(contents(shipped)["README.md"].decode())
    found = {(one.dataset_config, one.metric_type): one.metric_value for one in card.data.eval_results}
    assert found == {("it2i-local", "success@1"): 0.5, ("it2i-local", "success@5"): 0.75,
                     ("it2i-local", "success@10"): 1.0, ("it2i-local", "ndcg@10"): 0.7512}  # fmt: skip
    assert (card.data.model_name, card.data.license, card.data.library_name) == ("tiny", "apache-2.0", "umr")
    assert "| `it2i` | local | 10 | 50.0 (40.0 to 60.0) | 100.0 | 75.1 |" in card.text
    write_report(tmp_path / "tiny" / "reports", "another")
    plain = contents(shipped)["README.md"].decode()
    assert plain == (shipped / "README.md").read_text() and "## Results" not in plain
    with pytest.raises(ConfigError, match=r"measured with another encoder.*umr evaluate"):
        contents(shipped, tmp_path / "tiny" / "reports")
    write_report(tmp_path / "runs", encoder.fingerprint)
    assert b"## Results" in contents(shipped, tmp_path / "runs")["README.md"]


def test_weights_of_others_are_not_given_our_licence(make, tmp_path):
    make(revision="hub:Qwen/tiny-VL@main").save(tmp_path / "adopted")
    found = contents(tmp_path / "adopted")
    assert "LICENSE" not in found and ModelCard(found["README.md"].decode()).data.license == "other"


def test_what_cannot_be_pushed_is_refused_in_words(shipped, hub, tmp_path, capsys, monkeypatch):
    for name in ("tiny", "me/", "a/b/c", "me/../x", "hub:me/tiny"):
        with pytest.raises(ConfigError, match="give OWNER/NAME"):
            repository(name)
    assert main(["push", "hub:me/tiny@main", "me/tiny"]) == 2 and "on the Hub already" in capsys.readouterr().err
    assert main(["push", str(tmp_path), "me/tiny"]) == 2 and "there is no encoder" in capsys.readouterr().err
    hub.refuses = True
    assert main(["push", str(shipped), "me/tiny"]) == 2 and "hf auth login" in capsys.readouterr().err
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert main(["push", str(shipped), "me/tiny"]) == 2 and "check the connection" in capsys.readouterr().err
    (shipped / "tokenizer_config.json").write_text("{}")
    with pytest.raises(MismatchError, match=r"tokenizer_config\.json changed"):
        contents(shipped)
    (shipped / INTEROP).unlink()
    with pytest.raises(ConfigError, match=r"has no interop\.json.*python -m umr\.encoders\.interop"):
        contents(shipped)
