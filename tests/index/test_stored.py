"""A large index, which is mapped and not hashed at each opening, gives what a small one gives; changes are noticed."""

import json
from pathlib import Path

import numpy as np
import pytest

from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import MismatchError
from umr.index.flat import FlatIndex, Rows
from umr.index.index import Index, build_index
from umr.index.manifest import IndexManifest
from umr.index.renew import remove
from umr.index.rewrite import held
from umr.index.stored import check_what_stands, open_collection
from umr.search import Searcher
from umr.types import Content, Embeddings, Query


@pytest.fixture
def large(monkeypatch):
    """Everything counts as large: what is built is mapped."""
    monkeypatch.setattr("umr.index.versions.LARGE", 0)
    monkeypatch.setattr("umr.index.versions.FEWEST", 1)


@pytest.fixture
def folder(large, encoder, collection, tmp_path) -> Path:
    build_index(encoder, collection, tmp_path / "large")
    return tmp_path / "large"


def asked(encoder: FakeEncoder, count: int = 5) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((count, encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=tuple(f"q{n}" for n in range(count)), vectors=vectors, encoder=encoder.fingerprint)


def changed_within(path: Path) -> None:
    """One bit of the file's last byte, written over it in place: neither size nor name tells."""
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([data[-1] ^ 1]))


def test_a_small_index_has_neither_columns_nor_sizes(encoder, collection, tmp_path):
    build_index(encoder, collection, tmp_path / "small")
    held_files = {path.name for path in (tmp_path / "small").iterdir()} - {".lock"}
    assert held_files >= {"ids.txt", "manifest.json", "probe.npy", "vectors.faiss"}
    assert "columns.safetensors" not in held_files
    assert "sizes" not in json.loads((tmp_path / "small" / "manifest.json").read_text())
    assert Index.open(tmp_path / "small", encoder).hashed


def test_it_searches_as_a_small_one_does_and_has_the_same_vectors(folder, encoder, collection, tmp_path, monkeypatch):
    monkeypatch.undo()
    build_index(encoder, collection, tmp_path / "small")
    small, found = Index.open(tmp_path / "small", encoder, collection), Index.open(folder, encoder)
    its = open_collection(folder, found.manifest)
    found.check_collection(its)
    found.check_collection(collection)
    assert not found.hashed and len(found) == len(small)
    for name in ("vectors.faiss", "ids.txt", "probe.npy"):
        assert (folder / name).read_bytes() == (tmp_path / "small" / name).read_bytes()
    query = asked(encoder)
    for kind in ("all", "image", "text", "image,text", "video"):
        expected = small.search(query, 7, collection.pool(kind))
        assert found.search(query, 7, its.pool(kind)) == expected
        some = None if kind == "all" else frozenset(collection.pool(kind))
        assert found.search(query, 7, some) == expected
    assert (found.vectors(["100:3", "100:40"]) == small.vectors(["100:3", "100:40"])).all()
    assert found.verify_rows(encoder, its) == small.verify_rows(encoder, collection)


def test_a_pool_of_another_collection_goes_by_its_ids(folder, encoder, collection, tmp_path):
    index = Index.open(folder, encoder)
    other = Collection.taken("other", list(collection)[::-1])
    query = asked(encoder)
    assert index.search(query, 4, other.pool("image")) == index.search(query, 4, collection.pool("image"))


@pytest.mark.parametrize("rows", [range(3000), range(700, 1900), range(0, 3000, 7), range(5, 6)])
def test_mapped_rows_score_as_rows_in_memory_do_whatever_part_is_searched(tmp_path, rows):
    vectors = np.random.default_rng(1).standard_normal((3000, 24)).astype(np.float32)
    flat = FlatIndex.empty(24)
    flat.add(vectors)
    flat.write(tmp_path / "rows")
    mapped, within = FlatIndex.read(tmp_path / "rows", mapped=True), np.array(rows)
    k = min(9, len(rows))
    expected = flat.search(vectors[:4], k, Rows(within, 3000))
    found = mapped.search(vectors[:4], k, Rows(within, 3000))
    assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()
    assert set(found[1].ravel()) <= set(rows)


