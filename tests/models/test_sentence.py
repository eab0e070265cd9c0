"""A repository of sentence-transformers by name: what of it is downloaded, and what is said before weights are."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from tests.deploy.hub import standing_in
from tests.encoders.sentence_public import chat
from tests.models.shelf import Reading, Shelf, contents
from tests.models.test_walk import point
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.models.ready import Wishes, ready
from umr.types import Candidate, Content

NAME = "hub:me/tiny-chat"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """Of a repository, with other forms of its weights and code beside them."""
    found = contents(chat(tmp_path_factory.mktemp("chat") / "tiny"))
    return found | {"onnx/model.safetensors": b"another form", "modeling.py": b"raise SystemExit", "vocab.txt": b"a"}


@pytest.fixture
def shelf(files, tmp_path, monkeypatch) -> Iterator[Shelf]:
    with standing_in(Shelf(), Reading) as hub:
        point(monkeypatch, hub.address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "client"))
        monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
        hub.shelve("me/tiny-chat", files)
        yield hub


def test_it_is_downloaded_adopted_and_there_at_the_next_start(shelf, files, tmp_path):
    pytest.importorskip("sentence_transformers", "5.4", reason="needs sentence-transformers>=5.4, an optional package")
    said: list[str] = []
    place = ready(NAME, Wishes(), said.append)
    assert place is not None and "weights of" in " ".join(said)
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    kept = {name for name in files if not name.endswith(".py") and not name.startswith("onnx")}
    assert kept - {"README.md"} <= found and not any(name.endswith(".py") or "onnx" in name for name in found)
    encoder = load_encoder(place, device="cpu")
    vectors = encoder.encode_candidates([Candidate(candidate_id="1", content=Content(text="a mug"))]).vectors
    assert np.isclose(np.linalg.norm(vectors), 1, atol=1e-5) and encoder.config.revision.startswith(f"{NAME}@")
    asked = len(shelf.asked)
    assert ready(NAME, Wishes(), said.append) == place and len(shelf.asked) == asked


def test_without_the_package_no_weights_are_downloaded(shelf, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'umr\[sentence-transformers\]'"):
        ready(NAME, Wishes(), print)
    assert not any(path.endswith(".safetensors") for path, _ in shelf.asked)
