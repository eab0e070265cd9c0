"""A collection mapped by its columns is the collection that was read, and what changed beneath it is said."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import _load_fake
from umr import collection as module
from umr.arrays import map_arrays, write_arrays
from umr.bench.synthetic import write_candidates
from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.index.manifest import IndexManifest
from umr.index.stored import open_collection
from umr.types import Candidate, Content

ONE_CHECKSUM = ("plumless", "buckeroo")  # the classic pair of words with one CRC-32


def mapped(collection: Collection, folder: Path) -> Collection:
    """The same collection, by columns that are written for it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ids.txt").write_text("".join(f"{i}\n" for i in collection.ids), "utf-8")
    assert collection.write_columns(folder / "columns")
    return Collection.mapped(collection.folder, folder / "columns", folder / "ids.txt", collection.name)


def of_rows(folder: Path, data: bytes) -> Collection:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "candidates.jsonl").write_bytes(data)
    return Collection.open(folder)


def row(candidate_id: str, **more: str) -> str:
    return json.dumps({"did": candidate_id, "txt": f"This is {candidate_id}.", "modality": "text"} | more)


def test_it_is_the_collection_that_was_read(collection, tmp_path):
    found = mapped(collection, tmp_path / "index")
    assert list(found) == list(collection) and len(found) == len(collection)
    assert (found.name, found.fingerprint, found.licence) == (collection.name, collection.fingerprint, "")
    assert found.stored_fingerprint() == collection.fingerprint
    assert found.ids == collection.ids and collection.ids == found.ids
    assert found.ids[3:7] == collection.ids[3:7] and found.ids[-1] == collection.ids[-1]
    assert all(found[i] == collection[i] and i in found for i in collection.ids)
    assert "100:999" not in found and 7 not in found and "100:999" not in found.ids
    assert found.counts() == collection.counts() == {"image,text": 4, "image": 12, "text": 6, "video": 2}


def test_pools_and_hashes_are_those_of_the_collection_in_memory(collection, tmp_path):
    found = mapped(collection, tmp_path / "index")
    for target in ("image", "text", "image,text", "video"):
        mine, its = found.pool(target), collection.pool(target)
        assert set(mine) == set(its) == {i for i in collection.ids if i in mine}
        assert mine.rows.tolist() == its.rows.tolist() == [collection.ids.index(i) for i in mine]
    assert found.pool("all") is None and found.pool("text") is found.pool("text")
    for one in collection:
        assert found.with_hash(one.content_hash) == collection.with_hash(one.content_hash)
    assert found.with_hash("absent") == frozenset()


def test_rows_of_many_ids_come_at_once_and_an_unknown_one_is_named(collection, tmp_path):
    found = mapped(collection, tmp_path / "index")
    some = list(collection.ids)[::-2]
    assert found.ids.rows(some).tolist() == [collection.ids.index(i) for i in some]
    with pytest.raises(KeyError, match="nobody"):
        found.ids.rows([*some, "nobody"])


def test_two_ids_and_two_hashes_with_one_checksum_are_told_apart(tmp_path):
    lines = [row(i, content_hash=i) for i in (*ONE_CHECKSUM, "x")]
    found = mapped(of_rows(tmp_path / "c", "\n".join(lines).encode()), tmp_path / "index")
    for place, one in enumerate(ONE_CHECKSUM):
        assert found.ids.row(one) == place and found[one].candidate_id == one
        assert found.with_hash(one) == {one}
    assert found.ids.rows(ONE_CHECKSUM).tolist() == [0, 1]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeff" + row("ü") + "\r\n\n  \n" + row("b") + "\r\n",
        "\n" + row("花瓶") + "\n" + row("b"),
        row("a", src_content='{"category": "mug"}') + "\n" + row("b", src_content="words"),
    ],
    ids=["mark and line feeds", "no last line feed", "facts"],
)
def test_files_as_others_write_them_are_mapped(tmp_path, data):
    read = of_rows(tmp_path / "c", data.encode("utf-8"))
    found = mapped(read, tmp_path / "index")
    assert list(found) == list(read)
    assert list(found.stating()) == list(read.stating()) == [one for one in read if one.source.startswith("{")]


