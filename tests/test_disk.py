"""Every file that umr promises to write whole is on the disk before it takes its name."""

from __future__ import annotations

import os

import numpy as np
import pytest

from umr import disk
from umr.arrays import write_npy
from umr.encoders.fake import FakeEncoder
from umr.formats import written
from umr.index import build_index


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
    with written(tmp_path / "a.jsonl.gz") as file:
        file.write("{}\n")
    write_npy(tmp_path / "a.npy", np.zeros(3))
    assert len([what for what, _ in operations if what == "replace"]) == 2 and unsynced(operations) == []


def test_every_file_of_an_index_is_flushed_before_its_manifest_is_named(collection, tmp_path, operations):
    build_index(FakeEncoder(dim=32), collection, tmp_path / "index")
    files = {path.name: path.stat().st_ino for path in (tmp_path / "index").iterdir()}
    assert set(files) == {"vectors.faiss", "ids.txt", "probe.npy", "manifest.json"} and unsynced(operations) == []
    named = [inode for what, inode in operations if what == "replace" and inode in files.values()]
    assert named[-1] == files["manifest.json"] and set(named) == set(files.values())
