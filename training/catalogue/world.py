"""A training world on disk: families of scenes and clips, and their pixels as memory-mapped arrays.

Not the benchmark (benchmark.py). A folder holds scenes.jsonl, pixels.npy (N, S, S, 3), clips.jsonl, clips.npy
(M, F, S, S, 3) and, written last, world.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from training.catalogue.families import clip_family, family
from training.catalogue.scene import Scene
from training.catalogue.splits import SPLITS, Split
from umr.disk import file_sha256, write_text
from umr.errors import ConfigError, MismatchError
from umr.formats import write_jsonl

FORMAT = 2  # 1: companions without a finish, splits by the hash of a scene
FAMILY_SIZE = 4
CLIP_FRAMES = 8
#: Shares of a world and what they are shares of.
WHOLES = {"jitter": "renders", "crowded": "families", "cluttered": "crowded families", "bystanders": "renders"}


@dataclass(frozen=True, slots=True)
class Item:
    """One render: where its pixels are and what it shows."""

    row: int  # of its pixels
    seed: int  # of its nuisance
    scene: Scene
    mirrored: bool = False  # these two: as a view of the pixels (world_source/views.py)
    backwards: bool = False
    style: str = "catalogue"  # a key of layout.STYLES


@dataclass(frozen=True)
class World:
    """A loaded world.

    Clip family i shows the base (and one sibling) of image family i, so that stills of its clips exist.
    """

    families: list[list[Item]]
    pixels: np.ndarray  # uint8 (N, S, S, 3)
    clip_families: list[list[Item]]
    clip_pixels: np.ndarray | None  # uint8 (M, F, S, S, 3), or None in a world without clips
    manifest: dict[str, Any]

    @cached_property
    def in_company(self) -> np.ndarray:
        """(families,) bool: the scenes of the image family differ in their count or in their second object."""
        told = [{(item.scene.count, item.scene.companion) for item in family} for family in self.families]
        return np.array([len(one) > 1 for one in told], dtype=bool)

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the manifest, and through the hashes of its files of every scene and render seed."""
        return sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldSpec:
    """What a world holds: with the versions of the libraries it settles every byte."""

    families: int
    clip_families: int  # of the first image families
    seed: int
    size: int = 112  # pixels per side
    renders_per_family: int = 5
    split: Split = "train"
    jitter: float = 0.0  # share of the renders with wider lights and cameras
    crowded: float = 0.0  # share of the families with more than one thing in most of their pictures
    bystanders: float = 0.0  # share of the still renders with things around that nothing is said of
    cluttered: float = 0.0  # share of the crowded families in which three have companions too


