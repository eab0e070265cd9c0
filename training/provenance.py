"""Where weights come from: the weights before, the chain of stages. Not training, not the commit (umr.commit)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from umr.encoders.card import RECORD_NAME
from umr.encoders.config import read_config
from umr.encoders.hub import fetch, is_hub
from umr.errors import ConfigError


def weights_fingerprint(module: nn.Module) -> str:
    """sha256 (hex) over the name, type, shape and bytes of every weight and buffer."""
    digest = sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def stages(init: str | None) -> list[dict[str, Any]]:
    """The stages that made an encoder, oldest first and itself last; [] for None, which is random weights.

    Args:
        init: an encoder folder, or `hub:owner/name@revision`.

    Returns:
        One row per stage: name, fingerprint of the encoder it made, config, seconds, commit and fingerprint of the
        world. A stage that left no record has None for what nobody knows.

    Raises:
        ConfigError: the folder is no encoder, or its record is not readable JSON.
    """
    if init is None:
        return []
    path = _record_at(init)
    encoder = read_config(path.parent)
    unknown = dict.fromkeys(("config", "seconds", "commit", "world"))
    if not path.is_file():
        return [unknown | {"name": encoder.name, "fingerprint": encoder.fingerprint(), "revision": encoder.revision}]
    try:
        record = json.loads(path.read_text("utf-8"))
        before = record.get("stages")
        if before is None:  # written before stages were: its own start is a bare name
            first = record["config"]["init"]
            before = [unknown | {"name": first, "fingerprint": None}] if first else []
        own = {
            "name": record["config"]["name"],
            "fingerprint": encoder.fingerprint(),
            "config": record["config"],
            "seconds": record["seconds"],
            "commit": record["commit"] or None,
            "world": record.get("world_fingerprint"),
        } | ({"data": record["data_fingerprint"]} if "data_fingerprint" in record else {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no record of a training run ({error!r}); copy the folder again") from error
    return [*before, own]


def ended_at(init: str | None) -> float:
    """The temperature at which the training of an encoder ended.

    Args:
        init: an encoder folder, or `hub:owner/name@revision`; None: random weights.

    Raises:
        ConfigError: it left no record of a temperature.
    """
    way_out = "give one, such as --set temperature=0.05"
    if init is None:
        raise ConfigError(f"temperature is 0, where the stage before ended, and random weights have none: {way_out}")
    path = _record_at(init)
    if not path.is_file():
        raise ConfigError(f"temperature is 0, where the stage before ended, but there is no {path}: {way_out}")
    try:
        return float(json.loads(path.read_text("utf-8"))["temperature"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} tells no temperature ({error!r}): {way_out}") from error


def _record_at(init: str) -> Path:
    """Where the record of an encoder's training stands, if it has one."""
    return (fetch(init) if is_hub(init) else Path(init)) / RECORD_NAME
