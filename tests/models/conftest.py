"""The tiny real encoder of the encoders' tests, for models by name too, and a Hub that they come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.hub import standing_in
from tests.encoders.conftest import encoder, make, tokenizer
from tests.models.shelf import Reading, Shelf, point

__all__ = ["encoder", "make", "tokenizer"]


@pytest.fixture
def bare_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A stand-in of the Hub with nothing on it; what its client and umr keep lies in the test's folder."""
    with standing_in(Shelf(), Reading) as hub:
        point(monkeypatch, hub.address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "client"))
        monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
        yield hub