def test_rows_that_line_feeds_do_not_tell_apart_are_not_mapped(tmp_path):
    read = of_rows(tmp_path / "c", (row("a") + "\r" + row("b") + "\n").encode())
    assert len(read) == 2 and not read.write_columns(tmp_path / "columns")
    assert not (tmp_path / "columns").exists()


def test_a_collection_in_memory_has_nothing_to_map(tmp_path):
    held = Collection.taken("mine", [Candidate(candidate_id="a", content=Content(text="x"))])
    with pytest.raises(ConfigError, match="in memory; save it first"):
        held.write_columns(tmp_path / "columns")
    with pytest.raises(ConfigError, match="in memory; save it first"):
        held.stored_fingerprint()


def test_a_file_of_another_size_or_none_is_refused_at_once(collection, tmp_path):
    mapped(collection, tmp_path / "index")
    file = collection.folder / "cand_pool/local/mbeir_catalogue_image_cand_pool.jsonl"
    file.write_text(file.read_text() + "\n")
    again = (collection.folder, tmp_path / "index" / "columns", tmp_path / "index" / "ids.txt")
    with pytest.raises(MismatchError, match=r"image_cand_pool\.jsonl changed since the index was built"):
        Collection.mapped(*again)
    file.unlink()
    with pytest.raises(MismatchError, match=r"image_cand_pool\.jsonl cannot be read"):
        Collection.mapped(*again)


def test_another_candidate_at_a_row_is_never_shown(tmp_path):
    read = of_rows(tmp_path / "c", (row("a") + "\n" + row("b") + "\n").encode())
    mapped(read, tmp_path / "index")
    (tmp_path / "c" / "candidates.jsonl").write_text(row("b") + "\n" + row("a") + "\n")  # of the same size
    swapped = Collection.mapped(tmp_path / "c", tmp_path / "index" / "columns", tmp_path / "index" / "ids.txt")
    with pytest.raises(MismatchError, match="'b' stands there, so the file changed"):
        swapped["a"]
    assert swapped.stored_fingerprint() != swapped.fingerprint


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "header", "outside", "other"])
def test_damaged_columns_are_refused(collection, tmp_path, damage):
    mapped(collection, tmp_path / "index")
    path = tmp_path / "index" / "columns"
    data = path.read_bytes()
    if damage == "other":
        write_arrays(path, {"kinds": np.zeros(3, np.uint8)}, {"format": 1})
    else:
        changed = {"empty": b"", "noise": b"noise" * 99, "cut": data[:-9], "header": b"\xff" * 8 + data[8:]}
        path.write_bytes(changed.get(damage, data.replace(b'"shape":[24]', b'"shape":[99]', 1)))
    with pytest.raises(MismatchError, match=r"cannot be read as arrays|is of another format"):
        Collection.mapped(collection.folder, path, tmp_path / "index" / "ids.txt")


def streamed(folder: Path, to: Path) -> Collection:
    return Collection.streamed(folder, to / "columns", to / "ids.txt")


@pytest.fixture
def large(monkeypatch) -> None:
    """Every collection is a large one."""
    monkeypatch.setattr("umr.collection.FEWEST", 1)


def test_columns_made_in_one_pass_are_those_of_the_collection_that_was_read(collection, tmp_path, large):
    found = streamed(collection.folder, tmp_path / "made")
    assert list(found) == list(collection) and found.ids == collection.ids
    assert all(found[i] == collection[i] for i in reversed(collection.ids))
    assert (found.name, found.fingerprint, found.licence) == (collection.name, collection.fingerprint, "")
    mapped(collection, tmp_path / "index")
    for name in ("columns", "ids.txt"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "index" / name).read_bytes()
    found.write_columns(tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == (tmp_path / "made" / "columns").read_bytes()


def test_columns_are_made_once_and_again_where_a_row_changed_or_they_are_damaged(
    collection, tmp_path, large, monkeypatch
):
    streamed(collection.folder, tmp_path)
    read = []
    make = module.read_columns
    monkeypatch.setattr(module, "read_columns", lambda *given: read.append(1) or make(*given))
    assert list(streamed(collection.folder, tmp_path)) == list(collection) and read == []
    file = collection.folder / "cand_pool/local/mbeir_catalogue_image_cand_pool.jsonl"
    file.write_text(file.read_text().replace("files/images/00.png", "files/images/01.png"))
    changed = streamed(collection.folder, tmp_path)
    assert list(changed) == list(Collection.open(collection.folder)) != list(collection) and read == [1]
    (tmp_path / "columns").write_bytes(b"noise")
    assert streamed(collection.folder, tmp_path).fingerprint == changed.fingerprint and read == [1, 1]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (row("a") + "\n" + row("b") + "\n" + row("a"), MismatchError, "c: the id 'a' stands twice"),
        (row("a") + "\n\n" + '{"did": "b"}', ConfigError, r"candidates\.jsonl:3: modality is None"),
        (row("a") + "\n{", ConfigError, r"candidates\.jsonl:2: not JSON"),
        ("\n", ConfigError, "no candidate at all"),
        (row("a").replace("This", "\udce9"), ConfigError, "is not UTF-8 text"),
    ],
    ids=["twice", "blank lines count", "broken", "nothing", "latin"],
)
def test_a_broken_collection_is_refused_in_one_pass_too(tmp_path, large, data, error, words):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "candidates.jsonl").write_bytes(data.encode("utf-8", "surrogateescape"))
    for _ in range(2):
        with pytest.raises(error, match=words):
            streamed(tmp_path / "c", tmp_path)
    assert not (tmp_path / "columns").exists()


