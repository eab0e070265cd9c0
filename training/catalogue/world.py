"""A training world on disk: families of scenes and clips, and their pixels as memory-mapped arrays. Not the benchmark
(benchmark.py).

A folder holds scenes.jsonl, pixels.npy (N, S, S, 3), clips.jsonl, clips.npy (M, F, S, S, 3) and, written last,
world.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from training.catalogue.families import clip_family, family
from training.catalogue.scene import Scene
from training.catalogue.splits import SPLITS, Split
from umr.errors import ConfigError, MismatchError

FORMAT = 2  # 1: companions without a finish, splits by the hash of a scene
FAMILY_SIZE = 4
CLIP_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Item:
    """One render: the row of its pixels, its nuisance seed, what it shows, and in which style (a key of layout.STYLES).

    mirrored, backwards: as a view of it (views.py)."""

    row: int
    seed: int
    scene: Scene
    mirrored: bool = False
    backwards: bool = False
    style: str = "catalogue"


@dataclass(frozen=True)
class World:
    """A loaded world. Clip family i shows the base (and one sibling) of image family i, so that stills of its clips
    exist.

    pixels: uint8 (N, S, S, 3).  clip_pixels: uint8 (M, F, S, S, 3), or None in a world without clips."""

    families: list[list[Item]]
    pixels: np.ndarray
    clip_families: list[list[Item]]
    clip_pixels: np.ndarray | None
    manifest: dict


def plan_families(n: int, seed: int, split: Split, renders: int = 5, jitter: float = 0.0) -> list[list[Item]]:
    """Families of FAMILY_SIZE scenes: the first scenes are rendered again where renders exceed scenes.

    Args:
        n: how many; family i does not depend on it.
        seed: of scenes and nuisance.
        split: whose scenes.
        renders: per family, at least one per scene.
        jitter: share of the renders in the style "jittered", with wider lights and cameras.

    Raises:
        ConfigError: fewer renders than scenes, or a share outside 0 to 1.
    """
    if renders < FAMILY_SIZE:
        raise ConfigError(f"{renders} renders per family; at least {FAMILY_SIZE} are needed, one per scene")
    if not 0 <= jitter <= 1:
        raise ConfigError(f"jitter is {jitter}; it is a share of the renders, from 0 to 1")
    families = []
    for number in range(n):
        scenes = family(np.random.default_rng([seed, SPLITS.index(split), number]), FAMILY_SIZE, split)
        rows = range(number * renders, (number + 1) * renders)
        families.append(
            [
                _item(row, render_seed(seed, split, "image", row), scenes[place % FAMILY_SIZE], jitter)
                for place, row in enumerate(rows)
            ]
        )
    return families


def plan_clips(families: list[list[Item]], n: int, seed: int, split: Split, jitter: float = 0.0) -> list[list[Item]]:
    """Clip families of the first n image families.

    Raises:
        ConfigError: there are fewer than n.
    """
    if n > len(families):
        raise ConfigError(
            f"{n} clip families of {len(families)} image families: a clip family needs its image family's stills"
        )
    clips, row = [], 0
    for number in range(n):
        rng = np.random.default_rng([seed, SPLITS.index(split), number, 1])
        scenes = clip_family(rng, list(dict.fromkeys(item.scene for item in families[number])))
        clips.append(
            [
                _item(row + place, render_seed(seed, split, "clip", row + place), scene, jitter)
                for place, scene in enumerate(scenes)
            ]
        )
        row += len(scenes)
    return clips


def _item(row: int, seed: int, scene: Scene, jitter: float) -> Item:
    """An item whose style its own seed decides, so that it depends on nothing else of the world."""
    return Item(row, seed, scene, style="jittered" if seed % 10_000 < 10_000 * jitter else "catalogue")


def render_seed(seed: int, split: str, stream: str, row: int) -> int:
    """The nuisance seed of one render: no two renders of one world or of two splits share theirs."""
    return int.from_bytes(sha256(f"{seed} {split} {stream} {row}".encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, kw_only=True)
class WorldPlan:
    """What a world holds. size: pixels per side; renders: per family; jitter: share of the renders with wider lights
    and cameras."""

    families: int
    clip_families: int = 0
    seed: int = 7
    size: int = 112
    renders: int = 5
    split: Split = "train"
    jitter: float = 0.0


def build_world(
    folder: Path,
    n_families: int,
    n_clip_families: int,
    seed: int,
    size: int = 112,
    workers: int = 2,
    **settings: Any,
) -> World:
    """Plans, renders and writes a world, going on where a killed build stopped.

    Args:
        folder: where it is written; world.json comes last.
        n_families, n_clip_families: how many families of pictures, and of clips of the first of them.
        seed: of everything that is drawn.
        size: pixels per side.
        workers: processes that render.
        **settings: the other fields of WorldPlan (renders, split, jitter), and progress: whether a
            line on stderr tells it.

    Returns:
        The world, loaded.

    Raises:
        ConfigError: the test split (the benchmark has it).
        MismatchError: the folder holds another world.
    """
    progress = bool(settings.pop("progress", True))
    plan = WorldPlan(families=n_families, clip_families=n_clip_families, seed=seed, size=size, **settings)
    if plan.split == "test":
        raise ConfigError("a training world is of the train or validation split; test scenes belong to the benchmark")
    from training.catalogue.store import Job, render_many  # the renderer and PyAV, needed only to build

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.json").unlink(missing_ok=True)
    families = plan_families(plan.families, seed, plan.split, plan.renders, plan.jitter)
    clips = plan_clips(families, plan.clip_families, seed, plan.split, plan.jitter)
    write_lines(folder / "scenes.jsonl", _lines(families))
    write_lines(folder / "clips.jsonl", _lines(clips))
    for items, name, frames in ((families, "pixels.npy", None), (clips, "clips.npy", CLIP_FRAMES)):
        jobs = [Job(item.scene, item.seed, item.style) for group in items for item in group]
        if jobs:
            render_many(jobs, folder / name, plan.size, workers, frames, progress)
    write_text(folder / "world.json", json.dumps(_manifest(folder, plan, sum(map(len, clips))), indent=2) + "\n")
    return load_world(folder)


def _manifest(folder: Path, plan: WorldPlan, clips: int) -> dict[str, Any]:
    """What world.json says."""
    return {
        "format": FORMAT,
        "split": plan.split,
        "seed": plan.seed,
        "size": plan.size,
        "families": plan.families,
        "renders_per_family": plan.renders,
        "images": plan.families * plan.renders,
        "clip_families": plan.clip_families,
        "clips": clips,
        "clip_frames": CLIP_FRAMES,
        "jitter": plan.jitter,
        "numpy": np.__version__,
        "files": {name: file_hash(folder / name) for name in ("scenes.jsonl", "clips.jsonl")},
    }


def load_world(folder: Path) -> World:
    """Opens a finished world.

    Raises:
        ConfigError: the folder is not one.
        MismatchError: it is of another format, or its files do not belong together.
    """
    folder = Path(folder)
    if not (folder / "world.json").exists():
        raise ConfigError(
            f"{folder} is not a finished world (world.json is missing). "
            "Build it: python -m training.catalogue world --out ..."
        )
    manifest = json.loads((folder / "world.json").read_text())
    if manifest["format"] != FORMAT:
        raise MismatchError(
            f"{folder} has world format {manifest['format']}, this code reads {FORMAT}: "
            "its scenes may be what is now held out for the test. Build it again: "
            "python -m training.catalogue world --out ..."
        )
    for name, digest in manifest["files"].items():
        if file_hash(folder / name) != digest:
            raise MismatchError(f"{folder / name} changed after the world was built: build it again")
    families, clips = _read(folder / "scenes.jsonl"), _read(folder / "clips.jsonl")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    clip_pixels = np.load(folder / "clips.npy", mmap_mode="r") if clips else None
    for name, rows, array in (
        ("pixels.npy", manifest["images"], pixels),
        ("clips.npy", manifest["clips"], clip_pixels),
    ):
        if array is not None and len(array) != rows:
            raise MismatchError(f"{folder / name} has {len(array)} rows, world.json says {rows}: build it again")
    return World(families, pixels, clips, clip_pixels, manifest)


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    return sha256(path.read_bytes()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    """Writes one JSON object per line, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _lines(families: list[list[Item]]) -> Iterable[dict]:
    for number, items in enumerate(families):
        for item in items:
            yield {
                "family": number,
                "row": item.row,
                "seed": item.seed,
                "style": item.style,
                "scene": item.scene.to_json(),
            }


def _read(path: Path) -> list[list[Item]]:
    families: list[list[Item]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["family"] == len(families):
                families.append([])
            families[row["family"]].append(
                Item(row["row"], row["seed"], Scene.from_json(row["scene"]), style=row["style"])
            )
    return families
