"""Optimizer and random states <-> named tensors and JSON values, exactly. Not files: checkpoint.py has those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from umr.errors import ConfigError, MismatchError

Generators = Mapping[str, "torch.Generator | np.random.Generator"]


def parameter_names(modules: Mapping[str, nn.Module], optimizer: Optimizer) -> list[str]:
    """The "<module>.<parameter>" of every optimized parameter, in the optimizer's order.

    Raises:
        ConfigError: a parameter is in none of the modules: its value would not be saved.
    """
    names = {id(p): f"{module}.{name}" for module, m in modules.items() for name, p in m.named_parameters()}
    result = []
    for number, group in enumerate(optimizer.param_groups):
        for place, parameter in enumerate(group["params"]):
            if id(parameter) not in names:
                raise ConfigError(
                    f"parameter {place} of the optimizer's group {number}, shape {tuple(parameter.shape)}, is in none "
                    f"of the modules {sorted(modules)}: hand its module over too, or its value would be lost"
                )
            result.append(names[id(parameter)])
    return result


def pack_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as (tensors, JSON values), both keyed "state.<parameter>.<name>" or "group.<n>.<name>".

    Raises:
        ConfigError: it holds a value that is neither a tensor nor plain.
    """
    content = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    sections = [(f"state.{index}", named) for index, named in content["state"].items()]
    sections += [(f"group.{number}", group) for number, group in enumerate(content["param_groups"])]
    for prefix, named in sections:
        for name, value in named.items():
            key = f"{prefix}.{name}"
            if isinstance(value, Tensor):
                # A copy of its own: safetensors refuses tensors that share memory.
                tensors[key] = value.detach().clone().contiguous()
            elif value is None or isinstance(value, (bool, int, float, str, list, tuple)):
                values[key] = {"tuple": list(value)} if isinstance(value, tuple) else value
            else:
                raise ConfigError(f"the optimizer's {key} is a {type(value).__name__}, which cannot be saved")
    return tensors, values


def unpack_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> dict[str, Any]:
    """What optimizer.load_state_dict takes, from pack_optimizer's two parts.

    Raises:
        MismatchError: the number of parameter groups differs.
    """
    state: dict[int, dict[str, Any]] = {}
    groups: dict[int, dict[str, Any]] = {}
    for key, value in {**values, **tensors}.items():
        section, number, name = key.split(".", 2)
        if isinstance(value, dict):
            value = tuple(value["tuple"])
        (state if section == "state" else groups).setdefault(int(number), {})[name] = value
    if len(groups) != len(optimizer.param_groups):
        raise MismatchError(
            f"the checkpoint's optimizer has {len(groups)} parameter groups, "
            f"the given one {len(optimizer.param_groups)}: build it as in the run that wrote the checkpoint"
        )
    return {"state": state, "param_groups": [groups[number] for number in sorted(groups)]}


def kinds(generators: Generators) -> list[str]:
    """The "<kind>:<name>" of every generator, so that a numpy and a torch generator are never mistaken.

    Raises:
        ConfigError: it is another object.
    """
    result = []
    for name, generator in generators.items():
        if isinstance(generator, torch.Generator):
            result.append(f"torch:{name}")
        elif isinstance(generator, np.random.Generator):
            result.append(f"numpy:{type(generator.bit_generator).__name__}:{name}")
        else:
            raise ConfigError(f"generator {name!r} is a {type(generator).__name__}: give torch.Generator or numpy's")
    return result


def pack_random(generators: Generators) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Torch's global states and every generator's: torch's as uint8 tensors, numpy's as JSON values keyed by kind."""
    tensors = {"global.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for device, cuda_state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"global.cuda.{device}"] = cuda_state
    values: dict[str, Any] = {}
    for kind, generator in zip(kinds(generators), generators.values(), strict=True):
        if isinstance(generator, torch.Generator):
            tensors[kind] = generator.get_state()
            values[kind] = None
        else:
            values[kind] = _to_plain(generator.bit_generator.state)
    return tensors, values


def unpack_random(generators: Generators, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Set every generator and torch's global states; a CUDA state without its device here is left out."""
    for kind, generator in zip(kinds(generators), generators.values(), strict=True):
        if isinstance(generator, torch.Generator):
            generator.set_state(tensors[kind])
        else:
            generator.bit_generator.state = _from_plain(values[kind])
    torch.set_rng_state(tensors["global.cpu"])
    devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for device in range(devices):
        if f"global.cuda.{device}" in tensors:
            torch.cuda.set_rng_state(tensors[f"global.cuda.{device}"], device)


def _to_plain(value: Any) -> Any:
    """Numpy's bit generator state as JSON: arrays (Philox, MT19937) become lists with their type."""
    if isinstance(value, dict):
        return {name: _to_plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _from_plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], dtype=value["dtype"])
    return {name: _from_plain(part) for name, part in value.items()}
