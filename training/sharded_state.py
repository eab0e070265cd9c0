"""Weights and optimizer states in slices, as whole ones: for checkpoints, and clipped. Not the cutting (sharded.py).

A checkpoint of a sharded run holds what one of a run in one process holds, so that either goes on from the other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

Modules = Mapping[str, nn.Module]


def as_saved(modules: Modules, optimizer: Optimizer, keep: bool) -> tuple[Modules, Optimizer]:
    """Modules and optimizer with whole tensors, for save_checkpoint; all processes must ask for them.

    Args:
        modules: by name.
        optimizer: of their parameters.
        keep: whether this process wants the tensors; they are gathered one after the other.

    Returns:
        Stand-ins where something lies in slices, else the same.
    """
    if not _in_slices(modules.values()):
        return modules, optimizer
    content = optimizer.state_dict()
    content["state"] = {number: _whole(named, keep) for number, named in content["state"].items()}
    whole = {name: _Module(module, whole_state(module, keep)) for name, module in modules.items()}
    return whole, _Optimizer(optimizer, content)


def to_load(modules: Modules, optimizer: Optimizer) -> tuple[Modules, Optimizer]:
    """What load_checkpoint may fill with whole tensors: each process takes its slices of them."""
    if not _in_slices(modules.values()):
        return modules, optimizer
    return {name: _Module(module, {}) for name, module in modules.items()}, _Optimizer(optimizer, {})


def whole_state(module: nn.Module, keep: bool) -> dict[str, Tensor]:
    """The whole tensors of a module on the CPU, where `keep` asks for them; all processes must call it."""
    return _whole(module.state_dict(), keep)


def clip_gradients(parameters: Sequence[nn.Parameter], most: float) -> Tensor:
    """Scale gradients so that the norm of all of them is `most` at the most; returns the norm before.

    Args:
        parameters: whole, or in slices.
        most: the norm.
    """
    sliced = [one for one in parameters if isinstance(one, DTensor)]
    if not sliced:
        return nn.utils.clip_grad_norm_(parameters, most)
    whole = [one for one in parameters if not isinstance(one, DTensor)]
    own = [one.grad.to_local() for one in sliced if isinstance(one.grad, DTensor)]
    square = torch.stack([torch.zeros((), device=sliced[0].device), *(part.square().sum() for part in own)]).sum()
    distributed.all_reduce(square)
    for one in whole:
        if one.grad is not None:
            square = square + one.grad.square().sum().to(square.device)
    norm = square.sqrt()
    for group in (sliced, whole):
        nn.utils.clip_grads_with_norm_(group, most, norm)
    return norm


def _in_slices(modules: Iterable[nn.Module]) -> bool:
    return any(isinstance(one, DTensor) for module in modules for one in module.parameters())


def _whole(named: Mapping[str, Any], keep: bool) -> dict[str, Any]:
    found = {}
    for name, value in named.items():
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        if keep:
            # a copy, as slices of unequal length are joined in a longer storage, which safetensors refuses
            found[name] = whole.detach().cpu().clone() if isinstance(whole, Tensor) else whole
    return found


def _like(whole: Any, there: Any) -> Any:
    """A whole tensor in slices, as another of its shape lies; anything else as it is."""
    if not isinstance(there, DTensor) or not isinstance(whole, Tensor) or whole.shape != there.shape:
        return whole
    return distribute_tensor(whole.to(there.device), there.device_mesh, there.placements, src_data_rank=None)


class _Module(nn.Module):
    """A module as checkpoints see it: with whole tensors."""

    def __init__(self, module: nn.Module, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._module, self._state = (module,), state  # in a tuple, so that torch does not count its weights here

    def named_parameters(self, *given: Any, **named: Any) -> Any:
        return self._module[0].named_parameters(*given, **named)

    def state_dict(self, *given: Any, **named: Any) -> Any:
        del given, named
        return self._state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        there = self._module[0].state_dict()
        own = {name: _like(value, there.get(name)) for name, value in state_dict.items()}
        return self._module[0].load_state_dict(own, strict, assign)


class _Optimizer(Optimizer):
    """An optimizer as checkpoints see it: with whole tensors. It takes no steps."""

    def __init__(self, optimizer: Optimizer, content: dict[str, Any]) -> None:
        self._optimizer, self._content = optimizer, content  # not Optimizer's own: it would hold a second state
        self.param_groups = optimizer.param_groups

    def state_dict(self) -> dict[str, Any]:
        return self._content

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        parameters = [one for group in self.param_groups for one in group["params"]]
        state = {
            number: {name: _like(value, parameters[number]) for name, value in named.items()}
            for number, named in state_dict["state"].items()
        }
        self._optimizer.load_state_dict({**state_dict, "state": state})
