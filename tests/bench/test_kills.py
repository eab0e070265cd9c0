"""The command that cuts commands off: it sees what is not equal afterwards, and indexing comes through it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from umr.bench.fuzz.kinds import write_tiny_encoder
from umr.bench.kills import command, trouble
from umr.bench.kills.deeds import DEEDS, Deed
from umr.disk import write_text
from umr.errors import ConfigError, UMRError
from umr.lock import claimed

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"{number}.txt" for number in range(6)]


def prepare(folder: Path) -> None:
    (folder / "source").mkdir()
    for name in NAMES:
        (folder / "source" / name).write_text(name * 2_000)


def result(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text()[:20] for path in sorted((folder / "out").iterdir())}


def copied(folder: Path, write) -> int:
    """Copies the source file by file; says in words what hinders it."""
    try:
        with claimed(folder / "out") as claim:
            for name in NAMES:
                path = folder / "source" / name
                if not path.is_file():
                    raise ConfigError(f"{name} is gone")
                write(claim.folder / name, path.read_text())
    except (UMRError, OSError) as error:
        print(f"umr: {error}", file=sys.stderr)
        return 2
    return 0


def careful(path: Path, text: str) -> None:
    for draft in path.parent.glob(".*.part"):  # of one that was killed
        draft.unlink()
    write_text(path, text)


def careless(path: Path, text: str) -> None:
    """What is there is taken for whole."""
    if not path.exists():
        with path.open("w") as file:
            file.write(text[:100])
            file.flush()
            os.stat(path)
            (path.parent / "mark").open("w").close()
            (path.parent / "mark").unlink()
            file.write(text[100:])


def of(write) -> Deed:
    return Deed(prepare=prepare, run=lambda folder: copied(folder, write), result=result,
                standing=lambda _: None, source="source")  # fmt: skip


def longer(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((folder / "out").iterdir())}


@pytest.mark.parametrize("kind", command.TROUBLES)
def test_what_is_done_carefully_is_equal_after_every_trouble(monkeypatch, kind):
    monkeypatch.setattr(command, "DEEDS", {"copy": of(careful)})
    found, faults = command.try_deed("copy", kind, 8, 0)
    assert faults == [] and found[command.EQUAL] == 8
    if kind == "kill":
        assert found[command.CUT] >= 6
    if kind == "readonly":
        assert found[command.WORDS] == 8


def test_what_is_left_half_written_is_a_fault(monkeypatch):
    deed = of(careless)
    deed = Deed(prepare=deed.prepare, run=deed.run, result=longer, standing=deed.standing, source=None)
    monkeypatch.setattr(command, "DEEDS", {"copy": deed})
    found, faults = command.try_deed("copy", "kill", 12, 0)
    assert found[command.FAULT] and len(faults) == found[command.FAULT]
    assert "other than without trouble" in faults[0]


def test_a_traceback_is_a_fault_and_what_fails_without_trouble_is_not_tried(monkeypatch):
    def failing(folder: Path) -> int:
        if (folder / "out").exists():
            raise ZeroDivisionError
        return copied(folder, careful)

    monkeypatch.setattr(command, "DEEDS", {"copy": Deed(prepare=prepare, run=failing, result=result,
                                                        standing=lambda _: None, source=None)})  # fmt: skip
    _, faults = command.try_deed("copy", "full", 6, 0)
    assert any("ZeroDivisionError" in fault for fault in faults)
    bad = Deed(prepare=prepare, run=lambda _: 3, result=result, standing=lambda _: None, source=None)
    monkeypatch.setattr(command, "DEEDS", {"copy": bad})
    monkeypatch.setattr(command, "preload", lambda _: None)
    assert command.main(["--count", "1"]) == 2


def by_age(path: Path, text: str) -> None:
    """What is younger than its source is taken for a copy of it."""
    source = path.parents[1] / "source" / path.name
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        careful(path, text)


def in_time() -> Callable[[Path, str], None]:
    """Trusts a clock that can be set."""
    begin = time.time()

    def write(path: Path, text: str) -> None:
        careful(path, text)
        if not -60 < time.time() - begin < 600:
            raise RuntimeError("it takes too long")

    return write


@pytest.mark.parametrize(("kind", "made"), [("change", lambda: by_age), ("clock", in_time)])
def test_who_trusts_the_age_of_files_or_the_clock_is_found(monkeypatch, kind, made):
    deed = of(made())
    deed = Deed(prepare=prepare, run=deed.run, result=longer, standing=deed.standing, source="source")
    monkeypatch.setattr(command, "DEEDS", {"copy": deed})
    found, faults = command.try_deed("copy", kind, 12, 0)
    assert found[command.FAULT] and found[command.EQUAL] and len(faults) == found[command.FAULT]


def test_the_clock_of_one_process_is_set_and_files_of_one_folder_age(tmp_path):
    work, other, now = tmp_path / "work", tmp_path / "other", time.time()
    for folder in (work / "in", other / "in"):
        folder.mkdir(parents=True)
        (folder / "file").touch()

    def hours() -> int:
        trouble.set_clock(7_200)
        print(round((time.time() - now) / 3_600), round((time.time_ns() / 1e9 - now) / 3_600))
        return 0

    assert trouble.forked(hours, tmp_path / "log").said == "2 2\n"
    trouble.age(work, -7_200)
    ages = [round((time.time() - one.stat().st_mtime) / 3_600) for one in (work, work / "in" / "file", other / "in")]
    assert ages == [-2, -2, 0]


def test_a_full_disk_takes_nothing_from_what_a_command_says(monkeypatch):
    """A refusal that follows many lines was cut off by the limit on files, and was taken for a crash."""

    def talkative(folder: Path) -> int:
        for number in range(200):
            print(f"{number} of 200 files are looked at")
        return copied(folder, careful)

    deed = Deed(prepare=prepare, run=talkative, result=result, standing=lambda _: None, source=None)
    monkeypatch.setattr(command, "DEEDS", {"copy": deed})
    found, faults = command.try_deed("copy", "full", 12, 0)
    assert faults == [] and found[command.WORDS] >= 3


def test_a_forked_process_counts_its_events_and_a_killed_one_counts_none(tmp_path):
    def work() -> int:
        for name in NAMES:
            (tmp_path / name).open("w").close()
        return 0

    usual = trouble.forked(work, tmp_path / "log")
    assert usual.status == 0 and usual.events == len(NAMES)
    killed = trouble.forked(work, tmp_path / "log", lambda number, *_: os.kill(os.getpid(), 9) if number == 3 else None)
    assert (killed.status, killed.events) == (-9, 0)


@pytest.mark.parametrize(("what", "count"), [("index", 2), ("world", 3)])
def test_what_is_killed_goes_on_to_an_equal_result_and_leaves_nothing_behind(what: str, count: int):
    told = subprocess.run(
        [sys.executable, "-m", "umr.bench", "kills", "--count", str(count), "--what", what],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0 and f"{count} equal afterwards" in told.stdout, told.stdout + told.stderr


def test_what_is_left_beside_the_encoder_counts(tmp_path):
    write_tiny_encoder(tmp_path / "out")
    before = DEEDS["world"].result(tmp_path)
    (tmp_path / "out.checkpoints").mkdir()
    (tmp_path / "out.checkpoints" / ".latest.1.part").touch()
    after = DEEDS["world"].result(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"names", "hidden"}
    assert after["hidden"] == ".latest.1.part"


def test_a_kill_after_work_was_kept_is_told_apart(monkeypatch):
    deed = Deed(prepare=prepare, run=of(careful).run, result=result, standing=lambda _: None, source=None,
                kept=f"out/{NAMES[3]}")  # fmt: skip
    monkeypatch.setattr(command, "DEEDS", {"copy": deed})
    found, faults = command.try_deed("copy", "kill", 12, 0)
    assert faults == [] and found[command.CUT_LATER] >= 3 and found[command.CUT] >= 1
