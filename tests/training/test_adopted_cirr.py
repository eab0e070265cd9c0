"""An adopted checkpoint fine-tuned on CIRR's layout, by the command: pictures of their own size, and adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.encoders.public import write_checkpoint
from tests.training.sources.test_cirr import NAMES, entry
from training.config import DistillConfig
from training.draws import jittered
from training.mixture import load_mixture
from training.query_rows import QueryRows
from training.recipes import finetune
from training.sharded import Calls
from training.source_batches import CANDIDATES, Pixels
from training.sources.spec import parse_all
from training.train import Trainer, main
from umr.cli.commands import main as umr
from umr.encoders import load_encoder, load_trainable
from umr.encoders.adopt import adopt
from umr.types import Candidate, Content, Query

SIZES = ((56, 56), (84, 56), (112, 84), (56, 140), (84, 56), (200, 70))  # px, width and height
PAIRS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
TASK = "image,text->image"
CAPTIONS = ["make it blue", "one more", "the same with a longer and quite different wish", "red", "no table", "larger"]
STILL = replace(finetune(), shift=0, light=0.0, bf16=False, threads=1, families_per_batch=6, subword_dropout=0.0)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    write_checkpoint(folder / "tiny-VL")
    adopt(folder / "tiny-VL", folder / "adopted")
    return folder / "adopted"


@pytest.fixture(scope="module")
def cirr(tmp_path_factory) -> Path:
    """Six edits over pictures of five sizes."""
    folder, rng = tmp_path_factory.mktemp("cirr"), np.random.default_rng(0)
    for name, (width, height) in zip(NAMES, SIZES, strict=True):
        path = folder / f"img_raw/train/34/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
    rows = [
        entry(start, target, caption=caption, pairid=number)
        | {"img_set": {"id": number, "members": [NAMES[start], NAMES[target]]}}
        for number, ((start, target), caption) in enumerate(zip(PAIRS, CAPTIONS, strict=True))
    ]
    places = {name: f"./train/34/{name}.png" for name in NAMES}
    for name, content in (("captions/cap.rc2.train.json", rows), ("image_splits/split.rc2.train.json", places)):
        (folder / name).parent.mkdir()
        (folder / name).write_text(json.dumps(content))
    return folder


def trainer(adopted: Path, cirr: Path, **settings) -> Trainer:
    torch.set_num_threads(STILL.threads)  # as the command does
    encoder = load_trainable(adopted, device="cpu")
    return Trainer(replace(STILL, **settings), load_mixture(parse_all([f"cirr:{cirr}"]), cirr), encoder)


def content(cirr: Path, picture: int, text: str | None = None) -> Content:
    return Content(text=text, image=cirr / f"img_raw/train/34/{NAMES[picture]}.png")


def served(adopted: Path, cirr: Path) -> tuple[np.ndarray, np.ndarray]:
    """The encoder's own vectors of the six queries and of the pictures that answer them."""
    encoder = load_encoder(adopted, device="cpu")
    sentence = encoder.config.instructions[TASK]
    rows = list(zip(PAIRS, CAPTIONS, strict=True))
    asked = [
        Query(query_id=text, content=content(cirr, start, text), instruction=sentence) for (start, _), text in rows
    ]
    answers = [Candidate(candidate_id=text, content=content(cirr, target)) for (_, target), text in rows]
    return encoder.encode_queries(asked).vectors, encoder.encode_candidates(answers).vectors


def test_vectors_of_pictures_that_keep_their_shape_are_those_that_are_served(adopted, cirr):
    made = trainer(adopted, cirr)
    batch = made.builder.build(0)
    (chunk,), (contrast,) = batch.chunks, batch.contrasts
    assert len({picture.shape for picture in chunk.mixed}) == 5 == Calls.of(chunk).sees and chunk.stills is None
    made.encoder.eval()
    with torch.no_grad():
        found = made.encode(chunk)
    queries, answers = served(adopted, cirr)
    order = (found[TASK].numpy() @ queries.T).argmax(1)  # of the drawn examples
    assert sorted(order) == list(range(6))
    assert np.allclose(found[TASK].numpy(), queries[order], atol=1e-5)
    assert np.allclose(found[CANDIDATES].numpy()[contrast.positive], answers[order], atol=1e-5)


