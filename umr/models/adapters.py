"""An adapter and the checkpoint that its settings name, made one encoder folder. Not their download."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from umr.encoders.checkpoint import ADAPTER
from umr.encoders.hub import is_hub, repository
from umr.errors import ConfigError
from umr.models.download import Remote
from umr.models.forms import form_of
from umr.models.hub_name import HubName
from umr.models.published import published
from umr.shipped import HUB

_BASE = "base_model_name_or_path"


def base_of(adapter: Remote) -> HubName:
    """What an adapter, whose settings are here, was trained on: as umr's table names it, else as these do.

    Raises:
        ConfigError: they name no repository, or it is an adapter of a kind that is not merged.
        MismatchError: they are damaged.
    """
    from umr.encoders.adapter import settings_of

    told, row = settings_of(adapter.folder), published(adapter.name.repository)
    if row is not None and row.adapter_of:
        return HubName(row.adapter_of)
    try:
        name = _on_hub(told)
    except ConfigError:
        name = adapter.name
    if name.repository == adapter.name.repository:
        raise ConfigError(
            f"{ADAPTER} of {adapter.where} has the base {told.get(_BASE)!r}, which is no other repository of the Hub; "
            f"{_by_hand(adapter.where)}"
        )
    return name


def base_of_folder(adapter: Path, spec: str) -> Path | HubName:
    """What an adapter in a folder was trained on: a folder of that name, as peft takes it, else one of the Hub.

    Args:
        adapter: its folder.
        spec: how it was named.

    Raises:
        ConfigError: its settings name neither, its weights are missing, or it is of a kind that is not merged.
        MismatchError: its settings are damaged.
    """
    from umr.encoders.adapter import settings_of, weights_file

    told = settings_of(adapter)
    weights_file(adapter)
    named = told.get(_BASE)
    if isinstance(named, str) and named and Path(named).is_dir():
        return Path(named)
    try:
        name = _on_hub(told)
        repository(name.repository)
    except ConfigError as error:
        raise ConfigError(
            f"{ADAPTER} of {spec} has the base {named!r}, which is no folder here and no repository of the Hub; "
            f"{_by_hand(spec)}"
        ) from error
    return name


def check_plain(adapter: str, base: str, files: Container[str]) -> None:
    """Refuse a base that is an adapter itself, or made by umr.

    Args:
        adapter: how the adapter is named.
        base: how its base is.
        files: names of the base's.

    Raises:
        ConfigError: it is one.
    """
    if ADAPTER in files or form_of(files) is not None:
        raise ConfigError(f"{adapter} was trained on {base}, which is no plain checkpoint; {_by_hand(adapter)}")


def adopted_into(base: str, adapter: str, out: Path, recipe: str) -> None:
    """Write the encoder folder `out` of both, which lie here whole (see umr.encoders.adopt.adopt_adapter)."""
    from umr.encoders.adopt import adopt_adapter

    out.parent.mkdir(parents=True, exist_ok=True)
    adopt_adapter(adapter, base, out, recipe=recipe)


def _on_hub(told: Mapping[str, Any]) -> HubName:
    """The repository that an adapter's settings name, with or without `hub:`, at the revision that they name."""
    named, revision = str(told.get(_BASE)), told.get("revision")
    at = f"@{revision}" if isinstance(revision, str) and revision else ""
    return HubName.read(named if is_hub(named) else f"{HUB}{named}{at}")


def _by_hand(adapter: str) -> str:
    return f"`umr adopt {adapter} --base BASE --out DIR` merges it into the one that you name"
