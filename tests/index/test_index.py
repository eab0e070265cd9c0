"""An index equals brute force, opens only with what built it, and survives an interruption. The attacks are named
one by one."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import faiss
import numpy as np
import pytest
from PIL import Image

from umr import media
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, DiskFullError, MediaError, MismatchError
from umr.index import flat as flat_module
from umr.index.flat import FlatIndex, Rows
from umr.index.index import Index, build_index
from umr.index.manifest import IndexManifest
from umr.index.probe import FEWEST_ROWS, sample_rows
from umr.lock import LOCK
from umr.search import Searcher
from umr.types import Candidate, Content, Embeddings

ROOT = Path(__file__).resolve().parents[2]


class OtherPooling(FakeEncoder):
    """The same name and dim, but another configuration, and so another fingerprint and other vectors."""

    fingerprint = "0" * 64

    def _direction(self, key: str) -> np.ndarray:
        return super()._direction("other " + key)


class ChangedCode(FakeEncoder):
    """The same fingerprint, but its preprocessing is no longer what it was."""

    def _direction(self, key: str) -> np.ndarray:
        return super()._direction("changed " + key)


class Unnormalised(FakeEncoder):
    def _vector(self, content: Content) -> np.ndarray:
        return 2 * super()._vector(content)


@pytest.fixture
def folder(encoder, collection, tmp_path) -> Path:
    build_index(encoder, collection, tmp_path / "index", shard=10)
    return tmp_path / "index"


@pytest.fixture
def index(folder, encoder, collection) -> Index:
    return Index.open(folder, encoder, collection)


def queries(encoder, count: int = 5, seed: int = 0) -> Embeddings:
    vectors = np.random.default_rng(seed).standard_normal((count, encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(ids=tuple(f"q{n}" for n in range(count)), vectors=vectors, encoder=encoder.fingerprint)


def brute_force(index: Index, asked: Embeddings, k: int, allowed) -> dict[str, list[str]]:
    scores = asked.vectors @ index.vectors(index.ids).T
    return {
        query_id: [
            found
            for found, _ in sorted(zip(index.ids, row, strict=True), key=lambda pair: (-pair[1], pair[0]))
            if found in allowed
        ][:k]
        for query_id, row in zip(asked.ids, scores, strict=True)
    }


def found(run) -> dict[str, list[str]]:
    return {query_id: [hit.candidate_id for hit in hits] for query_id, hits in run.items()}


def only_text(*texts: str) -> Collection:
    return Collection(
        [Candidate(candidate_id=f"{n:03}", content=Content(text=text)) for n, text in enumerate(texts)], "texts", "f"
    )


def partial(folder: Path) -> Path:
    """The folder of an interrupted build's shards."""
    (found,) = folder.glob(".partial-*")
    return found


