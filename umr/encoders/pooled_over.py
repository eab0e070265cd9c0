"""How near queries that other tools pool over their instruction are to umr's, as stored. Not the measuring.

umr.eval.pooling measures it. The numbers of an encoder in FOLDER lie in FOLDER/../reports/pooling.json, beside its
other reports, and stand on its card (umr.encoders.card).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.shipped import REPORTS

FILE = "pooling.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The queries of one task, each with its two vectors.

    Attributes:
        n, groups: of the queries, and of those that depend on each other.
        cosine_mean, cosine_min: of the two vectors of a query.
        masked: success@1 of the vectors that umr gives, the instruction left out.
        over: of those pooled over the instruction too.
        difference: over less masked, with its paired 95 % interval over groups.
    """

    n: int
    groups: int
    cosine_mean: float
    cosine_min: float
    masked: float
    over: float
    difference: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledOver:
    """What was measured of one encoder, by task.

    Attributes:
        encoder: its fingerprint.
        collection: the fingerprint of the candidates that were searched.
        collection_name: what people call them.
    """

    encoder: str
    encoder_name: str
    collection: str
    collection_name: str
    tasks: Mapping[str, Asked]
    built_by: str
    built_at: str
    command: str


def measured_of(folder: str | Path, fingerprint: str) -> PooledOver | None:
    """What was measured of the encoder in a folder; None where nothing was, or of other weights or settings.

    Raises:
        ConfigError: the file beside the folder holds no such numbers.
    """
    path = Path(folder).absolute().parent / REPORTS / FILE
    if not path.is_file():
        return None
    found = read_pooled(path)
    return found if found.encoder == fingerprint else None


def read_pooled(path: str | Path) -> PooledOver:
    """Stored numbers.

    Raises:
        ConfigError: the file, which is named, holds none.
    """
    try:
        data = json.loads(Path(path).read_text("utf-8"))
        tasks = {
            task: Asked(**row | {"ci95": (float(row["ci95"][0]), float(row["ci95"][1]))})
            for task, row in data.pop("tasks").items()
        }
        return PooledOver(tasks=tasks, **data)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{path} does not say how queries are pooled elsewhere ({error}); write it again: "
            f"python -m umr evaluate --encoder NAME --pooling {path}"
        ) from error


def write_pooled(measured: PooledOver, path: str | Path) -> Path:
    """One small JSON file; returns its path."""
    with atomic_write(path) as file:
        file.write(json.dumps(asdict(measured), indent=1) + "\n")
    return Path(path)


def told(measured: PooledOver) -> list[str]:
    """A line on each task, for a card."""
    lines = []
    for task, row in measured.tasks.items():
        low, high = (100 * value for value in row.ci95)
        lines.append(
            f"  - {row.n} `{task}` queries of {measured.collection_name}: cosine {row.cosine_mean:.4f} on average, "
            f"{row.cosine_min:.4f} at least; success@1 {100 * row.over:.1f} %, {100 * row.masked:.1f} % by umr's "
            f"vectors (difference {100 * row.difference:+.1f}, 95 % {low:+.1f} to {high:+.1f})."
        )
    return lines