def plan_families(spec: WorldSpec) -> list[list[Item]]:
    """The world's families of FAMILY_SIZE scenes and `renders_per_family` items each.

    The first scenes are rendered again where renders exceed scenes. Family i does not depend on how many there are.

    Raises:
        ConfigError: there are fewer renders than scenes, or a share is none.
    """
    seed, split, renders = spec.seed, spec.split, spec.renders_per_family
    if renders < FAMILY_SIZE:
        raise ConfigError(f"{renders} renders per family; at least {FAMILY_SIZE} are needed, one per scene")
    for name, whole in WHOLES.items():
        share = getattr(spec, name)
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; it is a share of the {whole}, from 0 to 1")
    if spec.cluttered and not spec.crowded:
        raise ConfigError(
            f"cluttered is {spec.cluttered}, a share of the crowded families, and none is: give crowded too"
        )
    families = []
    for number in range(spec.families):
        rng = np.random.default_rng([seed, SPLITS.index(split), number])
        full = spec.crowded > 0 and rng.random() < spec.crowded
        three = full and spec.cluttered > 0 and rng.random() < spec.cluttered
        scenes = family(rng, FAMILY_SIZE, split, crowded=full, cluttered=three)
        rows = range(number * renders, (number + 1) * renders)
        families.append(
            [
                _item(
                    row,
                    render_seed(seed, split, "image", row),
                    scenes[place % FAMILY_SIZE],
                    spec.jitter,
                    spec.bystanders,
                )
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


def _item(row: int, seed: int, scene: Scene, jitter: float, bystanders: float = 0.0) -> Item:
    """An item whose style its own seed decides, so that it depends on nothing else of the world."""
    if seed // 10_000 % 10_000 < 10_000 * bystanders:
        return Item(row, seed, scene, style="stocked")
    return Item(row, seed, scene, style="jittered" if seed % 10_000 < 10_000 * jitter else "catalogue")


def render_seed(seed: int, split: str, stream: str, row: int) -> int:
    """The nuisance seed of one render: no two renders of one world or of two splits share theirs."""
    return int.from_bytes(sha256(f"{seed} {split} {stream} {row}".encode()).digest()[:4], "big") >> 1


def build_world(folder: Path, spec: WorldSpec, workers: int = 2, progress: bool = True) -> World:
    """Plans, renders and writes a world, going on where a killed build stopped.

    Args:
        folder: where its files go.
        spec: what it holds.
        workers: processes that render; no byte depends on it.
        progress: shows a line on stderr.

    Returns:
        The world, loaded.

    Raises:
        ConfigError: the test split is asked for; the benchmark has it.
        MismatchError: the folder holds another world.
    """
    if spec.split == "test":
        raise ConfigError("a training world is of the train or validation split; test scenes belong to the benchmark")
    from training.catalogue.store import Job, render_many  # the renderer and PyAV, needed only to build

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "world.json").unlink(missing_ok=True)
    families = plan_families(spec)
    clips = plan_clips(families, spec.clip_families, spec.seed, spec.split, spec.jitter)
    write_jsonl(folder / "scenes.jsonl", _lines(families), spaced=True)
    write_jsonl(folder / "clips.jsonl", _lines(clips), spaced=True)
    for groups, name, frames in ((families, "pixels.npy", None), (clips, "clips.npy", CLIP_FRAMES)):
        jobs = [Job(item.scene, item.seed, item.style) for items in groups for item in items]
        if jobs:
            render_many(jobs, folder / name, spec.size, workers, frames, progress)
    write_text(folder / "world.json", json.dumps(_manifest(folder, spec, sum(map(len, clips))), indent=2) + "\n")
    return load_world(folder)


def _manifest(folder: Path, spec: WorldSpec, clips: int) -> dict[str, Any]:
    """What world.json says."""
    return {
        "format": FORMAT,
        "split": spec.split,
        "seed": spec.seed,
        "size": spec.size,
        "families": spec.families,
        "renders_per_family": spec.renders_per_family,
        "images": spec.families * spec.renders_per_family,
        "clip_families": spec.clip_families,
        "clips": clips,
        "clip_frames": CLIP_FRAMES,
        "jitter": spec.jitter,
        **{name: share for name in WHOLES if name != "jitter" and (share := getattr(spec, name))},
        "numpy": np.__version__,
        "files": {name: file_sha256(folder / name) for name in ("scenes.jsonl", "clips.jsonl")},
    }


def load_world(folder: Path) -> World:
    """Opens a finished world.

    Raises:
        ConfigError: the folder is not a finished world.
        MismatchError: its files do not belong together.
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
            f"{folder} has world format {manifest['format']}, this code reads {FORMAT}: its scenes may be what is now "
            "held out for the test. Build it again: python -m training.catalogue world --out ..."
        )
    for name, digest in manifest["files"].items():
        if file_sha256(folder / name) != digest:
            raise MismatchError(f"{folder / name} changed after the world was built: build it again")
    families, clips = _read(folder / "scenes.jsonl"), _read(folder / "clips.jsonl")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    clip_pixels = np.load(folder / "clips.npy", mmap_mode="r") if clips else None
    for name, rows, array in (
        ("pixels.npy", manifest["images"], pixels),
        ("clips.npy", manifest["clips"], clip_pixels),
    ):
        held = 0 if array is None else len(array)
        if rows and held != rows:
            raise MismatchError(f"{folder / name} has {held} rows, world.json says {rows}: build it again")
    return World(families, pixels, clips, clip_pixels, manifest)


def _lines(families: list[list[Item]]) -> Iterable[dict[str, Any]]:
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
