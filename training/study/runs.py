"""Runs arms of the study: random weights, stages, index, measures, one result file. Not what they are (plan.py).

A finished run is not run again; one that was killed goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from training.catalogue.mbeir_world import MbeirSpec
from training.catalogue.world import World, WorldSpec
from training.config import TrainConfig
from training.reproduce import made_world
from training.second_half import Continued, files_of_world, second_half, steps_of
from training.study.arm import Arm
from training.study.finished import Result
from training.study.plan import ASKED, COPIES, FILES, MEASURED, NETWORK, STAGES, WORLD
from training.train import new_encoder, record_config, train
from umr.collection import Collection
from umr.commit import git_commit
from umr.disk import atomic_write, write_text
from umr.encoders import load_encoder, load_trainable
from umr.encoders.base import UnifiedEncoder
from umr.encoders.card import RECORD_NAME
from umr.encoders.qwen_vl import QwenVLBackbone
from umr.errors import ConfigError
from umr.eval.evaluate import measure_job
from umr.eval.measures import MEASURES, per_query
from umr.eval.pools import LOCAL, Job
from umr.formats import write_run
from umr.index.index import build_index
from umr.memory import peak_mib
from umr.search import Searcher
from umr.shipped import CONFIG_NAME

RESULT = "result.json"
BEGUN = "begun"  # beside what is not finished: the identity of the run that it is of
RANKED = 10  # hits of each query that are kept


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the study lies.

    Attributes:
        out: its folder: worlds/, runs/ARM/SEED/ of results, ranked/ARM/SEED/ of what was found, stages/ of what several
            runs begin with.
        benchmark: the M-BEIR folder that is asked.
        threads: of each run.
        steps: all stages are cut to so many steps; 0: they are not. For tests.
        families: of the world; 0: as planned.
        finished: results of runs made elsewhere (training/study/finished.py); one of the same identity is not made.
    """

    out: Path
    benchmark: Path
    threads: int = 1
    steps: int = 0
    families: int = 0
    finished: Sequence[Result] = ()

    def world_folder(self, size: int) -> Path:
        """The world of pictures of this size, px."""
        return self.out / "worlds" / f"{size}px"

    def run_folder(self, arm: Arm, seed: int, of: str = "runs") -> Path:
        """Of one run: of its result, or of="ranked" of what it found."""
        return self.out / of / "".join(c if c.isalnum() else "-" for c in arm.name) / str(seed)


def configs(arm: Arm, seed: int, place: Place) -> list[TrainConfig]:
    """The settings of each stage of a run, but where it starts from.

    Raises:
        ConfigError: the arm changes a stage that it has not.
    """
    unknown = sorted(set(arm.changes) - set(arm.stages))
    if unknown:
        raise ConfigError(f"arm {arm.name!r} changes {', '.join(unknown)}, which is none of its stages")
    made = []
    for name in arm.stages:
        config = replace(STAGES[name](), name=name, seed=seed, threads=place.threads, **arm.changes.get(name, {}))
        if place.steps:
            config = replace(config, steps=place.steps, warmup_steps=1, families_per_batch=4)
        made.append(config)
    return made


def identity(arm: Arm, stages: Sequence[TrainConfig], place: Place, world: World) -> str:
    """What a result is of: equal ones need not be made again."""
    settings = [record_config(replace(config, threads=1)) for config in stages]
    parts = [asdict(arm), settings, NETWORK, world.fingerprint, Collection.open(place.benchmark).fingerprint, MEASURED]
    if arm.then is not None:
        parts.append(files_name(place, arm.size))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def world_of(place: Place, size: int, workers: int = 2) -> World:
    """The world of this size, rendered where it is not finished."""
    wanted = replace(WORLD, size=size, families=place.families or WORLD.families)
    return made_world(wanted, place.world_folder(size), workers)


def _files(place: Place, size: int) -> tuple[WorldSpec, MbeirSpec]:
    """The world of the files that the second half trains on, and how it becomes files."""
    wanted = replace(FILES, size=size, families=place.families or FILES.families)
    return wanted, MbeirSpec(tasks=ASKED, duplicates=COPIES, near_duplicates=COPIES)