def test_a_file_of_another_size_is_refused_when_it_is_opened(folder, encoder):
    for name in ("vectors.faiss", "ids.txt", "probe.npy", "columns.safetensors"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1])
        with pytest.raises(MismatchError, match=f"{name} changed since the index was built"):
            Index.open(folder, encoder)
        (folder / name).unlink()
        with pytest.raises(MismatchError, match=f"{name} is missing"):
            Index.open(folder, encoder)
        (folder / name).write_bytes(data)
    assert len(Index.open(folder, encoder)) == 24


@pytest.mark.parametrize("name", ["vectors.faiss", "columns.safetensors", "candidates"])
def test_a_change_that_no_size_tells_is_found_in_the_background_and_ends_the_searches(
    large, searcher, benchmark, name, caplog
):
    folder, query = searcher.index.folder, Query(query_id="q", content=Content(text="This card is red."))
    assert len(searcher.search(query, 3).results) == 3
    file = benchmark / "cand_pool/local/mbeir_catalogue_video_cand_pool.jsonl"
    changed_within(file if name == "candidates" else folder / name)
    again = Searcher(searcher.encoder, Index.open(folder, searcher.encoder), searcher.collection)
    again.index.check_in_background(again.collection).wait()
    with pytest.raises(MismatchError, match="changed since the index was built"):
        again.search(query, 3)
    assert "is not searched any more" in caplog.text


def test_what_is_whole_is_searched_on_after_the_check(large, searcher):
    check = searcher.index.check_in_background(searcher.collection)
    check.wait()
    check.raise_found()
    assert check is searcher.index.check_in_background(searcher.collection)
    query = Query(query_id="q", content=Content(text="This card is red."), target_modality="text")
    assert [result.candidate.content.text for result in searcher.search(query, 1).results] == ["This card is red."]


def test_the_command_compares_every_file(folder, benchmark, capsys):
    assert main(["index", "verify", str(folder)]) == 0
    assert "4 files and the collection of 24 candidates are those that were built" in capsys.readouterr().err
    changed_within(folder / "ids.txt")
    assert main(["index", "verify", str(folder)]) == 2
    assert "ids.txt changed since the index was built" in capsys.readouterr().err


def test_the_command_checks_a_small_index_too(encoder, collection, benchmark, tmp_path, capsys):
    build_index(encoder, collection, tmp_path / "small")
    assert main(["index", "verify", str(tmp_path / "small")]) == 0
    file = benchmark / "cand_pool/local/mbeir_catalogue_video_cand_pool.jsonl"
    file.write_text(file.read_text().replace("clip 0", "clip 9"))
    assert main(["index", "verify", str(tmp_path / "small")]) == 2
    assert "so a hit could show the wrong thing" in capsys.readouterr().err


def test_a_renewal_has_columns_of_its_own_rows(folder, encoder):
    with held(folder) as index:
        remove(index, ["100:20", "100:3"])
    manifest = IndexManifest.read(folder)
    index, its = Index.open(folder, encoder), open_collection(folder, manifest)
    index.check_collection(its)
    assert not index.hashed and len(its) == 22 and "100:20" not in its
    assert list(its) == list(Collection.open(folder / manifest.collection_at))
    assert (
        not (folder / "columns.safetensors").exists() and (folder / manifest.files_at / "columns.safetensors").exists()
    )


def test_a_version_that_was_replaced_is_searched_to_its_end_and_not_called_changed(folder, encoder):
    manifest = IndexManifest.read(folder)
    old, its = Index.open(folder, encoder), open_collection(folder, manifest)
    with held(folder) as index:
        remove(index, ["100:20"])
    check_what_stands(folder, manifest, its)  # its files are gone, and nothing is wrong
    found = old.search(asked(encoder), 24)
    assert all("100:20" in {hit.candidate_id for hit in hits} for hits in found.values())
    assert its["100:20"].content.text == "This card is red."
    (folder / "manifest.json").unlink()
    check_what_stands(folder, manifest, its)


def test_ids_are_equal_by_the_file_or_by_what_it_holds(folder, encoder, tmp_path):
    one, other = Index.open(folder, encoder), Index.open(folder, encoder)
    assert one.ids == other.ids
    data = (folder / "ids.txt").read_bytes()
    (tmp_path / "copy").write_bytes(data)
    (tmp_path / "copy").replace(folder / "ids.txt")
    assert Index.open(folder, encoder).ids == one.ids
    (tmp_path / "copy").write_bytes(data.replace(b"100:30", b"999:30"))
    (tmp_path / "copy").replace(folder / "ids.txt")
    assert Index.open(folder, encoder).ids != one.ids
