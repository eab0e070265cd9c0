"""An adapter of the Hub and the checkpoint that it was trained on, made one encoder folder. Not their download."""

from __future__ import annotations

from pathlib import Path

from umr.encoders.checkpoint import ADAPTER
from umr.errors import ConfigError
from umr.models.download import Remote
from umr.models.hub_name import HubName
from umr.models.published import published
from umr.shipped import HUB


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
    named, revision = told.get("base_model_name_or_path"), told.get("revision")
    at = f"@{revision}" if isinstance(revision, str) and revision else ""
    try:
        name = HubName.read(f"{HUB}{named}{at}")
    except ConfigError:
        name = adapter.name
    if name.repository == adapter.name.repository:
        raise ConfigError(
            f"{ADAPTER} of {adapter.where} has the base {named!r}, which is no other repository of the Hub; `umr adopt "
            f"{adapter.where} --base BASE --out DIR` merges it into the one that you name"
        )
    return name


def adopted_into(base: Remote, adapter: Remote, out: Path, recipe: str) -> None:
    """Write the encoder folder `out` of both, which lie here whole (see umr.encoders.adopt.adopt_adapter)."""
    from umr.encoders.adopt import adopt_adapter

    out.parent.mkdir(parents=True, exist_ok=True)
    adopt_adapter(adapter.where, base.where, out, recipe=recipe)
