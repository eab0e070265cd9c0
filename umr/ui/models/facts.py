"""What the folder of an encoder says of it: size, stages of training, data, licence, numbers. No weights are loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umr.encoders.card import CARD_NAME, RECORD_NAME
from umr.encoders.dual_config import AnyConfig, read_settings
from umr.errors import UMRError
from umr.eval.reports import Stored, read_stored
from umr.eval.vector_sum import Weights, read_weights, weights_file
from umr.index.manifest import IndexManifest
from umr.shipped import HUB, encoder_of_index

WEIGHTS = "*.safetensors"
MAX_HEADER = 32 << 20  # bytes of a weights file's table of contents

#: Settings that say where a run was done, not what was learned.
_ASIDE = frozenset(
    {"name", "threads", "checkpoint_every", "log_every", "chunk_families", "checkpointing", "sharded", "bf16", "init"}
)
_UNKNOWN: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of training, as its record tells it.

    Attributes:
        config: its settings; empty where no record is left.
        seconds: of all processes that worked on it; None where nobody knows.
        commit: of the code, "" where nobody knows.
        world: fingerprint of what it saw, "" where nobody knows.
    """

    name: str
    config: Mapping[str, Any]
    seconds: float | None = None
    commit: str = ""
    world: str = ""

    @property
    def steps(self) -> int | None:
        """Steps of the optimizer that were run: `stop_after` ends a run before its planned end."""
        steps = self.config.get("stop_after") or self.config.get("steps")
        return int(steps) if isinstance(steps, (int, float)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model.

    Attributes:
        index: the folder of its index.
        encoder: the folder of its weights; None where they lie on the Hub.
        parameters: number of weights; None where the folder has no readable table of them.
        megabytes: of the weights, 10**6 bytes; None as above.
        stages: oldest first; () for an encoder that training.train did not make.
        data: (what, value) of what it was trained on.
        stored: what was measured; None where nothing was.
        sums: the chosen weights of its vector sum; None where none were chosen.
    """

    name: str
    index: Path
    encoder: Path | None
    manifest: IndexManifest
    config: AnyConfig | None
    parameters: int | None
    megabytes: float | None
    stages: tuple[Stage, ...]
    data: tuple[tuple[str, str], ...]
    licence: str
    stored: Stored | None
    sums: Weights | None

    @property
    def start(self) -> str:
        """What its last stage started from, as a name; "" where nobody knows."""
        if not self.stages:
            return ""
        return str(self.stages[-1].config.get("init") or "random weights").rstrip("/").rpartition("/")[2]

    @property
    def seconds(self) -> float | None:
        """Of all stages that are recorded; None where none is."""
        known = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) if known else None


def read_facts(name: str, index: Path) -> ModelFacts:
    """Everything that the folders of one model say.

    Args:
        name: what the page calls it.
        index: the folder of its index.

    Raises:
        ConfigError: there is no finished index.
        MismatchError: its manifest is not ours.
    """
    manifest = IndexManifest.read(index)
    encoder = _encoder(index, manifest)
    config = _or_none(lambda: read_settings(encoder)) if encoder is not None else None
    record = {} if encoder is None else _record(encoder / RECORD_NAME)
    parameters, size = (None, None) if encoder is None else _weights(encoder)
    return ModelFacts(
        name=name,
        index=index,
        encoder=encoder,
        manifest=manifest,
        config=config,
        parameters=parameters,
        megabytes=size,
        stages=_stages(record),
        data=_data(record),
        licence="" if encoder is None else _licence(encoder / CARD_NAME),
        stored=_or_none(lambda: read_stored(name, index)),
        sums=_or_none(lambda: read_weights(weights_file(index))),
    )


def settings_apart(a: ModelFacts, b: ModelFacts) -> list[str]:
    """What of the training of two models differed, as keys of their records, sorted.

    "start" is what the last stage started from, "stages" the ways before it, "world" what was seen, "record" that one
    has none.
    """
    if not a.stages or not b.stages:
        return [] if not a.stages and not b.stages else ["record"]
    first, second = a.stages[-1], b.stages[-1]
    keys = (set(first.config) | set(second.config)) - _ASIDE
    apart = {key for key in keys if first.config.get(key) != second.config.get(key)}
    if a.start != b.start:
        apart.add("start")
    if [stage.name for stage in a.stages[:-1]] != [stage.name for stage in b.stages[:-1]] and a.start == b.start:
        apart.add("stages")
    if first.world != second.world or a.data != b.data:
        apart.add("world")
    return sorted(apart)


def is_fair(apart: list[str]) -> bool:
    """Whether two models differ in terms of the loss alone, so that a difference speaks of these."""
    return bool(apart) and all(key.endswith("_weight") or key == "mixer" for key in apart)


def _encoder(index: Path, manifest: IndexManifest) -> Path | None:
    place = _or_none(lambda: encoder_of_index(index, manifest.encoder_at, manifest.encoder_name))
    return None if place is None or place.startswith(HUB) else Path(place)


def _record(path: Path) -> Mapping[str, Any]:
    """train_config.json; empty where there is none, or one that cannot be read: then nothing is claimed."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return _UNKNOWN
    return found if isinstance(found, dict) else _UNKNOWN


def _stages(record: Mapping[str, Any]) -> tuple[Stage, ...]:
    config = record.get("config")
    if not isinstance(config, dict):
        return ()
    before = record.get("stages")
    if not isinstance(before, list):  # written before stages were: its own start is a bare name
        before = [{"name": config["init"]}] if config.get("init") else []
    own = {"name": config.get("name"), "config": config, "seconds": record.get("seconds")}
    own |= {"commit": record.get("commit"), "world": record.get("world_fingerprint")}
    return tuple(_stage(row) for row in [*before, own] if isinstance(row, dict))


def _stage(row: Mapping[str, Any]) -> Stage:
    config, seconds = row.get("config"), row.get("seconds")
    return Stage(
        name=str(row.get("name") or "a stage without a name").rstrip("/").rpartition("/")[2],
        config=config if isinstance(config, dict) else {},
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        commit=str(row.get("commit") or ""),
        world=str(row.get("world") or ""),
    )


def _data(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    own = record.get("data")
    if isinstance(own, list):
        rows = [row for row in own if isinstance(row, dict)]
        return tuple((f"data {place}", _source(row)) for place, row in enumerate(rows, 1))
    world = record.get("world")
    if not isinstance(world, dict):
        return ()
    return (
        ("data", f"rendered catalogue, split {world.get('split')}, seed {world.get('seed')}"),
        ("rendered", f"{_count(world.get('images'))} pictures, {_count(world.get('clips'))} clips"),
        ("scenes", f"{_count(world.get('families'))} families, {_count(world.get('clip_families'))} of clips"),
    )


def _source(row: Mapping[str, Any]) -> str:
    world = row.get("world")
    if isinstance(world, dict):
        return (
            f"rendered catalogue, split {world.get('split')}, seed {world.get('seed')}: "
            f"{_count(world.get('images'))} pictures, {_count(world.get('clips'))} clips"
        )
    seen = f"{_count(row['examples'])} examples" if "examples" in row else "scenes"
    return f"{row.get('name')} ({row.get('kind')}), share {row.get('share')}: {seen}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _licence(card: Path) -> str:
    """The licence that the front matter of a card names; "" where there is none."""
    try:
        lines = card.read_text("utf-8").splitlines()[:40]
    except (OSError, ValueError):
        return ""
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return found.get("license_name") or found.get("license", "")


def _weights(folder: Path) -> tuple[int | None, float | None]:
    """(number of weights, their 10**6 bytes) by the tables of the weights files; None where one cannot be read."""
    files = sorted(folder.glob(WEIGHTS))
    try:
        counts = [_count_weights(path) for path in files]
        size = sum(path.stat().st_size for path in files) / 1e6
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None, None
    return (sum(counts), size) if files else (None, None)


def _count_weights(path: Path) -> int:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise ValueError(f"{path.name} has no table of weights")
        table = json.loads(file.read(length))
    return sum(math.prod(row["shape"]) for name, row in table.items() if name != "__metadata__")


def _or_none(read: Any) -> Any:
    """What is there, None where it is missing or broken: a card is told of what can be read."""
    try:
        return read()
    except UMRError:
        return None
