"""The second half of the recipe in a run of the study: mined negatives, re-ranker, teacher, student. On files alone.

U-MARVEL's stages (arXiv 2507.14902) after the composed one. The exact masks of the world are off here, as no real data
has them: what answers what is known from the files, and their unlabelled copies are what a filter has to find.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from training import distill, rerank
from training.catalogue.mbeir_world import MbeirSpec, write_mbeir
from training.config import QueryConfig
from training.mine import MineSettings, mine, write
from training.mixture import Mixture, Part
from training.reproduce import made_world
from training.sources.readers import load_source
from training.sources.source import Source
from training.sources.spec import parse
from training.study.plan import COPIES, FILES, RERANKER, STUDENT, TAUGHT, SecondHalf, finetuned
from training.teacher import POOLS, read_lists, teach
from training.train import train
from umr.disk import draft_of, put
from umr.encoders import load_trainable
from umr.formats import write_jsonl
from umr.rerank import load_reranker
from umr.rerank.order import Reordering
from umr.shipped import CONFIG_NAME

Settings = TypeVar("Settings", bound=QueryConfig)
ASKED = ("t2i", "t2t", "i2t", "it2i", "it2t", "t2v", "it2v")  # of the files
WEIGHT = 0.5  # of the re-ranker in the teacher's score; nothing is chosen for it


@dataclass(frozen=True, kw_only=True)
class Continued:
    """Settings of the stages of one run.

    Attributes:
        files: the M-BEIR folder that is trained on.
        folder: of the run.
        seed: of every stage.
        threads: of every stage.
        steps: all stages are cut to so many; 0: they are not.
    """

    files: Path
    folder: Path
    seed: int
    threads: int
    steps: int = 0

    def common(self) -> dict[str, Any]:
        """Settings that every stage has."""
        cut = {"steps": self.steps, "warmup_steps": 1} if self.steps else {}
        return {"seed": self.seed, "threads": self.threads, **cut}


def files_of_world(folder: Path, size: int, families: int, workers: int) -> Path:
    """The world of the second half as M-BEIR files, rendered where it is not finished; returns their folder."""
    files = folder / "files"
    if not files.is_dir():
        spec = replace(FILES, size=size, families=families or FILES.families)
        world = made_world(spec, folder / "arrays", workers)
        draft = draft_of(files)
        shutil.rmtree(draft, ignore_errors=True)
        write_mbeir(world, draft, spec.seed, MbeirSpec(tasks=ASKED, duplicates=COPIES, near_duplicates=COPIES))
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
        config = replace(finetuned(), name="negatives", init=str(at), **run.common())
        train(config, Mixture(parts=(Part(data=data, share=1.0),)), stages["negatives"])
    if then.distilled:
        stages["distilled"] = _distilled(then, stages["negatives"], (pool, data), run)
    return stages


def _mined(then: SecondHalf, at: Path, pool: Source, run: Continued) -> Source:
    out = run.folder / "mined.jsonl"
    if not out.with_suffix(".json").is_file():
        encoder, settings = load_trainable(at), MineSettings(threshold=then.threshold)
        write(out, encoder, pool, settings, mine(encoder, pool, settings))
    return load_source(parse(f"jsonl:{out}"), run.folder / "media")


def _distilled(then: SecondHalf, at: Path, sources: tuple[Source, Source], run: Continued) -> Path:
    """The student of the encoder `at` and a re-ranker that starts from it; returns the student's folder."""
    pool, mined = sources
    teacher, lists, student = (run.folder / name for name in ("reranker", "lists.jsonl", "distilled"))
    if not (teacher / "reranker.json").is_file():
        rerank.train(_query_config(RERANKER, at, run), mined, teacher)
    if not lists.is_file():
        rng = np.random.default_rng(run.seed)
        chosen = rng.permutation(len(pool.examples))[:TAUGHT]
        asked = replace(pool, examples=[pool.examples[int(place)] for place in sorted(chosen)])
        order = Reordering(reranker=load_reranker(teacher), weight=WEIGHT)
        write_jsonl(lists, list(teach(load_trainable(at), order, asked, POOLS[then.distilled], run.folder)))
    if not (student / CONFIG_NAME).is_file():
        distill.train(replace(_query_config(STUDENT, at, run), pools=then.distilled), read_lists(lists), student)
    return student


def _query_config(plain: Settings, at: Path, run: Continued) -> Settings:
    return replace(plain, init=str(at), **run.common())


def steps_of(then: SecondHalf) -> Mapping[str, int]:
    """Stage -> its steps."""
    found = {"negatives": finetuned().steps}
    return found | ({"reranker": RERANKER.steps, "distilled": STUDENT.steps} if then.distilled else {})
