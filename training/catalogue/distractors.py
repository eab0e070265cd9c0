"""Further test scenes as vectors: pool size as an axis of the benchmark, without a pixel on disk.

Not the benchmark's own collection. Each scene is rendered, compressed as the collection's pictures are, embedded and
forgotten. None of them answers any query of the benchmark (`Answers` is the rule, exact), so a query's relevant set is
the same in every pool.
"""

from __future__ import annotations

import io
import json
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
from training.catalogue.world import render_seed
from training.catalogue.writer import QUALITY, Ask, Plan
from umr.arrays import read_npy, write_npy
from umr.disk import file_sha256, write_text
from umr.errors import ConfigError, MismatchError
from umr.formats import parse_object, write_jsonl
from umr.types import Candidate, Content, Embeddings

#: Scenes that are rendered and embedded at a time; a killed run goes on with the next block.
BLOCK = 500


#: What a folder holds; the manifest is written last.
VECTORS, SCENES, MANIFEST = "vectors.npy", "scenes.jsonl", "distractors.json"

Progress = Callable[[int, int], None]
_Job = tuple[Scene, int, int]  # what to render: scene, nuisance seed, pixels per side


class Named(Protocol):
    """What tells an encoder from others."""

    @property
    def fingerprint(self) -> str:
        """Tells its weights from all others."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...


class CandidateEncoder(Named, Protocol):
    """What is asked of an encoder here (umr.encoders.UnifiedEncoder has it)."""

    def encode_candidates(self, candidates: list[Candidate], /) -> Embeddings:
        """Vectors of the candidates, in their order."""
        ...


class Answers:
    """Whether a picture of a scene would be an answer to any of some queries that search pictures.

    An answer is: what a full description says; a scene that satisfies an edit; what a short query says; and, for a free
    edit, a picture in which the edit is made and the main facts are kept, exactly or not.
    """

    def __init__(self, asks: Iterable[tuple[Ask, str]], shown: Iterable[Scene] = ()) -> None:
        """Learn the queries.

        Args:
            asks: queries with their splits.
            shown: scenes that count as answers too: those of a collection, so that none is drawn again.
        """
        self.scenes = set(shown)
        #: names of attributes -> the values that some query asks of them together
        self.asked: dict[tuple[str, ...], set[tuple]] = defaultdict(set)
        self.pairs: list[TypedQuery] = []
        for ask, split in asks:
            self._learn(ask, split)

    @classmethod
    def of(cls, plan: Plan) -> Answers:
        """Those of a benchmark's plan, with the scenes of its pictures."""
        asks = [(ask, split) for (task, split), every in plan.queries.items() if task.endswith("2i") for ask in every]
        return cls(asks, (row.scene for row in plan.rows if row.modality == "image"))

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
    answers, rng = Answers.of(plan), np.random.default_rng([seed, 61])
    found: dict[Scene, None] = {}
    while len(found) < count:
        scene = random_scene(rng, lambda scene: split_of(scene) == "test")
        if scene not in found and scene not in answers:
            found[scene] = None
    return list(found)


