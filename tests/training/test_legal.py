"""Settings that no stage can run with, or that would do nothing, are refused before anything is read."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from tests.training.conftest import SIZE, SMALL
from training.config import DistillConfig, RerankConfig, TrainConfig
from training.distill import train as distill
from training.provenance import ended_at
from training.recipes import LARGE, RECIPES
from training.rerank import train as rerank
from training.train import main, record_config, train
from umr.encoders import load_encoder
from umr.errors import ConfigError

SHORT = TrainConfig(
    name="short",
    steps=2,
    warmup_steps=1,
    families_per_batch=2,
    programmes={"pictures": 1.0},
    bf16=False,
    threads=1,
    image_size=SIZE,
    network=SMALL,
)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(
            (name, -1, "of at least 0")
            for name in ("seed", "learning_rate", "muon_rate", "warmup_steps", "weight_decay")
        ),
        ("clip_norm", 0, "above 0"),
        ("learning_rate", math.inf, "of at least 0"),
        ("weight_decay", math.nan, "of at least 0"),
        ("final_learning_rate", 1.5, "from 0 to 1"),
        ("light", 2, "from 0 to 1"),
        ("shift", -1, "of at least 0"),
    ],
)
@pytest.mark.parametrize("kind", [TrainConfig, RerankConfig, DistillConfig])
def test_a_number_that_no_stage_can_run_with_is_refused(kind, name, value, said):
    start = {} if kind is TrainConfig else {"init": "start"}
    with pytest.raises(ConfigError, match=f"{name} is {value}; a number {said}"):
        kind(name="x", **start, **{name: value})


@pytest.mark.parametrize("name", ["preference_weight", "regularisation_weight", "attribute_weight", "chunk_families"])
def test_a_weight_below_zero_is_refused_and_not_left_out(name):
    with pytest.raises(ConfigError, match=f"{name} is -1; a number of at least 0 is needed"):
        TrainConfig(name="x", **{name: -1})


def test_shares_and_sizes_that_are_no_numbers_are_refused():
    for share in ("much", None, math.nan, True):
        with pytest.raises(ConfigError, match="need shares of at least 0"):
            TrainConfig(name="x", programmes={"pictures": share})
    for size in ("large", 0, 1.5):
        with pytest.raises(ConfigError, match="needs whole numbers above 0"):
            TrainConfig(name="x", network={"hidden": size})


def test_a_learned_temperature_begins_where_it_is_kept_and_a_fixed_one_anywhere_above_zero():
    for wrong in (-1.0, 0.009, 0.51, math.nan):
        with pytest.raises(ConfigError, match=r"legal: 0.01 to 0.5, in which a learned one is kept, or 0"):
            TrainConfig(name="x", temperature=wrong)
    for wrong in (-1.0, math.inf):
        with pytest.raises(ConfigError, match="legal: a number above 0, as it divides, or 0"):
            TrainConfig(name="x", temperature=wrong, learn_temperature=False)
    assert TrainConfig(name="x", temperature=2.0, learn_temperature=False).temperature == 2.0


def test_every_recipe_is_legal_and_tells_nothing_that_older_records_do_not():
    for recipe in (RECIPES | LARGE).values():
        told = record_config(recipe())
        assert not {"trained", "parts_asked"} & set(told)
    assert record_config(replace(SHORT, trained="vision", parts_asked="composed"))["trained"] == "vision"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mixer=mfb", "mixer is given, but acts only with regularisation_weight, which is 0"),
        ("stop_gradient=true", "stop_gradient is given, but acts only with preference_weight or regularisation_weight"),
        ("mca_side=both", "mca_side is given, but acts only with"),
        ("parts_asked=composed", "parts_asked is given, but acts only with"),
        ("lora_alpha=8", "lora_alpha is given, but acts only with lora_rank, which is 0"),
        ("size_exponent=0.5", "size_exponent is given, but draws the tasks of files"),
        ("preference_weight=0.1 programmes={\"captions\":1}", "none of the programmes captions has; give one of"),
        (
            "regularisation_weight=0.1 mca_side=candidate programmes={\"pictures\":1}",
            "each composed candidate, which none of the programmes pictures has; give one of entries a share",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_would_do_nothing_is_refused(given, said, tiny_folder, tmp_path, capsys):
    places = ["--world", str(tiny_folder), "--out", str(tmp_path / "x")]
    assert main(["contrastive", *places, "--set", *given.split()]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_what_a_world_alone_draws_is_refused_for_files_and_a_size_beside_a_start(tmp_path, capsys):
    (tmp_path / "mine.jsonl").write_text(json.dumps({"text": "find a mug", "target": {"text": "a mug"}}) + "\n")
    places = ["--data", f"jsonl:{tmp_path / 'mine.jsonl'}", "--init", "unified", "--out", str(tmp_path / "x")]
    for given, said in (
        ("typed=0.4", "typed is given, but says what is drawn from a rendered world: add --data world:DIR"),
        ("batch=random", "batch is given, but says what is drawn"),
        ("image_size=84", "image_size is given, but is of random weights"),
    ):
        assert main(["finetune", *places, "--set", given]) == 2
        assert said in capsys.readouterr().err


def test_a_stage_may_begin_at_the_temperature_at_which_the_one_before_ended(tiny_world, tmp_path):
    train(replace(SHORT, temperature=0.2, learning_rate=0.05), tiny_world, tmp_path / "first")
    ended = json.loads((tmp_path / "first" / "train_config.json").read_text())["temperature"]
    assert ended == ended_at(str(tmp_path / "first")) != pytest.approx(0.2, abs=1e-4)
    after = replace(SHORT, network={}, init=str(tmp_path / "first"), temperature=0.0, learn_temperature=False)
    train(after, tiny_world, tmp_path / "second")
    record = json.loads((tmp_path / "second" / "train_config.json").read_text())
    assert record["config"]["temperature"] == ended and record["temperature"] == pytest.approx(ended)
    with pytest.raises(ConfigError, match="random weights have none: give one"):
        train(replace(SHORT, temperature=0.0), tiny_world, tmp_path / "third")
    (tmp_path / "first" / "train_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="tells no temperature"):
        ended_at(str(tmp_path / "first"))


@pytest.mark.parametrize(("trained", "still"), [("language", "visual"), ("vision", "language_model")])
def test_a_stage_trains_the_part_that_it_names(tiny_world, tmp_path, trained, still):
    train(SHORT, tiny_world, tmp_path / "start")
    train(
        replace(SHORT, network={}, init=str(tmp_path / "start"), seed=1, trained=trained), tiny_world, tmp_path / "out"
    )
    before, after = (load_encoder(tmp_path / name).state_dict() for name in ("start", "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any(f".{still}." in name for name in changed), sorted(changed)[:5]


def test_parts_that_are_none_or_contradict_adapters_are_refused():
    with pytest.raises(ConfigError, match="trained 'head' is unknown; legal: all, language, vision"):
        TrainConfig(name="x", trained="head")
    with pytest.raises(ConfigError, match="trained is 'language', and lora_rank 4 trains adapters alone"):
        TrainConfig(name="x", trained="language", lora_rank=4)


@pytest.mark.parametrize(
    ("work", "kind"), [(train, "an encoder folder"), (rerank, "a re-ranker's folder"), (distill, "an encoder folder")]
)
def test_a_place_that_is_taken_is_told_before_anything_is_trained(work, kind, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ConfigError, match=f"{out} exists and is not {kind}; choose another place"):
            work(SHORT, None, out)  # nothing else is looked at
