"""Hashes of large files: read once, again after any change, and never in place of what cannot be kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from umr import known_hashes
from umr.disk import file_sha256
from umr.known_hashes import FOLDER, known_sha256


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read for their hash; everything from four bytes on is large."""
    seen: list[Path] = []

    def noted(path: Path) -> str:
        seen.append(path)
        return file_sha256(path)

    monkeypatch.setattr(known_hashes, "file_sha256", noted)
    monkeypatch.setattr(known_hashes, "LARGE", 4)
    monkeypatch.setattr(known_hashes, "RACY_S", 0.0)
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
    return seen


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    time.sleep(0.02)  # longer than the file system's clock takes to go on
    return path


def test_a_large_file_is_read_once(weights: Path, read: list[Path]):
    assert known_sha256(weights) == known_sha256(str(weights)) == file_sha256(weights)
    assert read == [weights]


def test_a_small_file_is_read_each_time(weights: Path, read: list[Path]):
    weights.write_bytes(b"abc")
    assert known_sha256(weights) == known_sha256(weights)
    assert len(read) == 2


@pytest.mark.parametrize("kept_time", [False, True])
def test_other_bytes_of_the_same_size_are_read_even_where_the_time_was_set_back(
    weights: Path, read: list[Path], kept_time: bool
):
    before, said = known_sha256(weights), weights.stat()
    weights.write_bytes(b"changed")
    if kept_time:
        os.utime(weights, ns=(said.st_atime_ns, said.st_mtime_ns))
    assert known_sha256(weights) == file_sha256(weights) != before


def test_another_file_in_its_place_is_read(weights: Path, read: list[Path], tmp_path: Path):
    known_sha256(weights)
    other = tmp_path / "other"
    other.write_bytes(b"WEIGHTS")
    os.replace(other, weights)
    assert known_sha256(weights) == file_sha256(weights)


def test_a_file_that_has_just_changed_is_not_remembered(
    weights: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(known_hashes, "RACY_S", 3600.0)
    known_sha256(weights)
    known_sha256(weights)
    assert len(read) == 2


def test_what_was_kept_broken_is_made_anew(weights: Path, read: list[Path], tmp_path: Path):
    known_sha256(weights)
    (kept,) = (tmp_path / "cache" / FOLDER).iterdir()
    for broken in (b"{", b"[]", b'{"stamp": [1], "sha256": "0"}', b'{"sha256": 5}'):
        kept.write_bytes(broken)
        assert known_sha256(weights) == file_sha256(weights)
    assert len(read) == 5


def test_a_cache_that_cannot_be_written_costs_only_the_reading(weights: Path, read: list[Path], tmp_path: Path):
    (tmp_path / "cache").write_bytes(b"a file")
    assert known_sha256(weights) == known_sha256(weights) == file_sha256(weights)
    assert len(read) == 2
