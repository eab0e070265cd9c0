"""Every file that umr promises to write whole is on the disk before it takes its name."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from umr import disk
from umr.arrays import write_npy
from umr.disk import atomic_write, copied, room_for_copy
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, DiskFullError
from umr.index.index import build_index


@pytest.fixture
def operations(monkeypatch) -> list[tuple[str, int]]:
    """("sync" | "replace", inode) in the order of the calls."""
    seen: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        seen.append(("sync", os.fstat(handle).st_ino))
        fsync(handle)

    def replaced(source, target) -> None:
        seen.append(("replace", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


def unsynced(operations: list[tuple[str, int]]) -> list[int]:
    """Files that were renamed before they were flushed."""
    return [inode for place, (what, inode) in enumerate(operations)
            if what == "replace" and ("sync", inode) not in operations[:place]]  # fmt: skip


def test_a_file_is_flushed_then_renamed_then_its_folder_flushed(tmp_path, operations):
    (tmp_path / "draft").write_text("new")
    (tmp_path / "there").write_text("old")
    inode = (tmp_path / "draft").stat().st_ino
    disk.put(tmp_path / "draft", tmp_path / "there")
    assert operations == [("sync", inode), ("replace", inode), ("sync", tmp_path.stat().st_ino)]
    assert (tmp_path / "there").read_text() == "new" and not (tmp_path / "draft").exists()


def test_a_folder_is_flushed_with_all_in_it(tmp_path, operations):
    (tmp_path / "draft" / "deep").mkdir(parents=True)
    (tmp_path / "draft" / "deep" / "file").write_text("x")
    inodes = [(tmp_path / "draft" / part).stat().st_ino for part in ("deep/file", "deep", ".")]
    disk.put(tmp_path / "draft", tmp_path / "there")
    assert sorted(operations[:3]) == sorted(("sync", inode) for inode in inodes)
    assert operations[3:] == [("replace", inodes[2]), ("sync", tmp_path.stat().st_ino)]
    assert (tmp_path / "there" / "deep" / "file").read_text() == "x"


def test_texts_and_arrays_are_flushed_first(tmp_path, operations):
    with atomic_write(tmp_path / "a.jsonl.gz") as file:
        file.write("{}\n")
    write_npy(tmp_path / "a.npy", np.zeros(3))
    assert len([what for what, _ in operations if what == "replace"]) == 2 and unsynced(operations) == []


def test_every_file_of_an_index_is_flushed_before_its_manifest_is_named(collection, tmp_path, operations):
    build_index(FakeEncoder(dim=32), collection, tmp_path / "index")
    files = {path.name: path.stat().st_ino for path in (tmp_path / "index").iterdir()}
    assert set(files) == {"vectors.faiss", "ids.txt", "probe.npy", "manifest.json"} and unsynced(operations) == []
    named = [inode for what, inode in operations if what == "replace" and inode in files.values()]
    assert named[-1] == files["manifest.json"] and set(named) == set(files.values())


def test_a_copy_shares_blocks_where_the_disk_can_that_and_costs_no_room_there(tmp_path, monkeypatch):
    """The system's call is stood in for: this disk may have no such copies."""
    (tmp_path / "old").write_bytes(b"weights")
    assert room_for_copy(tmp_path / "old", tmp_path / "not" / "there", shared=True) == 0

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    def clone(target: int, _: int, source: int) -> None:
        os.write(target, os.read(source, 100))

    for call, room in ((refuse, 7), (clone, 0)):
        monkeypatch.setattr("fcntl.ioctl", call)
        assert room_for_copy(tmp_path / "old", tmp_path / "not" / "there") == room
        copied(tmp_path / "old", tmp_path / f"new {room}")
        assert (tmp_path / f"new {room}").read_bytes() == b"weights"
        assert not (tmp_path / f"new {room}").samefile(tmp_path / "old")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new 7", "new 0"}


# What a file must not replace, and a disk that is full


@pytest.fixture
def special(tmp_path) -> Path:
    """A folder with a pipe, a socket, and links to a device, to a pipe and to this process's own output."""
    folder = tmp_path / "special"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path may not be long
        try:
            bound.bind("socket")
        finally:
            os.chdir(here)
    (folder / "device").symlink_to("/dev/null")
    (folder / "pipe-link").symlink_to("pipe")
    (folder / "output").symlink_to(f"/proc/self/fd/{os.open(tmp_path / 'plain', os.O_CREAT | os.O_WRONLY)}")
    return folder


SPECIAL = [("pipe", "a pipe"), ("socket", "a socket"), ("device", "a device"), ("pipe-link", "a pipe"),
           ("output", "an open file of this process"), (".", "a folder")]  # fmt: skip


@pytest.mark.parametrize(("name", "what"), SPECIAL)
def test_a_file_replaces_only_a_file(special, tmp_path, name, what):
    before = os.lstat(special / name)
    (tmp_path / "draft").write_text("new")
    with pytest.raises(ConfigError, match=f"is {what}, which a file must not replace; name a file to write"):
        disk.put(tmp_path / "draft", special / name)
    with pytest.raises(ConfigError, match=f"is {what}"), atomic_write(special / name) as file:
        raise AssertionError(f"{file} is open")
    after = os.lstat(special / name)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode) and not list(special.glob(".*"))


def test_a_link_to_a_file_is_replaced_as_before(tmp_path):
    (tmp_path / "far").write_text("far")
    (tmp_path / "link").symlink_to("far")
    with atomic_write(tmp_path / "link") as file:
        file.write("new")
    assert (tmp_path / "link").read_text() == "new" and (tmp_path / "far").read_text() == "far"


def test_the_system_is_quoted_where_nothing_more_fits(tmp_path):
    for number, words in (
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "your quota"),
        (errno.EFBIG, "that large"),
    ):
        told = rf"a\.npy cannot be written: .*{words}.*{os.strerror(number)}"
        with pytest.raises(DiskFullError, match=told), disk.told_when_full(tmp_path / "a.npy"):
            raise OSError(number, os.strerror(number))
    with pytest.raises(PermissionError), disk.told_when_full(tmp_path / "a.npy"):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.xz"])
def test_a_text_on_a_full_disk_leaves_the_old_one(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("old")
    (tmp_path / "full").symlink_to("/dev/full")  # where nothing fits; the link alone is removed afterwards
    monkeypatch.setattr(disk, "draft_of", lambda target: tmp_path / "full")
    with (
        pytest.raises(DiskFullError, match=f"{name} cannot be written: the disk is full"),
        atomic_write(tmp_path / name) as file,
    ):
        file.write("new")
    assert (tmp_path / name).read_text() == "old" and not (tmp_path / "full").is_symlink()


def test_drafts_of_dead_processes_are_removed_and_nothing_else(tmp_path):
    kept = {".hidden", ".part", "a.part", ".a.npy.part", ".a.b.part", "manifest.json"}
    for name in kept | {".manifest.json.17.part", ".shard_000001.npy.4242.part"}:
        (tmp_path / name).touch()
    disk.clear_drafts(tmp_path, tmp_path / "absent")
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert disk.draft_of(tmp_path / "a.npy").match(".*.[0-9]*.part")
