"""The judge of fairness: what is painted is told apart, what is not is a coin flip, few families are refused."""

from pathlib import Path

import numpy as np
import pytest

from training.catalogue.fairness import FAIR, judged, report_world
from training.catalogue.layout import ALBEDO
from training.catalogue.scene import random_scene
from umr.errors import ConfigError


def test_painted_values_are_told_apart_and_unpainted_ones_are_not():
    """Pictures of nothing but the scene's colour: colours must be found fair, and finishes no better than chance."""
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng) for _ in range(900)]
    noise = rng.integers(-6, 7, (len(scenes), 32, 32, 3))
    flat = np.stack([ALBEDO[scene.colour] ** (1 / 2.2) * 255 for scene in scenes])[:, None, None]
    rows = judged(np.clip(flat + noise, 0, 255).astype(np.uint8), scenes, train=600, epochs=6, seed=0)
    colours = [row for row in rows if row.attribute == "colour"]
    assert np.mean([row.accuracy for row in colours]) > FAIR and len(colours) == 66
    finishes = [row.accuracy for row in rows if row.attribute == "finish"]
    assert 0.35 < np.mean(finishes) < 0.65
    assert rows == sorted(rows, key=lambda row: (row.accuracy, row.attribute, row.first, row.second))
    assert all(row.fair == (row.accuracy >= FAIR) for row in rows)


def test_a_world_of_few_families_is_refused(tiny_world):
    with pytest.raises(ConfigError, match="at least 10 are needed"):
        report_world(Path(tiny_world.pixels.filename).parent, 100)
