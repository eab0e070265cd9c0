"""Encoder folders: round trip, identity, and refusal of every change to a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from umr.encoders import load_encoder
from umr.encoders.interop import INTEROP, read_interop
from umr.encoders.store import file_sha256
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content


@pytest.fixture
def saved(encoder, tmp_path):
    encoder.save(tmp_path / "tiny")
    return tmp_path / "tiny"


def rows(stills, clips):
    parts = [
        {"text": "a small teal mug"},
        {"image": stills[0, 0]},
        {"text": "red", "image": stills[1, 0]},
        {"video": clips[0]},
    ]
    return [Candidate(candidate_id=str(at), content=Content(**part)) for at, part in enumerate(parts)]


def test_folder_lists_its_files_but_for_the_card_what_others_read_and_the_list_itself(saved):
    names = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    assert names - {*read_interop(saved), INTEROP} == {
        "README.md",
        "config.json",
        "encoder.json",
        "model.safetensors",
        "tokenizer.json",
    }
    listed = json.loads((saved / "encoder.json").read_text())["files"]
    assert sorted(listed) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert {value.dtype for value in load_file(saved / "model.safetensors").values()} == {torch.bfloat16}


def test_others_may_read_a_saved_folder(saved):
    assert {path.stat().st_mode & 0o777 for path in saved.rglob("*") if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in (saved, *saved.rglob("*")) if path.is_dir()} == {0o755}


def test_loaded_encoder_computes_in_float32_and_agrees(encoder, saved, stills, clips):
    first, second = load_encoder(saved, device="cpu"), load_encoder(str(saved), device="cpu")
    assert {value.dtype for value in first.parameters()} == {torch.float32} and not first.training
    assert first.config == encoder.config and first.fingerprint == second.fingerprint == encoder.fingerprint
    items = rows(stills, clips)
    a, b, c = (one.encode_candidates(items).vectors for one in (first, second, encoder))
    assert np.array_equal(a, b) and (a * c).sum(1).min() > 0.999  # c still has what bfloat16 rounded off


def test_bfloat16_agrees_with_float32(saved, stills, clips):
    items = rows(stills, clips)
    exact = load_encoder(saved, device="cpu").encode_candidates(items)
    rough = load_encoder(saved, dtype="bfloat16", device="cpu").encode_candidates(items)
    assert (exact.vectors * rough.vectors).sum(1).min() > 0.99 and rough.vectors.dtype == np.float32
    with pytest.raises(ConfigError, match="float16"):
        load_encoder(saved, dtype="float16")


def test_saving_a_loaded_encoder_keeps_its_fingerprint(saved, tmp_path):
    encoder = load_encoder(saved, device="cpu")
    before = encoder.fingerprint
    encoder.save(tmp_path / "copy")
    assert encoder.fingerprint == before == load_encoder(tmp_path / "copy", device="cpu").fingerprint


def test_training_mode_gives_up_the_identity(saved):
    encoder = load_encoder(saved, device="cpu")
    known = encoder.fingerprint
    assert encoder.train().fingerprint != known and encoder.fingerprint.startswith("unsaved:")


def test_saving_replaces_an_encoder_but_nothing_else(encoder, saved, tmp_path):
    encoder.save(saved)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match="not an encoder folder"):
        encoder.save(tmp_path / "other")
    assert (tmp_path / "other" / "photo.jpg").exists()


def test_interrupted_save_leaves_the_old_encoder(encoder, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("umr.encoders.store.write_config", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        encoder.save(saved)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert load_encoder(saved, device="cpu").name == "tiny"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_changed_or_missing_file_is_refused_by_name(saved, name):
    path = saved / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(MismatchError, match=f"{name} changed"):
        load_encoder(saved)
    path.unlink()
    with pytest.raises(MismatchError, match=f"{name} is missing"):
        load_encoder(saved)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("tokenizer.json", b"junk", "no tokenizer"),
        ("tokenizer.json", b"{}", "no tokenizer"),
        ("tokenizer.json", b"\xff\xfe", "no tokenizer"),
        ("model.safetensors", None, "cannot be read"),
        ("model.safetensors", b"", "cannot be read"),
        ("config.json", b"junk", "cannot be read"),
        ("config.json", b'{"model_type": "qwen2_vl", "text_config": 3}', "has no text_config"),
    ],
)
def test_a_damaged_file_whose_hash_was_signed_again_is_refused(saved, name, data, message):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: len(whole) // 2] if data is None else data)
    config = json.loads((saved / "encoder.json").read_text())
    config["files"][name] = file_sha256(saved / name)
    (saved / "encoder.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match=message):
        load_encoder(saved, device="cpu")


def test_foreign_weights_beside_the_listed_ones_are_refused(saved):
    (saved / "model-00001-of-00001.safetensors").write_bytes(b"x")
    with pytest.raises(MismatchError, match="not listed"):
        load_encoder(saved)


@pytest.mark.parametrize("change, reason", [({"files": {}}, "lists no files"), ({"files": {"../a": "0"}}, "outside")])
def test_encoder_json_that_vouches_for_nothing_is_refused(saved, change, reason):
    path = saved / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MismatchError, match=reason):
        load_encoder(saved)


def test_unknown_backbone_and_no_folder_are_refused(saved, tmp_path):
    with pytest.raises(ConfigError, match="not an encoder folder"):
        load_encoder(tmp_path / "nowhere")
    path = saved / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"backbone": "gpt"}))
    with pytest.raises(ConfigError, match="'gpt' is unknown; this version has qwen2_5_vl, qwen2_vl"):
        load_encoder(saved)
