"""The second half of the recipe: mined negatives, re-ranker, teacher, student. On files alone; not what they are.

U-MARVEL's stages (arXiv 2507.14902) after the composed one. The exact masks of the world are off here, as no real data
has them: what answers what is known from the files, and their unlabelled copies are what a filter has to find.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from training import distill, rerank
from training.catalogue.mbeir_world import MbeirSpec, write_mbeir
from training.catalogue.world import World
from training.config import SecondHalf
from training.mine import MineSettings, mine, write
from training.mixture import Mixture, Part
from training.sources.readers import load_source
from training.sources.source import Source
from training.sources.spec import parse
from training.teacher import POOLS, read_lists, teach
from training.train import HOW_COMPUTED, Settings, record_config, train
from umr.disk import draft_of, put, write_text
from umr.encoders import load_trainable
from umr.encoders.card import RECORD_NAME
from umr.encoders.config import read_config
from umr.errors import MismatchError
from umr.formats import write_jsonl
from umr.rerank import load_reranker
from umr.rerank.config import read_config as read_reranker_config
from umr.rerank.order import Reordering
from umr.shipped import CONFIG_NAME, RERANKER_CONFIG


@dataclass(frozen=True, kw_only=True)
class Continued:
    """Where the stages of one run lie.

    Attributes:
        files: the M-BEIR folder that is trained on.
        folder: of the run.
        common: settings of every stage that differ from its own.
    """

    files: Path
    folder: Path
    common: Mapping[str, Any] = field(default_factory=dict)


def files_of_world(world: World, spec: MbeirSpec, files: Path) -> Path:
    """A world as M-BEIR files, written where they are not finished; returns their folder, `files`."""
    if not files.is_dir():
        draft = draft_of(files)
        shutil.rmtree(draft, ignore_errors=True)
        write_mbeir(world, draft, int(world.manifest["seed"]), spec)
        put(draft, files)
    return files


def second_half(then: SecondHalf, at: Path, run: Continued) -> dict[str, Path]:
    """Stages after the composed one, each where it is not finished.

    Args:
        then: what they are.
        at: the encoder of the composed stage.
        run: where and how.

    Returns:
        Stage -> its encoder's folder, in their order; the last is the run's.

    Raises:
        MismatchError: a stage is finished, and was made otherwise.
    """
    pool = load_source(parse(f"mbeir:{run.files}"), run.folder / "media", whole_pool=True)
    data = _mined(then, at, pool, run) if then.mined else pool
    stages = {"negatives": run.folder / "negatives"}
    config = _begun(then.negatives, at, run)
    if not _is_trained(stages["negatives"], config):
        train(config, Mixture(parts=(Part(data=data, share=1.0),)), stages["negatives"])
    if then.distilled:
        stages["distilled"] = _distilled(then, stages["negatives"], (pool, data), run)
    return stages


def _mined(then: SecondHalf, at: Path, pool: Source, run: Continued) -> Source:
    out, settings = run.folder / "mined.jsonl", MineSettings(threshold=then.threshold, keep=then.keep)
    wanted = {**asdict(settings), "encoder": read_config(at).fingerprint(), "data_fingerprint": pool.fingerprint}
    if not _is_told(out.with_suffix(".json"), wanted):
        encoder = load_trainable(at)
        write(out, encoder, pool, settings, mine(encoder, pool, settings))
    return load_source(parse(f"jsonl:{out}"), run.folder / "media")


def _distilled(then: SecondHalf, at: Path, sources: tuple[Source, Source], run: Continued) -> Path:
    """The student of the encoder `at` and a re-ranker that starts from it; returns the student's folder."""
    pool, mined = sources
    teacher, lists, student = (run.folder / name for name in ("reranker", "lists.jsonl", "distilled"))
    config = replace(_begun(then.student, at, run), pools=then.distilled)
    judge = _begun(then.reranker, at, run)
    if not _is_trained(teacher, judge):
        rerank.train(judge, mined, teacher)
    wanted = {"encoder": read_config(at).fingerprint(), "reranker": read_reranker_config(teacher).fingerprint(),
              "weight": then.weight, "pools": list(POOLS[then.distilled]), "taught": then.taught, "seed": config.seed,
              "data_fingerprint": pool.fingerprint}  # fmt: skip
    if not _is_told(lists.with_suffix(".json"), wanted):
        rng = np.random.default_rng(config.seed)
        chosen = rng.permutation(len(pool.examples))[: then.taught]
        asked = replace(pool, examples=[pool.examples[int(place)] for place in sorted(chosen)])
        order = Reordering(reranker=load_reranker(teacher), weight=then.weight)
        write_jsonl(lists, list(teach(load_trainable(at), order, asked, POOLS[then.distilled], run.folder)))
        write_text(lists.with_suffix(".json"), json.dumps(wanted, indent=1, sort_keys=True) + "\n")
    if not _is_trained(student, config):
        distill.train(config, read_lists(lists), student)
    return student


def _is_trained(folder: Path, config: Settings) -> bool:
    """Whether a stage is finished; raises MismatchError where its settings were others."""
    if not any((folder / name).is_file() for name in (CONFIG_NAME, RERANKER_CONFIG)):
        return False
    record = json.loads((folder / RECORD_NAME).read_text("utf-8"))["config"]
    there, wanted = ({**one, **dict.fromkeys(HOW_COMPUTED)} for one in (record, record_config(config)))
    _check_same(folder, there, wanted)
    return True


def _is_told(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a file is finished, by the record `path` beside it; raises MismatchError where it tells otherwise."""
    if not path.is_file():
        return False
    there = json.loads(path.read_text("utf-8"))
    _check_same(path, {name: there.get(name) for name in wanted}, wanted)
    return True


def _check_same(path: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises MismatchError, which names what differs."""
    for name in sorted(there.keys() | wanted.keys()):
        if there.get(name) != wanted.get(name):
            raise MismatchError(
                f"{path} is finished, but its {name} is {there.get(name)}, the plan's {wanted.get(name)}: remove it "
                "and what was made of it, or give another folder"
            )


def _begun(plain: Settings, at: Path, run: Continued) -> Settings:
    """The settings of a stage that starts from the encoder `at`."""
    return replace(plain, init=str(at), **run.common)


def steps_of(then: SecondHalf) -> Mapping[str, int]:
    """Stage -> its steps."""
    found = {"negatives": then.negatives.steps}
    return found | ({"reranker": then.reranker.steps, "distilled": then.student.steps} if then.distilled else {})
