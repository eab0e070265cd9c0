"""Networks in slices on two processes: what any trainer does, its checkpoints and folders are those of one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.processes import in_two, join
from tests.training.test_mixed_sizes import DISTILL, RERANK, pointwise, taught, write_data
from training.catalogue.world import load_world
from training.config import TrainConfig
from training.distill import train as distill
from training.lora import is_adapter
from training.parallel import Group
from training.rerank import train as rerank
from training.sharded import ShardedGroup
from training.sharded_state import whole_state
from training.sources.readers import load_source
from training.sources.spec import parse
from training.teacher import read_lists
from training.train import Stage, Trainer, _encoder_to_train, record_config, train
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.rerank import load_reranker
from umr.rerank.store import begin_reranker

BASE = TrainConfig(
    name="base",
    programmes={"everything": 1.0},
    steps=2,
    warmup_steps=1,
    families_per_batch=5,
    regularisation_weight=0.1,
    attribute_weight=0.1,
    learning_rate=1e-3,
    muon_rate=0.0,
    clip_norm=0.5,
    checkpoint_every=1,
    bf16=False,
    threads=1,
)
#: Adapters, families per chunk and gradient checkpointing, each pair of them in every combination. In chunks of two
#: families there are three for two processes, and one of these has an empty turn.
WAYS = {
    f"rank {rank}, {size} a chunk{', computed again' * again}": {
        "lora_rank": rank,
        "chunk_families": size,
        "checkpointing": again,
    }
    for rank, size, again in ((0, 0, False), (0, 2, True), (2, 0, True), (2, 2, False))
}
GO_ON = ("rank 0, 0 a chunk", "rank 2, 2 a chunk")  # from a checkpoint after the first step
#: Of what goes query by query: six queries in pieces of two, three for two processes, so that one has an empty turn.
BY_QUERY = {"steps": 2, "warmup_steps": 1, "chunk_queries": 2, "learning_rate": BASE.learning_rate, "clip_norm": 0.5,
            "checkpoint_every": 1}  # fmt: skip
QUERY_WAYS: dict[str, tuple[Callable[..., Stage], dict]] = {
    "rerank": (pointwise, {}),
    "distill": (taught, {}),
    "rerank, both ways, listwise": (pointwise, {"attention": "bidirectional", "listwise_weight": 0.5}),
    "rerank, frozen": (pointwise, {"frozen_vision": True}),
    "rerank, last block": (pointwise, {"frozen_vision": True, "vision_blocks": 1}),
}
QUERIES_GO_ON = ("rerank", "distill")


def trainer(config: TrainConfig, world, group=None) -> Trainer:
    made = Trainer(config, world, _encoder_to_train(config, world, config.init), group)
    made.encoder.backbone.fast = False  # in one process too: the classes' own passes are what runs in slices
    return made


def stepped(made: Stage, number: int) -> dict:
    """What a step tells, its clipped gradients, and all weights after it, as whole tensors."""
    told = made.step(number, made.builder.build(number))
    gradients = {
        f"{kind}.{name}": value.grad.full_tensor() if hasattr(value.grad, "full_tensor") else value.grad
        for kind, module in made.modules.items()
        for name, value in module.named_parameters()
        if value.grad is not None
    }
    weights = {
        f"{kind}.{name}": value
        for kind, module in made.modules.items()
        for name, value in whole_state(module, keep=True).items()
    }
    return {"told": told, "gradients": gradients, "weights": weights}


def by_query(way: str, data: Path, group: Group | None = None, **changes) -> Stage:
    make, settings = QUERY_WAYS[way]
    return make(data, group, **BY_QUERY, **settings, **changes)


def commands(data: Path, out: Path, group: Group | None = None, **changes) -> None:
    """What training.rerank and training.distill do."""
    given = BY_QUERY | changes | {"init": str(data / "adopted")}
    rerank(replace(RERANK, **given), load_source(parse(f"jsonl:{data / 'mined.jsonl'}"), data), out / "judge", group)
    distill(replace(DISTILL, **given), read_lists(data / "lists.jsonl"), out / "student", group)


def work_by_query(group: Group, folder: Path) -> dict:
    """One of two processes, where training goes query by query."""
    data, found = folder / "data", {}
    for way in QUERY_WAYS:
        made = by_query(way, data, group, sharded=True)
        held = sum(one.to_local().numel() for module in made.modules.values() for one in module.parameters())
        found[way] = stepped(made, 0) | {"held": held}
        if way in QUERIES_GO_ON:
            made.save_checkpoint(folder / way, 1)
        found[way]["second"] = stepped(made, 1)
        for kind in ("", " of one") if way in QUERIES_GO_ON else ():
            again = by_query(way, data, group, sharded=True)
            assert again.load_checkpoint(folder / f"{way}{kind}") == 1
            found[way][f"again{kind}"] = stepped(again, 1)
    for way in QUERIES_GO_ON:
        found[f"{way}, bf16"] = stepped(by_query(way, data, group, sharded=True, bf16=True), 0)
    commands(data, folder / "in two", group, sharded=True)
    return found


def work(rank: int, ports: tuple[int], at: str, world_at: str, start: str) -> None:
    """One of two processes."""
    join(rank, *ports)
    group, world, folder, found = Group.of_environment(), load_world(Path(world_at)), Path(at), {}
    sharded = replace(BASE, init=start, sharded=True)
    for way, changes in WAYS.items():
        made = trainer(replace(sharded, **changes), world, group)
        found[way] = stepped(made, 0) | {"held": sum(one.to_local().numel() for one in made.encoder.parameters())}
        if way in GO_ON:
            made.save_checkpoint(folder / way, 1)
            found[way]["second"] = stepped(made, 1)
            for kind in ("", " of one"):
                again = trainer(replace(sharded, **changes), world, group)
                assert again.load_checkpoint(folder / f"{way}{kind}") == 1
                found[way][f"again{kind}"] = stepped(again, 1)
    found["bf16"] = stepped(trainer(replace(sharded, bf16=True), world, group), 0)
    found |= work_by_query(group, folder)
    torch.save(found, folder / f"{rank}.pt")
    train(replace(sharded, **WAYS[GO_ON[1]]), world, folder / "encoder", group)
    group.close()


@pytest.fixture(scope="module")
def start(tmp_path_factory, small_encoder) -> Path:
    folder = tmp_path_factory.mktemp("start") / "small"
    small_encoder().save(folder)
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory, tiny_world, start) -> dict:
    """What one process does, by rank of the adapters with the whole batch at once, and by way query by query.

    "folder" has the checkpoints, the data of queries and what the commands made of them.
    """
    found: dict = {"folder": tmp_path_factory.mktemp("checkpoints")}
    whole, threads = replace(BASE, init=str(start)), torch.get_num_threads()
    torch.set_num_threads(BASE.threads)  # as the two have, so that it adds in their order
    for rank in (0, 2):
        made = trainer(replace(whole, lora_rank=rank), tiny_world)
        found[rank] = stepped(made, 0) | {"second": stepped(made, 1)}
    for way in GO_ON:
        made = trainer(replace(whole, **WAYS[way]), tiny_world)
        made.step(0, made.builder.build(0))
        made.save_checkpoint(found["folder"] / f"{way} of one", 1)
    data = found["folder"] / "data"
    data.mkdir()
    write_data(data)
    for way in QUERY_WAYS:
        made = by_query(way, data)
        found[way] = stepped(made, 0)
        if way in QUERIES_GO_ON:
            made.save_checkpoint(found["folder"] / f"{way} of one", 1)
        found[way]["second"] = stepped(made, 1)
    commands(data, found["folder"] / "in one")
    torch.set_num_threads(threads)
    return found


@pytest.fixture(scope="module")
def two(one, tiny_folder, start) -> list[dict]:
    """What each of two processes does."""
    at = one["folder"]
    in_two(work, str(at), str(tiny_folder), str(start))
    return [torch.load(at / f"{rank}.pt") for rank in range(2)]


def alike(found: dict, wanted: dict, before: dict | None = None) -> None:
    """Equal but for the order of sums. before: the step before, as wanted.

    Adam divides a gradient by its own size and 1e-8, so that the last bits of one that is as small make any step of it:
    single weights of which a gradient was below 1e-7 may be as far apart as its steps go, their gradients may not.
    """
    assert found["told"] == pytest.approx(wanted["told"], rel=1e-4, abs=1e-6)
    assert [found[what].keys() for what in ("gradients", "weights")] == [
        wanted["gradients"].keys(),
        wanted["weights"].keys(),
    ]
    for name, value in wanted["gradients"].items():
        torch.testing.assert_close(found["gradients"][name], value, rtol=1e-3, atol=1e-6, msg=f"gradients {name}")
    for name, value in wanted["weights"].items():
        told = torch.ones(value.shape, dtype=torch.bool)
        for step in (wanted, before or wanted):
            size = step["gradients"].get(name, torch.zeros(())).abs()
            told &= (size > 1e-7) | (size == 0)
        assert told.float().mean() > 0.6, name  # the bias of keys, a third of qkv, has no gradient but rounding
        torch.testing.assert_close(
            found["weights"][name][told], value[told], rtol=1e-3, atol=2e-5, msg=f"weights {name}"
        )
        apart = (found["weights"][name] - value).abs().max()
        assert apart <= 2 * BASE.learning_rate * (1 if before is None else 2), name  # also where it is no number


@pytest.mark.parametrize("way", WAYS)
def test_a_step_in_slices_is_that_of_one_process(one, two, way):
    rank = WAYS[way]["lora_rank"]
    assert one[rank]["told"]["gradient"] > BASE.clip_norm  # so it is clipped
    assert any(map(is_adapter, one[rank]["gradients"])) == bool(rank)
    total = sum(value.numel() for name, value in one[rank]["weights"].items() if name.startswith("encoder"))
    for found in two:
        alike(found[way], one[rank])
        assert 0.4 * total < found[way]["held"] < 0.6 * total


@pytest.mark.parametrize("way", GO_ON)
def test_a_checkpoint_goes_on_in_slices_and_whole(one, two, tiny_world, start, way):
    """Written in slices or by one process, gone on with in slices or by one process: all the same second step."""
    before = one[WAYS[way]["lora_rank"]]
    wanted = before["second"]
    for found in two:
        alike(found[way]["second"], wanted, before)
        alike(found[way]["again of one"], wanted, before)
        for name, value in found[way]["second"]["weights"].items():
            torch.testing.assert_close(found[way]["again"]["weights"][name], value, rtol=0, atol=0, msg=name)
    alone = trainer(replace(BASE, init=str(start), **WAYS[way]), tiny_world)
    assert alone.load_checkpoint(one["folder"] / way) == 1
    alike(stepped(alone, 1), wanted, before)


def test_in_bfloat16_the_slices_stay_float32_and_the_loss_is_near(one, two):
    for found in two:
        assert found["bf16"]["told"]["loss"] == pytest.approx(one[0]["told"]["loss"], rel=2e-2)
        assert {value.dtype for value in found["bf16"]["gradients"].values()} == {torch.float32}


def test_what_a_run_in_slices_saves_is_the_folder_of_one_process(one, two, tiny_world, start, tmp_path):
    train(replace(BASE, init=str(start), **WAYS[GO_ON[1]]), tiny_world, tmp_path / "encoder")
    folders = tmp_path / "encoder", one["folder"] / "encoder"
    assert len({frozenset(path.name for path in folder.iterdir()) for folder in folders}) == 1
    configs = [json.loads((folder / "encoder.json").read_text()) for folder in folders]
    assert configs[0].pop("files").keys() == configs[1].pop("files").keys() and configs[0] == configs[1]
    whole, sliced = (load_encoder(folder, device="cpu").state_dict() for folder in folders)
    assert whole.keys() == sliced.keys()
    for name, value in whole.items():
        torch.testing.assert_close(sliced[name], value, rtol=1e-2, atol=1e-4, msg=name)  # files hold bfloat16


@pytest.mark.parametrize("way", QUERY_WAYS)
def test_two_steps_query_by_query_in_slices_are_those_of_one_process(one, two, way):
    total = sum(value.numel() for value in one[way]["weights"].values())
    assert one[way]["told"]["loss"] > 0 and one[way]["told"]["gradient"] > 0
    for found in two:
        alike(found[way], one[way])
        alike(found[way]["second"], one[way]["second"], one[way])
        assert 0.4 * total < found[way]["held"] < 0.6 * total


@pytest.mark.parametrize("way", QUERIES_GO_ON)
def test_a_checkpoint_query_by_query_goes_on_in_slices_and_whole(one, two, way):
    wanted = one[way]["second"]
    for found in two:
        alike(found[way]["again of one"], wanted, one[way])
        for name, value in found[way]["second"]["weights"].items():
            torch.testing.assert_close(found[way]["again"]["weights"][name], value, rtol=0, atol=0, msg=name)
        assert found[f"{way}, bf16"]["told"]["loss"] == pytest.approx(one[way]["told"]["loss"], rel=2e-2)
        assert {value.dtype for value in found[f"{way}, bf16"]["gradients"].values()} == {torch.float32}
    alone = by_query(way, one["folder"] / "data")
    assert alone.load_checkpoint(one["folder"] / way) == 1
    alike(stepped(alone, 1), wanted, one[way])


@pytest.mark.parametrize(
    ("way", "name", "file", "load"),
    [("rerank", "judge", "reranker.json", load_reranker), ("distill", "student", "encoder.json", load_encoder)],
)
def test_the_other_commands_save_in_slices_the_folder_of_one_process(one, two, way, name, file, load):
    folders = [one["folder"] / processes / name for processes in ("in one", "in two")]
    assert len({frozenset(path.name for path in folder.iterdir()) for folder in folders}) == 1
    configs = [json.loads((folder / file).read_text()) for folder in folders]
    assert configs[0].pop("files").keys() == configs[1].pop("files").keys() and configs[0] == configs[1]
    records = [json.loads((folder / "train_config.json").read_text()) for folder in folders]
    assert [record["processes"] for record in records] == [1, 2]
    assert records[0]["config"] | {"sharded": True} == records[1]["config"]
    whole, sliced = (load(folder, device="cpu").state_dict() for folder in folders)
    assert {key: value.shape for key, value in whole.items()} == {key: value.shape for key, value in sliced.items()}
    (module,) = by_query(way, one["folder"] / "data").modules
    trained = two[0][way]["second"]["weights"]
    for key, value in sliced.items():  # files hold bfloat16 of what both steps in slices made
        wanted = trained[f"{module}.{key}"].to(torch.bfloat16).float()
        torch.testing.assert_close(value, wanted, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize("base", [BASE, RERANK, DISTILL])
def test_a_record_tells_slices_alone_so_that_names_made_of_older_records_stay(base):
    assert "sharded" not in record_config(base) and record_config(replace(base, sharded=True))["sharded"] is True


def test_what_cannot_be_cut_is_refused(start, small_encoder, tiny_world, tmp_path):
    for base in (BASE, RERANK, DISTILL):
        with pytest.raises(ConfigError, match="muon_rate=0: AdamW then moves all"):
            replace(base, sharded=True, muon_rate=1e-2)
    with pytest.raises(ConfigError, match="start them by torchrun --nproc-per-node N"):
        train(replace(BASE, init=str(start), sharded=True), tiny_world, tmp_path / "out")
    with pytest.raises(ConfigError, match="has no layers that can be cut"):
        ShardedGroup(Group(0, 2), replaced_backbone(small_encoder()))
    judge = begin_reranker(start, "judge")
    replaced_backbone(judge.network)
    with pytest.raises(ConfigError, match="has no layers that can be cut"):
        ShardedGroup(Group(0, 2), judge)
    held_out: object = "never read"
    with pytest.raises(ConfigError, match="measure the finished encoder"):
        train(replace(BASE, init=str(start), sharded=True), tiny_world, tmp_path / "out", None, held_out)


@pytest.mark.parametrize("way", QUERIES_GO_ON)
def test_a_process_alone_has_no_slices_query_by_query(one, way):
    with pytest.raises(ConfigError, match=r"start them by torchrun --nproc-per-node N .*\(or rerank, distill\)"):
        by_query(way, one["folder"] / "data", sharded=True)


def replaced_backbone(encoder):
    encoder.backbone = torch.nn.Linear(2, 2)
    return encoder
