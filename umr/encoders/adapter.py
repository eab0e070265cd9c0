"""A LoRA or DoRA adapter, as peft writes it, merged into the checkpoint that it was trained on. Not its training.

W + s B A (arXiv 2106.09685, section 4.1), s = alpha / r; with magnitudes m, m (W + s B A) / |W + s B A|, row by row
(arXiv 2402.09353, equation 5). Each is computed in float32 and rounded once, to the checkpoint's own numbers.
"""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from umr.encoders.checkpoint import ADAPTER, ADAPTER_WEIGHTS, CONFIG, INDEX, Checkpoint, read_json
from umr.errors import ConfigError, MismatchError

A, B, MAGNITUDE = "lora_A", "lora_B", "lora_magnitude_vector"
_PART = re.compile(rf"base_model\.model\.(?P<name>.+)\.(?P<part>{A}|{B}|{MAGNITUDE})(\.weight)?")
#: Fields of adapter_config.json that change what is computed -> the values under which it is computed here.
_KNOWN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "fan_in_fan_out": (None, False),
    "lora_bias": (None, False),
    "alpha_pattern": (None, {}),
    "modules_to_save": (None, []),
    "layer_replication": (None, []),
}


def merge(adapter: Path, base: Checkpoint, out: Path) -> None:
    """Write a whole checkpoint: the base's files with the adapter in its weights, and the adapter's own others.

    Args:
        adapter: folder of adapter_config.json and adapter_model.safetensors.
        base: what it was trained on.
        out: an empty folder.

    Raises:
        ConfigError: it is an adapter of a kind that is not merged.
        MismatchError: a file is damaged, or the base has no such weights.
    """
    settings = settings_of(adapter)
    parts = _parts(adapter)
    files = base.weight_files()
    for file in files:
        if file == INDEX:
            shutil.copyfile(base.folder / file, out / file)
        else:
            save_file(_merged(base.folder / file, parts, settings), out / file, metadata={"format": "pt"})
    if parts:
        raise MismatchError(
            f"{base.source} has no weight {min(parts)}, which the adapter {adapter.name} changes; give its own base"
        )
    own = {path.name: path for path in adapter.glob("*.json") if path.name not in (ADAPTER, CONFIG)}
    for name, path in ({path.name: path for path in base.folder.glob("*.json")} | own).items():
        if name != INDEX:
            shutil.copyfile(path, out / name)


def settings_of(adapter: Path) -> dict[str, Any]:
    """What adapter_config.json says.

    Raises:
        ConfigError: it is an adapter of a kind that is not merged.
        MismatchError: it is damaged.
    """
    found = read_json(adapter / ADAPTER)
    for key, legal in _KNOWN.items():
        if found.get(key) not in legal:
            raise ConfigError(
                f"{adapter / ADAPTER} has the {key} {found.get(key)!r}; {legal[-1]!r} alone is merged here. Merge it "
                "with peft: PeftModel.from_pretrained(base, ADAPTER).merge_and_unload().save_pretrained(FOLDER)"
            )
    alpha = found.get("lora_alpha")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise MismatchError(f"{adapter / ADAPTER} has the lora_alpha {alpha!r}; a number is needed: copy it again")
    return found


def weights_file(adapter: Path) -> Path:
    """Where its weights lie.

    Raises:
        ConfigError: they do not.
    """
    path = adapter / ADAPTER_WEIGHTS
    if not path.is_file():
        raise ConfigError(f"{adapter} has no {ADAPTER_WEIGHTS}; give the whole folder of the adapter")
    return path


def _parts(adapter: Path) -> dict[str, dict[str, Tensor]]:
    """Weight, by the name that both layouts of checkpoints share -> its parts."""
    path = weights_file(adapter)
    found: dict[str, dict[str, Tensor]] = {}
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise MismatchError(f"{path} cannot be read ({error}); copy the adapter again") from error
    for name, value in tensors.items():
        match = _PART.fullmatch(name)
        if match is None:
            raise ConfigError(f"{path} holds {name}, which is not merged here; legal: {A}, {B} and {MAGNITUDE}")
        found.setdefault(f"{_shared(match['name'])}.weight", {})[match["part"]] = value.float()
    for name, one in found.items():
        if not {A, B} <= set(one):
            raise MismatchError(f"{path} has of {name} {', '.join(sorted(one))} alone; copy the adapter again")
    return found


def _shared(name: str) -> str:
    """A weight of a generating class as older files call it: newer ones have one more part in the name."""
    return name.replace("model.language_model.", "model.", 1).replace("model.visual.", "visual.", 1)


def _merged(path: Path, parts: dict[str, dict[str, Tensor]], settings: dict[str, Any]) -> dict[str, Tensor]:
    """A file of weights; what was merged is taken out of `parts`."""
    made: dict[str, Tensor] = {}
    try:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118, as it is no dictionary
                weight = file.get_tensor(name)
                change = parts.pop(_shared(name), None)
                made[name] = weight if change is None else _changed(name, weight, change, settings)
    except SafetensorError as error:
        raise MismatchError(f"{path} cannot be read ({error}); copy the checkpoint again") from error
    return made


def _changed(name: str, weight_OI: Tensor, change: dict[str, Tensor], settings: dict[str, Any]) -> Tensor:
    """The weight (O, I) with its parts (r, I), (O, r) and, where it has one, (O,)."""
    rank = change[A].shape[0]
    if (change[B].shape[0], *change[A].shape[1:]) != tuple(weight_OI.shape) or change[B].shape[1:] != (rank,):
        raise MismatchError(
            f"the adapter changes {name} by {tuple(change[B].shape)} x {tuple(change[A].shape)}, which has the shape "
            f"{tuple(weight_OI.shape)}; give its own base"
        )
    scale = settings["lora_alpha"] / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    made: Tensor = weight_OI.float() + scale * (change[B] @ change[A])
    if MAGNITUDE in change:
        made = made * (change[MAGNITUDE].flatten() / torch.linalg.norm(made, dim=1))[:, None]
    return made.to(weight_OI.dtype)