def test_rows_of_old_line_ends_and_small_collections_are_held(collection, tmp_path, monkeypatch):
    assert list(streamed(collection.folder, tmp_path)) == list(collection)
    assert not (tmp_path / "columns").exists() and not (tmp_path / "ids.txt").exists()
    monkeypatch.setattr("umr.collection.FEWEST", 1)
    of_rows(tmp_path / "c", (row("a") + "\r" + row("b") + "\n").encode())
    assert streamed(tmp_path / "c", tmp_path).ids == ("a", "b") and not (tmp_path / "columns").exists()


def test_the_command_indexes_a_collection_by_columns_that_are_made_once(benchmark, tmp_path, large, monkeypatch):
    monkeypatch.setattr("umr.index.versions.FEWEST", 1)
    monkeypatch.setattr("umr.encoders.load_encoder", _load_fake)
    FakeEncoder(dim=16, name="enc").save(tmp_path / "enc")
    index = tmp_path / "index"
    words = ["index", str(benchmark), "--encoder", str(tmp_path / "enc"), "--out", str(index)]

    def interrupt(_: FakeEncoder) -> np.ndarray:
        raise ConfigError("stop")

    with monkeypatch.context() as patched:
        patched.setattr("umr.index.build.encode_probe", interrupt)
        assert main(words) == 2
    made = (index / "reading-collection" / "columns.safetensors").read_bytes()
    monkeypatch.setattr(module, "read_columns", None)
    assert main(words) == 0
    assert (index / "columns.safetensors").read_bytes() == made and not list(index.glob("reading-*"))
    found = open_collection(index, IndexManifest.read(index))
    assert list(found) == list(Collection.open(benchmark))


def test_no_candidate_is_held_while_columns_are_made_and_read(tmp_path, large):
    count = 4000
    write_candidates(tmp_path / "c", count)
    streamed(tmp_path / "c", tmp_path / "warm")
    tracemalloc.start()
    found = streamed(tmp_path / "c", tmp_path)
    assert sum(1 for _ in found) == count
    mapped_bytes = tracemalloc.get_traced_memory()[1] / count
    tracemalloc.reset_peak()
    held = Collection.open(tmp_path / "c")
    held_bytes = tracemalloc.get_traced_memory()[1] / count
    tracemalloc.stop()
    assert len(held) == count and mapped_bytes < 130 < 3 * 130 < held_bytes


def test_arrays_are_mapped_as_they_were_written_and_cannot_be_changed(tmp_path):
    held = {"a": np.arange(5, dtype=np.uint32), "none": np.zeros(0, np.uint64), "b": np.arange(3, dtype=np.uint8)}
    write_arrays(tmp_path / "x", held, {"of": ["ü"]})
    arrays, said = map_arrays(tmp_path / "x")
    assert said == {"of": ["ü"]} and set(arrays) == set(held)
    assert all((one == held[name]).all() for name, one in load_file(tmp_path / "x").items())
    assert all(arrays[name].dtype == one.dtype and (arrays[name] == one).all() for name, one in held.items())
    with pytest.raises(ValueError, match="read-only"):
        arrays["a"][0] = 1
