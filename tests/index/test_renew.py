"""An index that is added to, removed from or updated equals one built from nothing; what did not change keeps its
vector bit for bit; a process that is killed leaves the old version or the new one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from umr.cli.commands import main
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, DiskFullError, MediaError, MismatchError
from umr.index import renew, rewrite
from umr.index.index import Index, build_index
from umr.index.manifest import IndexManifest
from umr.index.rewrite import held
from umr.index.sources import SOURCES, Record, Source, read_record
from umr.search import Searcher

ROOT = Path(__file__).resolve().parents[2]


class Counting(FakeEncoder):
    """Notes which candidates it encodes, and is loaded as the product loads an encoder."""

    def __init__(self) -> None:
        super().__init__(dim=32, name="unified")
        self.encoded: list[str] = []

    def encode_candidates(self, candidates):
        items = list(candidates)
        self.encoded += [one.candidate_id for one in items if not one.candidate_id.startswith("probe-")]
        return super().encode_candidates(items)

    def __call__(self) -> Counting:
        return self


class Changed(Counting):
    """The same fingerprint, and other vectors."""

    def _direction(self, key: str) -> np.ndarray:
        return super()._direction("changed " + key)


def write(folder: Path, **files: str) -> Path:
    """Texts, and pictures of one colour, by the names of the files."""
    for name, value in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.new("RGB", (9, 7), value).save(path)
        else:
            path.write_text(value)
    return folder


@pytest.fixture
def mine(tmp_path) -> Path:
    return write(
        tmp_path / "mine", a_png="red", b_txt="Some words.", cats__c_png="blue", cats__d_txt="Others.", z_png="tan"
    )


def build(source: Path, out: Path) -> Path:
    """What `index SOURCE` writes, by the fake encoder."""
    found, encoder = Source.of(str(source)), FakeEncoder(dim=32, name="unified")
    collection = Collection.taken(found.name, *found.read(out / "files"))
    manifest = build_index(encoder, collection, out)
    counted = Source(kind=found.kind, at=found.at, count=len(collection))
    Record(sources=(counted,)).write(out, manifest.fingerprint)
    return out


@pytest.fixture
def index(mine, tmp_path) -> Path:
    return build(mine, tmp_path / "index")


def opened(folder: Path) -> tuple[Index, Collection]:
    manifest = IndexManifest.read(folder)
    collection = Collection.open(folder / manifest.collection_at)
    return Index.open(folder, FakeEncoder(dim=32, name="unified"), collection), collection


def files(folder: Path) -> dict[str, bytes]:
    """What decides results, by name, wherever a version has it."""
    manifest = IndexManifest.read(folder)
    found = {
        name: (folder / manifest.files_at / name).read_bytes() for name in ("vectors.faiss", "ids.txt", "probe.npy")
    }
    return found | {"candidates": (folder / manifest.collection_at / "candidates.jsonl").read_bytes()}


def equals_a_new_build(folder: Path, source: Path) -> None:
    """Byte for byte: vectors, ids in their order, candidates; and nothing else is left in the folder."""
    fresh = build(source, folder.parent / "fresh")
    assert files(folder) == files(fresh)
    assert IndexManifest.read(folder).fingerprint == IndexManifest.read(fresh).fingerprint
    shutil.rmtree(fresh)
    manifest = IndexManifest.read(folder)
    left = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    assert left == {"manifest.json", manifest.files_at} if manifest.files_at else True
    assert {path.name for path in (folder / manifest.files_at).iterdir()} >= {SOURCES}


def updated(folder: Path, encoder=None, **more) -> rewrite.Change:
    with held(folder) as index:
        return renew.update(index, encoder or Counting(), **more)


def added(folder: Path, *what: Path, encoder=None) -> rewrite.Change:
    with held(folder) as index:
        return renew.add(index, [Source.of(str(one)) for one in what], encoder or Counting())


def removed(folder: Path, *what: str) -> rewrite.Change:
    with held(folder) as index:
        return renew.remove(index, what)


# update


def test_update_encodes_what_changed_alone_and_equals_a_new_build(index, mine):
    first = opened(index)[0]
    before = {one: first.vectors([one])[0].tobytes() for one in first.ids}
    write(mine, b_txt="New words.", cats__new_png="pink", dogs__e_png="navy")
    (mine / "z.png").unlink()
    encoder = Counting()
    change = updated(index, encoder)
    assert (change.added, change.changed, change.removed) == (("cats/new.png", "dogs/e.png"), ("b.txt",), ("z.png",))
    assert encoder.encoded == ["b.txt", "cats/new.png", "dogs/e.png"] and len(change.encoded) == 3
    after, collection = opened(index)
    assert "z.png" not in collection and after.verify_rows(encoder, collection) > 0.999
    for kept in ("a.png", "cats/c.png", "cats/d.txt"):
        assert after.vectors([kept])[0].tobytes() == before[kept]
    equals_a_new_build(index, mine)


def test_an_update_of_what_did_not_change_writes_nothing_and_needs_no_encoder(index):
    def nobody() -> FakeEncoder:
        raise AssertionError("no encoder is needed")

    before = {path: path.stat().st_mtime_ns for path in index.rglob("*")}
    assert updated(index, nobody).encoded == ()
    assert {path: path.stat().st_mtime_ns for path in index.rglob("*")} == before


def test_a_file_of_the_same_bytes_is_neither_decoded_nor_encoded_again_whatever_its_date_or_name(
    index, mine, file_reads
):
    os.utime(mine / "a.png", (1, 1))
    shutil.copy(mine / "a.png", mine / "copy.png")
    (mine / "z.png").rename(mine / "moved.png")
    file_reads.decoded.clear()
    change = updated(index)
    assert (change.added, change.removed, change.encoded) == (("copy.png", "moved.png"), ("z.png",), ())
    assert file_reads.of(mine / "a.png")[0] == 0 and file_reads.of(mine / "copy.png")[0] == 1  # a new id is looked at
    equals_a_new_build(index, mine)


def test_a_file_that_can_be_read_no_more_leaves_the_index_and_is_told(index, mine):
    (mine / "a.png").write_bytes(b"broken")
    change = updated(index)
    assert (
        change.removed == ("a.png",)
        and change.refused[0].source == "a.png"
        and "not a picture" in change.refused[0].reason
    )
    equals_a_new_build(index, mine)


def test_an_index_that_lies_in_its_own_source_does_not_take_its_own_files_in(mine):
    index = build(mine, mine / "an index")
    assert updated(index).added == ()
    write(mine, new_txt="One more.")
    assert updated(index).added == ("new.txt",) and updated(index).added == ()  # of a version's folder too


def test_a_source_that_is_gone_changes_nothing_and_one_that_moved_is_named(index, mine, tmp_path):
    before = files(index)
    mine.rename(tmp_path / "elsewhere")
    with pytest.raises(
        ConfigError, match="mine is not a folder that is there; if it moved, `umr index update INDEX --source PLACE`"
    ):
        updated(index)
    assert files(index) == before
    change = updated(index, source=Source.of(str(tmp_path / "elsewhere")))
    assert (change.added, change.removed, change.encoded) == ((), (), ())
    equals_a_new_build(index, tmp_path / "elsewhere")


def test_a_collection_that_lies_near_is_recorded_relative_to_the_index_and_moves_with_it(tmp_path):
    home = tmp_path / "home"
    rows = write(home / "mine", a_png="red", b_txt="Some words.")
    Collection.taken("mine", *Source.of(str(rows)).read(tmp_path)).save(home / "saved")
    index = build(home / "saved", home / "made" / "index")
    (told,) = json.loads((index / SOURCES).read_text())["sources"]
    assert (told["kind"], told["at"]) == ("collection", "../../saved")
    home.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "made" / "index"
    (source,) = read_record(moved, IndexManifest.read(moved)).sources
    assert source.at == str(tmp_path / "moved" / "saved")


def test_an_index_that_does_not_say_what_was_indexed_asks_for_it(index, mine):
    (index / SOURCES).unlink()
    write(mine, new_png="pink")
    with pytest.raises(ConfigError, match="with --source"):
        updated(index)
    assert updated(index, source=Source.of(str(mine))).added == ("new.png",)
    equals_a_new_build(index, mine)


def test_the_record_of_an_earlier_build_is_not_believed_and_a_damaged_one_is_refused(index, tmp_path):
    manifest = IndexManifest.read(index)
    read_record(index, manifest).write(index, "0" * 64)
    assert read_record(index, manifest).sources[0].kind == "unknown"
    for text in ("{", "[]", json.dumps({"index": manifest.fingerprint, "sources": [], "part": None})):
        (index / SOURCES).write_text(text)
        with pytest.raises(MismatchError, match=r"sources\.json is damaged.*--source"):
            read_record(index, manifest)


# add


def test_files_under_the_source_get_the_ids_of_a_new_build(index, mine):
    write(mine, a0_png="pink", cats__new_txt="One more.", ants__x_png="navy")
    encoder = Counting()
    change = added(index, mine / "a0.png", mine / "cats" / "new.txt", mine / "ants", encoder=encoder)
    assert set(change.added) == {"a0.png", "cats/new.txt", "ants/x.png"} and sorted(encoder.encoded) == sorted(
        change.added
    )
    equals_a_new_build(index, mine)


def test_sources_elsewhere_are_kept_apart_and_each_is_looked_at_again(index, mine, tmp_path):
    write(tmp_path / "more", q_png="olive", r_txt="Far away.")
    write(tmp_path, alone_png="plum")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": "r1", "text": "a row"}\n{"id": "r2", "image": "alone.png", "text": "both"}\n'
    )
    change = added(index, tmp_path / "more", tmp_path / "alone.png", tmp_path / "rows.jsonl")
    assert change.added == ("q.png", "r.txt", "alone.png", "r1", "r2") and change.manifest.count == 10
    write(tmp_path / "more", s_png="teal")
    (tmp_path / "more" / "q.png").unlink()
    (tmp_path / "rows.jsonl").write_text('{"id": "r2", "image": "alone.png", "text": "both"}\n')
    encoder = Counting()
    change = updated(index, encoder)
    assert (change.added, change.removed, encoder.encoded) == (("s.png",), ("q.png", "r1"), ["s.png"])
    (tmp_path / "alone.png").unlink()
    change = updated(index)
    assert change.removed == ("alone.png", "r2") and "alone.png" not in opened(index)[1]


def test_two_sources_with_one_id_are_refused_by_name_and_told_apart_by_a_prefix(index, mine, tmp_path):
    write(tmp_path / "more", a_png="olive")
    before = files(index)
    with pytest.raises(ConfigError, match=r"'a\.png' is in .*mine and in .*more; .*--prefix"):
        added(index, tmp_path / "more")
    assert files(index) == before
    with held(index) as here:
        source = Source(kind="folder", at=str(tmp_path / "more"), prefix="more/")
        assert renew.add(here, [source], Counting()).added == ("more/a.png",)
    assert updated(index).encoded == ()
    write(tmp_path / "more", b_png="navy")
    assert updated(index).added == ("more/b.png",)


# remove


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        (["a.png"], {"a.png"}),
        (["cats/*"], {"cats/c.png", "cats/d.txt"}),
        (["*.txt", "z.png"], {"b.txt", "cats/d.txt", "z.png"}),
        (["MINE/cats"], {"cats/c.png", "cats/d.txt"}),
        (["MINE/b.txt", "MINE/*.png"], {"a.png", "b.txt", "cats/c.png", "z.png"}),
    ],
)
def test_what_is_removed_is_gone_from_the_disk_at_once_and_stays_out(index, mine, what, gone):
    kept = opened(index)[0]
    change = removed(index, *(word.replace("MINE", str(mine)) for word in what))
    assert set(change.removed) == gone and change.encoded == ()
    after, collection = opened(index)
    assert set(after.ids) == set(kept.ids) - gone == set(collection.ids)
    assert np.array_equal(after.vectors(after.ids), kept.vectors(after.ids))
    held_bytes = b"".join(path.read_bytes() for path in index.rglob("*") if path.is_file() and path.name != SOURCES)
    assert not any(i.encode() in held_bytes for i in gone)
    assert (index / change.manifest.files_at / "vectors.faiss").stat().st_size < 64 * len(after) + 400
    change = updated(index)
    assert set(change.left_out) == gone and change.encoded == change.added == ()
    assert set(added(index, mine).added) == gone
    equals_a_new_build(index, mine)


def test_a_word_that_means_nothing_removes_nothing_and_not_all_can_be_removed(index):
    before = files(index)
    with pytest.raises(ConfigError, match=r"'\*\.gif' is no id.*nothing was removed"):
        removed(index, "a.png", "*.gif")
    with pytest.raises(ConfigError, match="nothing would be left"):
        removed(index, "*")
    assert files(index) == before


def test_pictures_that_stood_in_a_dataset_go_with_their_candidates(tmp_path):
    datasets = pytest.importorskip("datasets")
    for name, colour in (("one", "red"), ("two", "blue")):
        Image.new("RGB", (6, 6), colour).save(tmp_path / f"{name}.png")
    rows = {"image": [str(tmp_path / "one.png"), str(tmp_path / "two.png")], "name": ["one", "two"]}
    data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    data = data.map(lambda row: row)  # pictures become bytes in the file
    data.save_to_disk(tmp_path / "saved")
    source = Source.of(str(tmp_path / "saved"), {"image": "image", "id": "name"})
    out, encoder = tmp_path / "index", Counting()
    collection = Collection.taken("saved", *source.read(out / "files"))
    manifest = build_index(encoder, collection, out)
    Record(sources=(Source(kind=source.kind, at=source.at, columns=source.columns, count=2),)).write(
        out, manifest.fingerprint
    )
    inside = [one.content.image for one in collection if one.content.image.is_relative_to(out)]
    removed(out, "one")
    assert len(inside) == 2 and [path.exists() for path in inside] == [False, True]
    change = updated(out)
    assert change.left_out == ("one",) and change.encoded == ()


# locks


def test_another_encoder_or_changed_code_is_refused_and_the_index_stays(index, mine):
    write(mine, new_png="pink")
    before = files(index)
    with pytest.raises(MismatchError, match=r"was built by unified .* but other"):
        updated(index, lambda: FakeEncoder(dim=32, name="other"))
    with pytest.raises(MismatchError, match="code or libraries changed"):
        updated(index, Changed())
    assert files(index) == before


def test_a_damaged_index_or_one_that_is_held_is_not_renewed(index, mine, tmp_path):
    with held(index), pytest.raises(ConfigError, match="is being written by"):
        updated(index)
    with pytest.raises(ConfigError, match="not a finished index"):
        updated(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    (index / "ids.txt").write_text("")
    with pytest.raises(MismatchError, match=r"ids\.txt changed"):
        updated(index)


def test_a_picture_that_changes_while_it_is_encoded_leaves_the_old_version(index, mine):
    write(mine, new_png="pink")

    class Replacing(Counting):
        def encode_candidates(self, candidates):
            write(mine, new_png="cyan")
            return super().encode_candidates(candidates)

    before = files(index)
    with pytest.raises(MediaError, match=r"new\.png changed since the collection was read"):
        updated(index, Replacing())
    assert files(index) == before
    updated(index)
    equals_a_new_build(index, mine)


# interruptions

KILLED = """
import hashlib, json, os, shutil, sys
from pathlib import Path

