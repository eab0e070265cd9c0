"""Packing and unpacking is exact for every value an optimizer or a generator may hold; other values are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from training.checkpoint_state import (
    kinds,
    pack_optimizer,
    pack_random,
    parameter_names,
    unpack_optimizer,
    unpack_random,
)
from umr.errors import ConfigError


@pytest.mark.parametrize(
    "build",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lambda parameters: torch.optim.AdamW(parameters, lr=torch.tensor(0.1), amsgrad=True),
        lambda parameters: torch.optim.Adagrad(parameters, lr=0.1),
        lambda parameters: torch.optim.NAdam(parameters, lr=0.1),
    ],
    ids=["momentum", "stateless", "tensor-rate", "adagrad", "nadam"],
)
def test_an_unpacked_optimizer_takes_the_same_next_step(build):
    def stepped(layer: nn.Linear, optimizer: torch.optim.Optimizer) -> torch.Tensor:
        optimizer.zero_grad()
        layer(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()
        return layer.weight.detach().clone()

    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    first, second = build(one.parameters()), build(two.parameters())
    stepped(one, first)
    two.load_state_dict(one.state_dict())
    second.load_state_dict(unpack_optimizer(second, *pack_optimizer(first)))
    assert torch.equal(stepped(one, first), stepped(two, second))


def test_the_same_seed_of_another_kind_is_another_generator():
    generators = {"a": np.random.default_rng(0), "b": torch.Generator(), "c": np.random.Generator(np.random.Philox(0))}
    assert kinds(generators) == ["numpy:PCG64:a", "torch:b", "numpy:Philox:c"]


def test_a_half_used_generator_continues_where_it_was():
    source = np.random.default_rng(3)
    source.integers(0, 10, size=3, dtype=np.uint32)
    restored = np.random.default_rng(4)
    torch.manual_seed(0)
    tensors, values = pack_random({"g": source})
    expected, expected_global = source.integers(0, 10**6, size=9, dtype=np.uint32), torch.rand(4)
    unpack_random({"g": restored}, tensors, values)
    assert np.array_equal(restored.integers(0, 10**6, size=9, dtype=np.uint32), expected)
    assert torch.equal(torch.rand(4), expected_global)


def test_parameters_are_named_in_the_optimizers_order():
    modules = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2, bias=False)}
    optimizer = torch.optim.SGD([modules["b"].weight, modules["a"].bias, modules["a"].weight], lr=0.1)
    assert parameter_names(modules, optimizer) == ["b.weight", "a.bias", "a.weight"]


def test_an_optimizer_value_without_an_exact_form_is_refused():
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    optimizer.state[layer.weight]["history"] = {1, 2}
    with pytest.raises(ConfigError, match=r"state\.0\.history is a set"):
        pack_optimizer(optimizer)
