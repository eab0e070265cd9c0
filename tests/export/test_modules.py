"""The folder for sentence-transformers: the same encoder, with a module that pools outside the instruction."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from PIL import Image

from umr.cli.commands import main
from umr.encoders import load_encoder
from umr.encoders.interop import INTEROP, MASKED_CLASS, MASKED_FILE
from umr.encoders.pooling import mean_tokens
from umr.errors import ConfigError
from umr.export import modules
from umr.export.modules import export
from umr.types import Content, Query


@pytest.fixture
def saved(encoder, tmp_path) -> Path:
    encoder.save(tmp_path / "tiny", {"train_config.json": "{}"})
    return tmp_path / "tiny"


@pytest.fixture
def exported(saved, tmp_path) -> Path:
    assert main(["export", "--to", "sentence-transformers", str(saved), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_the_folder_is_the_same_encoder_with_a_module_beside_it(exported, saved, encoder):
    assert load_encoder(exported, device="cpu").fingerprint == encoder.fingerprint
    names = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    before = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    assert names - before == {MASKED_FILE} and before <= names
    assert json.loads((exported / "modules.json").read_text())[1]["type"] == "instruction_pooling." + MASKED_CLASS
    pooling = json.loads((exported / "1_Pooling" / "config.json").read_text())
    assert pooling["start_id"] == encoder.tokenizer.token_to_id("<instruction_start>")
    assert "trust_remote_code=True" in (exported / "README.md").read_text()
    assert MASKED_FILE not in (exported / INTEROP).read_text()  # code is never fetched with an encoder


def test_the_module_pools_what_umr_pools(exported, encoder, monkeypatch):
    """With a stand-in for the class that it extends: the mean over its attention mask."""

    class Pooling(torch.nn.Module):
        config_keys = ("embedding_dimension",)

        def __init__(self, embedding_dimension: int, **_) -> None:
            super().__init__()

        def forward(self, features: dict, **_) -> dict:
            pooled = mean_tokens(features["token_embeddings"], features["attention_mask"].bool())
            return features | {"sentence_embedding": pooled}

    for name in ("sentence_transformers", "sentence_transformers.sentence_transformer"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    found = types.ModuleType("sentence_transformers.sentence_transformer.modules")
    found.Pooling = Pooling
    monkeypatch.setitem(sys.modules, found.__name__, found)
    space: dict = {"__name__": "instruction_pooling"}
    exec((exported / MASKED_FILE).read_text(), space)
    settings = json.loads((exported / "1_Pooling" / "config.json").read_text())
    module = space[MASKED_CLASS](**settings)
    rows = [encoder.tokenise("a small mug", "Find it."), encoder.tokenise("red", role="candidate")]
    for padding in ("right", "left"):
        batch = encoder.collate(rows, padding=padding)
        states = torch.randn(*batch.input_ids_BT.shape, 48, generator=torch.Generator().manual_seed(0))
        features = {"input_ids": batch.input_ids_BT, "attention_mask": batch.attention_mask_BT.long()}
        mask = features["attention_mask"].clone()
        pooled = module(features | {"token_embeddings": states})["sentence_embedding"]
        assert torch.allclose(pooled, mean_tokens(states, batch.pool_mask_BT), atol=1e-6)
        assert torch.equal(features["attention_mask"], mask)


def test_an_encoder_without_instructions_needs_no_module(make, tmp_path):
    make(instructions={}).save(tmp_path / "tiny")
    export(tmp_path / "tiny", tmp_path / "out")
    assert not (tmp_path / "out" / MASKED_FILE).exists()
    assert "trust_remote_code" not in (tmp_path / "out" / "README.md").read_text()


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(make, saved, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="exists; choose another --out"):
        export(saved, saved)
    with pytest.raises(ConfigError, match="not an encoder folder"):
        export(tmp_path, tmp_path / "out")
    make(pooling="eos").save(tmp_path / "eos")
    with pytest.raises(ConfigError, match=r"pools by 'eos'.*legal: mean or last, mrope"):
        export(tmp_path / "eos", tmp_path / "out")
    monkeypatch.setattr(modules, "write_card", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        export(saved, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eos", "tiny"]


def test_sentence_transformers_gives_the_same_query_vectors(exported, stills, sentence_transformers):
    model = sentence_transformers(
        str(exported), device="cpu", model_kwargs={"dtype": "float32"}, trust_remote_code=True
    )
    encoder = load_encoder(exported, device="cpu")
    contents = [
        {"image": still, "text": text} for still, text in zip(stills[:, 0], ["red", "two of them"], strict=False)
    ]
    asked = [
        Query(query_id=str(at), content=Content(**one), target_modality="image") for at, one in enumerate(contents)
    ]
    given = [{"image": Image.fromarray(one["image"]), "text": one["text"]} for one in contents]
    theirs = model.encode_query(given, prompt_name="image,text->image")
    assert (encoder.encode_queries(asked).vectors * theirs).sum(1).min() > 0.9999
