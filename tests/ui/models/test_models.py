"""What the page says of models: read from their folders alone, equal training only where the records say so."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import fields

import pytest

from tests.conftest import MARKUP
from training.config import TrainConfig
from umr.encoders.card import RECORD_NAME
from umr.ui.models import actions as models
from umr.ui.models import facts as facts_read
from umr.ui.models import html
from umr.ui.models.facts import is_fair, read_facts, settings_apart

CONFIG = {"name": "x", "init": "start", "steps": 200, "seed": 0, "batch": "random", "families_per_batch": 96,
          "preference_weight": 0.0, "programmes": {"pictures": 1.0}}  # fmt: skip
WORLD = {"split": "train", "seed": 1, "images": 70000, "clips": 10, "families": 12, "clip_families": 3}


@pytest.fixture
def record(searchers):
    """Writes what training records beside a model's weights."""

    def write(name: str, config: dict | None = None, **more) -> None:
        path = searchers.folders[name].parent / "encoder" / RECORD_NAME
        told = {"config": CONFIG | {"name": name} | (config or {}), "seconds": 90, "world": WORLD, "commit": "c0ffee"}
        path.write_text(json.dumps(told | more))

    return write


def facts(searchers, name):
    return read_facts(name, searchers.folders[name])


def test_a_card_says_stages_steps_seconds_seeds_data_and_commit(searchers, record):
    before = {"name": "vision", "config": CONFIG | {"steps": 700, "seed": 5}, "seconds": 870.0, "commit": "old"}
    record("unified", stages=[before])
    page = html.card(facts(searchers, "unified"), [])
    for said in ("<b>vision</b>", "700 steps, 14 min, seed 5", "<b>unified</b>", "200 steps, 90 s, seed 0",
                 "70,000 pictures, 10 clips", "c0ffee", "96 per batch, random"):  # fmt: skip
        assert said in page
    assert facts(searchers, "unified").seconds == 960


def test_every_world_of_a_run_is_named_with_what_it_holds(searchers, record):
    worlds = [{"kind": "world", "share": 1.0, "world": WORLD | {"seed": seed}} for seed in (2, 3)]
    record("unified", data=worlds, world=None)
    page = html.card(facts(searchers, "unified"), [])
    for seed in (2, 3):
        assert f"seed {seed}: 70,000 pictures, 10 clips" in page


def test_steps_are_those_that_were_run(searchers, record):
    record("unified", {"steps": 1400, "stop_after": 1000})
    assert "1,000 steps" in html.card(facts(searchers, "unified"), [])


def test_size_is_counted_from_the_table_of_the_weights(searchers):
    table = json.dumps({"a": {"dtype": "F16", "shape": [1000, 2000], "data_offsets": [0, 2]}, "__metadata__": {}})
    path = searchers.folders["unified"].parent / "encoder" / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(table)) + table.encode() + b"\0\0")
    assert "2.0 M parameters" in html.card(facts(searchers, "unified"), [])
    path.write_bytes(b"\xff" * 20)
    assert facts(searchers, "unified").parameters is None


def test_a_model_that_is_on_offer_nowhere_is_no_line_of_the_log(searchers, caplog):
    asked = ["unified", "\n2026-11-30 all is well", "\x1b[2J"]
    assert [one.name for one in models.known(searchers, asked)] == ["unified"]
    assert models.frames_read(searchers, "\x1b[2J") is None
    assert caplog.records == []


def test_models_that_differ_in_terms_of_the_loss_alone_were_trained_equally(searchers, record):
    record("unified")
    record("other", {"preference_weight": 0.1})
    apart = settings_apart(facts(searchers, "unified"), facts(searchers, "other"))
    assert apart == ["preference_weight"] and is_fair(apart)
    assert "Trained equally" in models.trained(searchers) and "u-unequal" not in models.trained(searchers)
    assert "trained equally but for the terms of the loss" in models.cards(searchers)


@pytest.mark.parametrize(
    ("config", "more", "key"),
    [
        ({"steps": 1000}, {}, "steps"),
        ({"init": "elsewhere/later"}, {}, "start"),
        ({"batch": "families"}, {}, "batch"),
        ({}, {"world": WORLD | {"images": 9}}, "world"),
        ({}, {"world_fingerprint": "f"}, "world"),
        ({}, {"stages": [{"name": "a"}, {"name": "start"}]}, "stages"),
    ],
)
def test_unequal_training_is_said_with_what_differs(searchers, record, config, more, key):
    record("unified")
    record("other", {"preference_weight": 0.1} | config, **more)
    assert key in settings_apart(facts(searchers, "unified"), facts(searchers, "other"))
    page = models.trained(searchers)
    assert "were not trained equally" in page and html.WORDS[key] in page and "no verdict on methods" in page


def test_every_setting_that_can_differ_is_said_in_words():
    settings = [field.name for field in fields(TrainConfig) if field.name not in facts_read._ASIDE]
    said = html.differences(settings)
    assert "_" not in said and html.OTHER not in said and len(said.split(", ")) < len(settings) / 2
    assert html.differences(["of_another_version"]) == html.OTHER


def test_a_card_says_settings_and_runs_in_words_and_names_them_in_its_tooltips(searchers, record):
    record("unified", {"mca_side": "query", "typed": 0.4, "subword_dropout": 0.05}, stages=[{"name": "small_vision"}])
    record("other")
    for page in (models.cards(searchers), models.trained(searchers)):
        shown = re.sub(r"<code>.*?</code>|<[^>]+>", " ", page)
        assert "the losses" in shown and "how queries are worded" in shown and "small vision" in shown
        assert not re.search(r"mca_side|typed|subword|small_vision", shown)
        assert "mca_side, " in page and "subword_dropout, " in page


def test_a_model_without_a_record_is_not_called_equally_trained(searchers, record):
    record("unified")
    assert settings_apart(facts(searchers, "unified"), facts(searchers, "other")) == ["record"]
    assert "not recorded" in models.cards(searchers)


def test_every_model_on_offer_has_a_card_and_a_broken_folder_costs_no_other(searchers):
    page = models.cards(searchers)
    assert page.count("data-card=") == 2 and 'data-card="unified"' in page
    (searchers.folders["other"] / "manifest.json").write_text("{")
    assert models.cards(searchers).count("data-card=") == 1


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"config": 3}', '{"config": {}, "stages": [3, {}]}'])
def test_a_record_that_cannot_be_read_claims_nothing(searchers, content):
    (searchers.folders["unified"].parent / "encoder" / RECORD_NAME).write_text(content)
    assert "not recorded" in html.card(facts(searchers, "unified"), [])


def test_markup_of_a_record_stays_text(searchers, record):
    record("unified", {"init": MARKUP, "name": MARKUP}, commit=MARKUP, stages=[{"name": MARKUP}])
    for page in (models.cards(searchers), models.trained(searchers)):
        assert "<img" not in page and "{{" not in page and "${" not in page