from umr.encoders.fake import FakeEncoder
from umr.index import renew, rewrite
from umr.index.manifest import IndexManifest

index, work = Path(sys.argv[1]), Path(sys.argv[1] + "-work")
rewrite.SHARD = 2

class Counting(FakeEncoder):
    encoded = 0
    def encode_candidates(self, candidates):
        items = [one for one in candidates]
        Counting.encoded += sum(not one.candidate_id.startswith("probe-") for one in items)
        return super().encode_candidates(items)

def update(left):
    def dying(real):
        def call(*given, **more):
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)
            return real(*given, **more)
        return call
    os.replace, os.rmdir = map(dying, (os.replace, os.rmdir))
    with rewrite.held(work) as held:
        renew.update(held, lambda: Counting(dim=32, name="unified"))
    return Counting.encoded

def forked(left):
    if (pid := os.fork()) == 0:
        os._exit(100 + update(left))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def version():
    manifest = IndexManifest.read(work)
    for name, sha256 in manifest.files.items():
        assert hashlib.sha256((work / manifest.files_at / name).read_bytes()).hexdigest() == sha256, name
    listed = hashlib.sha256((work / manifest.collection_at / "candidates.jsonl").read_bytes()).hexdigest()
    assert manifest.collection == hashlib.sha256(f"candidates.jsonl\\0{listed}\\n".encode()).hexdigest()
    return manifest.fingerprint

