"""A manifest is read without trusting it: whatever is in the file, the answer is a manifest or a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import built_in
from umr.errors import MismatchError
from umr.index.index import build_index
from umr.index.manifest import IndexManifest


@pytest.mark.parametrize("text", ["[" * 100_000, '{"files": ' * 100_000, '{"format": 1e999}', "1" * 5_000, '"\\ud800"'])
def test_a_manifest_of_any_depth_or_form_is_a_sentence(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(MismatchError, match="is not a manifest of format 1"):
        IndexManifest.read(tmp_path)


def test_a_precision_that_no_encoder_computes_in_is_refused(encoder, collection, tmp_path):
    build_index(encoder, collection, tmp_path)
    with pytest.raises(MismatchError, match="the precision is 'float16'; legal: float32, bfloat16"):
        IndexManifest.read(built_in("float16", tmp_path))


def test_any_damage_to_a_manifest_is_a_sentence(encoder, collection, tmp_path):
    build_index(encoder, collection, tmp_path)
    path, rng = tmp_path / "manifest.json", np.random.default_rng(0)
    data, refused = path.read_bytes(), 0
    kinds = {name: type(value) for name, value in vars(IndexManifest.read(tmp_path)).items()}
    words = [b"[", b"{", b'"', b",", b"null", b"-1e999", b"\\ud800", b"\xff", b"\x00", b"9" * 400, b"NaN"]
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            place, word = int(rng.integers(0, len(changed))), words[int(rng.integers(0, len(words)))]
            changed[place : place + int(rng.integers(0, 12))] = word
        path.write_bytes(changed)
        try:
            manifest = IndexManifest.read(tmp_path)
            assert {name: type(value) for name, value in vars(manifest).items()} == kinds
        except MismatchError:
            refused += 1
    assert 200 < refused < 400
