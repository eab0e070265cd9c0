"""One contract over both engines: FAISS's rows and Qdrant's give the same results. Then what Qdrant refuses."""

import builtins
import os
import uuid

import numpy as np
import pytest

from umr.columns import MODALITIES
from umr.errors import ConfigError, MismatchError
from umr.index.index import Index, build_index
from umr.index.qdrant import KEY, URL, QdrantRows, connect, send
from umr.types import Embeddings

qdrant_client = pytest.importorskip("qdrant_client", reason="needs qdrant-client>=1.16")
NAME = "rows"


@pytest.fixture
def faiss_index(encoder, collection, tmp_path) -> Index:
    build_index(encoder, collection, tmp_path / "index")
    return Index.open(tmp_path / "index", encoder, collection)


@pytest.fixture
def client():
    opened = qdrant_client.QdrantClient(":memory:")
    yield opened
    opened.close()


def sent(client, index, collection, name=NAME) -> int:
    kinds = [MODALITIES[kind] for kind in collection.kinds]
    return send(client, name, index.ids, kinds, index.vectors(index.ids), index.manifest.encoder)


def remote(client, index, name=NAME, **other) -> Index:
    settings = {"encoder": index.manifest.encoder, "dim": index.manifest.dim} | other
    return Index(index.manifest, QdrantRows(client, name, index.ids, **settings), index.ids, index._probe)


@pytest.fixture(params=["faiss", "qdrant"])
def index(request, faiss_index, collection) -> Index:
    if request.param == "faiss":
        return faiss_index
    client = request.getfixturevalue("client")
    sent(client, faiss_index, collection)
    return remote(client, faiss_index)


def queries(encoder, count: int = 6) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((count, encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=tuple(f"q{n}" for n in range(count)), vectors=vectors, encoder=encoder.fingerprint)


def found(run) -> dict[str, list[str]]:
    return {query_id: [hit.candidate_id for hit in hits] for query_id, hits in run.items()}


def brute_force(index, asked, k, allowed) -> dict[str, list[str]]:
    kept = [i for i in index.ids if i in allowed]
    scores = asked.vectors @ index.vectors(kept).T
    order = [sorted(range(len(kept)), key=lambda n: (-row[n], kept[n]))[:k] for row in scores]
    return {query_id: [kept[n] for n in best] for query_id, best in zip(asked.ids, order, strict=True)}


@pytest.mark.parametrize("k", [1, 7, 1000])
def test_search_equals_brute_force(index, encoder, k):
    asked = queries(encoder)
    assert found(index.search(asked, k)) == brute_force(index, asked, k, set(index.ids))


@pytest.mark.parametrize("kind", ["image", "text", "image,text", "video"])
def test_a_search_of_one_kind_equals_brute_force_over_it(index, encoder, collection, kind):
    asked, pool = queries(encoder), collection.pool(kind)
    assert found(index.search(asked, 3, pool)) == brute_force(index, asked, 3, set(pool))


def test_a_pool_of_scattered_ids_and_excluded_ones_are_kept_to(index, encoder):
    asked, pool = queries(encoder), frozenset(index.ids[::3])
    best = brute_force(index, asked, 1, pool)
    run = found(index.search(asked, 2, pool, exclude=best))
    assert all(set(run[q]) <= pool - set(best[q]) and len(run[q]) == 2 for q in asked.ids)


def test_vectors_are_those_of_faiss_to_the_bit(client, faiss_index, collection):
    sent(client, faiss_index, collection)
    there = remote(client, faiss_index)
    assert (there.vectors(there.ids) == faiss_index.vectors(faiss_index.ids)).all()


def test_an_interrupted_sending_is_refused_and_goes_on(client, faiss_index, collection, monkeypatch):
    monkeypatch.setattr("umr.index.qdrant._BLOCK", 5)
    upsert, calls = client.upsert, []

    def dying(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return upsert(*args, **more)

    monkeypatch.setattr(client, "upsert", dying)
    with pytest.raises(KeyboardInterrupt):
        sent(client, faiss_index, collection)
    with pytest.raises(MismatchError, match="interrupted; send its rows again"):
        remote(client, faiss_index)
    assert sent(client, faiss_index, collection) == len(faiss_index) - 10
    assert len(remote(client, faiss_index)) == len(faiss_index)
    assert sent(client, faiss_index, collection) == 0


def test_another_encoder_is_refused_at_the_opening_the_sending_and_each_search(
    client, faiss_index, collection, encoder
):
    sent(client, faiss_index, collection)
    opened = remote(client, faiss_index)
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        remote(client, faiss_index, encoder="0" * 64)
    with pytest.raises(MismatchError, match="collection of another name"):
        send(client, NAME, ("a",), ("text",), np.ones((1, encoder.dim), np.float32), "0" * 64)
    client.update_collection(NAME, metadata={"encoder": "0" * 64, "dim": encoder.dim, "whole": True})
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        opened.search(queries(encoder), 1)


def test_another_size_a_missing_collection_and_lost_points_are_refused(client, faiss_index, collection):
    with pytest.raises(ConfigError, match="has no collection 'rows'"):
        remote(client, faiss_index)
    sent(client, faiss_index, collection)
    with pytest.raises(MismatchError, match="numbers, the encoder makes 3"):
        remote(client, faiss_index, dim=3)
    client.delete(NAME, [client.scroll(NAME, limit=1)[0][0].id])
    with pytest.raises(MismatchError, match="send its rows again"):
        remote(client, faiss_index)


def test_a_server_that_is_away_is_told_without_its_key(faiss_index, monkeypatch):
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    monkeypatch.setenv(KEY, "a-secret")
    with (
        pytest.warns(UserWarning, match="insecure"),
        pytest.raises(ConfigError, match="is it up, and are UMR_QDRANT_URL") as told,
    ):
        remote(connect(timeout=2), faiss_index)
    assert "a-secret" not in str(told.value)


def test_without_an_address_or_the_package_the_way_out_is_named(monkeypatch):
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(ConfigError, match=r"UMR_QDRANT_URL is not set.*UMR_QDRANT_API_KEY"):
        connect()
    real = builtins.__import__

    def without(name, *args, **more):
        if name == "qdrant_client":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="pip install 'qdrant-client"):
        connect()


@pytest.mark.skipif(not os.environ.get(URL), reason=f"no Qdrant server at hand: {URL} is not set")
def test_a_real_server_gives_what_faiss_gives(faiss_index, collection, encoder):
    server, name = connect(), f"umr-test-{uuid.uuid4().hex}"
    try:
        sent(server, faiss_index, collection, name)
        asked = queries(encoder)
        assert found(remote(server, faiss_index, name).search(asked, 7)) == found(faiss_index.search(asked, 7))
    finally:
        server.delete_collection(name)
