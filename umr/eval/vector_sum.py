"""The vector sum: a composed query's picture and text encoded apart and added, weighted. Not the choice of the weight.

Late fusion (umr.fusion), the baseline that a composed query must beat: the stored weights. They are chosen on
validation queries (umr.eval.tuning) and lie beside an encoder's indexes, in reports/vector_sum.json.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from umr.disk import atomic_write
from umr.errors import ConfigError, MismatchError
from umr.eval.reports import beside
from umr.fusion import EVEN
from umr.search import Searcher

FILE = "vector_sum.json"
UNTUNED = EVEN  # where no weight was chosen: the plain sum
GRID = tuple(round(0.05 * step, 2) for step in range(21))  # weights of the text that are tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The choice for one task.

    Attributes:
        weight: of the text.
        n, groups: of the validation queries that it was chosen on.
        success_at_1: of the vector sum on them, for each weight of GRID.
    """

    weight: float
    n: int
    groups: int
    success_at_1: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The choices for one encoder, by task.

    Attributes:
        encoder: its fingerprint.
        collection: the fingerprint of the validation candidates.
    """

    encoder: str
    encoder_name: str
    collection: str
    tasks: dict[str, Tuned]
    built_by: str
    built_at: str
    command: str


def weights_file(index_folder: str | Path) -> Path:
    """Where the weights of the encoder of an index lie: beside it, with its other reports."""
    return beside(index_folder) / FILE


def weight_of(searcher: Searcher, task: str) -> float:
    """The weight of the text that was chosen for a task on validation queries, UNTUNED where none was.

    Raises:
        ConfigError: the file beside the index holds no weights.
        MismatchError: they are of another encoder, or were chosen on the very collection that is evaluated.
    """
    folder = searcher.index.folder
    path = None if folder is None else weights_file(folder)
    if path is None or not path.is_file():
        return UNTUNED
    weights = read_weights(path)
    if weights.encoder != searcher.encoder.fingerprint:
        raise MismatchError(
            f"{path} was chosen for {weights.encoder_name} {weights.encoder[:12]}, but {searcher.encoder.name} "
            f"{searcher.encoder.fingerprint[:12]} is evaluated; delete it, or choose again: {weights.command}"
        )
    if weights.collection == searcher.collection.fingerprint:
        raise MismatchError(
            f"{path} was chosen on {searcher.collection.name}, so it may not be evaluated there; choose the weights on "
            f"validation queries: {weights.command}"
        )
    return weights.tasks[task].weight if task in weights.tasks else UNTUNED


def read_weights(path: str | Path) -> Weights:
    """Stored weights.

    Raises:
        ConfigError: the file, which is named, holds none.
    """
    try:
        data = json.loads(Path(path).read_text("utf-8"))
        tasks = {task: Tuned(**tuned) for task, tuned in data.pop("tasks").items()}
        wrong = next((tuned.weight for tuned in tasks.values() if tuned.weight not in GRID), None)
        if wrong is not None:
            raise ValueError(f"the weight {wrong!r} is none of {GRID[0]:g}, {GRID[1]:g}, ..., {GRID[-1]:g}")
        return Weights(tasks=tasks, **data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} holds no weights of a vector sum ({error}); write it again: "
            "python -m umr evaluate --index VALIDATION --tune-vector-sum FILE"
        ) from error


def write_weights(weights: Weights, path: str | Path) -> Path:
    """One small JSON file, a line for each task; returns its path."""
    data = asdict(weights)
    rows = ",\n".join(f"  {json.dumps(task)}: {json.dumps(tuned)}" for task, tuned in data.pop("tasks").items())
    with atomic_write(path) as file:
        file.write(f'{json.dumps(data, indent=1)[:-2]},\n "tasks": {{\n{rows}\n }}\n}}\n')
    return Path(path)
