"""The table of models: facts in their form, and what umr opens computed from its backbones and recipes alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

from umr.cli.commands import main
from umr.encoders.adopt import RECIPES
from umr.encoders.backbone import BACKBONES, backbone_class
from umr.errors import ConfigError, MismatchError
from umr.models.listing import AS_PUBLISHED, BASE, PLAIN, RERANKER, listing, opens, recipe_of, shown
from umr.models.published import PUBLISHED, Published, published
from umr.models.ready import Wishes, ready
from umr.models.weights import BYTES, memory, parameters_in
from umr.rerank.adopt import known_recipes
from umr.shipped import available

MADE_UP = Published(name="a/b", model_type="qwen2_vl", parameters=1, dim=1, source="nowhere")


def tower(width: int, inner: int, layers: int, heads: int, **more: int) -> dict[str, int]:
    sizes = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers}
    return sizes | {"num_attention_heads": heads} | more


def clip(text: dict[str, int], patch: int, side: int, dim: int, **seen: int) -> CLIPConfig:
    return CLIPConfig(
        text_config=text, vision_config=seen | {"patch_size": patch, "image_size": side}, projection_dim=dim
    )


def siglip(words: int) -> SiglipConfig:
    text = tower(1152, 4304, 27, 16, vocab_size=words, projection_size=1152, bos_token_id=0, eos_token_id=1)
    return SiglipConfig(text_config=text, vision_config=tower(1152, 4304, 27, 16, patch_size=14, image_size=384))


def naflex(width: int, inner: int, layers: int, heads: int) -> Siglip2Config:
    text = tower(width, inner, layers, heads, vocab_size=256000, projection_size=width)
    return Siglip2Config(text_config=text, vision_config=tower(width, inner, layers, heads, patch_size=16))


def qwen3(text: dict[str, int], tied: bool, width: int, depth: int, inner: int, handed_on: list[int]) -> Qwen3VLConfig:
    text = text | {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": tied}
    seen = {
        "hidden_size": width, "depth": depth, "intermediate_size": inner, "num_heads": 16, "patch_size": 16,
        "out_hidden_size": text["hidden_size"], "deepstack_visual_indexes": handed_on, "num_position_embeddings": 2304,
    }  # fmt: skip
    return Qwen3VLConfig(text_config=text, vision_config=seen, tie_word_embeddings=tied)


BASE_CLIP, LARGE_CLIP = tower(512, 2048, 12, 8), tower(768, 3072, 12, 12)
#: The sizes of their config.json.
COUNTED: dict[str, tuple[Any, Any]] = {
    "openai/clip-vit-base-patch16": (CLIPModel, clip(BASE_CLIP, 16, 224, 512, **tower(768, 3072, 12, 12))),
    "openai/clip-vit-base-patch32": (CLIPModel, clip(BASE_CLIP, 32, 224, 512, **tower(768, 3072, 12, 12))),
    "openai/clip-vit-large-patch14": (CLIPModel, clip(LARGE_CLIP, 14, 224, 768, **tower(1024, 4096, 24, 16))),
    "openai/clip-vit-large-patch14-336": (CLIPModel, clip(LARGE_CLIP, 14, 336, 768, **tower(1024, 4096, 24, 16))),
    "google/siglip-so400m-patch14-384": (SiglipModel, siglip(32000)),
    "google/siglip2-so400m-patch14-384": (SiglipModel, siglip(256000)),
    "google/siglip2-base-patch16-naflex": (Siglip2Model, naflex(768, 3072, 12, 12)),
    "google/siglip2-so400m-patch16-naflex": (Siglip2Model, naflex(1152, 4304, 27, 16)),
    "Qwen/Qwen3-VL-2B-Instruct": (
        Qwen3VLForConditionalGeneration,
        qwen3(tower(2048, 6144, 28, 16), True, 1024, 24, 4096, [5, 11, 17]),
    ),
    "Qwen/Qwen3-VL-4B-Instruct": (
        Qwen3VLForConditionalGeneration,
        qwen3(tower(2560, 9728, 36, 32), True, 1024, 24, 4096, [5, 11, 17]),
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        Qwen3VLForConditionalGeneration,
        qwen3(tower(4096, 12288, 36, 32), False, 1152, 27, 4304, [8, 16, 24]),
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_rows_parameters_are_those_of_its_class_with_its_sizes(name):
    kind, config = COUNTED[name]
    with torch.device("meta"):
        model = kind(config)
    model.tie_weights()
    row = published(name)
    assert row is not None and sum(value.numel() for value in model.parameters()) == row.parameters
    assert opens(row) == (AS_PUBLISHED if row.retrieves else BASE) and row.model_type == config.model_type


def test_every_published_row_is_a_fact_in_its_form():
    assert len({one.name for one in PUBLISHED}) == len(PUBLISHED) > 10
    for one in PUBLISHED:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", one.name) and one.parameters > one.dim and one.source
        assert (one.dim > 0) != one.reranks
        assert one.revision == "" or re.fullmatch(r"[0-9a-f]{40}", one.revision)
        assert published(one.name) is one
    assert published("nobody/nothing") is None


def test_clips_row_is_pinned_where_it_has_safetensors():
    """Its main branch has pytorch_model.bin alone, which is refused."""
    row = published("openai/clip-vit-base-patch32")
    assert row is not None and row.revision == "b33cedfd0df4e43b8238760678fcc89e1a0d38b3" and opens(row) == AS_PUBLISHED


def test_what_opens_follows_the_backbones_and_the_recipes(monkeypatch):
    assert opens(MADE_UP) == AS_PUBLISHED and recipe_of(MADE_UP) == "plain"
    others = {"retrieves": False}, {"asks": "of nobody"}, {"model_type": "nothing_vl"}, {"adapter_of": "c/d"}
    found = [opens(Published(name="a/b", parameters=1, dim=1, source="nowhere", **{"model_type": "qwen2_vl"} | more))
             for more in others]  # fmt: skip
    assert found[:2] == [BASE, PLAIN]
    assert found[2] == "no: there is no backbone 'nothing_vl'" and found[3] == "yes, merged into c/d"
    asked = next(one for one in PUBLISHED if one.asks == "umarvel" and one.model_type in BACKBONES)
    assert opens(asked) == AS_PUBLISHED and recipe_of(asked) == "umarvel"
    monkeypatch.delitem(RECIPES, "umarvel")
    assert opens(asked) == PLAIN and recipe_of(asked) == "plain"
    monkeypatch.delitem(BACKBONES, asked.model_type)
    assert opens(asked).startswith("no: there is no backbone")


def test_embedders_of_others_open_as_their_makers_ask_them_and_an_adapter_is_merged():
    found = {one.name: opens(one) for one in PUBLISHED if one.asks in ("gme", "lamra", "vlm2vec-v2")}
    adapter = found.pop("VLM2Vec/VLM2Vec-V2.0")
    assert len(found) == 4 and set(found.values()) == {AS_PUBLISHED}
    assert adapter == "yes, merged into Qwen/Qwen2-VL-2B-Instruct"


def test_a_licence_that_was_not_found_is_said_to_be_not_stated():
    rows = {row["name"]: shown(row) for row in listing()}
    assert rows["TencentBAC/U-MARVEL-Qwen2VL-7B-Instruct"]["licence"] == "not stated"
    assert rows["code-kunkun/LamRA-Ret"]["licence"] == "apache-2.0"


def test_a_reranker_opens_where_its_recipe_is_and_is_not_taken_for_an_encoder(monkeypatch):
    found = [one for one in PUBLISHED if one.reranks]
    assert {one.asks for one in found} == {"lamra-rank", "qwen3-vl-reranker"} <= known_recipes()
    assert {opens(one) for one in found} == {RERANKER}
    row = next(one for one in listing() if one["name"] == "code-kunkun/LamRA-Rank")
    assert (row["dim"], row["embeds"], row["recipe"]) == (None, [], "lamra-rank")
    with pytest.raises(ConfigError, match="is a re-ranker, not an encoder: --rerank hub:code-kunkun/LamRA-Rank"):
        ready("hub:code-kunkun/LamRA-Rank", Wishes(), print)
    monkeypatch.setattr(backbone_class("qwen2_vl"), "rerankers", {})
    assert opens(published("code-kunkun/LamRA-Rank")) == "no: no re-ranker is asked as 'lamra-rank'"


def test_the_command_lists_bundled_and_published_models_in_json_and_as_a_table(capsys):
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [*available(), *(one.name for one in PUBLISHED)]
    assert {"name", "kind", "revision", "pinned", "licence", "parameters", "memory_gb", "dim", "embeds", "composes",
            "recipe", "source", "opens"} == set(rows[0]) == set(rows[-1])  # fmt: skip
    for row in rows:
        assert row["memory_gb"] == {dtype: round(row["parameters"] * size / 1e9, 3) for dtype, size in BYTES.items()}
        assert row["opens"].startswith(("yes", "no"))
    assert main(["models"]) == 0
    table = capsys.readouterr().out
    assert table.count("\n") == 1 + len(rows) and "newest" in table


def test_parameters_are_counted_without_opening_weights(encoder, tmp_path):
    encoder.save(tmp_path / "encoder")
    counted = parameters_in(tmp_path / "encoder")
    assert counted == sum(value.numel() for value in encoder.backbone.model.parameters())
    assert memory(counted, "float32") == 4 * counted == 2 * memory(counted, "bfloat16")
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(MismatchError, match=r"model\.safetensors is damaged"):
        parameters_in(tmp_path / "encoder")
    with pytest.raises(MismatchError, match=r"model\.safetensors is missing"):
        parameters_in(tmp_path)


def test_weights_that_git_kept_a_pointer_of_are_not_counted(encoder, tmp_path):
    encoder.save(tmp_path / "one")
    weights = tmp_path / "one/model.safetensors"
    weights.chmod(0o644)
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(MismatchError, match=r"model\.safetensors is a pointer of Git LFS, .*`git lfs pull`"):
        parameters_in(tmp_path / "one")


def test_the_bundled_rows_are_those_of_their_folders(encoder, tmp_path):
    encoder.save(tmp_path / "tiny" / "encoder")
    row = listing(tmp_path)[0]
    assert (row["kind"], row["revision"], row["dim"]) == ("bundled", encoder.fingerprint, encoder.dim)
    assert row["parameters"] == parameters_in(tmp_path / "tiny" / "encoder") and row["opens"] == AS_PUBLISHED
