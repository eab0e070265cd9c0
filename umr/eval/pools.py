"""What queries are searched among: M-BEIR's local and global pool, and `everything`. Not the queries, not the search.

Local: the candidates of the kind that the task asks for. Global: all candidates of all kinds, where a hit of the wrong
kind is simply wrong. `everything` asks with its own instruction for any kind, so there every kind can be right.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from umr.errors import ConfigError
from umr.eval.splits import FREE, IN_DISTRIBUTION, TYPED
from umr.formats import CANDIDATES, facts_of, read_jsonl
from umr.formats import POOLS as POOL_FILES
from umr.query_files import names, query_files
from umr.types import Candidate, Qrels

if TYPE_CHECKING:
    from umr.collection import Collection

Pool = Literal["local", "global"]
LOCAL: Pool = "local"
GLOBAL: Pool = "global"
POOLS: tuple[Pool, ...] = (LOCAL, GLOBAL)
BOTH = "both"
CHOICES = (*POOLS, BOTH)
#: Splits that are asked in the global pool too where nothing else is said.
GLOBAL_SPLITS = frozenset({IN_DISTRIBUTION, TYPED, FREE})
#: Task of `everything` -> the task whose in-distribution queries it asks.
EVERYTHING: Mapping[str, str] = {"t2all": "t2i", "i2all": "i2i", "it2all": "it2i"}
SCENE = "scene"  # key in a candidate's source of what it shows


class Job(NamedTuple):
    """One (task, split) and the pools that its queries are searched in; they are encoded once for all of them."""

    task: str
    split: str
    pools: tuple[Pool, ...]


def pools_of(split: str, pool: str) -> tuple[Pool, ...]:
    """The pools of a split for a choice of CHOICES: "both" is local, and global where it is one of GLOBAL_SPLITS.

    Raises:
        ConfigError: there is no such choice.
    """
    if pool not in CHOICES:
        raise ConfigError(f"the pool is {pool!r}; legal: {', '.join(CHOICES)}")
    if pool == BOTH:
        return (LOCAL, GLOBAL) if split in GLOBAL_SPLITS else (LOCAL,)
    return (GLOBAL,) if pool == GLOBAL else (LOCAL,)


def matching(root: str | Path, task: str | None, split: str | None, pool: str = BOTH) -> list[Job]:
    """What a benchmark folder has to be measured: its files, and `everything` where its candidates tell their scenes.

    Args:
        root: the benchmark's folder.
        task: None: any.
        split: None: any.
        pool: one of CHOICES; `everything` is in the global pool alone.

    Returns:
        One job for each (task, split) that matches, sorted.

    Raises:
        ConfigError: none does; those that exist are named.
    """
    files = query_files(root)
    jobs = [
        Job(found.task, found.split, pools_of(found.split, pool))
        for found in files
        if task in (None, found.task) and split in (None, found.split)
    ]
    wanted = [one for one in EVERYTHING if task in (None, one)] if split in (None, IN_DISTRIBUTION) else []
    if wanted and pools_of(IN_DISTRIBUTION, pool) != (LOCAL,) and _tells_scenes(Path(root)):
        there = {found.task for found in files if found.split == IN_DISTRIBUTION}
        jobs += [Job(one, IN_DISTRIBUTION, (GLOBAL,)) for one in wanted if EVERYTHING[one] in there]
    if not jobs:
        raise ConfigError(f"no queries of task {task or 'any'}, split {split or 'any'}; there are: {names(files)}")
    return sorted(jobs)


def of_any_kind(collection: Collection, qrels: Qrels) -> Qrels:
    """What is right of any kind, where one kind is judged: everything that shows the scene of a relevant candidate.

    The benchmark's files judge candidates of one kind. A candidate says in its source which scene it shows, or tells
    of; every candidate of any kind whose scene equals that of a relevant one is right. A clip in which something
    happens is of another scene than its still, so it is not.

    Args:
        collection: the candidates.
        qrels: the relevant ones of each query, of one kind.

    Raises:
        ConfigError: a relevant candidate does not say its scene.
    """
    scenes = {candidate.candidate_id: scene_of(candidate) for candidate in collection}
    showing = defaultdict(list)
    for candidate_id, scene in scenes.items():
        showing[scene].append(candidate_id)
    found: Qrels = {}
    for query_id, relevant in qrels.items():
        silent = next((one for one in relevant if scenes.get(one) is None), None)
        if silent is not None:
            raise ConfigError(
                f"{silent} in {collection.name} does not say its {SCENE} in src_content, so what is right of any kind "
                f"cannot be known; measure {', '.join(EVERYTHING)} on a benchmark of python -m training.catalogue"
            )
        found[query_id] = dict.fromkeys((same for one in relevant for same in showing[scenes[one]]), 1)
    return found


def scene_of(candidate: Candidate) -> str | None:
    """What a candidate shows, as a text that equals that of the same scene; None where its source does not say it."""
    return _scene(candidate.source)


def _scene(source: str) -> str | None:
    scene = facts_of(source).get(SCENE)
    return json.dumps(scene, sort_keys=True) if isinstance(scene, dict) else None


def _tells_scenes(root: Path) -> bool:
    """Whether the first candidate of some file of the collection says its scene."""
    files = (
        [root / CANDIDATES] if (root / CANDIDATES).is_file() else sorted((root / POOL_FILES).glob("*_cand_pool.jsonl"))
    )
    first = (next(read_jsonl(file), None) for file in files)
    sources = (row.get("src_content") for _, row in filter(None, first))
    return any(isinstance(source, str) and _scene(source) is not None for source in sources)
