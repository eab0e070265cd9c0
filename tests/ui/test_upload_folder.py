"""The folder for uploads: removed with its process, or, where that was killed, by the next; never a living one's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from umr.ui import upload_folder
from umr.ui.upload_folder import LOCK, PREFIX, VARIABLE, claim, give_up, remove_drafts

#: Another server: it says where its folder is, and waits for its end.
OTHER = "from umr.ui.upload_folder import claim; print(claim(), flush=True); input()"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def other() -> Iterator[Callable[[], tuple[subprocess.Popen, Path]]]:
    started: list[subprocess.Popen] = []

    def start() -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_folder_is_gradios_and_goes_with_what_is_in_it(base):
    folder = claim()
    assert os.environ[VARIABLE] == str(folder) and folder.parent == base and folder.name.startswith(PREFIX)
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "upload").mkdir()
    give_up(folder)
    assert list(base.iterdir()) == [] and os.environ[VARIABLE] == str(base)


def test_a_killed_servers_folder_goes_at_the_next_start_however_young(base, other):
    process, left = other()
    (left / "private.txt").write_text("private")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "private.txt").exists()
    folder = claim()
    assert not left.exists() and folder.exists()
    give_up(folder)


def test_a_living_servers_folder_stays_however_old(base, other):
    process, living = other()
    for path in (living / LOCK, living):
        os.utime(path, (1, 1))
    give_up(claim())
    assert living.exists()
    process.communicate("\n")
    assert not living.exists()  # the end of its interpreter


def test_what_is_not_a_servers_folder_stays(base):
    for name in ("someone-elses", f"{PREFIX}being-made"):
        (base / name).mkdir()
        (base / name / "file").write_text("x")
    os.utime(base / "someone-elses", (1, 1))
    give_up(claim())
    assert {path.name for path in base.iterdir()} == {"someone-elses", f"{PREFIX}being-made"}


def test_drafts_go_from_the_own_folder_alone(base):
    folder = claim()
    for place in (base, folder):
        (place / "tmpabc").write_text("x")
    remove_drafts(base, 0)
    remove_drafts(folder, 60)
    assert (base / "tmpabc").exists() and (folder / "tmpabc").exists()
    remove_drafts(folder, 0)
    assert not (folder / "tmpabc").exists() and (folder / LOCK).exists()
    give_up(folder)


class Clocks:
    """The clock that a person can set, and the one that only goes on."""

    def __init__(self) -> None:
        self.set_to, self.gone = time.time(), 1_000.0

    def time(self) -> float:
        return self.set_to

    def monotonic(self) -> float:
        return self.gone


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(upload_folder, "time", made)
    return made


@pytest.mark.parametrize("jump", [-400 * 86_400, 400 * 86_400])
def test_a_draft_goes_by_how_long_it_is_here_wherever_the_clock_jumps(base, clocks, jump):
    folder = claim()
    (folder / "tmpabc").write_text("x")
    remove_drafts(folder, 600)
    clocks.set_to += jump
    clocks.gone += 599
    remove_drafts(folder, 600)
    (folder / "tmpdef").write_text("another upload")
    assert (folder / "tmpabc").exists()  # it is on its way
    clocks.gone += 2
    remove_drafts(folder, 600)
    assert not (folder / "tmpabc").exists() and (folder / "tmpdef").exists()
    remove_drafts(folder, 0)
    assert not (folder / "tmpdef").exists()
    give_up(folder)


def test_a_name_that_another_draft_takes_is_as_old_as_that_one(base, clocks):
    folder = claim()
    (folder / "tmpabc").write_text("x")
    remove_drafts(folder, 600)
    (folder / "another").write_text("y")
    os.replace(folder / "another", folder / "tmpabc")
    clocks.gone += 601
    remove_drafts(folder, 600)
    assert (folder / "tmpabc").read_text() == "y"
    give_up(folder)


@pytest.mark.parametrize(("hours", "stays"), [(0.0, True), (-2.0, False), (2.0, False)])
def test_a_folder_that_is_being_made_is_of_about_now(base, clocks, hours, stays):
    (base / f"{PREFIX}killed-before-its-lock").mkdir()
    clocks.set_to += hours * 3_600
    give_up(claim())
    assert [path.name for path in base.iterdir()] == [f"{PREFIX}killed-before-its-lock"] * stays
