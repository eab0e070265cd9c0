"""The shipped encoders with their indexes, opened once."""

from __future__ import annotations

from pathlib import Path

import pytest

from umr.search import Searcher
from umr.shipped import BUNDLED, DEFAULT_ENCODER, default_root, index_folder


@pytest.fixture(scope="session")
def shipped() -> Searcher:
    """The default encoder with the bundled index."""
    return Searcher.open(index_folder(DEFAULT_ENCODER))


@pytest.fixture(scope="session")
def benchmark_root() -> Path:
    return default_root() / "media" / BUNDLED
