"""The second half of the recipe: mined negatives, re-ranker, teacher, student. On files alone; not what they are.

U-MARVEL's stages (arXiv 2507.14902) after the composed one. The exact masks of the world are off here, as no real data
has them: what answers what is known from the files, and their unlabelled copies are what a filter has to find.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from training.train import Settings, train
from umr.disk import draft_of, put
from umr.encoders import load_trainable
from umr.formats import write_jsonl
from umr.rerank import load_reranker
from umr.rerank.order import Reordering
from umr.shipped import CONFIG_NAME


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
    """
    pool = load_source(parse(f"mbeir:{run.files}"), run.folder / "media", whole_pool=True)
    data = _mined(then, at, pool, run) if then.mined else pool
    stages = {"negatives": run.folder / "negatives"}
    if not (stages["negatives"] / CONFIG_NAME).is_file():
        train(_begun(then.negatives, at, run), Mixture(parts=(Part(data=data, share=1.0),)), stages["negatives"])
    if then.distilled:
        stages["distilled"] = _distilled(then, stages["negatives"], (pool, data), run)
    return stages


def _mined(then: SecondHalf, at: Path, pool: Source, run: Continued) -> Source:
    out = run.folder / "mined.jsonl"
    if not out.with_suffix(".json").is_file():
        encoder, settings = load_trainable(at), MineSettings(threshold=then.threshold, keep=then.keep)
        write(out, encoder, pool, settings, mine(encoder, pool, settings))
    return load_source(parse(f"jsonl:{out}"), run.folder / "media")


def _distilled(then: SecondHalf, at: Path, sources: tuple[Source, Source], run: Continued) -> Path:
    """The student of the encoder `at` and a re-ranker that starts from it; returns the student's folder."""
    pool, mined = sources
    teacher, lists, student = (run.folder / name for name in ("reranker", "lists.jsonl", "distilled"))
    config = replace(_begun(then.student, at, run), pools=then.distilled)
    if not (teacher / "reranker.json").is_file():
        rerank.train(_begun(then.reranker, at, run), mined, teacher)
    if not lists.is_file():
        rng = np.random.default_rng(config.seed)
        chosen = rng.permutation(len(pool.examples))[: then.taught]
        asked = replace(pool, examples=[pool.examples[int(place)] for place in sorted(chosen)])
        order = Reordering(reranker=load_reranker(teacher), weight=then.weight)
        write_jsonl(lists, list(teach(load_trainable(at), order, asked, POOLS[then.distilled], run.folder)))
    if not (student / CONFIG_NAME).is_file():
        distill.train(config, read_lists(lists), student)
    return student


def _begun(plain: Settings, at: Path, run: Continued) -> Settings:
    """The settings of a stage that starts from the encoder `at`."""
    return replace(plain, init=str(at), **run.common)


def steps_of(then: SecondHalf) -> Mapping[str, int]:
    """Stage -> its steps."""
    found = {"negatives": then.negatives.steps}
    return found | ({"reranker": then.reranker.steps, "distilled": then.student.steps} if then.distilled else {})
