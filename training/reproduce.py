"""Remakes an encoder from nothing and sets its numbers beside the stored ones. Not the training (train.py).

python -m training.reproduce unified|contrastive|mca|umarvel [--quick] [--out DIR]

Worlds, stages of training, the index of the bundled benchmark and its evaluation, all from the code alone. What is
finished is kept, and what was killed goes on, so the command can be given again until it is done. In full it takes
about 10 GB of disk, half an hour of rendering and the seconds that training/README.md states for the stages; --quick
runs the same chain at tiny size, to see that it runs, and its numbers mean nothing.

The weights are not those of the shipped encoder bit for bit: `unified` was trained by two processes, which round
otherwise than one, and machines and versions of torch round apart too.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.catalogue.mbeir_world import MbeirSpec
from training.catalogue.world import WHOLES, World, WorldSpec, build_world, load_world
from training.config import SecondHalf, TrainConfig
from training.mixture import Mixture, Part
from training.provenance import stages as stages_of
from training.recipes import RECIPES, SMALL, umarvel
from training.second_half import Continued, files_of_world, second_half
from training.train import record_config, train
from umr.cli.progress import Progress
from umr.collection import Collection
from umr.encoders import load_encoder
from umr.encoders.card import RECORD_NAME
from umr.encoders.config import read_config
from umr.errors import ConfigError, MismatchError, exit_status
from umr.eval.evaluate import evaluate_job
from umr.eval.pools import matching
from umr.eval.reports import key_of, read_report, reports_folder
from umr.index.index import build_index
from umr.search import Searcher
from umr.shipped import BUNDLED, CONFIG_NAME, MANIFEST, cache_root, default_root

log = logging.getLogger("training")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One run of training.train.

    Attributes:
        worlds: keys of the plan's worlds; each step is of one of them.
        init: an earlier stage, None: random weights.
        changes: settings that differ from the recipe's; `kept_of` is an earlier stage.
    """

    name: str
    recipe: str
    worlds: tuple[str, ...]
    init: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What makes one encoder.

    Attributes:
        worlds: by their names.
        stages: in their order; the last is the encoder itself where nothing follows.
        then: what follows them on the files of the world FILES; the encoder is then what comes of these.
        task: of the benchmark that is measured, None: every one.
        split: the same.
    """

    worlds: Mapping[str, WorldSpec]
    stages: tuple[Stage, ...]
    then: SecondHalf | None = None
    task: str | None = None
    split: str | None = None

    @property
    def name(self) -> str:
        """The encoder's."""
        return self.stages[-1].name if self.then is None else self.then.made


FILES = "files"  # the world of the last stage, which U-MARVEL's second half sees as files
WORLDS = {
    "world": WorldSpec(families=12000, clip_families=1500, seed=2, jitter=0.5),
    "second": WorldSpec(families=12000, clip_families=1500, seed=3, jitter=0.5),
    "third": WorldSpec(families=12000, clip_families=1500, seed=4, jitter=0.5),
    FILES: WorldSpec(families=4000, clip_families=1200, seed=7, jitter=0.5),
    "crowded": WorldSpec(families=8000, clip_families=1200, seed=11, jitter=0.5, crowded=0.6),
    "stocked": WorldSpec(families=6000, clip_families=400, seed=12, jitter=0.5, crowded=0.6, bystanders=0.4),
}

#: The stages of training/README.md, in the order in which they run.
STAGES = (
    Stage(name="vision", recipe="vision", worlds=("world",)),
    Stage(name="captions", recipe="captions", worlds=("world",), init="vision"),
    Stage(name="joint", recipe="unified", worlds=("world",), init="captions", changes={"stop_after": 2900}),
    Stage(name="longer", recipe="longer", worlds=("second",), init="joint"),
    Stage(name="deeper", recipe="deeper", worlds=("world", "second", "third"), init="longer"),
    Stage(name="company", recipe="company", worlds=("world", "second", "third"), init="deeper"),
    Stage(name="anykind", recipe="anykind", worlds=(FILES,), init="company"),
    Stage(name="crowded", recipe="crowded", worlds=("crowded", "stocked"), init="anykind"),
    Stage(
        name="unified",
        recipe="crowded",
        worlds=("crowded", "stocked"),
        init="anykind",
        changes={"seed": 6, "muon_rate": 6e-3, "learning_rate": 6e-4, "kept_start": 0.75, "kept_of": "crowded"},
    ),
    Stage(name="small_vision", recipe="vision", worlds=("world",), changes={"steps": 1200, "network": SMALL}),
    Stage(name="small_captions", recipe="captions", worlds=("world",), init="small_vision", changes={"steps": 500}),
    Stage(name="contrastive", recipe="contrastive", worlds=("world",), init="small_captions"),
    Stage(name="mca", recipe="mca", worlds=("world",), init="small_captions"),
)
SHIPPED = ("unified", "contrastive", "mca")
CHAINS = (*SHIPPED, umarvel().made)
#: A tenth of its pictures stands in the pool twice, another tenth a second time cut a little, and nothing says so.
FILES_SPEC = MbeirSpec(duplicates=0.1, near_duplicates=0.1, fillers=0.1, queries_per_family=2)

