"""The way to a server: addresses and keys, refusals in words, and a folder of the client's local mode in its place."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.errors import ConfigError
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.index.manifest import QDRANT, IndexManifest
from umr.index.qdrant_server import KEY, URL, connect
from umr.index.qdrant_store import made_by
from umr.lock import claimed
from umr.types import Candidate, Content

pytest.importorskip("qdrant_client", reason="needs qdrant-client>=1.16")
ROOT = Path(__file__).resolve().parents[2]
HOLDING = """
import sys
from umr.index.qdrant_server import connect
client = connect()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def texts(tmp_path) -> Collection:
    rows = [Candidate(candidate_id=f"{n:03}", content=Content(text=f"words {n}")) for n in range(12)]
    return Collection.taken("texts", rows).save(tmp_path / "texts")


def built(encoder, collection, folder) -> IndexManifest:
    with claimed(folder) as claim:
        return build_claimed(claim, encoder, collection, Form(engine=QDRANT, shard=4))


def test_a_server_that_is_away_is_told_without_its_key(monkeypatch, texts, encoder, tmp_path):
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    monkeypatch.setenv(KEY, "a-secret")
    with (
        pytest.warns(UserWarning, match="insecure"),
        pytest.raises(ConfigError, match="is it up, and are UMR_QDRANT_URL") as told,
    ):
        built(encoder, texts, tmp_path / "index")
    assert "a-secret" not in str(told.value)


@pytest.mark.parametrize("address", ["", "qdrant:6333", "http://me:secret@host:6333"])
def test_no_address_and_what_is_none_name_the_way_out(monkeypatch, address, tmp_path, capsys, benchmark, searcher):
    monkeypatch.setenv(URL, address)
    out = tmp_path / "out"
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(out), "--engine", "qdrant"]) == 2
    told = capsys.readouterr().err
    assert URL in told and "legal: http://HOST:6333" in told and KEY in told and "secret" not in told
    assert not out.exists()


def test_without_the_package_the_way_out_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **more):
        if name == "qdrant_client":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'qdrant-client.*--engine faiss"):
        connect()


def test_a_folder_that_another_process_has_or_that_is_none_of_qdrants_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "held"
    monkeypatch.setenv(URL, f"file:{folder}")
    command = [sys.executable, "-c", HOLDING]
    other = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="for one process at a time"):
        connect()
    other.communicate("")
    assert connect() is connect()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "meta.json").write_text("{")
    monkeypatch.setenv(URL, f"file:{tmp_path / 'broken'}")
    with pytest.raises(ConfigError, match="no folder of Qdrant's local mode"):
        connect()


KILLED = """
import os, signal, sys
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.index.build import Form, build_claimed
from umr.index.qdrant_server import connect
from umr.lock import claimed
client, left = connect(), int(sys.argv[3])
upsert = client.upsert

def dying(*args, **more):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return upsert(*args, **more)

client.upsert = dying
with claimed(sys.argv[1]) as claim:
    build_claimed(claim, FakeEncoder(dim=32, name="unified"), Collection.open(sys.argv[2]),
                  Form(engine="qdrant", shard=4))
"""


@pytest.mark.parametrize("mode", ["file", "edge"])
def test_a_sending_that_is_killed_goes_on_and_sends_only_what_is_not_there(mode, texts, encoder, tmp_path, monkeypatch):
    pytest.importorskip(f"qdrant_{'client' if mode == 'file' else mode}")
    out = tmp_path / "index"
    command = [sys.executable, "-c", KILLED, str(out), str(tmp_path / "texts"), "3"]
    monkeypatch.setenv(URL, f"{mode}:{tmp_path / 'other'}")
    died = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    (name,), client = made_by(out), connect()
    assert client.count(name).count == 8 and client.get_collection(name).config.metadata["rows"] == ""
    sent, upsert = [], client.upsert
    monkeypatch.setattr(client, "upsert", lambda at, points, **more: sent.extend(points) or upsert(at, points, **more))
    assert built(encoder, texts, out).rows_at == name
    assert [point.payload["row"] for point in sent] == list(range(8, 12))
    opened = Index.open(out, encoder, texts)
    assert (opened.vectors(opened.ids) == encoder.encode_candidates(list(texts)).vectors.astype(np.float16)).all()
