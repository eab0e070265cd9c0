"""Writes a planned collection and its queries as M-BEIR files: media in several processes, rows, qrels, instructions.

It plans nothing. Media files already written by a killed build of the same plan are kept; benchmark.json is written
last.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.catalogue.edits import Edit
from training.catalogue.free import GRADES
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import Scene
from training.catalogue.shortcut import draw_cue
from training.catalogue.splits import Split
from training.catalogue.text import EntryFacts
from training.catalogue.typed import TypedQuery
from umr.disk import file_sha256, replacing, write_text
from umr.errors import MismatchError
from umr.formats import write_jsonl
from umr.shipped import LICENCE
from umr.types import KINDS

DATASET_ID = 100
FRAMES, FPS = 24, 12
QUALITY = {"images": 54, "queries": 52}
TASK_IDS = {"t2i": 0, "t2t": 1, "t2it": 2, "i2t": 3, "i2i": 4, "it2t": 6, "it2i": 7, "it2it": 8, "t2v": 9, "it2v": 10}
WORDS = {kind.letters: kind.modality for kind in KINDS}
POOLS = {kind.modality: kind.one for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Media:
    """One file to render. kind: "images", "queries" or "clips"; cue: a tag to draw, or None."""

    kind: str
    scene: Scene
    seed: int
    size: int
    style: str = "catalogue"
    cue: int | None = None

    def save(self, path: Path, pixels: np.ndarray) -> None:
        """Writes the picture (S, S, 3) uint8 as WebP, tagged if it has a cue, whole or not at all."""
        if self.cue is not None:
            pixels = draw_cue(pixels, self.cue)
        with replacing(path) as draft:
            Image.fromarray(pixels).save(draft, "WEBP", quality=QUALITY[self.kind], method=6)


@dataclass(slots=True)
class Row:
    """A candidate: what it shows and says."""

    did: str
    modality: str
    scene: Scene
    title: str
    text: str | None = None
    media: str | None = None  # a path of the plan's media
    facts: EntryFacts | None = None
    unsaid: bool = False  # nothing of the scene is written beside it


@dataclass(slots=True)
class Ask:
    """A query and its answers.

    Attributes:
        text, media: its parts; media is a path of the plan's media.
        scene: what it starts from; edit: what is changed of it (None: the scene itself, or what `typed` says, is
            wanted).
        relevant, hard: ids of the best answers, and of near misses.
        group: number of the scenes that it is not independent of; intervals resample groups.
        facts: of a wanted entry.
        typed: what a short query asks for.
        grades: id -> graded relevance, where answers differ in it (free.py); None: every relevant one counts 1.
    """

    text: str | None
    media: str | None
    scene: Scene
    relevant: list[str]
    hard: list[str]
    group: int
    edit: Edit | None = None
    facts: EntryFacts | None = None
    typed: TypedQuery | None = None
    grades: dict[str, int] | None = None


@dataclass(slots=True)
class Plan:
    """Everything that will be written; queries by (task, split). split: whose scenes these are."""

    seed: int
    media: dict[str, Media] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    queries: dict[tuple[str, str], list[Ask]] = field(default_factory=dict)
    split: Split = "test"

    def digest(self) -> str:
        """A hash of all media to render: equal plans may share files."""
        return sha256("\n".join(f"{path} {job}" for path, job in self.media.items()).encode()).hexdigest()


def write(plan: Plan, folder: Path, workers: int) -> dict[str, int]:
    """Renders and writes the plan; returns counts.

    Raises:
        MismatchError: the folder holds media of another plan.
    """
    folder = Path(folder)
    _claim(folder, plan.digest())
    _render(plan.media, folder, workers)
    counts = write_rows(plan, folder, "test")
    (folder / _CLAIM).unlink()
    return counts


def write_rows(plan: Plan, folder: Path, part: str) -> dict[str, int]:
    """Writes pools, queries, qrels, instructions and, last, benchmark.json for media that are there; returns counts.

    part: M-BEIR's word ("train", "test") in folder and file names.
    """
    hashes = {path: file_sha256(folder / path) for path in plan.media}
    files = []
    for modality, name in POOLS.items():
        files.append(f"cand_pool/local/mbeir_catalogue_{name}_cand_pool.jsonl")
        rows = [_candidate(row, hashes) for row in plan.rows if row.modality == modality]
        write_jsonl(folder / files[-1], rows, spaced=True)
    number = 0
    for (task, split), asks in plan.queries.items():
        name = f"mbeir_catalogue_{task}_{split}_{part}"
        ids = [f"{DATASET_ID}:{number + place}" for place in range(len(asks))]
        number += len(asks)
        files += [f"query/{part}/{name}.jsonl", f"qrels/{part}/{name}_qrels.txt"]
        rows = [_query(task, qid, ask, part) for qid, ask in zip(ids, asks, strict=True)]
        write_jsonl(folder / files[-2], rows)  # candidates, which fingerprints name, keep their spaces
        write_text(
            folder / files[-1],
            "".join(
                f"{qid} 0 {did} {grade} {TASK_IDS[task]}\n"
                for qid, ask in zip(ids, asks, strict=True)
                for did, grade in (ask.grades or dict.fromkeys(ask.relevant, 1)).items()
            ),
        )
    files.append("instructions/query_instructions.tsv")
    write_text(folder / files[-1], _instructions())
    counts = {name: sum(row.modality == modality for row in plan.rows) for modality, name in POOLS.items()}
    counts |= {
        "queries": number,
        "query pictures": sum(job.kind == "queries" for job in plan.media.values()),
        "media bytes": sum((folder / path).stat().st_size for path in plan.media),
    }
    write_text(
        folder / "benchmark.json",
        json.dumps(
            {
                "seed": plan.seed,
                "licence": LICENCE,
                "split": plan.split,
                "plan": plan.digest(),
                "counts": counts,
                "files": {name: file_sha256(folder / name) for name in sorted(files)},
            },
            indent=2,
        )
        + "\n",
    )
    return counts


_CLAIM = ".building"


def _claim(folder: Path, digest: str) -> None:
    """Marks the folder as a build of this plan.

    Raises:
        MismatchError: its media are of another.
    """
    finished, begun = folder / "benchmark.json", folder / _CLAIM
    there = (
        json.loads(finished.read_text())["plan"]
        if finished.exists()
        else begun.read_text().strip()
        if begun.exists()
        else None
    )
    if there not in (None, digest) or (there is None and (folder / "files").exists()):
        raise MismatchError(f"{folder} holds the media of another build. Delete it, or choose another folder.")
    write_text(begun, digest + "\n")
    finished.unlink(missing_ok=True)


def _render(media: dict[str, Media], folder: Path, workers: int) -> None:
    """Renders the files that are not there yet, with progress on stderr."""
    rest = [(folder / path, job) for path, job in media.items() if not (folder / path).exists()]
    for parent in {path.parent for path, _ in rest}:
        parent.mkdir(parents=True, exist_ok=True)
    started = shown = time.monotonic()
    if workers > 1 and len(rest) > 16:
        with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
            for count, _ in enumerate(pool.map(render_file, rest, chunksize=8), 1):
                if time.monotonic() - shown > 2 or count == len(rest):
                    shown = time.monotonic()
                    rate = count / (shown - started)
                    left = (len(rest) - count) / rate / 60
                    print(
                        f"\rrendered {count:,} of {len(rest):,} files, {rate:.0f}/s, {left:.1f} min left  ",
                        end="",
                        file=sys.stderr,
                        flush=True,
                    )
        print(file=sys.stderr)
    else:
        for task in rest:
            render_file(task)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def render_file(task: tuple[Path, Media]) -> None:
    """Renders one picture (WebP) or clip (mp4) and writes it whole or not at all."""
    from training.catalogue.render import render_clip, render_image
    from training.catalogue.store import write_clip

    path, job = task
    if job.kind == "clips":
        write_clip(path, render_clip(job.scene, job.seed, job.size, FRAMES, job.style), FPS)
        return
    job.save(path, render_image(job.scene, job.seed, job.size, job.style))


def _candidate(row: Row, hashes: dict[str, str]) -> dict[str, Any]:
    content: dict[str, Any] = {"scene": row.scene.to_json()} if not row.unsaid else {}
    if row.facts:
        content["facts"] = {"origin": row.facts.origin, "price": row.facts.price, "extra": row.facts.extra}
    is_clip = row.modality == "video"
    fields = {
        "did": row.did,
        "txt": row.text,
        "img_path": None if is_clip else row.media,
        "modality": row.modality,
        "src_content": json.dumps(content, separators=(",", ":")) if content else None,
        "title": row.title,
        "content_hash": hashes[row.media] if row.media else "",
    }
    return fields | {"video_path": row.media} if is_clip else fields


def _query(task: str, qid: str, ask: Ask, part: str) -> dict[str, Any]:
    """The query's row.

    Its "group" is what intervals resample; "family" says the same inside the source, for readers of M-BEIR's fields
    alone. As in M-BEIR, a query of the test lists no negatives.
    """
    asked = ask.typed.to_json() if ask.typed else None
    content: dict[str, Any] = asked or {"scene" if ask.edit is None else "reference": _brief(ask.scene)}
    if ask.edit:
        content["edit"] = ask.edit.to_json()
    if ask.facts:
        content["facts"] = {"origin": ask.facts.origin, "price": ask.facts.price, "extra": ask.facts.extra}
    content["family"] = ask.group
    row = {
        "qid": qid,
        "query_txt": ask.text,
        "query_img_path": ask.media,
        "query_modality": WORDS[task.split("2")[0]],
        "query_src_content": json.dumps(content, separators=(",", ":")),
        "pos_cand_list": ask.relevant,
        "neg_cand_list": [] if part == "test" else ask.hard,
        "task_id": TASK_IDS[task],
        "group": ask.group,
    }
    if ask.grades is not None:
        row |= {
            "exact": [did for did, grade in ask.grades.items() if grade == GRADES["exact"]],
            "edit_made_facts_kept": [did for did, grade in ask.grades.items() if grade >= GRADES["kept"]],
        }
    return row


def _brief(scene: Scene) -> dict[str, Any]:
    """The scene's facts without what is not there."""
    return {name: value for name, value in scene.to_json().items() if value is not None}


def _instructions() -> str:
    """M-BEIR's table: query modality, candidate modality, dataset, its id, prompts (the first is the evaluation's)."""
    lines: list[Sequence[str]] = [
        (
            "query_modality",
            "cand_modality",
            "dataset_name",
            "dataset_id",
            "prompt_1",
            "prompt_2",
            "prompt_3",
            "prompt_4",
        )
    ]
    lines += [(query, target, "catalogue", str(DATASET_ID), *ways) for (query, target), ways in INSTRUCTIONS.items()]
    return "".join("\t".join(line) + "\n" for line in lines)
