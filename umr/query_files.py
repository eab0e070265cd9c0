"""Which (task, split) a benchmark folder has, by the names of its files: ours and M-BEIR's. Not their rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umr.errors import ConfigError
from umr.formats import TASKS
from umr.types import KIND_OF, Modality, Target

#: mbeir_catalogue_it2i_ind_test.jsonl names task and split; M-BEIR's mbeir_cirr_task7_test.jsonl dataset and number.
_OURS = re.compile(r"mbeir_(?P<name>.+)_(?P<task>(?:t|i|it)2(?:t|i|it|v))_(?P<split>[a-z-]+)_test\.jsonl")
_MBEIR = re.compile(r"mbeir_(?P<name>.+)_task(?P<number>\d+)_test\.jsonl")


@dataclass(frozen=True, slots=True, order=True)
class QueryFile:
    """One (task, split) of a benchmark, as "it2i", "ind"; the path's stem leads to what belongs together."""

    task: str
    split: str
    path: Path

    @property
    def qrels(self) -> Path:
        """Its relevance judgements."""
        return self.path.parents[2] / "qrels" / "test" / f"{self.path.stem}_qrels.txt"

    @property
    def pool(self) -> Path | None:
        """M-BEIR's local pool: the only candidates that its queries are searched among; None where there is none."""
        folder = self.path.parents[2] / "cand_pool" / "local"
        named = (f"{self.path.stem}_cand_pool.jsonl", f"{self.path.stem.removesuffix('_test')}_cand_pool.jsonl")
        return next((folder / name for name in named if (folder / name).is_file()), None)


def query_files(root: str | Path) -> list[QueryFile]:
    """Every (task, split) that a benchmark folder has, sorted; the split of M-BEIR's own files is their dataset.

    Raises:
        ConfigError: there is none, a task number is not M-BEIR's, or two files are of one (task, split).
    """
    folder = Path(root) / "query" / "test"
    found: dict[tuple[str, str], QueryFile] = {}
    for path in sorted(folder.glob("mbeir_*_test.jsonl")):
        key = _task_and_split(path)
        if key is None:
            continue
        if key in found:
            raise ConfigError(
                f"{found[key].path.name} and {path.name} are both {' '.join(key)}; "
                "give each dataset a folder of its own"
            )
        found[key] = QueryFile(*key, path)
    if not found:
        raise ConfigError(
            f"{folder} holds neither mbeir_<name>_<task>_<split>_test.jsonl nor mbeir_<name>_task<N>_test.jsonl; "
            "give a benchmark's root folder"
        )
    return sorted(found.values())


def find_query_file(root: str | Path, task: str, split: str) -> QueryFile:
    """The file of one (task, split).

    Raises:
        ConfigError: there is none; those that exist are named.
    """
    files = query_files(root)
    for found in files:
        if (found.task, found.split) == (task, split):
            return found
    raise ConfigError(f"there are no queries of task {task!r}, split {split!r}; there are: {names(files)}")


def names(files: Sequence[QueryFile]) -> str:
    """Tasks and splits as a message lists them."""
    return ", ".join(f"{found.task} {found.split}" for found in files)


def _task_and_split(path: Path) -> tuple[str, str] | None:
    """None for a name of neither form."""
    if match := _MBEIR.fullmatch(path.name):
        number = int(match["number"])
        if number not in TASKS:
            raise ConfigError(f"{path.name}: there is no task {number}; legal: {', '.join(map(str, TASKS))}")
        return _task_name(*TASKS[number]), match["name"]
    match = _OURS.fullmatch(path.name)
    return (match["task"], match["split"]) if match else None


def _task_name(asked: Modality, searched: Target) -> str:
    return f"{KIND_OF[asked].letters}2{KIND_OF[searched].letters}"
