"""The command that damages what strangers send: what it makes and counts, and a short run over every light kind."""

from __future__ import annotations

import os
import random
import struct
import time
import zlib

import numpy as np
import pytest

from umr.bench.fuzz import command, damage, judge, requests, seeds
from umr.bench.fuzz.kinds import KINDS, Kind
from umr.errors import ConfigError, MismatchError
from umr.index.coarse import Coarse, CoarseIndex
from umr.index.flat import FlatIndex

#: Kinds whose readers take milliseconds, with how many of each the short part reads.
LIGHT = {"jpeg": 40, "png": 40, "webp": 40, "gif": 40, "heic": 30, "picture": 40, "clip": 10, "rows": 30, "arrays": 40,
         "faiss": 40, "index": 12, "address": 40, "zip": 4}  # fmt: skip
#: Of these there is no sound one that a page without benchmark and re-ranker opens whole.
REFUSED_WHOLE = {"judged", "own"}


@pytest.mark.parametrize("label", LIGHT)
def test_a_short_run_meets_no_fault(label):
    kind = KINDS[label]
    found = [judge.judged(kind, *judge.damaged(kind, label, 3, number)) for number in range(LIGHT[label])]
    assert [one.why for one in found if one.outcome == judge.FAULT] == []
    assert {one.outcome for one in found} <= {judge.OPENED, judge.REFUSED}


@pytest.mark.parametrize("label", LIGHT)
def test_what_is_not_damaged_is_opened(label):
    for name, data in KINDS[label].made().items():
        if name not in REFUSED_WHOLE:
            assert judge.judged(KINDS[label], name, data) == judge.Verdict(outcome=judge.OPENED), name


def test_a_seed_makes_the_same_damage_and_another_seed_other_damage():
    def made(seed: int) -> list[bytes]:
        return [judge.damaged(KINDS["png"], "png", seed, number)[1] for number in range(10)]

    assert made(1) == made(1) != made(2)
    assert requests.made(1, 7) == requests.made(1, 7) != requests.made(2, 7)


@pytest.mark.parametrize("label", ["jpeg", "clip", "zip", "faiss", "address"])
def test_almost_everything_damaged_differs_from_what_it_was(label):
    kind, rng = KINDS[label], random.Random(0)
    changed = [kind.damage(data, rng) != data for data in kind.made().values() for _ in range(40)]
    assert sum(changed) > 0.85 * len(changed)


def test_a_damaged_png_mostly_keeps_checksums_that_fit():
    def fits(data: bytes) -> bool:
        size = int.from_bytes(data[8:12], "big")
        end = 16 + size
        return end + 4 <= len(data) and data[end : end + 4] == struct.pack(">I", zlib.crc32(data[12:end]))

    sound, rng = seeds.pngs()["rgb.png"], random.Random(1)
    made = [damage.of_bytes(sound, rng) for _ in range(60)]
    assert sum(map(fits, made)) > 35


def test_sound_clips_are_the_same_bytes_every_time():
    """Their encoders had read memory that nobody filled: several of twenty came out otherwise."""
    once = seeds.clips()
    seeds.clips.cache_clear()
    assert seeds.clips() == once


def test_lists_that_lead_to_rows_that_are_not_there_are_refused_in_words(tmp_path):
    """FAISS raised its own RuntimeError at the search."""
    flat = FlatIndex.empty(16)
    rows = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
    flat.add(rows)
    wanted, path = Coarse.read(seeds.COARSE_FACTORY, 400, 16), tmp_path / "coarse.faiss"
    CoarseIndex.made(wanted, flat).write(path)
    ids = [struct.pack("<q", row) for row in range(390, 400)]
    data = path.read_bytes()
    for one in ids:
        data = data.replace(one, struct.pack("<q", 10**6))
    path.write_bytes(data)
    damaged = CoarseIndex.read(path, seeds.COARSE_FACTORY, flat, mapped=False)
    with pytest.raises(MismatchError, match="lead to rows that are not there"):
        damaged.search(rows[390:], 5)


def made() -> dict[str, bytes]:
    return {"a": b"0123456789"}


def ends(*_: object) -> None:
    os._exit(9)


def hangs(*_: object) -> None:
    time.sleep(60)


def breaks(*_: object) -> None:
    raise ZeroDivisionError("of a reader")


def refuses(*_: object) -> None:
    raise ConfigError("no")


def test_the_end_of_a_process_a_delay_and_an_exception_are_faults_and_the_next_one_is_read():
    readers = {"breaks": breaks, "refuses": refuses, "ends": ends, "hangs": hangs}
    kinds = {name: Kind(made=made, read=read) for name, read in readers.items()}
    with judge.Apart(kinds, seed=0, timeout_s=1.0) as apart:
        said = {name: apart.verdict(name, 0)[1] for name in readers}
    assert [said[name].outcome for name in readers] == [judge.FAULT, judge.REFUSED, judge.FAULT, judge.FAULT]
    assert "status 9" in said["ends"].why and "no answer in 1 s" in said["hangs"].why
    assert said["breaks"].why.startswith("ZeroDivisionError: of a reader (test_fuzz.py:")


def test_faults_are_told_kept_and_the_exit_status(monkeypatch, tmp_path, capsys):
    fault = judge.Fault(kind="png", number=3, name="rgb.png", why="Boom\x1b[2J")

    def fuzz(labels, seconds, seed):
        assert (labels, seconds, seed) == (["png"], 1.0, 5)
        return {"png": judge.Counter({judge.OPENED: 2, judge.FAULT: 1})}, [fault]

    monkeypatch.setattr(command, "fuzz", fuzz)
    assert command.main(["--only", "png", "--seconds", "1", "--seed", "5", "--keep", str(tmp_path / "kept")]) == 1
    said = capsys.readouterr().out
    assert "3 damaged" in said and r"FAULT png 3 (rgb.png): Boom\x1b[2J" in said and "3 in all, 1 faults" in said
    kept = (tmp_path / "kept" / "png-3-rgb.png").read_bytes()
    assert kept == judge.damaged(KINDS["png"], "png", 5, 3)[1]


def test_an_answer_of_a_page_is_a_fault_without_words_and_a_refusal_with_them(monkeypatch):
    answers = {
        "fine": (200, "application/json", b'{"data": []}'),
        "words": (422, "application/json", b'{"detail": "no list"}'),
        "told": (500, "application/json", b'{"error": "no picture"}'),
        "bare": (500, "text/plain", b"Internal Server Error"),
        "ours": (200, "application/json", requests.OUR_FAULT.encode()),
    }
    monkeypatch.setattr(requests, "_asked", lambda address, method, path, body=None: answers[path])
    found = {path: requests.judged("http://127.0.0.1:1", path, b"")[0] for path in answers}
    assert found == {"fine": judge.OPENED, "words": judge.REFUSED, "told": judge.REFUSED, "bare": judge.FAULT,
                     "ours": judge.FAULT}  # fmt: skip
    monkeypatch.undo()
    assert requests.judged("http://127.0.0.1:1", "gradio_api/run/search", b"{}")[0] == judge.FAULT  # nobody answers