def vouch(folder: Path, name: str) -> None:
    """Write the file's present hash into the manifest, as one who forges both would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


# What a search finds


def test_search_equals_brute_force(index, encoder):
    asked = queries(encoder)
    assert found(index.search(asked, 7)) == brute_force(index, asked, 7, index.ids)


@pytest.mark.parametrize("kind", ["image", "text", "image,text", "video"])
def test_search_in_a_pool_equals_brute_force_over_the_pool(index, encoder, collection, kind):
    asked, pool = queries(encoder), collection.pool(kind)
    assert found(index.search(asked, 3, pool)) == brute_force(index, asked, 3, pool)
    assert found(index.search(asked, 3, list(pool))) == brute_force(index, asked, 3, pool)


def test_scores_are_cosines_and_ranks_count_from_one(index, encoder, collection):
    asked = encoder.encode_candidates([collection["100:20"]])
    hits = index.search(asked, 3)["100:20"]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].candidate_id == "100:20" and hits[0].score == pytest.approx(1, abs=1e-3)
    assert hits[1].score == pytest.approx(float(index.vectors([hits[1].candidate_id])[0] @ asked.vectors[0]), abs=1e-5)


def test_k_is_capped_at_what_is_there(index, encoder, collection):
    run = index.search(queries(encoder), 10_000)
    assert all(len(hits) == len(collection) for hits in run.values())
    assert len(index.search(queries(encoder), 99, collection.pool("video"))["q0"]) == 2


def test_an_excluded_candidate_is_replaced_by_the_next(index, encoder):
    asked = queries(encoder)
    full = found(index.search(asked, 8))
    excluded = {"q0": set(full["q0"][:4]), "q3": {full["q3"][1]}}
    left_out = found(index.search(asked, 4, exclude=excluded))
    assert left_out["q0"] == full["q0"][4:8]
    assert left_out["q3"] == [full["q3"][0], *full["q3"][2:5]]
    assert left_out["q1"] == full["q1"][:4]


def test_excluding_everything_leaves_nothing(index, encoder):
    assert index.search(queries(encoder, 1), 3, exclude={"q0": frozenset(index.ids)}) == {"q0": []}


def test_an_empty_pool_and_no_query_give_empty_results(index, encoder):
    assert index.search(queries(encoder, 2), 3, frozenset()) == {"q0": [], "q1": []}
    assert index.search(queries(encoder, 0), 3) == {}


def test_ties_are_broken_by_id_also_across_the_edge_of_k(encoder, tmp_path):
    texts = only_text(*["same"] * 40, "other")
    shuffled = Collection([texts[i] for i in np.random.default_rng(0).permutation(texts.ids)], "texts", "f")
    build_index(encoder, shuffled, tmp_path / "ties")
    index = Index.open(tmp_path / "ties", encoder)
    asked = encoder.encode_candidates([texts["000"]])
    assert found(index.search(asked, 5))["000"] == ["000", "001", "002", "003", "004"]
    assert found(index.search(asked, 5, exclude={"000": {"001"}}))["000"] == ["000", "002", "003", "004", "005"]


def test_k_below_one_an_unknown_pool_id_and_one_query_id_twice_are_refused(index, encoder):
    with pytest.raises(ConfigError, match="k is 0"):
        index.search(queries(encoder), 0)
    with pytest.raises(ConfigError, match="'nobody', which is not in this index"):
        index.search(queries(encoder), 1, frozenset({"nobody"}))
    twice = Embeddings(ids=("q", "q"), vectors=queries(encoder, 2).vectors, encoder=encoder.fingerprint)
    with pytest.raises(MismatchError, match="same id"):
        index.search(twice, 1)


# The locks


def test_index_refuses_an_encoder_of_the_same_name_and_dim_but_other_pooling(folder):
    with pytest.raises(MismatchError, match=r"was built by unified .*, but unified 000000000000 was given.*rebuild"):
        Index.open(folder, OtherPooling(dim=32, name="unified"))


def test_index_refuses_foreign_query_vectors(index, encoder):
    foreign = Embeddings(ids=("q",), vectors=queries(encoder, 1).vectors, encoder="0" * 64)
    with pytest.raises(MismatchError, match="vectors were made by 000000000000"):
        index.search(foreign, 3)


def test_probe_notices_changed_code_behind_an_unchanged_fingerprint(index, encoder):
    assert index.verify_probe(encoder) == pytest.approx(1)
    with pytest.raises(MismatchError, match="code or libraries changed"):
        index.verify_probe(ChangedCode(dim=32, name="unified"))


@pytest.mark.parametrize("name", ["ids.txt", "vectors.faiss", "probe.npy"])
def test_index_refuses_a_changed_or_missing_file(folder, encoder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(MismatchError, match=f"{name} changed"):
        Index.open(folder, encoder)
    (folder / name).unlink()
    with pytest.raises(MismatchError, match=f"{name} is missing"):
        Index.open(folder, encoder)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("probe.npy", b"", "cannot be read as an array"),
        ("probe.npy", b"junk" * 50, "cannot be read as an array"),
        ("probe.npy", b"PK\x03\x04" + bytes(50), "cannot be read as an array"),
        ("ids.txt", b"\xff\xfe\n", "not UTF-8"),
        ("vectors.faiss", b"", "ends early"),
        ("vectors.faiss", b"junk" * 50, "cannot be read by FAISS"),
    ],
)
def test_index_refuses_a_broken_file_that_its_manifest_vouches_for(folder, encoder, name, data, message):
    (folder / name).write_bytes(data)
    vouch(folder, name)
    with pytest.raises(MismatchError, match=message):
        Index.open(folder, encoder)


def test_index_refuses_a_probe_of_another_shape(folder, encoder):
    np.save(folder / "probe.npy", np.zeros((8, 5), np.float32))
    vouch(folder, "probe.npy")
    with pytest.raises(MismatchError, match=r"probe\.npy holds float32 \(8, 5\)"):
        Index.open(folder, encoder)


def test_index_refuses_reordered_ids(folder, encoder):
    ids = (folder / "ids.txt").read_text().splitlines()
    (folder / "ids.txt").write_text("\n".join([*ids[1:], ids[0]]) + "\n")
    with pytest.raises(MismatchError, match=r"ids\.txt changed"):
        Index.open(folder, encoder)


def test_index_refuses_changed_candidates(folder, encoder, benchmark):
    path = benchmark / "cand_pool/local/mbeir_catalogue_image_cand_pool.jsonl"
    path.write_text(path.read_text().replace("00.png", "01.png"))
    with pytest.raises(MismatchError, match="a hit could show the wrong thing"):
        Index.open(folder, encoder, Collection.open(benchmark))


def test_an_unfinished_index_is_not_opened(folder, encoder, tmp_path):
    (folder / "manifest.json").unlink()
    with pytest.raises(ConfigError, match=r"not a finished index: it has no manifest.json, so it is half-written"):
        Index.open(folder, encoder)
    with pytest.raises(ConfigError, match="not a finished index: there is no such folder; name another"):
        Index.open(tmp_path / "absent", encoder)
    with pytest.raises(ConfigError, match="not a finished index: it is not a folder; name another"):
        Index.open(folder / "ids.txt", encoder)


def test_a_missing_index_leads_to_the_bundled_ones_and_only_an_unfinished_one_to_building_it_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("umr.index.manifest.available", lambda: ["mca", "unified"])
    with pytest.raises(ConfigError, match=r"leave it out to search the bundled one of mca, unified$") as absent:
        IndexManifest.read(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"run the same `python -m umr index ... --out` again, or name") as empty:
        IndexManifest.read(tmp_path)
    assert "run the same" not in str(absent.value) and "bundled one of mca, unified" in str(empty.value)


def test_rows_that_are_not_of_unit_length_are_never_indexed(collection, tmp_path):
    with pytest.raises(MismatchError, match=r"has length 2\.0000, not 1"):
        build_index(Unnormalised(dim=32), collection, tmp_path / "index")
    with pytest.raises(ConfigError, match="interrupted"):
        IndexManifest.read(tmp_path / "index")


@pytest.mark.parametrize("change", [{"format": 2}, {"count": "24"}, {"files": []}, {"colour": "red"}])
def test_a_manifest_of_another_form_is_refused(folder, encoder, change):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MismatchError, match="not a manifest of format 1"):
        Index.open(folder, encoder)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_broken_manifest_is_refused(folder, encoder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(MismatchError, match="not a manifest"):
        Index.open(folder, encoder)


def test_a_count_that_disagrees_with_the_rows_is_refused(folder, encoder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"count": 23}))
    with pytest.raises(MismatchError, match="24 ids, 24 rows of 32 numbers; the manifest says 23"):
        Index.open(folder, encoder)


def test_another_kind_of_faiss_index_is_refused(tmp_path):
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "flat"))
    (tmp_path / "noise").write_bytes(b"noise" * 100)
    with pytest.raises(MismatchError, match="IndexFlatL2, not SQfp16"):
        FlatIndex.read(tmp_path / "flat")
    with pytest.raises(MismatchError, match="cannot be read by FAISS"):
        FlatIndex.read(tmp_path / "noise")


# Building


class Stops(FakeEncoder):
    """Fails after some batches, as a killed process would, and counts what it encoded."""

    def __init__(self, batches: int) -> None:
        super().__init__(dim=32, name="unified")
        self.left, self.encoded = batches, 0

    def encode_candidates(self, candidates):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.encoded += len(candidates)
        return super().encode_candidates(candidates)


def test_an_interrupted_build_goes_on_and_ends_in_the_same_bytes(folder, collection, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(2), collection, tmp_path / "again", shard=10)
    with pytest.raises(ConfigError, match="interrupted"):
        IndexManifest.read(tmp_path / "again")
    rest = Stops(2)  # the last shard of four candidates, and the probe
    build_index(rest, collection, tmp_path / "again", shard=10)
    assert rest.encoded == 4 + 4
    for name in ("vectors.faiss", "ids.txt", "probe.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert not list((tmp_path / "again").glob(".*"))


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other shape", "zeros", "other type"])
def test_a_damaged_shard_is_encoded_again(folder, collection, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(2), collection, tmp_path / "again", shard=10)
    shard = partial(tmp_path / "again") / "shard_000000.npy"
    vectors, data = np.load(shard), shard.read_bytes()
    if damage in ("empty", "cut", "noise"):
        shard.write_bytes({"empty": b"", "cut": data[:-7], "noise": b"noise" * 99}[damage])
    else:
        np.save(
            shard, {"other shape": vectors[:, :16], "zeros": 0 * vectors, "other type": vectors.astype("f8")}[damage]
        )
    rest = Stops(3)  # the damaged shard, the last one of four candidates, and the probe
    build_index(rest, collection, tmp_path / "again", shard=10)
    assert rest.encoded == 10 + 4 + 4
    assert (tmp_path / "again" / "vectors.faiss").read_bytes() == (folder / "vectors.faiss").read_bytes()


@pytest.mark.parametrize("plan", [b"", b"\xff\xfe", b"{}"])
def test_a_damaged_plan_starts_anew(folder, collection, tmp_path, plan):
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(2), collection, tmp_path / "again", shard=10)
    (partial(tmp_path / "again") / "plan.json").write_bytes(plan)
    whole = Stops(4)
    build_index(whole, collection, tmp_path / "again", shard=10)
    assert whole.encoded == 24 + 4
    assert (tmp_path / "again" / "vectors.faiss").read_bytes() == (folder / "vectors.faiss").read_bytes()


def test_shards_of_another_encoder_are_not_used(folder, encoder, collection, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(2), collection, tmp_path / "again", shard=10)
    other = OtherPooling(dim=32, name="unified")
    build_index(other, collection, tmp_path / "again", shard=10)
    index = Index.open(tmp_path / "again", other)
    assert index.vectors(["100:20"])[0] @ other.encode_candidates([collection["100:20"]]).vectors[0] == pytest.approx(
        1, abs=1e-3
    )


@pytest.mark.parametrize(
    ("started", "command"),
    [
        ("/a b/umr/__main__.py", "python -m umr index 'my pictures' --out x"),
        ("/a b/bin/umr", "umr index 'my pictures' --out x"),
        ("/a b/umr.exe", "umr index 'my pictures' --out x"),
        ("/a b/notebook.py", "python -m umr index FOLDER --encoder NAME --out DIR"),
    ],
)
def test_the_manifest_names_the_command_that_made_it(encoder, collection, tmp_path, monkeypatch, started, command):
    monkeypatch.setattr(sys, "argv", [started, "index", "my pictures", "--out", "x"])
    assert build_index(encoder, collection, tmp_path / "index").command == command


def test_a_rebuild_that_fails_leaves_the_old_index_whole(folder, encoder, collection):
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(1), collection, folder, shard=10)
    assert len(Index.open(folder, encoder, collection)) == 24


def test_progress_counts_to_the_end(encoder, collection, tmp_path):
    seen = []
    build_index(
        encoder, collection, tmp_path / "index", shard=10, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(10, 24), (20, 24), (24, 24)]


def test_a_collection_in_memory_is_saved_beside_its_index(encoder, tmp_path, picture):
    picture("mine/a.png")
    manifest = build_index(encoder, Collection.from_folder(tmp_path / "mine"), tmp_path / "index")
    saved = Collection.open(tmp_path / "index" / manifest.collection_at)
    assert len(Index.open(tmp_path / "index", encoder, saved)) == 1


def test_a_candidate_that_cannot_be_read_stops_the_build(encoder, collection, tmp_path):
    collection["100:3"].content.image.write_bytes(b"broken")
    with pytest.raises(MediaError):
        build_index(encoder, collection, tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_an_id_of_two_lines_is_refused(encoder, tmp_path):
    lines = Collection([Candidate(candidate_id="a\nb", content=Content(text="x"))], "mine", "f", tmp_path)
    with pytest.raises(ConfigError, match="one line"):
        build_index(encoder, lines, tmp_path / "index")


def test_places_near_the_index_are_relative_and_far_ones_absolute(encoder, collection, benchmark, tmp_path):
    near = build_index(
        encoder,
        collection,
        benchmark.parents[1] / "unified" / "catalogue",
        encoder_at=benchmark.parents[1] / "unified" / "encoder",
    )
    assert (near.encoder_at, near.collection_at) == ("../encoder", "../../media/catalogue")
    far = build_index(encoder, collection, tmp_path / "a" / "b" / "c", encoder_at="hub:owner/name@1")
    assert (far.encoder_at, far.collection_at) == ("hub:owner/name@1", str(benchmark))


# Two writers, and rows of another encoder


def crafted(folder: Path, encoder: FakeEncoder, collection: Collection, rows: range) -> Index:
    """The index with some rows of another encoder, and a manifest that vouches for them, opened."""
    index = Index.open(folder, encoder, collection)
    vectors = index.vectors(index.ids)
    other = OtherPooling(dim=encoder.dim, name=encoder.name)
    vectors[rows.start : rows.stop] = other.encode_candidates(list(collection)).vectors[rows.start : rows.stop]
    flat = FlatIndex.empty(encoder.dim)
    flat.add(vectors)
    flat.write(folder / "vectors.faiss")
    vouch(folder, "vectors.faiss")
    return Index.open(folder, encoder, collection)


def test_rows_of_the_encoder_itself_are_as_they_were_made(index, encoder, collection):
    assert index.verify_rows(encoder, collection) == pytest.approx(1, abs=1e-6)
    assert index.verify_rows(encoder, collection, most=2) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("start", [0, 7, 14, 19])
def test_a_stretch_of_rows_that_another_encoder_made_is_caught(folder, encoder, collection, start):
    mixed = crafted(folder, encoder, collection, range(start, start + 5))
    assert mixed.verify_probe(encoder) == pytest.approx(1)  # which is all that was looked at before
    with pytest.raises(
        MismatchError, match=r"the row of '100:.*' is not the vector that unified makes of it .*Rebuild"
    ):
        mixed.verify_rows(encoder, collection)


def test_the_rows_that_are_compared_stand_evenly_and_none_is_a_clip(encoder, collection):
    chosen = sample_rows(encoder, collection).ids
    places = [collection.ids.index(i) for i in chosen]
    assert len(chosen) == FEWEST_ROWS and places[0] == 0 and places == sorted(places)
    assert all(collection[i].content.video is None for i in chosen)
    clips = Collection([candidate for candidate in collection if candidate.content.video is not None], "clips", "f")
    assert sample_rows(encoder, clips).ids == clips.ids
    large = only_text(*(f"text {n}" for n in range(10_000)))
    assert len(sample_rows(encoder, large)) == 19 and len(sample_rows(encoder, large, 8)) == 8


def test_rows_whose_files_are_gone_or_changed_are_not_compared(index, encoder, collection, caplog):
    first, gone = (collection[i].content.image for i in sample_rows(encoder, collection).ids[:2])
    first.write_bytes(first.read_bytes() + b"changed")
    gone.unlink()
    assert index.verify_rows(encoder, collection) == pytest.approx(1, abs=1e-6)
    assert caplog.text.count("a row of the index is not compared") == 2


def test_a_second_build_into_a_folder_is_refused_and_the_first_one_is_whole(folder, encoder, collection, tmp_path):
    other, refused = OtherPooling(dim=32, name="unified"), []

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(ConfigError, match="again is being written by process") as error:
            build_index(other, collection, tmp_path / "again", shard=10)
        refused.append(error)

    build_index(encoder, collection, tmp_path / "again", shard=10, progress=meanwhile)
    assert len(refused) == 3
    for name in ("vectors.faiss", "ids.txt", "probe.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_shards_lie_under_their_plan_and_those_of_others_are_removed_unread(folder, collection, tmp_path):
    again = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        build_index(Stops(2), collection, again, shard=10)
    mine, other = partial(again), OtherPooling(dim=32, name="unified")
    foreign = again / ".partial-0123456789abcdef"
    shutil.copytree(mine, foreign)
    shutil.copytree(mine, again / ".partial")  # the name that all plans had in common once
    for number in range(2):
        rows = other.encode_candidates(list(collection)[10 * number : 10 * number + 10]).vectors
        for place in (foreign, again / ".partial"):
            np.save(place / f"shard_{number:06}.npy", rows)
    rest = Stops(2)
    build_index(rest, collection, again, shard=10)
    assert rest.encoded == 4 + 4 and (again / "vectors.faiss").read_bytes() == (folder / "vectors.faiss").read_bytes()
    assert not list(again.glob(".*"))


def test_what_dead_builds_left_half_written_is_removed(encoder, tmp_path, picture):
    picture("mine/a.png")
    again = tmp_path / "again"
    places = [again / ".manifest.json.17.part", again / "collection" / ".candidates.jsonl.18.part",
              again / "files" / ".0a1b.png.19.part"]  # fmt: skip
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    build_index(encoder, Collection.from_folder(tmp_path / "mine"), again)
    assert not list(again.rglob("*.part")) and len(Index.open(again, encoder)) == 1


class Replaced(FakeEncoder):
    """Somebody replaces a picture after it was listed, just before it is encoded."""

    def __init__(self, file: Path) -> None:
        super().__init__(dim=32, name="unified")
        self.file = file

    def encode_candidates(self, candidates):
        if self.file is not None:
            Image.new("RGB", (9, 9), "pink").save(self.file)
            self.file = None
        return super().encode_candidates(candidates)


def test_a_picture_that_is_replaced_before_it_is_encoded_is_noticed(tmp_path, picture):
    picture("mine/a.png", "red")
    replaced = Replaced(picture("mine/b.png", "blue"))
    with pytest.raises(MediaError, match=r"candidate b.png: b.png changed since the collection was read; run the same"):
        build_index(replaced, Collection.from_folder(tmp_path / "mine"), tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()
    build_index(replaced, Collection.from_folder(tmp_path / "mine"), tmp_path / "index")
    index, kept = Index.open(tmp_path / "index", replaced), Collection.open(tmp_path / "index" / "collection")
    assert kept.with_hash(media.content_hash(tmp_path / "mine" / "b.png")) == {"b.png"}
    assert index.verify_rows(replaced, kept) == pytest.approx(1, abs=1e-6)


def test_a_disk_that_fills_up_while_faiss_writes_is_said_and_the_same_call_goes_on(folder, collection, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))  # shards are smaller, the vectors of all are not
    try:
        with pytest.raises(DiskFullError, match=r"vectors\.faiss cannot be written: .*run the same command again"):
            build_index(Stops(4), collection, tmp_path / "again", shard=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    rest = Stops(1)  # the probe alone
    build_index(rest, collection, tmp_path / "again", shard=10)
    assert (
        rest.encoded == 4
        and (tmp_path / "again" / "vectors.faiss").read_bytes() == (folder / "vectors.faiss").read_bytes()
    )


def test_vectors_on_a_full_disk_and_memory_that_is_not_enough_are_sentences(tmp_path, monkeypatch):
    flat = FlatIndex.empty(8)
    flat.add(np.eye(8, dtype=np.float32))
    (tmp_path / "vectors.faiss").symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match=r"vectors.faiss cannot be written: the disk is full"):
        flat.write(tmp_path / "vectors.faiss")

    def greedy(*_: object) -> None:
        raise MemoryError("std::bad_alloc")

    flat.write(tmp_path / "whole.faiss")
    monkeypatch.setattr(faiss, "read_index", greedy)
    with pytest.raises(MismatchError, match=r"cannot be read by FAISS .std::bad_alloc.; rebuild it"):
        FlatIndex.read(tmp_path / "whole.faiss")


def test_faiss_reads_what_is_written_through_python_and_the_bytes_are_its_own(tmp_path):
    flat = FlatIndex.empty(16)
    flat.add(np.random.default_rng(0).standard_normal((40_000, 16)).astype(np.float32))  # more than one block of it
    flat.write(tmp_path / "ours")
    faiss.write_index(flat._cpu, str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def indexing(pictures: Path, encoder: str, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "umr", "index", str(pictures), "--encoder", encoder, "--out", str(out)],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_of_two_commands_into_one_folder_one_builds_and_the_other_is_refused(tmp_path, picture):
    for number in range(24):
        picture(f"mine/{number:02}.png", f"#{number * 9:02x}40{255 - number * 9:02x}", (40, 30))
    first = indexing(tmp_path / "mine", "unified", tmp_path / "out")
    held = tmp_path / "out" / LOCK
    while not (held.is_file() and held.stat().st_size) and first.poll() is None:
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)  # wherever it is: it does not end before the other has tried
    second = indexing(tmp_path / "mine", "mca", tmp_path / "out")
    told = second.communicate(timeout=300)[1]
    first.send_signal(signal.SIGCONT)
    assert "24 indexed, 0 refused" in first.communicate(timeout=300)[1] and first.returncode == 0
    assert second.returncode == 2 and f"{tmp_path / 'out'} is being written by process {first.pid}" in told

    assert not list((tmp_path / "out").glob(".*"))

    searcher = Searcher.open(tmp_path / "out")
    assert (
        searcher.encoder.name == "unified"
        and searcher.index.verify_rows(searcher.encoder, searcher.collection) > 0.9999
    )
    build_index(searcher.encoder, Collection.from_folder(tmp_path / "mine"), tmp_path / "alone")
    alone = Index.open(tmp_path / "alone", searcher.encoder)
    assert alone.ids == searcher.index.ids and alone.manifest.collection == searcher.index.manifest.collection
    fresh, built = alone.vectors(alone.ids), searcher.index.vectors(alone.ids)
    assert np.abs(fresh - built).max() < 1e-3  # equal but for the last bit, as another process may use more threads


# A GPU, played by FAISS's flat index: what is tested is our use of it (pools, places, the limit of k)


class PlayedFlat(faiss.IndexFlatIP):
    def __init__(self, resources, dim: int, config) -> None:
        super().__init__(dim)
        assert config.useFloat16 and config.device == 0

    def search(self, queries, k, params=None):
        assert params is None and k <= 2048
        return super().search(queries, k)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "GpuIndexFlatConfig", type("GpuIndexFlatConfig", (), {}), raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatIP", PlayedFlat, raising=False)


def test_no_gpu_is_counted_where_faiss_has_no_gpu_code(monkeypatch):
    monkeypatch.delattr(faiss, "StandardGpuResources", raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 8)
    assert flat_module.gpu_count() == 0


def test_search_on_a_gpu_equals_search_on_the_cpu(index, gpu, folder, encoder, collection):
    on_gpu = Index.open(folder, encoder, collection)
    assert isinstance(on_gpu._flat._gpu, PlayedFlat) and not isinstance(index._flat._gpu, PlayedFlat)
    asked = queries(encoder)
    for pool in (None, collection.pool("image"), collection.pool("video")):
        on_cpu = found(index.search(asked, 5, pool))
        assert found(on_gpu.search(asked, 5, pool)) == on_cpu
        assert on_cpu == brute_force(index, asked, 5, pool or index.ids)


def test_more_results_than_a_gpu_can_give_come_from_the_cpu(gpu):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 8)).astype(np.float32)
    flat = FlatIndex.empty(8)
    flat.add(vectors)
    scores, rows = flat.search(vectors[:1], 2500, Rows(np.arange(0, 3000), 3000))
    assert len(set(rows[0].tolist())) == 2500 and (np.diff(scores[0]) <= 0).all()
