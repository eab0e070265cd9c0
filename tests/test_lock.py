"""A folder has one writer at a time, whatever dies, waits or comes back. The attacks are real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from umr import lock
from umr.errors import ConfigError
from umr.lock import LOCK, claimed

ROOT = Path(__file__).resolve().parents[1]
HOLD = """
import sys, time
from umr.lock import claimed
with claimed(sys.argv[1]):
    print('held', flush=True)
    time.sleep(60)
"""
#: Claims the folder again and again; a marker that only one process can make shows whoever else is in there.
HAMMER = """
import os, sys
from umr.errors import ConfigError
from umr.lock import claimed
folder, marker, had = sys.argv[1], sys.argv[1] + ".marker", 0
while had < 60:
    try:
        with claimed(folder):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.unlink(marker)
            had += 1
    except ConfigError:
        pass
"""


def process(code: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path):
    with claimed(tmp_path / "out") as claim:
        assert claim.folder == tmp_path / "out"
        told = rf"out is being written by process {os.getpid()} on .* since .* UTC"
        with pytest.raises(ConfigError, match=told), claimed(tmp_path / "out"):
            raise AssertionError("two have it")
        with claimed(tmp_path / "other"):
            (tmp_path / "other" / "file").touch()
    with claimed(tmp_path / "out"):
        assert (tmp_path / "out" / LOCK).is_file()


def test_a_second_thread_is_refused_too(tmp_path):
    refused = []

    def try_it() -> None:
        try:
            with claimed(tmp_path):
                return
        except ConfigError as error:
            refused.append(error)

    with claimed(tmp_path):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_nothing_is_left_behind_but_what_was_made_inside(tmp_path):
    with claimed(tmp_path / "empty"):
        pass
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path / "stopped"):
        raise KeyboardInterrupt
    with claimed(tmp_path / "used"):
        (tmp_path / "used" / "file").touch()
    (tmp_path / "there").mkdir()
    with claimed(tmp_path / "there"):
        pass
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "there",
        "used",
        "used/file",
    ]


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    holder = process(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match=f"process {holder.pid} "), claimed(tmp_path):
        raise AssertionError("two have it")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == holder.pid  # its file is still there, and means nothing
    with claimed(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("words", [b"", b"\xff{", b"[]", b'{"pid": 1}'])
def test_what_a_lock_file_says_decides_nothing(tmp_path, words):
    (tmp_path / LOCK).write_bytes(words)
    with claimed(tmp_path):
        (tmp_path / LOCK).write_bytes(words)
        with pytest.raises(ConfigError, match="is being written by another process: wait"), claimed(tmp_path):
            raise AssertionError("two have it")


def test_processes_that_come_and_go_are_never_two_in_a_folder(tmp_path):
    racing = [process(HAMMER, tmp_path / "out") for _ in range(3)]
    assert [one.wait(timeout=120) for one in racing] == [0, 0, 0]
    for one in racing:
        one.stdout.close()


def test_a_disk_without_locks_is_refused_in_words(tmp_path, monkeypatch):
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match=r"cannot be locked .No locks available.*choose a folder"), claimed(tmp_path):
        raise AssertionError("it is not locked")


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), claimed(tmp_path / "out"):
        raise AssertionError("it is not locked")
    assert (tmp_path / "precious").read_text() == "mine"


def test_without_fcntl_the_lock_is_that_of_windows(tmp_path, monkeypatch):
    held: list[int] = []

    def locking(handle: int, how: int, count: int) -> None:
        place = os.lseek(handle, 0, os.SEEK_CUR)
        if place in held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.append(place)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(lock, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking), raising=False)
    with claimed(tmp_path), pytest.raises(ConfigError, match=f"process {os.getpid()} "), claimed(tmp_path):
        raise AssertionError("two have it")
    assert len(held) == 1 and held[0] > 1 << 20  # behind what the file says, which can then be read