def files_name(place: Place, size: int) -> str:
    """What the files are called: other specs have another name, so that files are never taken for those of others."""
    specs = json.dumps([asdict(one) for one in _files(place, size)], sort_keys=True)
    return f"files-{hashlib.sha256(specs.encode()).hexdigest()[:8]}"


def files_of(place: Place, size: int, workers: int) -> Path:
    """The folder of M-BEIR files that the second half trains on, its world rendered where it is not finished."""
    world, spec = _files(place, size)
    folder = place.world_folder(size) / files_name(place, size)
    if (folder / "mbeir").is_dir():
        return folder / "mbeir"
    return files_of_world(made_world(world, folder / "arrays", workers), spec, folder / "mbeir")


def chain(arm: Arm, stages: Sequence[TrainConfig], world: World) -> str:
    """The name of what these stages make from random weights; arms and seeds that agree so far have one name."""
    settings = [record_config(replace(config, threads=1)) for config in stages]
    asked = dict(arm.encoder) if reads(stages[-1]) else {}
    parts = [dict(arm.network), arm.size, asked, settings, NETWORK, world.fingerprint]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def reads(stage: TrainConfig) -> bool:
    """Whether a stage trains more than the vision tower, which no setting of an arm's encoder touches."""
    return set(stage.programmes) != {"vision"}


def start(arm: Arm, seed: int, folder: Path, of: Path | None = None) -> Path:
    """An encoder that attends, pools and asks as the arm says; returns its folder.

    Args:
        arm: what is wanted.
        seed: of random weights.
        folder: where it goes.
        of: the encoder whose weights it has, itself where it is so already; None: random ones.

    Raises:
        ConfigError: it is no Qwen2-VL network.
    """
    if (folder / CONFIG_NAME).is_file():
        return folder
    if of is None:
        plain = new_encoder("start", seed, arm.size, **{**NETWORK, **arm.network})
    else:
        plain = load_trainable(of, device="cpu")
    config = replace(plain.config, **arm.encoder)
    if of is not None and config == plain.config:
        return of
    if not isinstance(plain.backbone, QwenVLBackbone):
        raise ConfigError(f"the study trains Qwen2-VL networks, not {plain.config.backbone}")
    encoder = UnifiedEncoder(config, QwenVLBackbone(plain.backbone.model, config), plain.tokenizer)
    encoder.save(folder)
    return folder


def staged(arm: Arm, seed: int, place: Place, many: int) -> dict[str, Path]:
    """The first `many` stages of an arm, each trained where it is not finished; returns stage -> its encoder's folder.

    They lie under the names of their chains, so that arms that differ later share them.
    """
    world, stages, made = world_of(place, arm.size), configs(arm, seed, place), dict[str, Path]()
    before: Path | None = None
    for number, config in enumerate(stages[:many], 1):
        folder = place.out / "stages" / chain(arm, stages[:number], world)
        if not (folder / CONFIG_NAME).is_file():
            wanted = arm if reads(config) else replace(arm, encoder={})
            begin = start(wanted, seed, folder.with_name(f"{folder.name}.start"), before)
            train(replace(config, init=str(begin)), world, folder)
        made[config.name] = before = folder
    return made


def run_arm(arm: Arm, seed: int, place: Place) -> Path:
    """Make one run where it is not finished; returns its result's path."""
    folder = place.run_folder(arm, seed)
    stages = configs(arm, seed, place)
    wanted, path = identity(arm, stages, place, world_of(place, arm.size)), folder / RESULT
    if (found := finished(place, path, wanted)) is not None:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, found)
        return path
    _begin(folder, wanted)
    made, steps = staged(arm, seed, place, len(stages)), {config.name: config.steps for config in stages}
    if arm.then is not None:
        files = files_of(place, arm.size, workers=1)
        common = {"seed": seed, "threads": place.threads}
        if place.steps:
            common |= {"steps": place.steps, "warmup_steps": 1}
        more = Continued(files=files, folder=folder, common=common)
        made |= second_half(arm.then, list(made.values())[-1], more)
        steps |= steps_of(arm.then)
    ranked = place.run_folder(arm, seed, "ranked")
    rows, hits = measure(list(made.values())[-1], folder / "index", place.benchmark, ranked)
    result = {
        "identity": wanted,
        "arm": asdict(arm),
        "seed": seed,
        "steps": steps,
        "seconds": {name: json.loads((at / RECORD_NAME).read_text("utf-8"))["seconds"] for name, at in made.items()},
        "memory_mb": int(peak_mib()),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": place.threads,
        "commit": git_commit(),
        "rows": rows,
        "hits": hits,
    }
    _write(path, result)
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left != path:
            left.unlink()
    return path


