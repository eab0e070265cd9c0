"""An index whose rows are behind an address: what goes over the wire gives what FAISS gives, with the key, in parts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tests.index.qdrant_http import served
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.index import renew
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.index.manifest import FAISS, QDRANT, IndexManifest
from umr.index.qdrant import _MOST_NUMBERS, requests
from umr.index.qdrant_server import KEY, URL, connect
from umr.index.qdrant_store import Sender
from umr.index.rewrite import held
from umr.index.sources import Record, Source
from umr.index.stored import check_rows
from umr.lock import claimed
from umr.types import Embeddings

ENCODER = FakeEncoder(dim=32, name="unified")


@pytest.fixture
def server(monkeypatch):
    package = pytest.importorskip("qdrant_client", reason="needs qdrant-client>=1.16")
    with served(package.QdrantClient(":memory:"), package.models, "the-key") as played:
        monkeypatch.setenv(URL, played.url)
        monkeypatch.setenv(KEY, "the-key")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            yield played


def texts(folder, count: int):
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:03}.txt").write_text(f"words {n}")
    return folder


def built(engine, source, out) -> Index:
    found = Source.of(str(source))
    collection = Collection.taken(found.name, *found.read(out / "files"))
    with claimed(out) as claim:
        manifest = build_claimed(claim, ENCODER, collection, Form(engine=engine))
    Record(sources=(Source(kind=found.kind, at=found.at, count=len(collection)),)).write(out, manifest.fingerprint)
    return Index.open(out, ENCODER)


def queries(count: int = 9) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((count, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=tuple(f"q{n}" for n in range(count)), vectors=vectors, encoder=ENCODER.fingerprint)


def test_an_index_behind_an_address_is_built_searched_changed_and_verified(server, tmp_path, monkeypatch):
    monkeypatch.setattr("umr.index.qdrant._MOST_POINTS", 7)  # so that everything goes in several requests
    monkeypatch.setattr("umr.index.qdrant._MOST_QUERIES", 4)
    source, out = texts(tmp_path / "mine", 20), tmp_path / "index"
    there, here = built(QDRANT, source, out), built(FAISS, source, tmp_path / "faiss")
    name = there.manifest.rows_at
    assert (there.vectors(there.ids) == here.vectors(here.ids)).all()
    for pool in (None, frozenset(there.ids[::3]), frozenset(there.ids[4:9])):
        assert there.search(queries(), 3, pool) == here.search(queries(), 3, pool)
    assert server.asked.count(("PUT", f"collections/{name}/points")) == 3
    assert server.asked.count(("POST", f"collections/{name}/points/query/batch")) == 9
    check_rows(out, IndexManifest.read(out))
    with held(out) as index:
        renew.remove(index, ["003.txt", "004.txt"])
    after = Index.open(out, ENCODER)
    assert after.search(queries(), 18) == here.search(queries(), 18, frozenset(after.ids))
    assert ("POST", f"collections/{name}/points/delete") in server.asked
    with held(out):
        assert ("DELETE", f"collections/{name}") in server.asked
    assert server.client.collection_exists(after.manifest.rows_at) and not server.client.collection_exists(name)


def test_a_wrong_key_and_a_collection_that_is_not_there_are_words(server, tmp_path, monkeypatch):
    source, out = texts(tmp_path / "mine", 2), tmp_path / "index"
    name = built(QDRANT, source, out).manifest.rows_at
    server.client.delete_collection(name)
    with pytest.raises(ConfigError, match=f"has no collection '{name}'"):
        Index.open(out, ENCODER)
    monkeypatch.setenv(KEY, "another-key")
    with pytest.raises(ConfigError, match=r"did not do what .* UMR_QDRANT_API_KEY right") as told:
        Index.open(out, ENCODER)
    assert "another-key" not in str(told.value) and server.url not in str(told.value)


def test_a_request_stays_below_what_a_server_takes(server, tmp_path):
    wide = 4096
    rows = np.random.default_rng(0).standard_normal((300, wide)).astype(np.float32)
    collection = Collection.taken("texts", Source.of(str(texts(tmp_path / "mine", 300))).read(tmp_path)[0])
    sender = Sender(connect(), "wide", encoder="e", dim=wide)
    assert sender.send(list(collection), rows) == 300
    assert 1 << 20 < max(server.sizes) < 32 << 20
    assert max(len(block) for block in requests(300, wide)) == _MOST_NUMBERS // wide
