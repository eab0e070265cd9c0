"""A repository of sentence-transformers by name: what of it is downloaded, and what is said before weights are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.encoders import dual_public
from tests.encoders.sentence_public import chat
from tests.models.shelf import Shelf, contents
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt
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
def shelf(bare_shelf, files) -> Shelf:
    bare_shelf.shelve("me/tiny-chat", files)
    return bare_shelf


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


def adopted(source: Path, tmp_path: Path) -> Path:
    adopt(source / "0_CLIPModel", tmp_path / "direct")
    return tmp_path / "direct"


def test_without_the_package_no_weights_are_downloaded(shelf, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'umr\[sentence-transformers\]'"):
        ready(NAME, Wishes(), print)
    assert not any(path.endswith(".safetensors") for path, _ in shelf.asked)


def test_a_network_in_the_folder_of_its_module_is_downloaded_and_is_that_network(shelf, tmp_path):
    """sentence-transformers/clip-ViT-B-32 and its like: nothing but modules.json lies in the first folder."""
    source = tmp_path / "clip"
    dual_public.write(source / "0_CLIPModel", dual_public.CLIP)
    rows = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
    (source / "modules.json").write_text(json.dumps(rows))
    shelf.shelve("me/clip-in-a-module", contents(source))
    said: list[str] = []
    place = ready("hub:me/clip-in-a-module", Wishes(), said.append)
    assert place is not None and "0.0 M parameters" not in " ".join(said)
    encoder, direct = (load_encoder(one, device="cpu") for one in (place, adopted(source, tmp_path)))
    asked = [Candidate(candidate_id="1", content=Content(text="a mug"))]
    ours, theirs = (one.encode_candidates(asked).vectors for one in (encoder, direct))
    assert encoder.config.backbone == "clip" and np.array_equal(ours, theirs)