for step in range(1, 1000):
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(index, work)
    died = forked(step)
    first = version()
    again = forked(0)
    print(json.dumps([died, first, again, version(), sorted(path.name for path in work.iterdir())]))
    if died != 9:
        break
"""


def test_a_process_killed_before_any_file_gets_its_name_leaves_the_old_version_or_the_new_one(index, mine):
    work = index.with_name("index-work")
    shutil.copytree(index, work)
    write(mine, b_txt="New words.", new_png="pink", n2_png="lime", n3_txt="Third.", n4_png="gold")
    (mine / "z.png").unlink()
    old = IndexManifest.read(index).fingerprint
    updated(work)
    new, left = IndexManifest.read(work).fingerprint, sorted(path.name for path in work.iterdir())
    command = [sys.executable, "-c", KILLED, str(index)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    *kills, (ended, *_) = [json.loads(line) for line in told.stdout.splitlines()]
    assert ended == 100 + 5 and len(kills) >= 10  # the last one was not killed
    assert {died for died, *_ in kills} == {9}
    states = [first for _, first, *_ in kills]
    assert set(states) == {old, new} and states == sorted(states, key=lambda one: one == new)  # old, then new, for good
    assert {last for *_, last, _ in kills} == {new} and {len(names) for *_, names in kills} == {len(left)}
    encoded = [again - 100 for _, _, again, *_ in kills]
    assert encoded[0] == 5 and encoded == sorted(encoded, reverse=True) and {3, 1, 0} <= set(encoded)  # it goes on


def test_a_full_disk_leaves_the_old_version(index, mine, monkeypatch):
    write(mine, new_png="pink")
    before = files(index)

    def full(path: Path, *rest: object) -> None:
        raise DiskFullError(f"{path} cannot be written")

    with monkeypatch.context() as patched, pytest.raises(DiskFullError):
        patched.setattr(rewrite, "write_jsonl", full)
        updated(index)
    assert files(index) == before
    updated(index)
    equals_a_new_build(index, mine)


def test_a_new_build_over_a_renewed_index_leaves_nothing_of_it(index, mine):
    write(mine, new_png="pink")
    updated(index)
    build(mine, index)
    assert IndexManifest.read(index).files_at == "" and not list(index.glob("version-*"))
    assert len(opened(index)[0]) == 6


# the command line


def test_the_command_line_adds_removes_updates_and_searches_what_is_there(searcher, mine, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["index", str(mine), "--encoder", "unified", "--out", out]) == 0
    write(mine, new_txt="Something quite new.", bad_png="red")
    (mine / "bad.png").write_bytes(b"x")
    capsys.readouterr()
    assert main(["index", "update", out]) == 0
    told = capsys.readouterr().err
    assert "refused bad.png: " in told and "1 added, 0 changed, 0 removed, 1 encoded, 1 refused: 6 in" in told
    assert main(["search", "--index", out, "--text", "Something quite new.", "--top", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "new.txt"
    assert main(["index", "remove", out, "new.txt", "cats/*"]) == 0
    assert "0 encoded, 0 refused: 3 in" in capsys.readouterr().err
    assert main(["index", "update", out]) == 0
    assert "3 that were removed before stay out" in capsys.readouterr().err
    assert main(["index", "add", out, str(mine / "cats")]) == 0
    assert "added cats/c.png" in capsys.readouterr().err
    assert main(["index", "add", out, str(tmp_path / "absent")]) == 2
    assert "absent is not a folder" in capsys.readouterr().err
    assert main(["index", "update", str(tmp_path)]) == 2
    assert "not a finished index" in capsys.readouterr().err
    again = Searcher.open(out)
    assert len(again.collection) == 5 and again.index.verify_rows(again.encoder, again.collection) > 0.999


def test_a_folder_that_is_called_add_is_reached_as_a_path(searcher, tmp_path, monkeypatch, capsys):
    write(tmp_path / "add", a_txt="A word.")
    monkeypatch.chdir(tmp_path)
    assert main(["index", "./add", "--encoder", "unified", "--out", "out"]) == 0
    with pytest.raises(SystemExit):
        main(["index", "add"])
    assert "usage: python -m umr index add" in capsys.readouterr().err


def test_a_collections_own_folder_stays_where_it_is_until_the_index_is_of_other_candidates(
    searcher, benchmark, tmp_path
):
    out = tmp_path / "out"
    assert main(["index", str(benchmark), "--encoder", "unified", "--out", str(out)]) == 0
    assert main(["index", "update", str(out)]) == 0
    assert IndexManifest.read(out).files_at == ""
    assert main(["index", "remove", str(out), "100:3"]) == 0
    again = Searcher.open(out)
    assert len(again.collection) == 23 and "100:3" not in again.collection
    assert again.index.verify_rows(again.encoder, again.collection) > 0.999 and "100:3" in Collection.open(benchmark)


def test_a_searcher_that_reads_an_index_while_it_is_renewed_opens_the_new_version(
    searcher, mine, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    assert main(["index", str(mine), "--encoder", "unified", "--out", str(out)]) == 0
    write(mine, new_png="pink")
    real, done = Collection.open, []

    def meanwhile(folder: Path, name: str = "") -> Collection:
        found = real(folder, name)
        if not done:
            done.append(1)
            updated(out)
        return found

    monkeypatch.setattr(Collection, "open", meanwhile)
    assert len(Searcher.open(out).collection) == 6
