"""The table of models: facts in their form, and what umr opens computed from its backbones and recipes alone."""

from __future__ import annotations

import json
import re

import pytest

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
    assert row is not None and row.revision == "c237dc49a33fc61debc9276459120b7eac67e7ef" and opens(row) == AS_PUBLISHED


def test_what_opens_follows_the_backbones_and_the_recipes(monkeypatch):
    assert opens(MADE_UP) == AS_PUBLISHED and recipe_of(MADE_UP) == "plain"
    others = {"retrieves": False}, {"asks": "of nobody"}, {"model_type": "nothing_vl"}, {"adapter_of": "c/d"}
    found = [opens(Published(name="a/b", parameters=1, dim=1, source="nowhere", **{"model_type": "qwen2_vl"} | more))
             for more in others]  # fmt: skip
    assert found[:2] == [BASE, PLAIN]
    assert found[2] == "no: there is no backbone 'nothing_vl'" and found[3].startswith("no: an adapter")
    asked = next(one for one in PUBLISHED if one.asks == "umarvel" and one.model_type in BACKBONES)
    assert opens(asked) == AS_PUBLISHED and recipe_of(asked) == "umarvel"
    monkeypatch.delitem(RECIPES, "umarvel")
    assert opens(asked) == PLAIN and recipe_of(asked) == "plain"
    monkeypatch.delitem(BACKBONES, asked.model_type)
    assert opens(asked).startswith("no: there is no backbone")


def test_embedders_of_others_open_as_their_makers_ask_them_and_an_adapter_names_its_command():
    found = {one.name: opens(one) for one in PUBLISHED if one.asks in ("gme", "lamra", "vlm2vec-v2")}
    adapter = found.pop("VLM2Vec/VLM2Vec-V2.0")
    assert len(found) == 4 and set(found.values()) == {AS_PUBLISHED}
    assert adapter == "no: an adapter, which `umr adopt --base hub:Qwen/Qwen2-VL-2B-Instruct` merges"
    command = (
        r"`umr adopt hub:VLM2Vec/VLM2Vec-V2.0@e39ff079\w+ --base hub:Qwen/Qwen2-VL-2B-Instruct --recipe vlm2vec-v2 "
    )
    with pytest.raises(ConfigError, match=command):
        ready("hub:VLM2Vec/VLM2Vec-V2.0", Wishes(), print)


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
    with pytest.raises(ConfigError, match=r"is a re-ranker, not an encoder: `umr adopt hub:code-kunkun/LamRA-Rank@"):
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


def test_the_bundled_rows_are_those_of_their_folders(encoder, tmp_path):
    encoder.save(tmp_path / "tiny" / "encoder")
    row = listing(tmp_path)[0]
    assert (row["kind"], row["revision"], row["dim"]) == ("bundled", encoder.fingerprint, encoder.dim)
    assert row["parameters"] == parameters_in(tmp_path / "tiny" / "encoder") and row["opens"] == AS_PUBLISHED
