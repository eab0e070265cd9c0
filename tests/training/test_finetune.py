"""Training on triplets of one's own, by the command: it learns, goes on, refuses, and keeps what it was told."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.shapes import write
from training.mixture import load_mixture
from training.provenance import stages
from training.recipes import finetune
from training.sources.spec import parse_all
from training.train import Trainer, main
from umr.cli.commands import main as umr
from umr.encoders import load_encoder
from umr.errors import MismatchError

#: A run of seconds on one core.
QUICK = ["threads=1", "bf16=false", "learning_rate=2e-3", "muon_rate=1e-2", "log_every=50"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory, small_encoder) -> Path:
    """An encoder of random weights."""
    folder = tmp_path_factory.mktemp("start") / "small"
    small_encoder().save(folder)
    return folder


def command(out: Path, init: Path, *data: str, settings=(), more=()) -> int:
    named = [part for one in data for part in ("--data", one)]
    return main(["finetune", *named, "--init", str(init), "--out", str(out), *more, "--set", *QUICK, *settings])


def test_five_hundred_triplets_outside_the_world_are_learned(shapes, start, tmp_path):
    """Held-out pictures, scenes and changes: recall far above that of the start, from a folder that indexes serve."""
    data, held_out = f"jsonl:{shapes / 'train.jsonl'}", f"jsonl:{shapes / 'held_out.jsonl'}"
    more = ["--held-out", held_out]
    assert command(tmp_path / "mine", start, data, settings=["steps=60"], more=more) == 0
    record = json.loads((tmp_path / "mine" / "train_config.json").read_text())
    before, after = record["held_out"]["before"], record["held_out"]["after"]
    assert before["queries"] == after["queries"] == 100 and after["candidates"] > 90
    assert after["recall@1"] >= before["recall@1"] + 0.15 and after["recall@5"] >= before["recall@5"] + 0.4, record

    (source,) = record["data"]
    assert (source["kind"], source["name"], source["examples"], source["refused"]) == ("jsonl", "train.jsonl", 500, 0)
    assert source["files"].keys() == {"train.jsonl"} and record["config"]["name"] == "mine"
    assert stages(str(tmp_path / "mine"))[-1]["data"] == record["data_fingerprint"]
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "`train.jsonl` (jsonl), share 1: 500 examples, 0 rows refused" in card and "catalogue" not in card

    assert (
        umr(["index", str(shapes / "held_out"), "--encoder", str(tmp_path / "mine"), "--out", str(tmp_path / "i")]) == 0
    )
    assert (tmp_path / "i" / "manifest.json").is_file()


def test_a_run_that_was_killed_goes_on_to_the_same_weights_and_other_data_are_refused(shapes, small_encoder, tmp_path):
    """The next loss is the same, in chunks as in one piece."""
    spec = parse_all([f"jsonl:{shapes / 'train.jsonl'}"])
    data = load_mixture(spec, tmp_path)
    config = replace(finetune(), steps=6, warmup_steps=2, families_per_batch=6, chunk_families=2, bf16=False, threads=1)
    whole, first, second = (Trainer(config, data, small_encoder()) for _ in range(3))
    losses = [whole.step(n, whole.builder.build(n))["loss"] for n in range(4)]
    for n in range(2):
        first.step(n, first.builder.build(n))
    first.save_checkpoint(tmp_path / "c", 2)
    assert second.load_checkpoint(tmp_path / "c") == 2
    assert [second.step(n, second.builder.build(n))["loss"] for n in (2, 3)] == losses[2:]
    plain = Trainer(replace(config, chunk_families=0), data, small_encoder())
    assert plain.step(0, plain.builder.build(0))["loss"] == pytest.approx(losses[0], rel=1e-4)

    (tmp_path / "other.jsonl").write_text('{"text": "a", "target": "b"}\n')
    other = load_mixture(parse_all([f"jsonl:{tmp_path / 'other.jsonl'}"]), tmp_path)
    with pytest.raises(MismatchError, match="belongs to the training data"):
        Trainer(config, other, small_encoder()).load_checkpoint(tmp_path / "c")


def test_bad_rows_are_counted_and_the_sentences_of_the_data_are_served(shapes, start, tmp_path, caplog):
    rows = [json.loads(line) for line in (shapes / "train.jsonl").read_text().splitlines()[:6]]
    rows = [row | {"instruction": "Find the changed shape."} for row in rows]
    rows = [row | {key: str(shapes / row[key]) for key in ("image", "target")} for row in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, [*rows, {"text": "no target"}, {"target": "x"}])))
    assert command(tmp_path / "out", start, f"jsonl:{tmp_path / 'mine.jsonl'}", settings=["steps=1"]) == 0
    assert "6 examples taken, 2 rows refused" in caplog.text and "mine.jsonl:7: target is missing" in caplog.text
    (source,) = json.loads((tmp_path / "out" / "train_config.json").read_text())["data"]
    assert source["refused"] == 2 and source["refused_first"][1].startswith("mine.jsonl:8: the query is empty")
    kept, had = (load_encoder(folder, device="cpu").config.instructions for folder in (tmp_path / "out", start))
    assert kept == had | {"image,text->image": "Find the changed shape."}


def test_a_world_can_be_a_share_beside_ones_own_data(shapes, start, tiny_folder, tmp_path):
    data = [f"jsonl:{shapes / 'train.jsonl'}@3", f"world:{tiny_folder}"]
    assert command(tmp_path / "out", start, *data, settings=["steps=6", "families_per_batch=3", "seed=1"]) == 0
    record = json.loads((tmp_path / "out" / "train_config.json").read_text())
    assert [(row["kind"], row["share"]) for row in record["data"]] == [("jsonl", 3.0), ("world", 1.0)]
    mixture = load_mixture(parse_all(data), tmp_path)
    config = replace(finetune(), families_per_batch=3)
    batches = Trainer(config, mixture, load_encoder(start, device="cpu")).builder
    made = [batches.build(step).programme for step in range(40)]
    assert 20 <= made.count("image,text->image") < 40  # three in four, the others are the world's programmes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["finetune", "--init", "X"], "trains on your own data: --data KIND:PATH"),
        (["finetune_7b", "--init", "X"], "finetune_7b trains on your own data: --data KIND:PATH"),
        (["finetune", "--data", "jsonl:T"], "starts from an encoder: --init FOLDER"),
        (["finetune", "--data", "jsonl:T", "--init", "nobody"], "there is no encoder 'nobody'; shipped are:"),
        (["finetune", "--data", "jsonl:T", "--init", "X", "--world", "w"], "--world and --data are both given"),
        (["finetune", "--data", "jsonl:T", "--init", "X", "--set", "vision_weight=0.3"], "vision_weight reads"),
        (["finetune", "--data", "jsonl:gone.jsonl", "--init", "X"], "gone.jsonl does not exist"),
        (["finetune", "--data", "csv:T", "--init", "X"], "kinds: jsonl, mbeir"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_in_a_sentence(shapes, start, tmp_path, capsys, arguments, said):
    places = {"X": str(start), "jsonl:T": f"jsonl:{shapes / 'train.jsonl'}"}
    assert main([*(places.get(one, one) for one in arguments), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_said_with_its_name(shapes, start, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    assert command(tmp_path / "file" / "out", start, f"jsonl:{shapes / 'train.jsonl'}", settings=["steps=1"]) == 2
    said = capsys.readouterr().err
    assert f"training: {tmp_path / 'file' / 'out'}.checkpoints: Not a directory" in said and "Traceback" not in said


def test_training_imports_neither_page_nor_index_nor_datasets():
    """A machine that only trains needs none of them."""
    code = "import sys, training.train; print(*({'gradio', 'faiss', 'decord', 'datasets'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