def finished(place: Place, path: Path, identity: str) -> Result | None:
    """The result of a run that need not be made again: in its own file, or among those made elsewhere."""
    if path.is_file() and (own := json.loads(path.read_text("utf-8")))["identity"] == identity:
        return own
    return next((one for one in place.finished if one["identity"] == identity), None)


def _write(path: Path, result: Result) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(result, sort_keys=True) + "\n")


def _begin(folder: Path, identity: str) -> None:
    """Empty the folder of a run of what another one left there, which was killed before the arm was changed."""
    begun = folder / BEGUN
    if not begun.is_file() or begun.read_text("utf-8") != identity:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_text(begun, identity)


def measure(
    encoder_at: Path, index: Path, benchmark: Path, ranked: Path
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The report's rows of MEASURED, and for each which queries have a right first result, as "0" and "1".

    What was found is written into `ranked`, a compressed TREC run for each, the first RANKED hits of every query.
    """
    build_index(load_encoder(encoder_at), Collection.open(benchmark), index, encoder_at=encoder_at.absolute())
    searcher = Searcher.open(index)
    ranked.mkdir(parents=True, exist_ok=True)
    rows, hits = [], {}
    for task, split, pool in MEASURED:
        (measured,) = measure_job(searcher, benchmark, Job(task, split, (pool,)))  # type: ignore[arg-type]
        part = f"{task}.{split}.composed{'' if pool == LOCAL else f'.{pool}'}.run.xz"
        write_run(ranked / part, measured.runs["composed"], encoder_at.name, RANKED)
        right = per_query(MEASURES["success@1"], measured.judged.qrels, measured.runs["composed"])
        rows.append(measured.row)
        hits[f"{task} {split} {pool}"] = "".join("1" if value else "0" for value in right)
    return rows, hits


def run_all(arms: Sequence[Arm], seeds: Sequence[int], place: Place, workers: int) -> Iterator[Path]:
    """Make every run that is not finished, `workers` at a time; yields results as they come."""
    for size in sorted({arm.size for arm in arms}):
        world_of(place, size, workers)
    for size in sorted({arm.size for arm in arms if arm.then is not None}):
        files_of(place, size, workers)
    wanted = [(arm, seed) for seed in seeds for arm in arms]
    there = [run for run in wanted if _is_finished(*run, place)]
    for arm, seed in there:
        yield run_arm(arm, seed, place)
    wanted = [run for run in wanted if run not in there]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for depth in range(1, max((len(arm.stages) for arm, _ in wanted), default=0) + 1):
            for begun in [pool.submit(staged, *call) for call in shared(wanted, place, depth)]:
                begun.result()
        waiting = [pool.submit(run_arm, arm, seed, place) for arm, seed in wanted]
        for one in as_completed(waiting):
            yield one.result()


def _is_finished(arm: Arm, seed: int, place: Place) -> bool:
    wanted = identity(arm, configs(arm, seed, place), place, world_of(place, arm.size))
    return finished(place, place.run_folder(arm, seed) / RESULT, wanted) is not None


def shared(wanted: Sequence[tuple[Arm, int]], place: Place, depth: int) -> list[tuple[Arm, int, Place, int]]:
    """What to train before the runs, as calls of `staged`: chains of `depth` stages that several runs begin with."""
    of_chain: dict[str, list[tuple[Arm, int]]] = {}
    for arm, seed in wanted:
        if len(arm.stages) >= depth:
            stages = configs(arm, seed, place)[:depth]
            of_chain.setdefault(chain(arm, stages, world_of(place, arm.size)), []).append((arm, seed))
    return [(*runs[0], place, depth) for runs in of_chain.values() if len(runs) > 1]


def read_results(out: Path) -> list[Result]:
    """All finished runs of a study."""
    return [json.loads(path.read_text("utf-8")) for path in sorted((out / "runs").glob(f"*/*/{RESULT}"))]