#: --quick: the same stages, each a moment long, of a network and in worlds that are tiny.
QUICK_WORLDS = {name: replace(world, families=8, clip_families=3, size=56) for name, world in WORLDS.items()}
QUICK = {
    "steps": 2,
    "stop_after": 0,
    "warmup_steps": 1,
    "families_per_batch": 6,
    "bf16": False,  # at this size it costs more than it saves
    "log_every": 1,
    "checkpoint_every": 1,
}
QUICK_NETWORK = {
    "image_size": 56,
    "network": {"hidden": 48, "layers": 1, "heads": 2, "shared_heads": 2, "inner": 64,
                "vision_width": 32, "vision_layers": 1, "vision_heads": 2},
}  # fmt: skip


def plan(name: str, quick: bool = False) -> Plan:
    """The chain that makes an encoder.

    Args:
        name: one of CHAINS.
        quick: the same chain at tiny size.

    Returns:
        Its worlds and stages.

    Raises:
        ConfigError: there is none for this name.
    """
    if name not in CHAINS:
        raise ConfigError(f"there is no chain that makes {name!r}; legal: {', '.join(CHAINS)}")
    known = {stage.name: stage for stage in STAGES}
    then = None if name in SHIPPED else umarvel()
    wanted, rest = set[str](), [name if then is None else then.negatives.init]
    while rest:
        at = rest.pop()
        if at is not None and at not in wanted:
            wanted.add(at)
            rest += [known[at].init, known[at].changes.get("kept_of")]
    chain = [stage for stage in STAGES if stage.name in wanted]
    if not quick:
        return Plan(worlds=WORLDS, stages=tuple(chain), then=then)
    tiny = [
        replace(stage, changes={**stage.changes, **QUICK, **({} if stage.init else QUICK_NETWORK)}) for stage in chain
    ]
    return Plan(worlds=QUICK_WORLDS, stages=tuple(tiny), then=then and quickened(then), task="it2i", split="ind")


def quickened(then: SecondHalf) -> SecondHalf:
    """The same stages, each a moment long."""
    cut: dict[str, Any] = {key: value for key, value in QUICK.items() if key != "families_per_batch"}
    return replace(
        then,
        negatives=replace(then.negatives, families_per_batch=int(QUICK["families_per_batch"]), **cut),
        reranker=replace(then.reranker, queries_per_batch=4, **cut),
        student=replace(then.student, queries_per_batch=4, **cut),
        taught=4,
    )


def reproduce(one: Plan, out: Path, benchmark: Path, workers: int = 2) -> list[dict[str, Any]]:
    """Run what is not finished of a plan.

    Args:
        one: what to make.
        out: a folder for worlds/, encoders/, and the index and runs of the encoder; plans may share it.
        benchmark: the M-BEIR folder that is indexed and asked.
        workers: processes that render.

    Returns:
        The rows of the evaluation, as `umr evaluate` gives them.

    Raises:
        MismatchError: the folder holds a world or a stage of this name that was made otherwise.
    """
    for stage in one.stages:
        worlds = [made_world(one.worlds[key], out / "worlds" / key, workers) for key in stage.worlds]
        make_stage(stage, worlds, out / "encoders")
    at = out / "encoders" / one.stages[-1].name
    if one.then is not None:
        world = made_world(one.worlds[FILES], out / "worlds" / FILES, workers)
        files = files_of_world(world, FILES_SPEC, out / "worlds" / FILES / "mbeir")
        *_, at = second_half(one.then, at, Continued(files=files, folder=out / one.name)).values()
    return measure(one, at, out / one.name, benchmark)


def made_world(wanted: WorldSpec, folder: Path, workers: int) -> World:
    """The world of a plan, built where it is not finished.

    Raises:
        MismatchError: another one lies there.
    """
    if not (folder / "world.json").is_file():
        log.info("world %s: %d families, %d clip families", folder.name, wanted.families, wanted.clip_families)
        return build_world(folder, wanted, workers)
    world = load_world(folder)
    for key in ("families", "clip_families", "seed", "size", *WHOLES):
        there = world.manifest.get(key, 0.0)  # files of worlds without them do not say so
        if there != getattr(wanted, key):
            raise MismatchError(
                f"{folder} is a world of {key} {there}, the plan says {getattr(wanted, key)}: "
                "remove it, or give another --out"
            )
    return world


