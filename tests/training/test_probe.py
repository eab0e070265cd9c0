"""The probe reads what is linear in the vectors, says where three and a companion are read as something else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from training.catalogue.probe import FACTS, fitted, main, probed, read, told
from training.catalogue.scene import COLOURS, Companion, Scene
from training.catalogue.splits import is_cluttered
from umr.errors import ConfigError

COMPANION = Companion("lamp", "blue", "left")


def scenes() -> list[Scene]:
    """Every count with and without a companion, on many lines."""
    return [
        Scene(category, colour, finish, count=count, companion=companion)
        for category in ("mug", "vase", "bowl", "chair", "table")
        for colour in COLOURS[:6]
        for finish in ("matte", "glossy")
        for count in (1, 2, 3)
        for companion in (None, COMPANION)
    ]


def vectors_of(shown: list[Scene], said: dict[Scene, int]) -> np.ndarray:
    """Unit vectors that hold a count, `said` where it differs, the companion, the colour, and some noise."""
    rng = np.random.default_rng(0)
    rows = np.zeros((len(shown), 12), np.float32)
    for row, scene in zip(rows, shown, strict=True):
        row[said.get(scene, scene.count) - 1] = 1
        row[3] = scene.companion is not None
        row[4 + COLOURS.index(scene.colour)] = 1
    rows += rng.normal(0, 0.02, rows.shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_what_the_vectors_hold_is_read_and_what_they_do_not_hold_is_not():
    shown = scenes()
    count, colour, finish = probed(shown, vectors_of(shown, {}), ["count", "colour", "finish"])
    assert (count["held_out"], count["cluttered"]) == (1.0, 1.0) and count["values"] == 3
    assert colour["held_out"] == colour["cluttered"] == 1.0 and colour["values"] == 6
    assert finish["held_out"] < 0.8, "nothing in the vectors says it"
    assert count["n"][1] == sum(map(is_cluttered, shown)) and count["read"] == [(3, 3, count["n"][1])]


def test_three_that_are_held_as_two_beside_a_companion_are_told():
    shown = scenes()
    said = {scene: 2 for scene in shown if is_cluttered(scene)}
    (row,) = probed(shown, vectors_of(shown, said), ["count"])
    assert (row["held_out"], row["cluttered"]) == (1.0, 0.0)
    assert row["read"] == [(3, 2, row["n"][1])]
    assert told(row).endswith(f"cluttered   0.0 % of {row['n'][1]}  3 as 2: {row['n'][1]}")


def test_rare_values_weigh_as_much_as_frequent_ones():
    vectors = np.array([[1, 0], [0, 1]], np.float32)[[0] * 60 + [1] * 2]
    labels = np.array([0] * 60 + [1] * 2)
    assert (read(fitted(vectors, labels, 2), vectors) == labels).all()


def test_a_fact_that_is_none_and_pictures_that_say_nothing_are_refused(capsys, tmp_path):
    with pytest.raises(ConfigError, match="'weight' is no fact of a scene; legal: category, colour"):
        probed(scenes(), vectors_of(scenes(), {}), ["weight"])
    cluttered = [scene for scene in scenes() if is_cluttered(scene)]
    with pytest.raises(ConfigError, match="no picture is left to fit a probe to"):
        probed(cluttered, vectors_of(cluttered, {}), ["count"])
    assert main(["--index", str(tmp_path)]) == 2
    assert "training.catalogue.probe: " in capsys.readouterr().err


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    out = tmp_path / "rows.json"
    assert main(["--facts", "count", "--json", str(out)]) == 0
    (row,) = json.loads(out.read_text())
    assert row["fact"] == "count" and row["n"][1] > 100 and f"of {row['n'][1]}" in capsys.readouterr().out
    assert set(FACTS) > {row["fact"]}
