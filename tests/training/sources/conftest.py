"""Small real pictures for the folders that the tests write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.shapes import ALL, draw


@pytest.fixture
def picture(tmp_path) -> Callable[..., Path]:
    """picture(name, number): a picture of scene `number` under tmp_path; equal numbers give equal bytes."""

    def make(name: str, number: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(ALL[number], np.random.default_rng(number)).save(path)
        return path

    return make
