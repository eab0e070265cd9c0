"""A whole training step runs on a GPU and gives there what it gives on the CPU; on the machine's own if it has one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.fake_gpu import GPU, gpu
from training.chunks import Tokenise
from training.config import TrainConfig
from training.recipes import RECIPES
from training.train import Trainer
from training.world_source.source import BatchBuilder

#: The programme of each recipe's step: together they have every kind of role, head and loss.
STEPS = {
    "captions": "passages",
    "vision": "vision",
    "unified": "motion",
    "longer": "motion",
    "deeper": "vision",
    "company": "vision",
    "anykind": "everything",
    "crowded": "kinds",
    "cluttered": "clips",
    "refine": "pictures",
    "contrastive": "entries",
    "mca": "pictures",
    "finetune": "captions",
}


def settings(recipe: str, **changes) -> TrainConfig:
    """The recipe with two pairs a step: fake tensors cost by the operation."""
    few = {"programmes": {STEPS[recipe]: 1.0}, "batch": "random", "families_per_batch": 2}
    return replace(RECIPES[recipe](), **few, bf16=False, **changes)


def state_devices(trainer: Trainer) -> set[torch.device]:
    states = trainer.optimizer.state.values()
    # all but the count of steps, which is read on the CPU
    return {value.device for state in states for name, value in state.items() if name != "step"}


@pytest.mark.parametrize(("recipe", "chunk_families"), [*((recipe, 0) for recipe in RECIPES), ("contrastive", 1)])
def test_one_step_of_every_recipe_runs_on_a_gpu(tiny_world, small_encoder, recipe, chunk_families):
    config = settings(recipe, chunk_families=chunk_families)
    batch = BatchBuilder(Tokenise.of(small_encoder()), tiny_world, config).build(0)
    expected = Trainer(config, tiny_world, small_encoder()).step(0, batch)
    encoder = small_encoder()
    with gpu() as device:
        trainer = Trainer(config, tiny_world, encoder.to(device))
        found = trainer.step(0, batch)
        parameters = [*trainer.encoder.parameters(), *trainer.objective.parameters()]
        assert {parameter.device for parameter in parameters} == {GPU} == state_devices(trainer)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_batch_moves_with_every_tensor_it_holds(tiny_world, small_encoder):
    config = settings("mca", chunk_families=1)
    batch = BatchBuilder(Tokenise.of(small_encoder()), tiny_world, config).build(0)
    batch = replace(batch, places={"t2i": torch.arange(2)})
    with gpu() as device:
        moved = batch.to(device)
        tensors = list(tensors_of(moved))
        assert len(tensors) == len(list(tensors_of(batch))) > 20
        assert {tensor.device for tensor in tensors} == {GPU}


def tensors_of(value: object):
    """Every tensor in dataclasses, lists and dictionaries, however deep."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (tensor for part in value.values() for tensor in tensors_of(part))
    elif isinstance(value, (list, tuple)):
        yield from (tensor for part in value for tensor in tensors_of(part))
    elif hasattr(value, "__dataclass_fields__"):
        yield from (tensor for name in value.__dataclass_fields__ for tensor in tensors_of(getattr(value, name)))


def test_the_stand_in_refuses_what_a_gpu_refuses():
    """Targets or masks left on the CPU, the fault that this file is here for."""
    with gpu() as device:
        scores = torch.zeros(2, 3, device=device)
        with pytest.raises(RuntimeError, match="device"):
            torch.nn.functional.cross_entropy(scores, torch.zeros(2, dtype=torch.int64))
        with pytest.raises(RuntimeError, match="device"):
            scores.masked_fill(torch.zeros(2, 3, dtype=torch.bool), 0.0)
