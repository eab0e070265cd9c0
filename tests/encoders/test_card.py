"""The model card says what encoder.json and train_config.json say, and is no part of the encoder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from umr.encoders import load_encoder
from umr.encoders.card import card, main
from umr.encoders.config import read_config
from umr.encoders.pooled_over import measured_of
from umr.shipped import available, default_root

RECORD = {
    "config": {"name": "unified", "init": None, "steps": 7, "seed": 3, "programmes": {"pictures": 0.75, "clips": 0.25},
               "preference_weight": 0.1, "vision_weight": 0.0, "families_per_batch": 48, "batch": "families"},
    "world": {"split": "train", "seed": 1, "size": 112, "images": 70, "families": 14, "clips": 8, "clip_families": 2},
    "seconds": 12, "torch": "2.13.0", "commit": "abc",
}  # fmt: skip


@pytest.fixture
def saved(encoder, tmp_path) -> Path:
    encoder.save(tmp_path / "tiny", {"train_config.json": json.dumps(RECORD)})
    return tmp_path / "tiny"


def facts(text: str) -> dict[str, str]:
    """First and second cell of every table row."""
    return dict(re.findall(r"^\| ([^|]+?) \| (.+?) \|(?:.*\|)?$", text, re.MULTILINE))


def test_every_setting_on_the_card_is_that_of_encoder_json(saved):
    config, told = json.loads((saved / "encoder.json").read_text()), facts((saved / "README.md").read_text())
    for key in ("backbone", "attention", "pooling", "positions"):
        assert told[key] == f"`{config[key]}`"
    for key in ("dim", "image_size", "max_pixels", "max_frames", "max_tokens"):
        assert told[key] == str(config[key])
    for key in ("query_template", "candidate_template"):
        assert f"- {key}: `{json.dumps(config[key])}`" in (saved / "README.md").read_text()
    assert told["normalise"] == "`true`" and told["instructions"] == "3"
    assert read_config(saved).fingerprint() in (saved / "README.md").read_text()


def test_how_it_was_trained_is_that_of_the_record(saved):
    told = facts((saved / "README.md").read_text())
    assert told["settings"].startswith("`unified`, starting from random weights") and told["steps"] == "7, seed 3"
    assert told["shares of the steps"] == "clips 0.25, pictures 0.75" and told["batch"] == "48 (families)"
    assert told["losses beside the contrast"] == "preference 0.1"
    assert told["rendered"] == "70 pictures, 8 clips"
    assert told["trained on"] == "14 families of pictures, 2 of clips"
    assert told["time"] == "12 seconds with torch 2.13.0" and told["commit"] == "`abc`"


def test_a_student_tells_of_its_teachers_lists_in_place_of_a_contrast(encoder, tmp_path):
    config = {"name": "one", "init": "before", "steps": 9, "seed": 0, "pools": "both", "queries_per_batch": 8}
    lists = {"kind": "teacher", "name": "lists.jsonl", "examples": 30, "refused": 0, "share": 1.0, "data": "abc"}
    record = {"config": config, "data": [lists], "seconds": 3, "torch": "2.13.0"}
    encoder.save(tmp_path / "one", {"train_config.json": json.dumps(record)})
    told = facts((tmp_path / "one" / "README.md").read_text())
    assert told["loss"] == "KL divergence from a teacher's scores, lists of pools: both"
    assert told["batch"] == "8 queries with their lists" and told["steps"] == "9, seed 0"
    assert told["data 1"].startswith("`lists.jsonl` (teacher), share 1: 30 examples, 0 rows refused")
    assert "shares of the steps" not in told and "None" not in "".join(told.values())


def test_every_world_of_a_run_stands_on_the_card_with_its_share(encoder, tmp_path):
    worlds = [{"kind": "world", "share": 1.0, "world": {**RECORD["world"], "seed": seed}} for seed in (2, 3)]
    record = {key: value for key, value in RECORD.items() if key != "world"} | {"data": worlds}
    encoder.save(tmp_path / "two", {"train_config.json": json.dumps(record)})
    told = facts((tmp_path / "two" / "README.md").read_text())
    for place, seed in ((1, 2), (2, 3)):
        wanted = f"the rendered catalogue, split `train`, seed {seed}, share 1: 70 pictures, 8 clips"
        assert told[f"data {place}"] == wanted


def test_weights_that_were_kept_and_worlds_that_were_crowded_stand_on_the_card(encoder, tmp_path):
    for of, named in ({}, "before"), ({"kept_of": "first run"}, "first run"):
        config = {**RECORD["config"], "init": "before", "kept_start": 0.25, **of}
        record = {**RECORD, "config": config, "world": {**RECORD["world"], "crowded": 0.6, "bystanders": 0.4}}
        encoder.save(tmp_path / "one", {"train_config.json": json.dumps(record)})
        told = facts((tmp_path / "one" / "README.md").read_text())
        assert told["weights"] == f"0.75 of what the steps made, 0.25 of `{named}`"
        assert told["data"].endswith(f"seed {RECORD['world']['seed']}, crowded 0.6, bystanders 0.4")


def test_the_hub_reads_its_front_matter(saved):
    data = ModelCard.load(saved / "README.md").data
    assert (data.library_name, data.pipeline_tag, data.license) == ("umr", "feature-extraction", "apache-2.0")
    assert {"umr", "qwen2_vl", "multimodal-retrieval"} <= set(data.tags)


def test_an_adopted_encoder_names_where_its_weights_are_from(make):
    text = card(make(revision="hub:Qwen/tiny-VL@main").config, None)
    data = ModelCard(text).data
    assert data.base_model == "Qwen/tiny-VL" and data["license_name"] == "as-its-source"
    assert "not trained for retrieval yet" in text and "`hub:Qwen/tiny-VL@main`, whose licence" in text


def test_the_code_on_the_card_runs(saved, capsys):
    code = re.search(r"```python\n(.*?)```", (saved / "README.md").read_text(), re.DOTALL)[1]
    assert len(code.split("\n\n")) == 2
    exec(code.replace('"FOLDER"', repr(str(saved))), {})
    assert capsys.readouterr().out == "(1, 48)\n"


def test_an_encoder_opens_with_its_card_changed_or_gone(saved, encoder):
    assert "README.md" not in json.loads((saved / "encoder.json").read_text())["files"]
    for spoil in (lambda path: path.write_text("mine"), Path.unlink):
        spoil(saved / "README.md")
        assert load_encoder(saved, device="cpu").fingerprint == encoder.fingerprint


def test_the_command_writes_a_card_again_and_refuses_what_is_no_encoder(saved, tmp_path, capsys):
    first = (saved / "README.md").read_bytes()
    (saved / "README.md").unlink()
    assert main([str(saved)]) == 0 and (saved / "README.md").read_bytes() == first
    assert main([str(tmp_path)]) == 2 and "not an encoder folder" in capsys.readouterr().err
    (saved / "train_config.json").write_text("{")
    assert main([str(saved)]) == 2 and "not readable JSON" in capsys.readouterr().err


@pytest.mark.parametrize("name", available())
def test_a_shipped_card_is_what_the_code_writes(name):
    folder = default_root() / name / "encoder"
    record = json.loads((folder / "train_config.json").read_text())
    config = read_config(folder)
    measured = measured_of(folder, config.fingerprint())
    assert measured is not None, (
        f"python -m umr evaluate --encoder {name} --pooling indexes/{name}/reports/pooling.json"
    )
    assert (folder / "README.md").read_text("utf-8") == card(config, record, pooled=measured)