def settings(stage: Stage, encoders: Path) -> TrainConfig:
    """The whole configuration of a stage: its recipe, its changes, its name, where it starts from."""
    init, changes = stage.init and str(encoders / stage.init), dict(stage.changes)
    if kept := changes.get("kept_of"):
        changes["kept_of"] = str(encoders / kept)
    return replace(RECIPES[stage.recipe](), name=stage.name, init=init, **changes)


def make_stage(stage: Stage, worlds: Sequence[World], encoders: Path) -> None:
    """Train a stage where it is not finished.

    Raises:
        MismatchError: an encoder of its name was made otherwise.
    """
    config, folder = settings(stage, encoders), encoders / stage.name
    mixture = Mixture(parts=tuple(Part(data=world, share=1.0) for world in worlds))
    data = worlds[0] if len(worlds) == 1 else mixture
    if not (folder / CONFIG_NAME).is_file():
        log.info("stage %s", stage.name)
        train(config, data, folder)
        return
    record = json.loads((folder / RECORD_NAME).read_text("utf-8"))
    identity = "world_fingerprint" if isinstance(data, World) else "data_fingerprint"
    wanted = {"config": record_config(config), identity: data.fingerprint, "stages": stages_of(config.init)}
    for key, value in json.loads(json.dumps(wanted)).items():
        if record.get(key) != value:
            raise MismatchError(
                f"{folder} is finished, but its {key} is {record.get(key)}, the plan's {value}: remove the folder, "
                "or give another --out"
            )
    log.info("stage %s is finished", stage.name)


def measure(one: Plan, encoder_folder: Path, folder: Path, benchmark: Path) -> list[dict[str, Any]]:
    """Index the benchmark with the encoder and evaluate it, where that is not done; returns the report's rows."""
    identity = read_config(encoder_folder).fingerprint()
    index, runs = folder / "index", folder / "runs"
    manifest = index / MANIFEST
    if not manifest.is_file() or json.loads(manifest.read_text("utf-8"))["encoder"] != identity:
        encoder, collection = load_encoder(encoder_folder), Collection.open(benchmark)
        build_index(encoder, collection, index, encoder_at=encoder_folder.absolute(), progress=Progress("indexing"))
    searcher = Searcher.open(index)
    wanted = matching(benchmark, one.task, one.split)
    known = measured_rows(runs, identity)
    for number, job in enumerate(wanted, 1):
        missing = tuple(pool for pool in job.pools if (job.task, job.split, pool) not in known)
        if missing:
            evaluate_job(searcher, benchmark, job._replace(pools=missing), runs)
            log.info("measured %s %s (%d of %d)", job.task, job.split, number, len(wanted))
    known = measured_rows(runs, identity)
    return [known[job.task, job.split, pool] for job in wanted for pool in job.pools]


def measured_rows(runs: Path, encoder: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(task, split, pool) -> the row of the report beside the runs; empty where the report is of another encoder."""
    if not (runs / "report.json").is_file():
        return {}
    report = read_report(runs)
    return {key_of(row): row for row in report["rows"] if report["encoder"] == encoder}


def table(made: Sequence[Mapping[str, Any]], stored: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of success@1 in percent: made, stored and their difference; "-" where nothing is stored."""
    known = {key_of(row): row["success@1"] for row in stored}
    lines = [f"{'task':6} {'split':18} {'pool':6} {'made':>6} {'stored':>7} {'difference':>11}   (success@1, %)"]
    for row in made:
        task, split, pool = key_of(row)
        value, there = row["success@1"], known.get((task, split, pool))
        shown = f"{'-':>6}" if value is None else f"{100 * value:6.1f}"
        beside = f"{'-':>7}" if there is None else f"{100 * there:7.1f}"
        difference = f"{'-':>11}" if value is None or there is None else f"{100 * (value - there):+11.1f}"
        lines.append(f"{task:6} {split:18} {pool:6} {shown} {beside} {difference}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(
        prog="python -m training.reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help=f"what to make: {', '.join(CHAINS)}")
    parser.add_argument("--quick", action="store_true", help="the whole chain at tiny size, in a minute or two")
    parser.add_argument("--out", type=Path, help="default: reproduce, or reproduce-quick, in the cache")
    parser.add_argument("--workers", type=int, default=2, help="processes that render (default 2)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    out = options.out or cache_root() / ("reproduce-quick" if options.quick else "reproduce")
    with exit_status("training.reproduce", ValueError) as ended:
        one = plan(options.name, options.quick)
        if options.workers < 1:
            raise ConfigError(f"--workers is {options.workers}; at least 1 process that renders is needed")
        rows = reproduce(one, out, default_root() / "media" / BUNDLED, options.workers)
        stored = read_report(reports_folder(options.name))["rows"] if options.name in SHIPPED else []
        print("\n".join(table(rows, stored)))
        if options.quick:
            print("made by --quick: a chain that runs, and numbers that mean nothing")
    return ended.status


if __name__ == "__main__":
    raise SystemExit(main())
