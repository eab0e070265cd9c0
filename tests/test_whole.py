"""A folder is whole or absent, what a dead process left is cleared, and what a living one writes stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from umr.errors import ConfigError, DiskFullError
from umr.whole import replacing_folder

#: Fills a folder and dies in the block, or between the two renames that put it in another's place.
DIES = """
import os, sys
import umr.whole
from umr.whole import replacing_folder
if sys.argv[2] == "renaming":
    umr.whole.put = lambda *_: os.kill(os.getpid(), 9)
with replacing_folder(sys.argv[1]) as new:
    (new / "half").write_text("x")
    if sys.argv[2] == "writing":
        os.kill(os.getpid(), 9)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def killed(target: Path, when: str) -> None:
    assert subprocess.run([sys.executable, "-c", DIES, str(target), when], check=False).returncode == -9


def write(target: Path, text: str = "new") -> None:
    with replacing_folder(target) as new:
        (new / "file").write_text(text)


def test_a_folder_takes_its_name_when_it_is_whole_and_nothing_else_stays(tmp_path):
    with replacing_folder(tmp_path / "deep" / "out") as new:
        (new / "file").write_text("1")
        assert not (tmp_path / "deep" / "out").exists() and new.parent.parent == tmp_path / "deep"
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/file"]
    write(tmp_path / "deep" / "out", "2")
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/file"]
    assert (tmp_path / "deep" / "out" / "file").read_text() == "2"


def test_what_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(ZeroDivisionError), replacing_folder(tmp_path / "out") as new:
        (new / "half").write_text("x")
        raise ZeroDivisionError
    assert names(tmp_path) == ["out", "out/file"] and (tmp_path / "out" / "file").read_text() == "old"


@pytest.mark.parametrize("when", ["writing", "renaming"])
def test_what_a_killed_process_left_is_cleared_by_the_next_one(tmp_path, when):
    write(tmp_path / "out", "old")
    killed(tmp_path / "out", when)
    assert ".out.draft" in names(tmp_path)
    write(tmp_path / "out")
    assert names(tmp_path) == ["out", "out/file"] and (tmp_path / "out" / "file").read_text() == "new"


def test_what_a_killed_process_took_away_comes_back_where_the_next_one_fails(tmp_path):
    write(tmp_path / "out", "old")
    killed(tmp_path / "out", "renaming")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ZeroDivisionError), replacing_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert names(tmp_path) == ["out", "out/file"] and (tmp_path / "out" / "file").read_text() == "old"


def test_what_a_living_process_writes_is_refused_and_stays(tmp_path):
    with replacing_folder(tmp_path / "out") as new:
        (new / "file").write_text("first")
        with pytest.raises(ConfigError, match=f"is being written by process {os.getpid()}"):
            write(tmp_path / "out", "second")
    assert names(tmp_path) == ["out", "out/file"] and (tmp_path / "out" / "file").read_text() == "first"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"),
     RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")],
)  # fmt: skip
def test_a_full_disk_is_told_in_words_also_where_a_library_tells_it(tmp_path, error):
    with (
        pytest.raises(DiskFullError, match="out cannot be written: the disk is full"),
        replacing_folder(tmp_path / "out"),
    ):
        raise error
    with pytest.raises(RuntimeError, match="os error 2"), replacing_folder(tmp_path / "out"):
        raise RuntimeError("I/O error: No such file or directory (os error 2)")
    assert names(tmp_path) == []
