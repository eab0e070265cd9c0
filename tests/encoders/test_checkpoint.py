"""A public checkpoint's folder: what is read of it, and that nothing damaged or foreign is."""

from __future__ import annotations

import json

import pytest

from umr.encoders.checkpoint import INDEX, WEIGHTS, Checkpoint
from umr.errors import ConfigError, MismatchError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "any"}))
    (tmp_path / WEIGHTS).write_bytes(b"")
    return tmp_path


def test_its_settings_are_those_of_config_json(folder):
    found = Checkpoint.open(folder, "hub:a/b@c", "Any")
    assert found.model == {"model_type": "any"} and found.has("config.json") and not found.has("other.json")


def test_a_folder_without_config_json_is_told_what_is_needed(tmp_path):
    with pytest.raises(ConfigError, match=r"hub:a/b@c has no config\.json; give the folder .* checkpoint of Any"):
        Checkpoint.open(tmp_path, "hub:a/b@c", "Any")


@pytest.mark.parametrize(
    ("text", "reason"), [("{", "not readable JSON"), ("[]", "a list, not an object"), ("[" * 9999, "JSON")]
)
def test_damaged_settings_are_refused(folder, text, reason):
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(MismatchError, match=reason):
        Checkpoint.open(folder, folder, "Any").read("preprocessor_config.json")
    with pytest.raises(ConfigError, match=r"has no other\.json; give the whole folder"):
        Checkpoint.open(folder, folder, "Any").read("other.json")


def test_weights_are_one_file_or_the_shards_of_the_index(folder):
    found = Checkpoint.open(folder, folder, "Any")
    assert found.weight_files() == [WEIGHTS]
    (folder / INDEX).write_text(
        json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}})
    )
    for name in ("a.safetensors", "b.safetensors"):
        with pytest.raises(MismatchError, match=f"{name} is missing"):
            found.weight_files()
        (folder / name).write_bytes(b"")
    assert found.weight_files() == [INDEX, "a.safetensors", "b.safetensors"]


@pytest.mark.parametrize("name", ["../model.safetensors", "/model.safetensors", "in/model.safetensors"])
def test_an_index_that_names_a_file_elsewhere_is_refused(folder, name):
    (folder / INDEX).write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(MismatchError, match="lies elsewhere"):
        Checkpoint.open(folder, folder, "Any").weight_files()