def embed_distractors(
    encoder: CandidateEncoder,
    plan: Plan,
    count: int,
    seed: int,
    folder: Path,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Embeds further test scenes that answer no query.

    Writes vectors.npy (count, dim) float16, scenes.jsonl (row i says what vector i shows) and, last, distractors.json.

    Args:
        encoder: whose vectors.
        plan: the benchmark whose queries none of the scenes answers.
        count: how many.
        seed: of scenes and nuisance.
        folder: where they are written; blocks of a killed run are kept and used.
        workers: processes that render; the next block is rendered while one is embedded.
        progress: called with the scenes that are done and their number.

    Returns:
        The path of the vectors.

    Raises:
        ConfigError: count < 1.
        MismatchError: the folder holds the vectors of another encoder, benchmark, seed or count.
    """
    if count < 1:
        raise ConfigError(f"{count} distractors; at least 1 is needed")
    folder = Path(folder)
    named = {"encoder": encoder.fingerprint, "encoder_name": encoder.name}
    made = named | {"benchmark": _digest(plan), "seed": seed, "count": count}
    if _is_finished(folder, made):
        return folder / VECTORS
    _claim(folder, made)
    scenes, size = distractor_scenes(plan, count, seed), _picture_size(plan)
    blocks = {start: folder / f"block-{start:06}.npy" for start in range(0, count, BLOCK)}
    missing = [start for start, block in blocks.items() if not block.exists()]
    jobs = [
        [
            (scene, render_seed(seed, "test", "distractor", row), size)
            for row, scene in enumerate(scenes[start : start + BLOCK], start)
        ]
        for start in missing
    ]
    for start, pictures in zip(missing, _rendered(jobs, workers), strict=True):
        write_npy(blocks[start], _embedded(encoder, pictures))
        if progress is not None:
            progress(min(start + BLOCK, count), count)
    write_npy(folder / VECTORS, np.concatenate([read_npy(block) for block in blocks.values()]))
    write_jsonl(folder / SCENES, (scene.to_json() for scene in scenes))
    files = {name: file_sha256(folder / name) for name in (VECTORS, SCENES)}
    write_text(folder / MANIFEST, json.dumps(made | {"files": files}, indent=2) + "\n")
    for leftover in (*blocks.values(), folder / _CLAIM):
        leftover.unlink()
    return folder / VECTORS


@dataclass(frozen=True, kw_only=True)
class Distractors:
    """What `embed_distractors` wrote."""

    vectors: np.ndarray  # (N, D) float16
    scenes: list[Scene]  # what row i shows


def load_distractors(folder: Path, encoder: Named) -> Distractors:
    """Reads the vectors of one encoder.

    Args:
        folder: where they are.
        encoder: whose they must be.

    Raises:
        ConfigError: there are none.
        MismatchError: they are another encoder's, or the files do not belong together.
    """
    folder = Path(folder)
    command = f"python -m training.catalogue distractors --encoder {encoder.name} --out ..."
    if not (folder / MANIFEST).exists():
        raise ConfigError(f"{folder} holds no finished distractors ({MANIFEST} is missing). Embed them: {command}")
    manifest = parse_object((folder / MANIFEST).read_text("utf-8"), str(folder / MANIFEST))
    if not manifest.keys() >= {"encoder", "encoder_name", "files"}:
        raise MismatchError(f"{folder / MANIFEST} was not written by `training.catalogue distractors`")
    if manifest["encoder"] != encoder.fingerprint:
        raise MismatchError(
            f"{folder} holds vectors of {manifest['encoder_name']} {manifest['encoder'][:12]}, "
            f"not of {encoder.name} {encoder.fingerprint[:12]}. Embed them with this encoder: {command}"
        )
    for name, digest in manifest["files"].items():
        if file_sha256(folder / name) != digest:
            raise MismatchError(f"{folder / name} changed after it was written. Delete {folder} and make it again.")
    rows = (folder / SCENES).read_text("utf-8").splitlines()
    return Distractors(vectors=read_npy(folder / VECTORS), scenes=[Scene.from_json(json.loads(row)) for row in rows])


_CLAIM = ".building"


def _digest(plan: Plan) -> str:
    """A hash of the pictures and of the queries that none of the distractors answers."""
    return sha256(f"{plan.digest()} {plan.queries}".encode()).hexdigest()


def _picture_size(plan: Plan) -> int:
    """Pixels per side of the collection's pictures."""
    return next(job.size for job in plan.media.values() if job.kind == "images")


def _is_finished(folder: Path, made: dict[str, Any]) -> bool:
    """Whether the folder holds this very run, whole."""
    manifest = folder / MANIFEST
    return manifest.exists() and parse_object(manifest.read_text("utf-8"), str(manifest)).items() >= made.items()


def _claim(folder: Path, made: dict[str, Any]) -> None:
    """Marks the folder as a run of this encoder, benchmark, seed and count.

    Raises:
        MismatchError: it holds blocks or vectors of any other.
    """
    wanted = sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    begun = folder / _CLAIM
    there = begun.read_text("utf-8").strip() if begun.exists() else None
    if there not in (None, wanted) or (there is None and any(folder.glob("*.npy"))):
        raise MismatchError(f"{folder} holds vectors of another run. Delete it, or choose another folder.")
    write_text(begun, wanted + "\n")


def _embedded(encoder: CandidateEncoder, pictures: list[np.ndarray]) -> np.ndarray:
    candidates = [
        Candidate(candidate_id=str(place), content=Content(image=pixels)) for place, pixels in enumerate(pictures)
    ]
    return np.asarray(encoder.encode_candidates(candidates).vectors, np.float16)


def _rendered(blocks: list[list[_Job]], workers: int) -> Iterator[list[np.ndarray]]:
    """The pictures of each block; while the caller has one, the next is rendered. One set of processes for all."""
    if workers == 1:
        yield from ([_picture(job) for job in jobs] for jobs in blocks)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        begun: deque[Iterator[np.ndarray]] = deque()
        for jobs in blocks:
            begun.append(pool.map(_picture, jobs, chunksize=16))
            if len(begun) > 1:
                yield list(begun.popleft())
        while begun:
            yield list(begun.popleft())


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _picture(job: _Job) -> np.ndarray:
    """The picture (S, S, 3) as it would be read back from the collection's files."""
    file = io.BytesIO()
    Image.fromarray(render_image(*job)).save(file, "WEBP", quality=QUALITY["images"], method=6)
    return np.asarray(Image.open(file).convert("RGB"))
