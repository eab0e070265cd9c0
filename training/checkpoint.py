"""Resumable state of a training experiment: weights, optimizer, random states, step. Not an encoder folder, not pickle.

    <folder>/latest                       the name of the newest complete checkpoint, replaced last
    <folder>/step-00000012/state.json     step, extra, sha256 of the other files; written after them
                          /module.<name>.safetensors, optimizer.safetensors, random.safetensors

Each checkpoint is written under a temporary name, synced and renamed, so a process killed at any moment leaves the
previous one in force. One process writes to a folder at a time, which holds its lock (training.train.run).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn
from torch.optim import Optimizer

from training import checkpoint_state as flat
from training.checkpoint_state import Generators
from umr.disk import atomic_write, clear_drafts, file_sha256, put, told_when_full
from umr.errors import ConfigError, MismatchError

FORMAT = 1


class Restored(NamedTuple):
    """What load_checkpoint gives back besides the objects that it filled."""

    step: int
    extra: dict[str, Any]


def save_checkpoint(
    folder: str | Path,
    step: int,
    modules: Mapping[str, nn.Module],
    optimizer: Optimizer,
    generators: Generators,
    extra: Mapping[str, Any],
) -> Path:
    """Write everything that the next step depends on; keep this checkpoint and the one before.

    torch's global random states (CPU and CUDA) are saved as well; Python's `random` is not.

    Args:
        folder: of the run; made where it is absent.
        step: how many are finished, from 0.
        modules: every parameter of the optimizer must be in one of them.
        optimizer: with the state of its parameters.
        generators: random streams that the next step draws from.
        extra: anything that JSON can hold.

    Returns:
        The checkpoint's folder.

    Raises:
        ConfigError: step is negative, a name is no plain file name, extra is not JSON, or the optimizer holds a
            parameter or a value that would be lost.
        DiskFullError: nothing more fits; the checkpoint before stays in force.
    """
    folder = Path(folder)
    if step < 0:
        raise ConfigError(f"step {step}: a checkpoint's step counts from 0")
    _check_names(modules)
    optimizer_tensors, optimizer_values = flat.pack_optimizer(optimizer)
    random_tensors, random_values = flat.pack_random(generators)
    state = {
        "format": FORMAT,
        "step": step,
        "extra": dict(extra),
        "modules": sorted(modules),
        "parameters": flat.parameter_names(modules, optimizer),
        "optimizer": optimizer_values,
        "random": random_values,
    }
    _check_json(state)

    folder.mkdir(parents=True, exist_ok=True)
    previous = _read_latest(folder)
    name = _free_name(folder, step)
    temporary = folder / f".{name}.writing"
    with told_when_full(folder / name):
        _write(temporary, modules, {"optimizer": optimizer_tensors, "random": random_tensors}, state)
    put(temporary, folder / name)
    with atomic_write(folder / "latest") as file:
        file.write(f"{name}\n")
    _prune(folder, keep={name, previous})
    return folder / name


def load_checkpoint(
    folder: str | Path,
    modules: Mapping[str, nn.Module],
    optimizer: Optimizer,
    generators: Generators,
    check: Callable[[Mapping[str, Any]], None] | None = None,
) -> Restored:
    """Fill modules, optimizer, generators and torch's global random states from the newest checkpoint of a folder.

    After it the next step is the one that would have followed the save. All checks come before the first change,
    except tensor shapes, which the modules check themselves.

    Args:
        folder: of the run.
        modules: those of save_checkpoint, to be filled.
        optimizer: built as in the run that wrote the checkpoint.
        generators: those of save_checkpoint, to be set.
        check: called with the checkpoint's extra, before anything is filled; raises where it is of another run.

    Returns:
        The step, and the extra.

    Raises:
        ConfigError: the folder has no checkpoint.
        MismatchError: files are damaged, or the checkpoint holds other modules, parameters or generators than those
            given.
    """
    folder = Path(folder)
    name = _read_latest(folder)
    if name is None:
        raise ConfigError(f"{folder} has no checkpoint (no file 'latest'): start from step 0, or give another folder")
    where = folder / name
    state = _read_state(where)
    if check is not None:
        check(state["extra"])
    optimizer_tensors = load_file(where / "optimizer.safetensors")
    random_tensors = load_file(where / "random.safetensors")
    _check_same(where, "modules", state["modules"], sorted(modules))
    _check_same(where, "optimized parameters", state["parameters"], flat.parameter_names(modules, optimizer))
    _check_same(where, "generators", sorted(state["random"]), sorted(flat.kinds(generators)))
    optimizer_state = flat.unpack_optimizer(optimizer, optimizer_tensors, state["optimizer"])
    for module_name, module in modules.items():
        try:
            load_model(module, where / f"module.{module_name}.safetensors")
        except (RuntimeError, SafetensorError) as error:
            raise MismatchError(f"{where} does not fit module {module_name!r}: {error}") from error
    optimizer.load_state_dict(optimizer_state)
    flat.unpack_random(generators, random_tensors, state["random"])
    return Restored(state["step"], state["extra"])


def has_checkpoint(folder: str | Path) -> bool:
    """Whether load_checkpoint would find something there."""
    return _read_latest(Path(folder)) is not None


def clear_left(folder: str | Path) -> None:
    """Remove what a process that died was writing; for whoever has the folder alone."""
    clear_drafts(Path(folder))
    for half in Path(folder).glob(".step-*.writing"):
        shutil.rmtree(half)


def _write(
    temporary: Path, modules: Mapping[str, nn.Module], tensors: Mapping[str, dict[str, Tensor]], state: dict[str, Any]
) -> None:
    """The files of a checkpoint, in a new folder; the state, with their hashes, last."""
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, module in modules.items():
        save_model(module, str(temporary / f"module.{name}.safetensors"))
    for name, named in tensors.items():
        save_file(named, temporary / f"{name}.safetensors")
    files = {path.name: file_sha256(path) for path in sorted(temporary.iterdir())}
    (temporary / "state.json").write_text(json.dumps(state | {"files": files}, indent=1), "utf-8")


def _check_json(state: Mapping[str, Any]) -> None:
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"this state cannot be written as JSON: {error}. Give plain numbers, texts, lists") from error


def _read_latest(folder: Path) -> str | None:
    try:
        return (folder / "latest").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def _read_state(where: Path) -> dict[str, Any]:
    way_out = f"Write another checkpoint's name (step-...) into {where.parent / 'latest'}, or start from step 0"
    try:
        state = json.loads((where / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MismatchError(f"{where} is no complete checkpoint: {error}. {way_out}") from error
    if state.get("format") != FORMAT:
        raise MismatchError(f"{where} has format {state.get('format')}, this code reads {FORMAT}. {way_out}")
    for file_name, expected in state["files"].items():
        path = where / file_name
        if not path.is_file() or file_sha256(path) != expected:
            raise MismatchError(f"{path} is missing or differs from its sha256 {expected[:12]}. {way_out}")
    return state


def _check_same(where: Path, what: str, saved: list[str], given: list[str]) -> None:
    if saved != given:
        raise MismatchError(
            f"{where} holds the {what} {saved}, but {given} were given: resume with the configuration that wrote it"
        )


def _check_names(modules: Mapping[str, nn.Module]) -> None:
    for name in modules:
        if not name.isidentifier():
            raise ConfigError(f"module name {name!r} becomes a file name: use letters, digits and _ only")


def _free_name(folder: Path, step: int) -> str:
    """A name never used in the folder, so that a step saved twice never touches the checkpoint in force."""
    name, again = f"step-{step:08d}", 0
    while (folder / name).exists():
        again += 1
        name = f"step-{step:08d}-{again}"
    return name


def _prune(folder: Path, keep: set[str | None]) -> None:
    for path in [*folder.glob("step-*"), *folder.glob(".step-*.writing")]:
        if path.name not in keep:
            shutil.rmtree(path)
