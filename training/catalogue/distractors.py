"""Further test scenes as vectors: pool size as an axis of the benchmark, without a pixel on disk.

Not the benchmark's own collection. Each scene is rendered, compressed as the collection's pictures are, embedded and
forgotten. None of them answers any query of the benchmark (`Answers` is the rule, exact), so a query's relevant set is
the same in every pool.
"""

from __future__ import annotations

import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from training.catalogue.edits import targets
from training.catalogue.free import MAIN_FACTS
from training.catalogue.render import render_image
from training.catalogue.scene import Scene, random_scene
from training.catalogue.splits import split_of
from training.catalogue.typed import TypedQuery
from training.catalogue.world import render_seed, write_text
from training.catalogue.writer import QUALITY, Ask, Plan
from umr.disk import file_sha256
from umr.errors import ConfigError, MismatchError
from umr.types import Candidate, Content, Embeddings

#: Scenes that are rendered and embedded at a time; a killed run goes on with the next block.
BLOCK = 500


class CandidateEncoder(Protocol):
    """What is asked of an encoder here (umr.encoders.UnifiedEncoder has it)."""

    @property
    def fingerprint(self) -> str:
        """Tells its weights from all others."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def encode_candidates(self, candidates: list[Candidate], /) -> Embeddings:
        """Vectors of the candidates, in their order."""
        ...


class Answers:
    """Whether a picture of a scene would be an answer to any query of a plan that searches pictures.

    An answer is: a scene of the collection itself; a scene that satisfies an edit; what a short query says; and, for a
    free edit, a picture in which the edit is made and the main facts are kept, exactly or not.
    """

    def __init__(self, plan: Plan) -> None:
        self.size = next(job.size for job in plan.media.values() if job.kind == "images")
        self.scenes = {row.scene for row in plan.rows if row.modality == "image"}
        #: names of attributes -> the values that some query asks of them together
        self.asked: dict[tuple[str, ...], set[tuple]] = defaultdict(set)
        self.pairs: list[TypedQuery] = []
        for (task, split), asks in plan.queries.items():
            if task.endswith("2i"):
                for ask in asks:
                    self._learn(ask, split)

    def __contains__(self, scene: object) -> bool:
        """Whether some query would accept the scene."""
        if not isinstance(scene, Scene):
            return False
        if scene in self.scenes:
            return True
        if any(tuple(getattr(scene, name) for name in names) in values for names, values in self.asked.items()):
            return True
        return scene.companion is not None and any(query.matches(scene) for query in self.pairs)

    def _learn(self, ask: Ask, split: str) -> None:
        if ask.typed is not None and ask.typed.company:
            self.pairs.append(ask.typed)
        elif ask.typed is not None:
            said = sorted(ask.typed.main)
            self.asked[tuple(name for name, _ in said)].add(tuple(value for _, value in said))
        elif ask.edit is None:
            self.scenes.add(ask.scene)
        elif split != "free":
            self.scenes.update(targets(ask.scene, ask.edit))
        else:
            wanted: dict[str, tuple] = {name: (getattr(ask.scene, name),) for name in MAIN_FACTS}
            wanted |= ask.edit.allowed(ask.scene)
            self.asked[tuple(sorted(wanted))].update(product(*(wanted[name] for name in sorted(wanted))))


def distractor_scenes(plan: Plan, count: int, seed: int) -> list[Scene]:
    """So many different scenes of the test split that answer no query of the plan.

    The first n do not depend on `count`.
    """
    answers, rng = Answers(plan), np.random.default_rng([seed, 61])
    found: dict[Scene, None] = {}
    while len(found) < count:
        scene = random_scene(rng, lambda scene: split_of(scene) == "test")
        if scene not in found and scene not in answers:
            found[scene] = None
    return list(found)


def embed_distractors(
    encoder: CandidateEncoder, plan: Plan, count: int, seed: int, folder: Path, workers: int = 2
) -> Path:
    """Embeds further test scenes that answer no query.

    Writes vectors.npy (count, dim) float16, scenes.jsonl (row i says what vector i shows) and, last, distractors.json.

    Args:
        encoder: whose vectors.
        plan: the benchmark whose queries none of the scenes answers.
        count: how many.
        seed: of scenes and nuisance.
        folder: where they are written; blocks of a killed run are kept and used.
        workers: processes that render.

    Returns:
        The path of the vectors.

    Raises:
        ConfigError: count < 1.
        MismatchError: the folder holds the vectors of another encoder, benchmark or seed.
    """
    if count < 1:
        raise ConfigError(f"{count} distractors; at least 1 is needed")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "encoder": encoder.fingerprint,
        "encoder_name": encoder.name,
        "benchmark": _digest(plan),
        "seed": seed,
        "count": count,
    }
    _claim(folder, made)
    scenes = distractor_scenes(plan, count, seed)
    size = Answers(plan).size
    blocks = []
    for start in range(0, count, BLOCK):
        block = folder / f"block-{start:06}.npy"
        if not block.exists():
            jobs = [
                (scene, render_seed(seed, "test", "distractor", start + place), size)
                for place, scene in enumerate(scenes[start : start + BLOCK])
            ]
            _save(block, _embedded(encoder, jobs, workers))
        blocks.append(block)
    _save(folder / "vectors.npy", np.concatenate([np.load(block) for block in blocks]))
    write_text(
        folder / "scenes.jsonl", "".join(json.dumps(scene.to_json(), separators=(",", ":")) + "\n" for scene in scenes)
    )
    files = {name: file_sha256(folder / name) for name in ("vectors.npy", "scenes.jsonl")}
    write_text(folder / "distractors.json", json.dumps(made | {"files": files}, indent=2) + "\n")
    for leftover in (*blocks, folder / _CLAIM):
        leftover.unlink()
    return folder / "vectors.npy"


_CLAIM = ".building"


def _digest(plan: Plan) -> str:
    """A hash of the pictures and of the queries that none of the distractors answers."""
    return sha256(f"{plan.digest()} {plan.queries}".encode()).hexdigest()


def _claim(folder: Path, made: dict[str, Any]) -> None:
    """Marks the folder as a run of this encoder, benchmark, seed and count; blocks of any other are refused."""
    wanted = sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    begun = folder / _CLAIM
    there = begun.read_text().strip() if begun.exists() else None
    if there not in (None, wanted) or (there is None and any(folder.glob("*.npy"))):
        raise MismatchError(f"{folder} holds vectors of another run. Delete it, or choose another folder.")
    write_text(begun, wanted + "\n")


def _embedded(encoder: CandidateEncoder, jobs: list[tuple[Scene, int, int]], workers: int) -> np.ndarray:
    candidates = [
        Candidate(candidate_id=str(place), content=Content(image=pixels))
        for place, pixels in enumerate(_pictures(jobs, workers))
    ]
    return np.asarray(encoder.encode_candidates(candidates).vectors, np.float16)


def _pictures(jobs: list[tuple[Scene, int, int]], workers: int) -> Iterator[np.ndarray]:
    if workers == 1:
        yield from map(_picture, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        yield from pool.map(_picture, jobs, chunksize=16)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _picture(job: tuple[Scene, int, int]) -> np.ndarray:
    """The picture (S, S, 3) as it would be read back from the collection's files."""
    file = io.BytesIO()
    Image.fromarray(render_image(*job)).save(file, "WEBP", quality=QUALITY["images"], method=6)
    return np.asarray(Image.open(file).convert("RGB"))


def _save(path: Path, array: np.ndarray) -> None:
    """Writes an array whole or not at all."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    with waiting.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