def test_loss_and_gradients_of_mixed_sizes_are_equal_with_and_without_caching(adopted, cirr):
    whole, cached = (trainer(adopted, cirr, chunk_families=size) for size in (0, 2))
    for made in (whole, cached):
        made.update = lambda number, loss: {"loss": float(loss)}  # gradients stay to be looked at
    plain, parts = whole.builder.build(0), cached.builder.build(0)
    assert len(plain.chunks) == 1 < len(parts.chunks) and any(chunk.mixed for chunk in parts.chunks)
    losses = [made.step(0, batch)["loss"] for made, batch in ((whole, plain), (cached, parts))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] > 0
    theirs = dict(cached.encoder.named_parameters())
    for name, value in whole.encoder.named_parameters():
        assert (value.grad is None) == (theirs[name].grad is None), name
        if value.grad is not None:
            torch.testing.assert_close(value.grad, theirs[name].grad, atol=1e-5, rtol=1e-3)
    assert (
        sum(float(value.grad.abs().sum()) for name, value in whole.encoder.named_parameters() if "visual" in name) > 0
    )


def test_the_stages_that_go_query_by_query_show_pictures_at_their_size(adopted, cirr):
    encoder = load_trainable(adopted, device="cpu").eval()
    config = DistillConfig(name="student", init="x", shift=0, light=0.0)
    made = QueryRows(encoder, Pixels(encoder), config, np.random.default_rng(0))
    sentence = encoder.config.instructions[TASK]
    rows = [
        made.row(content(cirr, start, text), sentence, "query")
        for (start, _), text in zip(PAIRS, CAPTIONS, strict=True)
    ]
    with torch.no_grad():
        found = encoder.embed(made.collated(rows), encoder.see_all(made.pixels)).numpy()
    assert np.allclose(found, served(adopted, cirr)[0], atol=1e-5)


def test_a_picture_that_is_no_square_keeps_its_shape_when_it_moves():
    frames = np.random.default_rng(0).integers(0, 255, (1, 28, 84, 3), dtype=np.uint8)
    moved = [jittered(frames, np.random.default_rng(seed), 4, 0.0) for seed in range(8)]
    assert all(one.shape == frames.shape for one in moved)
    inner = np.lib.stride_tricks.sliding_window_view(frames[0], (20, 76, 3)).reshape(-1, 20, 76, 3)  # all of its places
    assert all((one[0, 4:-4, 4:-4] == inner).all((1, 2, 3)).sum() == 1 for one in moved)


@pytest.mark.parametrize("setting", ["chunk_families=0", "chunk_families=2"])
def test_adapters_are_trained_on_cirr_by_the_command_and_the_folder_embeds(adopted, cirr, tmp_path, setting):
    out = tmp_path / "tuned"
    given = ["steps=3", "lora_rank=2", "threads=1", "bf16=false", "learning_rate=1e-2", "families_per_batch=4", setting]
    assert main(["finetune", "--data", f"cirr:{cirr}", "--init", str(adopted), "--out", str(out), "--set", *given]) == 0
    before, after = (load_trainable(folder, device="cpu").state_dict() for folder in (adopted, out))
    assert before.keys() == after.keys()  # adapters are merged
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("language_model.layers" in name and name.endswith("_proj.weight") for name in changed)
    record = json.loads((out / "train_config.json").read_text())
    assert record["config"]["lora_rank"] == 2 and record["data"][0]["kind"] == "cirr"
    vectors = served(out, cirr)[0]
    assert np.isfinite(vectors).all() and not np.allclose(vectors, served(adopted, cirr)[0], atol=1e-4)
    pictures = str(cirr / "img_raw/train/34")
    assert umr(["index", pictures, "--encoder", str(out), "--out", str(tmp_path / "index")]) == 0
