"""A re-ranker's folder: written whole, read unchanged, refused when a file is another; where one is looked for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from umr.errors import ConfigError, MismatchError
from umr.rerank import load_reranker
from umr.rerank.config import RerankerConfig
from umr.rerank.store import begin_reranker, save_reranker
from umr.shipped import find_reranker

RECORD = {"config": {"steps": 3}, "stages": [{"name": "small"}], "data_fingerprint": "d" * 64, "seconds": 1}


@pytest.fixture
def folder(reranker, tmp_path):
    save_reranker(reranker, tmp_path / "made", {"train_config.json": json.dumps(RECORD)})
    return tmp_path / "made"


def test_a_folder_is_read_back_with_the_same_scores_and_identity(reranker, folder, queries, candidates, tmp_path):
    again = load_reranker(folder, device="cpu")
    # weights are kept in bfloat16, so scores are those of rounded ones
    assert np.allclose(
        again.scores(queries["both"], candidates), reranker.scores(queries["both"], candidates), atol=0.02
    )
    assert again.fingerprint == reranker.fingerprint == again.config.fingerprint()
    once, twice = again.scores(queries["both"], candidates), load_reranker(folder).scores(queries["both"], candidates)
    assert np.array_equal(once, twice) and not again.training
    saved = save_reranker(again, tmp_path / "copy", {"train_config.json": json.dumps(RECORD)})
    assert saved == again.config and saved.fingerprint() == reranker.fingerprint
    assert set(saved.files) == {"config.json", "model.safetensors", "tokenizer.json", "train_config.json"}
    card = (folder / "README.md").read_text()
    assert saved.fingerprint() in card and "starts from: small" in card and '"steps": 3' in card


def test_training_gives_up_the_identity_of_the_files(folder):
    again = load_reranker(folder, device="cpu")
    again.train()
    assert again.fingerprint.startswith("unsaved:")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "train_config.json"])
def test_a_changed_or_missing_file_is_refused(folder, name):
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(MismatchError, match=f"{name} changed.*reranker.json expects"):
        load_reranker(folder)
    path.unlink()
    with pytest.raises(MismatchError, match=f"{name} is missing; copy the re-ranker's folder again"):
        load_reranker(folder)


def test_a_folder_that_is_none_or_broken_is_refused(folder, reranker, tmp_path):
    path = folder / "reranker.json"
    said = json.loads(path.read_text())
    for broken, why in (
        ("{", "not readable JSON"),
        (json.dumps(said | {"format": 9}), "not of format 1"),
        (json.dumps(said | {"more": 1}), "network, yes, no, prior and files are needed"),
        (json.dumps(said | {"network": said["network"] | {"colour": "red"}}), r"unknown fields.*colour"),
        (json.dumps(said | {"network": said["network"] | {"pooling": "mean"}}), "needs 'last'"),
        (json.dumps(said | {"files": {}}), "lists no files"),
    ):
        path.write_text(broken)
        with pytest.raises((ConfigError, MismatchError), match=why):
            load_reranker(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="is not a re-ranker's folder; choose another place"):
        save_reranker(reranker, tmp_path / "other")
    with pytest.raises(ConfigError, match="dtype is 'float16'"):
        load_reranker(folder, "float16")


def test_without_a_shipped_one_the_way_to_one_is_told(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"no re-ranker is shipped .*python -m training\.rerank"):
        find_reranker("", root=tmp_path / "indexes")
    with pytest.raises(ConfigError, match=r"there is no re-ranker 'other'; shipped are: made"):
        find_reranker("other", root=tmp_path)
    assert find_reranker("made", root=tmp_path) == folder and find_reranker(str(folder), root=tmp_path / "x") == folder


def test_it_begins_with_an_encoders_weights_tokens_and_sentences(start, tmp_path):
    encoder = start(instructions={"text->image": "Find it."})
    encoder.save(tmp_path / "encoder")
    begun = begin_reranker(tmp_path / "encoder", "mine")
    assert begun.name == "mine" and begun.config.network.instructions == {"text->image": "Find it."}
    assert begun.network.backbone.causal and not encoder.backbone.causal
    for (name, mine), (_, its) in zip(
        sorted(begun.network.backbone.named_parameters()), sorted(encoder.backbone.named_parameters()), strict=True
    ):
        assert mine.shape == its.shape and (mine - its).abs().max() < 0.02, name
    weights = tmp_path / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(MismatchError, match="changed"):
        begin_reranker(tmp_path / "encoder", "mine")


def test_equal_settings_have_equal_fingerprints(reranker):
    config = reranker.config
    assert config.fingerprint() == replace(config).fingerprint()
    assert config.fingerprint() != replace(config, yes=config.no, no=config.yes).fingerprint()


def test_what_encoders_learn_later_leaves_its_identity_and_its_squares(reranker):
    younger = {"resize", "resize_min_pixels", "resize_max_pixels", "text_format", "marker_rows"}
    assert not younger & set(json.loads(reranker.config.canonical())["network"])
    encoder, tokenizer = reranker.network.config, reranker.network.tokenizer
    dynamic = replace(encoder, resize="dynamic", text_format="mbeir", marker_rows="mean")
    assert RerankerConfig.of_encoder(dynamic, tokenizer, "mine") == RerankerConfig.of_encoder(
        encoder, tokenizer, "mine"
    )
