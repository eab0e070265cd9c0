"""The command that damages clips: what it makes, that it counts, and a short run of it."""

from __future__ import annotations

import random

import pytest

from umr.bench import fuzz_clips


@pytest.fixture(scope="module")
def sound():
    return fuzz_clips.seeds()


def test_a_seed_makes_the_same_damage_and_another_seed_other_damage(tmp_path):
    def made(seed: int) -> list[bytes]:
        return [path.read_bytes() for path in fuzz_clips.write_mutants(tmp_path, 10, seed)]

    assert made(1) == made(1) != made(2)


def test_almost_every_mutant_differs_from_its_clip(sound):
    rng = random.Random(0)
    changed = [fuzz_clips.mutate(data, rng) != data for data in sound.values() for _ in range(40)]
    assert sum(changed) > 0.9 * len(changed)


def test_a_short_run_ends_no_process_and_every_clip_is_counted(capsys):
    assert fuzz_clips.main(["--mutants", "40", "--seed", "3", "--through", "library"]) == 0
    found = fuzz_clips.fuzz("library", 10, 4)
    assert found["deaths"] == 0 and found["vectors"] + found["refused"] == 10
    assert "library: 40 clips; 0 deaths" in capsys.readouterr().out


def test_a_death_of_the_command_is_counted_and_is_the_exit_status(monkeypatch, capsys):
    def killed(*_, **__):
        return fuzz_clips.subprocess.CompletedProcess([], -6, "", "Aborted")

    monkeypatch.setattr(fuzz_clips.subprocess, "run", killed)
    assert fuzz_clips.main(["--mutants", "3", "--through", "cli"]) == 1
    assert "1 deaths" in capsys.readouterr().out


def test_sound_clips_are_the_same_bytes_every_time(sound):
    """Their encoders had read memory that nobody filled: several of twenty came out otherwise."""
    assert all(fuzz_clips.seeds() == sound for _ in range(8))
