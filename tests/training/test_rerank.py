"""Training a re-ranker: it learns a rule, goes on where it was killed, never takes an answer for a negative."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.config import RerankConfig
from training.provenance import stages
from training.rerank import PairBatches, RerankTrainer, main
from training.sources.readers import load_source
from training.sources.spec import parse
from training.train import record_config
from umr.errors import ConfigError, MismatchError
from umr.rerank import load_reranker
from umr.rerank.store import begin_reranker
from umr.types import Candidate, Content, Query

COLOURS = ("red", "blue", "green", "yellow")
THINGS = ("mug", "lamp", "sofa", "rug", "clock", "vase", "chair", "bowl")
CONFIG = RerankConfig(name="toy", init="none", steps=60, queries_per_batch=16, bf16=False, threads=1, warmup_steps=5,
                      learning_rate=3e-3, muon_rate=2e-2, shift=0, light=0.0)  # fmt: skip


def texts(things) -> list[dict]:
    """A query for a colour; right is whatever has the colour, wrong what has another."""
    return [
        {"text": f"find {colour}", "target": {"text": f"a {colour} {thing}"},
         "negatives": [{"text": f"a {other} {thing}"} for other in COLOURS if other != colour]}
        for colour in COLOURS for thing in things
    ]  # fmt: skip


def source_of(path: Path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return load_source(parse(f"jsonl:{path}"), path.parent)


@pytest.fixture(scope="module")
def start(tmp_path_factory, small_encoder) -> Path:
    folder = tmp_path_factory.mktemp("start") / "small"
    small_encoder().save(folder)
    return folder


def trainer(start, source, config=CONFIG) -> RerankTrainer:
    return RerankTrainer(config, source, begin_reranker(start, "toy"))


def area(right, wrong) -> float:
    """Of the ROC curve: how often a right pair scores above a wrong one."""
    return float(np.mean([[(a > b) + 0.5 * (a == b) for b in wrong] for a in right]))


def test_a_rule_is_learned_and_holds_for_things_not_seen(start, tmp_path):
    run = trainer(start, source_of(tmp_path / "mined.jsonl", texts(THINGS[:6])))

    def held_out() -> float:
        found = {True: [], False: []}
        for colour in COLOURS:
            query = Query(query_id="q", content=Content(text=f"find {colour}"), target_modality="text")
            shown = [(other, thing) for other in COLOURS for thing in THINGS[6:]]
            candidates = [
                Candidate(candidate_id=f"{n}", content=Content(text=f"a {other} {thing}"))
                for n, (other, thing) in enumerate(shown)
            ]
            for (other, _), score in zip(shown, run.reranker.scores(query, candidates), strict=True):
                found[other == colour].append(score)
        return area(found[True], found[False])

    before = held_out()
    losses = [run.step(n, run.builder.build(n))["loss"] for n in range(CONFIG.steps)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5]), losses
    assert before < 0.8 and held_out() > 0.9


def test_a_batch_is_of_its_seed_and_step_alone_with_pictures_seen_once(start, tmp_path):
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    rows = [{"image": "a.png", "text": "blue", "target": "b.png", "negatives": ["c.png"]},
            {"image": "b.png", "text": "green", "target": "c.png", "negatives": ["a.png"]}]  # fmt: skip
    source, config = source_of(tmp_path / "m.jsonl", rows), replace(CONFIG, negatives=2, shift=3, light=0.1)
    one, two = (PairBatches(source, begin_reranker(start, "toy"), config) for _ in range(2))
    for step in (0, 5):
        (mine,), (other,) = one.build(step), two.build(step)
        assert torch.equal(mine.candidates.input_ids_BT, other.candidates.input_ids_BT)
        assert all(np.array_equal(a, b) for a, b in zip(mine.pixels, other.pixels, strict=True))
    assert len(mine.pixels) == 3 and mine.labels.tolist() == [0, 1, 1, 0, 1, 1]
    assert not np.array_equal(mine.pixels[0], one.build(6)[0].pixels[0])


def test_pieces_of_a_step_have_the_gradients_of_the_whole(start, tmp_path):
    source = source_of(tmp_path / "mined.jsonl", texts(THINGS[:3]))
    whole, pieces = (trainer(start, source, replace(CONFIG, chunk_queries=size)) for size in (0, 5))
    assert [len(part.labels) for part in pieces.builder.build(0)] == [10, 10, 4]
    found = [run.step(0, run.builder.build(0)) for run in (whole, pieces)]
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-5)
    assert found[0]["gradient"] == pytest.approx(found[1]["gradient"], rel=1e-4)


def test_the_answer_is_also_compared_with_the_others_of_its_query(start, tmp_path):
    source = source_of(tmp_path / "mined.jsonl", texts(THINGS[:3]))
    run = trainer(start, source, replace(CONFIG, negatives=2, listwise_weight=0.5))
    logits = torch.tensor([[2.0, 0.0], [1.0, 0.5], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [3.0, 2.0]])
    labels = torch.tensor([0, 1, 1, 0, 1, 1])
    pairs = sum(-row.log_softmax(0)[label] for row, label in zip(logits, labels, strict=True))
    lists = sum(-torch.tensor(margins).log_softmax(0)[0] for margins in ([2.0, 0.5, -1.0], [0.0, 1.0, 1.0]))
    assert float(run.loss(logits, labels)) == pytest.approx(float(pairs + 0.5 * lists), rel=1e-6)


def test_random_negatives_come_from_the_pool_and_are_never_answers(start, tmp_path):
    rows = texts(THINGS[:2])
    source = source_of(tmp_path / "mined.jsonl", [row | {"negatives": row["negatives"][:1]} for row in rows])
    made = PairBatches(source, begin_reranker(start, "toy"), replace(CONFIG, negatives=4, random_share=1.0))
    rng, answers = np.random.default_rng(0), []
    for example in made.examples * 20:
        drawn = list(made._wrong(example, rng))
        assert len(drawn) == 4 and not set(drawn) & set(example.positives)
        answers += drawn
    assert len(set(answers)) == len(source.candidates)


def test_a_frozen_tower_stays_and_gives_the_states_that_it_gave(start, tmp_path):
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    rows = [{"image": "a.png", "text": "blue", "target": "b.png", "negatives": ["c.png"]}]
    source = source_of(tmp_path / "m.jsonl", rows)
    free, frozen = (trainer(start, source, replace(CONFIG, frozen_vision=frozen)) for frozen in (False, True))
    before = {name: value.clone() for name, value in frozen.reranker.named_parameters()}
    batches = [frozen.builder.build(step) for step in range(3)]
    losses = [run.step(0, batches[0])["loss"] for run in (free, frozen)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for step in (1, 2):
        frozen.step(step, batches[step])
    moved = {name for name, value in frozen.reranker.named_parameters() if not torch.equal(value, before[name])}
    assert moved and not any(".visual." in name for name in moved)
    with pytest.raises(ConfigError, match=r"frozen_vision=true shift=0 light=0"):
        replace(CONFIG, frozen_vision=True, shift=1)


def test_an_answer_under_another_name_is_never_a_negative(start, tmp_path, caplog):
    rows = [{"text": "find red", "target": {"text": "a red mug"}, "negatives": [{"text": "a red mug"}]}]
    with pytest.raises(ConfigError, match=r"has a negative: mine them with python -m training\.mine"):
        trainer(start, source_of(tmp_path / "none.jsonl", rows))
    for name, colour in (("a", "red"), ("copy", "red"), ("c", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    rows = [{"text": "red", "target": "a.png", "negatives": ["copy.png", "c.png"]},
            {"text": "also red", "target": "a.png", "negatives": ["copy.png"]}]  # fmt: skip
    made = trainer(start, source_of(tmp_path / "m.jsonl", rows)).builder
    (example,) = made.examples
    assert [Path(did).name for did in example.negatives] == ["c.png"]
    assert "1 of 2 examples have no negative" in caplog.text


def test_a_run_that_was_killed_goes_on_to_the_same_weights(start, tmp_path):
    source = source_of(tmp_path / "mined.jsonl", texts(THINGS[:2]))
    whole, first, second = (trainer(start, source) for _ in range(3))
    losses = [whole.step(n, whole.builder.build(n))["loss"] for n in range(4)]
    for n in range(2):
        first.step(n, first.builder.build(n))
    first.save_checkpoint(tmp_path / "c", 2)
    assert second.load_checkpoint(tmp_path / "c") == 2
    assert [second.step(n, second.builder.build(n))["loss"] for n in (2, 3)] == losses[2:]
    with pytest.raises(ConfigError, match=r"other settings .*negatives"):
        trainer(start, source, replace(CONFIG, negatives=3)).load_checkpoint(tmp_path / "c")
    other = source_of(tmp_path / "other.jsonl", texts(THINGS[:1]))
    with pytest.raises(MismatchError, match="belongs to the training data"):
        trainer(start, other).load_checkpoint(tmp_path / "c")


def test_the_command_writes_a_folder_with_its_record_and_goes_on_from_checkpoints(start, tmp_path, capsys):
    rows = [row | {"instruction": ["Find it.", "Which has it?"]} for row in texts(THINGS[:2])]
    source_of(tmp_path / "mined.jsonl", rows)
    command = ["--init", str(start), "--data", f"jsonl:{tmp_path / 'mined.jsonl'}", "--out", str(tmp_path / "made")]
    settings = ["--set", "steps=4", "queries_per_batch=4", "bf16=false", "threads=1"]
    assert main([*command, *settings, "stop_after=2"]) == 0
    assert main([*command, *settings]) == 0
    made = load_reranker(tmp_path / "made", device="cpu")
    record = json.loads((tmp_path / "made" / "train_config.json").read_text())
    assert (made.name, record["config"]["init"], record["config"]["steps"]) == ("made", "small", 4)
    assert record["stages"] == stages(str(start)) and record["data"][0]["examples"] == 8
    assert made.config.network.instructions["text->text"] == "Find it."
    assert str(tmp_path) not in json.dumps(record)
    assert main([*command, "--set", "negatives=0"]) == 2 and "at least 1" in capsys.readouterr().err
    assert main([*command, "--set", "colour=1"]) == 2 and "fields: attention, bf16" in capsys.readouterr().err
    assert record_config(CONFIG)["init"] == "none"
