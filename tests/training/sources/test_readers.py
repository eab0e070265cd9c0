"""Every kind of data trains, and the encoder that comes of it keeps their sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.sources import test_cirr, test_fashioniq, test_hub, test_mbeir
from training.sources.readers import READERS
from training.sources.spec import OPTIONS
from training.train import main
from umr.encoders import load_encoder

cirr, fashioniq, hub, mbeir = (module for module in (test_cirr, test_fashioniq, test_hub, test_mbeir))
cirr_folder, fashioniq_folder, mbeir_folder, saved = cirr.folder, fashioniq.folder, mbeir.folder, hub.saved


@pytest.fixture
def trained(small_encoder, tmp_path):
    """trained(data): the encoder after one step, and the record of its data."""

    def run(data: str):
        small_encoder().save(tmp_path / "start")
        out = tmp_path / "out"
        quick = ["steps=1", "threads=1", "bf16=false"]
        arguments = ["--data", data, "--init", str(tmp_path / "start"), "--out", str(out), "--set", *quick]
        assert main(["finetune", *arguments]) == 0
        (record,) = json.loads((out / "train_config.json").read_text())["data"]
        return load_encoder(out, device="cpu"), record

    return run


def test_every_kind_but_the_rendered_world_has_a_reader():
    assert set(OPTIONS) == {*READERS, "world"}


def test_an_encoder_of_m_beir_keeps_the_sentences_of_its_table(trained, small_encoder, mbeir_folder):
    encoder, record = trained(f"mbeir:{mbeir_folder}")
    assert encoder.config.instructions == small_encoder().config.instructions | {
        "image,text->image": "Retrieve a day-to-day image that aligns with the change.",
        "text->image": "Identify the image.",
        "text->text": "Find a passage.",
        "text->image,text": "Find a captioned image.",
    }
    assert record["instructions"]["2 text->text"] == ["Find a passage.", "Which text answers?"]
    assert (record["examples"], record["refused"]) == (4, 4)


def test_pairs_of_cirr_train_and_keep_the_sentence_of_the_start(trained, small_encoder, cirr_folder):
    encoder, record = trained(f"cirr:{cirr_folder}")
    assert encoder.config.instructions == small_encoder().config.instructions
    assert (record["examples"], record["refused"], record["media"]) == (2, 4, 6)


def test_pairs_of_fashioniq_train(trained, fashioniq_folder):
    _, record = trained(f"fashioniq:{fashioniq_folder}")
    assert (record["examples"], record["refused"]) == (2, 5)


def test_rows_of_a_dataset_train(trained, saved: Path, monkeypatch, tmp_path):
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "cache"))
    _, record = trained(f"datasets:{saved}?image=photo,text=edit,target=result")
    assert (record["examples"], record["refused"]) == (2, 1)
    assert list((tmp_path / "cache" / "media").iterdir())
