"""Adapters: equal vectors at first, one path as the other, only they learn, and merged they leave nothing behind."""

from __future__ import annotations

import builtins
from dataclasses import replace

import pytest
import torch

from tests.training.conftest import SMALL
from training.config import TrainConfig
from training.lora import add_adapters, is_adapter, merge_adapters
from training.train import build_optimizer, new_encoder, train
from umr.encoders import load_encoder
from umr.errors import ConfigError

LORA = TrainConfig(name="adapted", steps=2, warmup_steps=1, families_per_batch=4, lora_rank=2, bf16=False, threads=1)


def moved(encoder) -> None:
    """Give the adapters something to say."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if is_adapter(name):
                value.copy_(torch.randn_like(value) * 0.1)


def embeddings(encoder, fast: bool = True) -> torch.Tensor:
    encoder.backbone.fast = fast
    pixels = torch.randint(0, 255, (2, 1, 56, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows = [encoder.tokenise("red", "find it", "query", "image"), encoder.tokenise("a mug", role="candidate")]
    rows.append(encoder.tokenise(None, "find it", "query", "image"))
    with torch.no_grad():
        return encoder.embed(encoder.collate(rows, [0, None, 1]), encoder.see(pixels).flatten(0, 1))


def test_vectors_are_the_same_before_the_first_step_and_other_ones_after(small_encoder):
    encoder = small_encoder(0)
    before = embeddings(encoder)
    add_adapters(encoder, 2, 4)
    torch.testing.assert_close(embeddings(encoder), before)
    moved(encoder)
    assert (embeddings(encoder) - before).abs().max() > 1e-3


def test_adapters_act_on_the_fast_path_as_on_that_of_the_class(small_encoder):
    encoder = small_encoder(0)
    add_adapters(encoder, 2, 4)
    moved(encoder)
    torch.testing.assert_close(embeddings(encoder, fast=True), embeddings(encoder, fast=False), atol=1e-5, rtol=1e-4)


def test_merged_weights_say_the_same_and_no_adapter_is_left(small_encoder):
    encoder = small_encoder(0)
    names = [name for name, _ in encoder.named_parameters()]
    add_adapters(encoder, 2, 4)
    moved(encoder)
    adapted = embeddings(encoder)
    merge_adapters(encoder)
    torch.testing.assert_close(embeddings(encoder), adapted, atol=1e-5, rtol=1e-4)
    assert [name for name, _ in encoder.named_parameters()] == names
    assert all(value.requires_grad for value in encoder.parameters())


def test_only_adapters_are_trained_and_by_adamw(small_encoder):
    encoder = small_encoder(0)
    add_adapters(encoder, 2, 4)
    learning = {name for name, value in encoder.named_parameters() if value.requires_grad}
    assert learning and all(map(is_adapter, learning))
    linear = 7  # q, k, v, o, gate, up, down
    assert len(learning) == 2 * linear * SMALL["layers"]
    groups = build_optimizer(LORA, encoder, torch.nn.Identity()).param_groups
    assert not any(group.get("muon") for group in groups)


def test_a_stage_with_adapters_leaves_the_vision_tower_alone_and_writes_a_plain_encoder(tiny_world, tmp_path):
    new_encoder("start", 0, 56, **SMALL).save(tmp_path / "start")
    train(replace(LORA, init=str(tmp_path / "start")), tiny_world, tmp_path / "out")
    before, after = (load_encoder(tmp_path / name).state_dict() for name in ("start", "out"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("language_model.layers" in name and name.endswith("_proj.weight") for name in changed)


def test_a_stopped_stage_with_adapters_goes_on_to_the_same_weights(tiny_world, tmp_path):
    new_encoder("start", 0, 56, **SMALL).save(tmp_path / "start")
    config = replace(LORA, init=str(tmp_path / "start"), checkpoint_every=1)
    train(config, tiny_world, tmp_path / "whole")
    train(replace(config, stop_after=1), tiny_world, tmp_path / "parts")
    whole = load_encoder(tmp_path / "whole").state_dict()
    train(config, tiny_world, tmp_path / "parts")
    parts = load_encoder(tmp_path / "parts").state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_without_peft_the_way_out_is_named(small_encoder, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "peft":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match="needs the package peft: pip install peft"):
        add_adapters(small_encoder(0), 2, 4)


def test_a_rank_below_zero_is_refused():
    with pytest.raises(ConfigError, match="lora_rank must be at least 0, not -1"):
        replace(LORA, lora_rank=-1)
