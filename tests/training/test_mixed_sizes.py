"""Pictures at their own size, and clips beside them, in every trainer: whole, in pieces and over two processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips.test_decoder import write_clip
from tests.encoders.public import write_checkpoint
from tests.training.processes import in_two, join
from training.chunks import EncodedRows, Medium, Tokenise, chunked
from training.config import DistillConfig, RerankConfig, TrainConfig
from training.distill import DistillTrainer
from training.distill import main as distill
from training.mixture import load_mixture
from training.parallel import Group
from training.rerank import RerankTrainer
from training.rerank import main as rerank
from training.source_batches import CANDIDATES
from training.sources.readers import load_source
from training.sources.spec import parse, parse_all
from training.teacher import read_lists
from training.train import Stage, Trainer
from umr.encoders import load_encoder, load_trainable
from umr.encoders.adopt import adopt
from umr.errors import ConfigError
from umr.rerank import load_reranker
from umr.rerank.reranker import YES
from umr.rerank.store import begin_reranker
from umr.types import Candidate, Content, Query

PICTURES = ((56, 56), (84, 56), (112, 84), (56, 140), (84, 56), (70, 200))  # px, width and height
CLIPS = ((56, 84), (112, 84), (84, 112))
CAPTIONS = ("make it blue", "one more", "the same with a longer and quite different wish", "red", "no table", "larger")
TASK = "image,text->video"
SENTENCE = "Find the clip of it."
PLAIN = {"shift": 0, "light": 0.0, "bf16": False, "threads": 1, "muon_rate": 0.0}
TRAIN = TrainConfig(name="tuned", families_per_batch=6, programmes={"pictures": 1.0}, **PLAIN)
RERANK = RerankConfig(name="judge", init="x", resize="dynamic", queries_per_batch=6, negatives=2, **PLAIN)
DISTILL = DistillConfig(name="student", init="x", queries_per_batch=6, chunk_queries=0, **PLAIN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("mixed"))


def write_data(root: Path) -> Path:
    """An adopted encoder, pictures and clips of several sizes, mined triplets over them, and a teacher's lists."""
    rng = np.random.default_rng(0)
    write_checkpoint(root / "tiny-VL")
    adopt(root / "tiny-VL", root / "adopted", max_frames=4)
    for number, (width, height) in enumerate(PICTURES):
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(root / f"{number}.png")
    for number, (width, height) in enumerate(CLIPS):
        tones = rng.integers(0, 255, (4, height // 14, width // 14, 3), dtype=np.uint8)
        write_clip(root / f"{number}.mp4", frames=tones.repeat(14, 1).repeat(14, 2))
    triplets, lists = [], []
    for n, text in enumerate(CAPTIONS):
        query = {"image": f"{n}.png", "text": text, "instruction": SENTENCE}
        clip, other, still = f"{n % 3}.mp4", f"{(n + 1) % 3}.mp4", f"{(n + 2) % 6}.png"
        triplets.append(query | {"target": clip, "negatives": [other, still]})
        listed = [{"video": clip, "score": 0.9, "pools": ["local", "global"], "right": True},
                  {"video": other, "score": 0.4, "pools": ["local", "global"], "right": False},
                  {"image": still, "score": 0.2 + 0.1 * n, "pools": ["global"], "right": False}]  # fmt: skip
        lists.append(query | {"candidates": listed})
    (root / "mined.jsonl").write_text("\n".join(map(json.dumps, triplets)))
    (root / "lists.jsonl").write_text("\n".join(map(json.dumps, lists)))
    return root


def contrastive(folder: Path, group: Group | None = None, **settings) -> Trainer:
    data = load_mixture(parse_all([f"jsonl:{folder / 'mined.jsonl'}"]), folder)
    made = Trainer(replace(TRAIN, **settings), data, load_trainable(folder / "adopted", device="cpu"), group)
    made.encoder.backbone.fast = False  # in one process too: what runs in slices has the classes' own passes
    return made


def pointwise(folder: Path, group: Group | None = None, **settings) -> RerankTrainer:
    config, source = replace(RERANK, **settings), load_source(parse(f"jsonl:{folder / 'mined.jsonl'}"), folder)
    started = begin_reranker(folder / "adopted", "judge", config.attention, config.resize)
    return RerankTrainer(config, source, started, group=group)


def taught(folder: Path, group: Group | None = None, **settings) -> DistillTrainer:
    student = load_trainable(folder / "adopted", device="cpu")
    return DistillTrainer(replace(DISTILL, **settings), read_lists(folder / "lists.jsonl"), student, group)


KINDS: dict[str, Callable[..., Stage]] = {"contrastive": contrastive, "rerank": pointwise, "distill": taught}
#: Trainers over two processes: with one chunk each, with the smallest ones, and in slices.
WAYS = {
    "contrastive": ("contrastive", {}),
    "contrastive, cached": ("contrastive", {"chunk_families": 1}),
    "contrastive, in slices": ("contrastive", {"sharded": True}),
    "contrastive, in slices, cached": ("contrastive", {"sharded": True, "chunk_families": 1}),
    "rerank": ("rerank", {}),
    "rerank, in pieces": ("rerank", {"chunk_queries": 1}),
    "distill": ("distill", {}),
    "distill, in pieces": ("distill", {"chunk_queries": 1}),
    "rerank, in slices": ("rerank", {"sharded": True}),
    "distill, in slices": ("distill", {"sharded": True}),
}


def stepped(made: Stage) -> dict:
    """The loss of a step and every gradient, before the weights move."""
    made.update = lambda number, loss: {"loss": float(loss)}
    told = made.step(0, made.builder.build(0))
    gradients = {
        f"{kind}.{name}": value.grad.full_tensor() if hasattr(value.grad, "full_tensor") else value.grad
        for kind, module in made.modules.items()
        for name, value in module.named_parameters()
        if value.grad is not None
    }
    return {"told": told, "gradients": gradients}


def alike(found: dict, wanted: dict) -> None:
    assert found["told"] == pytest.approx(wanted["told"], rel=1e-4) and wanted["told"]["loss"] > 0
    assert found["gradients"].keys() == wanted["gradients"].keys()
    for name, value in wanted["gradients"].items():
        torch.testing.assert_close(found["gradients"][name], value, atol=1e-5, rtol=1e-3, msg=name)
    assert sum(float(value.abs().sum()) for name, value in wanted["gradients"].items() if ".visual." in name) > 0


def work(rank: int, ports: tuple[int, int, int], at: str) -> None:
    """One of two processes: a step of every trainer, then both commands, as torchrun starts them."""
    join(rank, ports[0])
    group, folder = Group.of_environment(), Path(at)
    found = {way: stepped(KINDS[kind](folder, group, **settings)) for way, (kind, settings) in WAYS.items()}
    group.close()
    settings = ["--set", "steps=2", "queries_per_batch=4", "bf16=false", "threads=1"]
    join(rank, ports[1])
    judge = ["--out", str(folder / "judge"), "--data", f"jsonl:{folder / 'mined.jsonl'}", *settings, "resize=dynamic"]
    statuses = [rerank(["--init", str(folder / "adopted"), *judge])]
    join(rank, ports[2])
    student = ["--out", str(folder / "student"), "--teacher", str(folder / "lists.jsonl"), *settings]
    statuses.append(distill(["--init", str(folder / "adopted"), *student]))
    torch.save(found | {"statuses": statuses}, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def one(folder) -> dict[str, dict]:
    """What one process does with the whole step at once, by trainer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {kind: stepped(make(folder)) for kind, make in KINDS.items()}
    torch.set_num_threads(threads)
    return found


@pytest.fixture(scope="module")
def two(folder) -> list[dict]:
    """What each of two processes does."""
    in_two(work, str(folder), groups=3)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("way", WAYS)
def test_a_step_over_two_processes_is_that_of_one(one, two, way):
    for found in two:
        alike(found[way], one[WAYS[way][0]])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("contrastive", {"chunk_families": 2}), ("rerank", {"chunk_queries": 2}), ("distill", {"chunk_queries": 4})],
)
def test_a_step_in_pieces_is_that_of_the_whole(folder, one, kind, settings):
    made = KINDS[kind](folder, **settings)
    assert len(made.builder.build(0).chunks if kind == "contrastive" else made.builder.build(0)) > 1
    alike(stepped(made), one[kind])


@pytest.mark.parametrize("kind", ["rerank", "distill"])
def test_pictures_move_alike_however_many_pieces_a_step_has(folder, kind):
    moves = {"shift": 5, "light": 0.2}
    whole, pieces, still = (KINDS[kind](folder, **one) for one in (moves, moves | {"chunk_queries": 1}, {}))
    alike(stepped(pieces), stepped(whole))
    shown = [made.builder.build(step)[0].pixels for made, step in ((whole, 0), (whole, 1), (still, 0))]
    assert len(shown[0]) == len(shown[1]) == len(PICTURES) + len(CLIPS)
    assert {one.tobytes() for one in shown[0]}.isdisjoint({one.tobytes() for one in (*shown[1], *shown[2])})


def test_clips_beside_stills_give_the_vectors_and_gradients_that_each_gives_alone(folder):
    """One chunk with every picture and clip, against a chunk for each."""
    encoder = load_trainable(folder / "adopted", device="cpu").eval()
    shown = [Content(image=folder / f"{n}.png") for n in range(6)] + [
        Content(video=folder / f"{n}.mp4") for n in range(3)
    ]
    frames, tokenise, found = [encoder.pixels(content) for content in shown], Tokenise.of(encoder), []
    for alone in (False, True):
        rows, media = EncodedRows(), [Medium(n if alone else 0, one) for n, one in enumerate(frames)]
        for n, (text, one) in enumerate(zip(CAPTIONS * 2, frames, strict=False)):
            kind = "image" if len(one) == 1 else "video"
            rows.append(tokenise.row(text, "", "candidate", kind, tokenise.grid(one)), n, media[n].chunk)
        chunks, places = chunked(tokenise, media, {CANDIDATES: rows})
        assert [len(chunk.mixed) for chunk in chunks] == ([0] * 9 if alone else [9]) and not places
        made = contrastive(folder)
        made.encoder.eval()
        vectors_ND = torch.cat([made.encode(chunk)[CANDIDATES] for chunk in chunks])
        wanted_ND = torch.randn(vectors_ND.shape, generator=torch.Generator().manual_seed(0))
        (vectors_ND * wanted_ND).sum().backward()
        gradients = {name: value.grad for name, value in made.encoder.named_parameters() if value.grad is not None}
        found.append((vectors_ND.detach(), gradients))
    (together, mine), (apart, its) = found
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-4)
    served = load_encoder(folder / "adopted", device="cpu").encode_candidates(
        Candidate(candidate_id=str(n), content=replace(content, text=text))
        for n, (text, content) in enumerate(zip(CAPTIONS * 2, shown, strict=False))
    )
    assert np.allclose(together.numpy(), served.vectors, atol=1e-5)
    assert mine.keys() == its.keys() and any("visual" in name for name in mine)
    for name, value in its.items():
        torch.testing.assert_close(mine[name], value, atol=1e-5, rtol=1e-3, msg=name)


def test_what_a_re_ranker_learns_on_is_what_it_serves(folder):
    made = pointwise(folder)
    (pairs,) = made.builder.build(0)
    assert len({one.shape for one in pairs.pixels}) == len({*PICTURES}) + len(CLIPS)
    made.reranker.eval()
    with torch.no_grad():
        learned = made.logits(pairs).softmax(1)[:, YES].view(len(CAPTIONS), 3).numpy()
    served = []
    for example in made.builder.examples:
        query = Query(query_id="q", content=example.query, instruction=SENTENCE)
        names = [*example.positives, *sorted(example.negatives)]
        shown = [Candidate(candidate_id=did, content=made.builder.source.candidates[did]) for did in names]
        served.append(made.reranker.scores(query, shown))
    order = sorted(range(len(served)), key=lambda at: served[at][0])
    drawn = sorted(range(len(learned)), key=lambda at: learned[at][0])
    for mine, its in zip(drawn, order, strict=True):
        assert learned[mine][0] == pytest.approx(served[its][0], abs=1e-5)
        assert sorted(learned[mine][1:]) == pytest.approx(sorted(served[its][1:]), abs=1e-5)


def test_a_frozen_tower_sees_each_size_once(folder):
    free, frozen = (pointwise(folder, frozen_vision=given) for given in (False, True))
    steps = [made.step(0, made.builder.build(0)) for made in (free, frozen)]
    assert steps[1]["loss"] == pytest.approx(steps[0]["loss"], rel=1e-5)
    network, states = frozen.reranker.network, frozen._kept
    for content in (Content(image=folder / "3.png"), Content(video=folder / "1.mp4")):
        kept = states.get(str(content.media))
        assert kept is not None and len(kept) == np.prod(network.grid(network.pixels(content)))


def test_the_last_blocks_of_a_frozen_tower_learn_and_the_others_stay(folder):
    free, made, frozen = (
        pointwise(folder, **one) for one in ({}, {"frozen_vision": True, "vision_blocks": 1}, {"frozen_vision": True})
    )
    found = [stepped(one)["gradients"] for one in (free, made, frozen)]
    tower = [{name for name in one if ".visual." in name} for one in found]
    last = {name for name in tower[0] if ".blocks.1." in name or ".merger." in name}
    assert last == tower[1] < tower[0] and not tower[2]
    assert {name for name in tower[0] if ".blocks.0." in name} and found[1].keys() - tower[1] == found[2].keys()
    for name, value in found[1].items():
        torch.testing.assert_close(value, found[0][name], atol=1e-5, rtol=1e-3, msg=name)
    moved = pointwise(folder, frozen_vision=True, vision_blocks=2, shift=4, light=0.1)
    blocks = moved.reranker.network.backbone.model.visual.blocks
    assert all(parameter.requires_grad for parameter in blocks.parameters())
    with pytest.raises(ConfigError, match=r"vision_blocks is 3, but the vision tower has 2 blocks"):
        pointwise(folder, frozen_vision=True, vision_blocks=3)
    with pytest.raises(ConfigError, match=r"vision_blocks is 1.*Say --set frozen_vision=true too"):
        replace(RERANK, vision_blocks=1)


def test_squares_stay_where_own_sizes_are_not_asked_for_and_are_not_there(folder, tmp_path, capsys):
    assert pointwise(folder, resize="square").reranker.network.cell is None
    command = ["--init", str(folder / "adopted"), "--data", f"jsonl:{folder / 'mined.jsonl'}"]
    given = ["--set", "steps=1", "queries_per_batch=2", "bf16=false", "threads=1"]
    assert rerank([*command, "--out", str(tmp_path / "own"), *given, "resize=dynamic"]) == 0
    made = load_reranker(tmp_path / "own", device="cpu")
    assert made.network.cell == 28 and "at their own size" in (tmp_path / "own" / "README.md").read_text()
    assert rerank([*command, "--out", str(tmp_path / "no"), *given, "resize=round"]) == 2
    assert "legal: square, dynamic" in capsys.readouterr().err
    square = replace(load_encoder(folder / "adopted", device="cpu").config, resize="square", image_size=56)
    encoder = load_trainable(folder / "adopted", device="cpu")
    type(encoder)(square, type(encoder.backbone)(encoder.backbone.model, square), encoder.tokenizer).save(
        tmp_path / "square"
    )
    with pytest.raises(ConfigError, match=r"sees pictures as squares of 56 px; leave resize at square"):
        begin_reranker(tmp_path / "square", "judge", resize="dynamic")


def test_the_commands_of_both_stages_run_over_two_processes(folder, two):
    assert [found["statuses"] for found in two] == [[0, 0], [0, 0]]
    assert load_reranker(folder / "judge", device="cpu").network.cell == 28
    assert load_encoder(folder / "student", device="cpu").name == "student"
    for name in ("judge", "student"):
        assert json.loads((folder / name / "train_config.json").read_text())["processes"] == 2
