"""What is peculiar to rows in a Qdrant collection: what it says of itself, what is refused, what stays on the server.

The contract of both engines is in test_engines.py. The client's local mode plays the server; a real one is asked where
UMR_QDRANT_URL names it, or its program is installed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.deploy.own_index import own_index_files
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.index import renew
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.index.manifest import JOURNAL, QDRANT, IndexManifest
from umr.index.qdrant import QdrantRows, point_id
from umr.index.qdrant_server import URL, connect
from umr.index.qdrant_store import HNSW, QUANTISED, Sender, facts_payload, made_by, open_rows
from umr.index.rewrite import held
from umr.index.sources import Record, Source
from umr.index.stored import check_rows
from umr.lock import claimed
from umr.types import Candidate, Content, Embeddings

qdrant_client = pytest.importorskip("qdrant_client", reason="needs qdrant-client>=1.16")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def server(qdrant):
    return qdrant


def built(encoder, collection, folder, **form) -> IndexManifest:
    with claimed(folder) as claim:
        return build_claimed(claim, encoder, collection, Form(engine=QDRANT, shard=10, **form))


@pytest.fixture
def folder(encoder, collection, tmp_path) -> Path:
    built(encoder, collection, tmp_path / "My index!")
    return tmp_path / "My index!"


def names(client) -> set[str]:
    return {one.name for one in client.get_collections().collections}


def texts(count: int, word: str = "words") -> Collection:
    rows = [Candidate(candidate_id=f"{n:03}", content=Content(text=f"{word} {n}")) for n in range(count)]
    return Collection.taken("texts", rows)


def queries(encoder) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((3, encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=("a", "b", "c"), vectors=vectors, encoder=encoder.fingerprint)


# What the collection says, and the locks on it


def test_the_manifest_names_the_collection_and_neither_the_server_nor_a_key(folder, encoder, server, tmp_path):
    manifest = IndexManifest.read(folder)
    assert (
        manifest.engine == QDRANT
        and manifest.rows_at.startswith("umr-my-index-")
        and "vectors.faiss" not in manifest.files
    )
    assert (
        not (folder / "vectors.faiss").exists()
        and str(tmp_path / "server") not in (folder / "manifest.json").read_text()
    )
    said = server.get_collection(manifest.rows_at).config.metadata
    assert said == {"encoder": encoder.fingerprint, "dim": 32, "rows": manifest.rows}


def test_another_encoder_is_refused_at_the_opening_and_at_each_search(folder, encoder, server):
    opened, manifest = Index.open(folder, encoder), IndexManifest.read(folder)
    foreign = {"encoder": "0" * 64, "dim": 32, "rows": manifest.rows}
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        QdrantRows(server, manifest.rows_at, opened.ids, foreign)
    with pytest.raises(MismatchError, match="collection of another name"):
        Sender(server, manifest.rows_at, encoder="0" * 64, dim=32)
    server.update_collection(manifest.rows_at, metadata=foreign)
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        opened.search(queries(encoder), 1)
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        Index.open(folder, encoder)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"dim": 3}, "has rows of 3 numbers, the encoder makes 32"),
        ({"rows": ""}, "is not whole: its making was interrupted"),
        ({"rows": "1" * 64}, "holds the rows of another index"),
    ],
)
def test_other_and_unfinished_rows_are_refused(folder, encoder, server, said, told):
    manifest = IndexManifest.read(folder)
    right = server.get_collection(manifest.rows_at).config.metadata
    server.update_collection(manifest.rows_at, metadata=right | said)
    with pytest.raises(MismatchError, match=told):
        Index.open(folder, encoder)


def test_lost_and_changed_points_and_a_collection_that_is_gone_are_refused(folder, encoder, collection, server):
    manifest, opened = IndexManifest.read(folder), Index.open(folder, encoder)
    check_rows(folder, manifest)
    point = server.retrieve(manifest.rows_at, [point_id(collection.ids[0])], with_vectors=True)[0]
    turned = qdrant_client.models.PointVectors(id=point.id, vector=[-one for one in point.vector])
    server.update_vectors(manifest.rows_at, [turned])
    for ask in (
        lambda: opened.search(queries(encoder), 1000),
        lambda: opened.vectors(opened.ids),
        lambda: check_rows(folder, manifest),
    ):
        with pytest.raises(MismatchError, match=r"row 0 of umr-my-index-.* is not what was sent there"):
            ask()
    server.delete(manifest.rows_at, [point.id])
    with pytest.raises(MismatchError, match="holds 23 points and the index 24 ids"):
        Index.open(folder, encoder)
    with pytest.raises(MismatchError, match="lacks 1 of 24 points"):
        opened.vectors(opened.ids)
    server.delete_collection(manifest.rows_at)
    with pytest.raises(ConfigError, match="has no collection 'umr-my-index-"):
        Index.open(folder, encoder)


def test_an_alias_that_goes_over_to_another_encoders_collection_is_refused(
    folder, encoder, collection, server, tmp_path
):
    models, other = qdrant_client.models, FakeEncoder(dim=32, name="next")
    later = built(other, collection, tmp_path / "next")
    manifest = IndexManifest.read(folder)

    def point_to(name: str) -> None:
        made = models.CreateAlias(collection_name=name, alias_name="products")
        server.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])

    point_to(manifest.rows_at)
    says = {"encoder": encoder.fingerprint, "dim": 32, "rows": manifest.rows}
    rows = QdrantRows(server, "products", collection.ids, says)
    assert rows.search(queries(encoder).vectors, 2)[1].shape == (3, 2)
    point_to(later.rows_at)
    with pytest.raises(MismatchError, match="open it with its own encoder"):
        rows.search(queries(encoder).vectors, 2)


# What other programs may filter by


def test_kinds_ids_and_facts_are_filters_of_the_server(encoder, server, tmp_path):
    scenes = [{"category": "mug", "colour": colour, "count": n} for n, colour in enumerate(("red", "blue", "red"), 1)]
    scenes[0] |= {"companion": {"category": "lamp", "colour": "grey", "mood": "calm"}, "price": [1, 2], "size": None}
    rows = [
        Candidate(candidate_id=f"{n}", content=Content(text=f"mug {n}"), source=json.dumps({"scene": scene}))
        for n, scene in enumerate(scenes)
    ]
    rows.append(Candidate(candidate_id="free", content=Content(text="words"), source="a web page"))
    name = built(encoder, Collection.taken("mugs", rows), tmp_path / "mugs").rows_at

    def having(key: str, value: object) -> list[str]:
        match = qdrant_client.models.MatchValue(value=value)
        condition = qdrant_client.models.FieldCondition(key=key, match=match)
        found = server.scroll(name, qdrant_client.models.Filter(must=[condition]))[0]
        return sorted(point.payload["id"] for point in found)

    assert having("facts.colour", "red") == ["0", "2"] and having("facts.count", 2) == ["1"]
    assert having("facts.companion.colour", "grey") == ["0"] and having("kind", "text") == ["0", "1", "2", "free"]
    assert having("id", "free") == ["free"]
    assert facts_payload(rows[0]) == {
        "category": "mug", "colour": "red", "count": 1, "companion": {"category": "lamp", "colour": "grey"}
    }  # fmt: skip
    assert facts_payload(rows[3]) == {}


def test_what_no_filter_can_hold_is_no_fact_of_a_point():
    scene = {"category": "mug", "colour": "\ud800", "finish": ["matte"], "companion": "lamp"}
    assert facts_payload(Candidate(candidate_id="a", content=Content(text="a"), source=json.dumps(scene))) == {
        "category": "mug"
    }


@pytest.mark.parametrize(
    ("factory", "graph", "quantised"), [("SQfp16", 0, False), (HNSW, None, False), (QUANTISED, None, True)]
)
def test_the_factory_decides_what_the_server_builds_and_whether_it_compares_every_row(
    encoder, collection, server, tmp_path, monkeypatch, factory, graph, quantised
):
    made, create = [], server.create_collection
    monkeypatch.setattr(server, "create_collection", lambda *a, **more: made.append(more) or create(*a, **more))
    manifest = built(encoder, collection, tmp_path / "index", factory=factory)
    assert manifest.factory == factory and open_rows(manifest, collection.ids).exact == (factory == "SQfp16")
    assert made[0]["vectors_config"].datatype == "float16" and made[0]["vectors_config"].distance == "Dot"
    assert (made[0]["hnsw_config"].m if "hnsw_config" in made[0] else None) == graph
    assert ("quantization_config" in made[0]) == quantised
    with held(tmp_path / "index") as here:
        assert renew.remove(here, [collection.ids[0]]).manifest.factory == factory


# What stays on the server


def of_texts(folder: Path, source: Path) -> Path:
    found = Source.of(str(source))
    collection = Collection.taken(found.name, *found.read(folder / "files"))
    manifest = built(FakeEncoder(dim=32, name="unified"), collection, folder)
    Record(sources=(Source(kind=found.kind, at=found.at, count=len(collection)),)).write(folder, manifest.fingerprint)
    return folder


def test_each_version_has_a_collection_and_the_one_before_goes_with_the_next_change(server, tmp_path):
    source = tmp_path / "mine"
    source.mkdir()
    for n in range(6):
        (source / f"{n}.txt").write_text(f"words {n}")
    index, encoder = of_texts(tmp_path / "index", source), FakeEncoder(dim=32, name="unified")
    first = IndexManifest.read(index).rows_at
    (source / "1.txt").write_text("other words")
    (source / "2.txt").rename(source / "7.txt")
    with held(index) as here:
        second = renew.update(here, lambda: encoder).manifest.rows_at
    assert names(server) == {first, second} == set(made_by(index))
    left = {point.payload["id"] for point in server.scroll(first, limit=99)[0]}
    assert left == {"0.txt", "2.txt", "3.txt", "4.txt", "5.txt"}  # 2 has the vector that 7 has now
    with held(index) as here:
        assert renew.update(here, lambda: encoder).manifest.rows_at == second
    assert names(server) == {second} == set(made_by(index))
    (source / "3.txt").unlink()
    third = IndexManifest.read(of_texts(index, source)).rows_at  # a build from nothing
    assert names(server) == {second, third}
    assert "3.txt" not in {point.payload["id"] for point in server.scroll(second, limit=99)[0]}


def test_a_build_with_faiss_over_it_leaves_nothing_of_either(encoder, collection, server, folder):
    rows_at = IndexManifest.read(folder).rows_at
    with claimed(folder) as claim:
        build_claimed(claim, encoder, collection, Form())
    assert (folder / "vectors.faiss").is_file() and names(server) == {rows_at}
    with held(folder):
        assert names(server) == set() and made_by(folder) == []
    built(encoder, collection, folder)
    assert not (folder / "vectors.faiss").exists() and len(Index.open(folder, encoder)) == 24


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\xff\n")])
def test_an_index_that_lost_its_ids_is_built_again(encoder, collection, server, folder, damage):
    before = IndexManifest.read(folder).rows_at
    damage(folder / "ids.txt")
    after = built(encoder, collection, folder).rows_at
    assert len(Index.open(folder, encoder, collection)) == 24 and names(server) == {before, after}


def test_a_server_that_is_away_keeps_the_list_of_what_is_still_to_be_removed(
    folder, encoder, collection, monkeypatch, caplog
):
    listed = made_by(folder)
    monkeypatch.delenv(URL)
    with claimed(folder) as claim:
        build_claimed(claim, encoder, texts(3), Form())
    assert made_by(folder) == listed and "stay on the server for now" in caplog.text
    (folder / JOURNAL).write_text('{"collections": 3}')
    with pytest.raises(MismatchError, match=r"qdrant\.json is damaged"):
        made_by(folder)


# Refusals


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--factory", "IVF,SQ8"], "with --engine qdrant legal are SQfp16, HNSW, HNSW,SQ8"),
        (["--nprobe", "4"], "has no lists"),
        (["--shard", "1/2"], "--engine is of the whole index: give it to `index join`"),
    ],
)
def test_options_that_do_not_go_with_it_are_refused_before_anything_is_read(
    options, told, tmp_path, capsys, searcher, benchmark
):
    out = tmp_path / "out"
    words = ["index", str(benchmark), "--encoder", "unified", "--out", str(out), "--engine", "qdrant", *options]
    assert main(words) == 2 and told in capsys.readouterr().err and not out.exists()


def test_lists_cannot_be_looked_into_and_a_space_takes_no_such_index(folder, encoder):
    with pytest.raises(ConfigError, match="compares every row"):
        Index.open(folder, encoder).nprobe = 3
    with pytest.raises(ConfigError, match="--engine faiss"):
        list(own_index_files(folder, "indexes"))


@pytest.mark.parametrize("change", [{"engine": "milvus"}, {"rows_at": ""}, {"engine": "faiss"}])
def test_a_manifest_whose_engine_and_rows_do_not_fit_is_refused(folder, change):
    row = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(row))
    with pytest.raises(MismatchError, match="the engine is"):
        IndexManifest.read(folder)


def test_a_real_server_gives_what_faiss_gives(encoder, collection, tmp_path, monkeypatch, real_qdrant):
    monkeypatch.setenv(URL, real_qdrant)
    built(encoder, collection, tmp_path / f"test {uuid.uuid4().hex}")
    (folder,) = tmp_path.glob("test *")
    with claimed(tmp_path / "faiss") as claim:
        build_claimed(claim, encoder, collection, Form())
    try:
        there, here = Index.open(folder, encoder, collection), Index.open(tmp_path / "faiss", encoder, collection)
        for pool in (None, collection.pool("image"), frozenset(collection.ids[::3])):
            mine, its = there.search(queries(encoder), 7, pool), here.search(queries(encoder), 7, pool)
            assert {q: [hit.candidate_id for hit in hits] for q, hits in mine.items()} == {
                q: [hit.candidate_id for hit in hits] for q, hits in its.items()
            }
        check_rows(folder, IndexManifest.read(folder))
    finally:
        for name in made_by(folder):
            connect().delete_collection(name)
