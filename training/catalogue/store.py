"""Renders many scenes into one memory-mapped array, resumably and in several processes; not a data set.

Beside `pictures.npy` lie `pictures.npy.jobs` (hash of what was asked for) and `pictures.npy.done` (one byte per row).
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from training.catalogue.render import render_clip, render_image
from training.catalogue.scene import Scene
from umr.disk import replacing, write_text
from umr.errors import ConfigError, MismatchError

CHUNK = 16


@dataclass(frozen=True, slots=True)
class Job:
    """One picture or clip to render: its bytes depend on these three (and the store's size and frames) alone."""

    scene: Scene
    seed: int
    style: str = "catalogue"


def render_many(
    jobs: Sequence[Job], path: Path, size: int, workers: int = 2, n_frames: int | None = None, progress: bool = True
) -> np.memmap:
    """Renders job i into row i of the .npy file `path`, skipping rows that an earlier run finished.

    Args:
        jobs: what to render; rows do not depend on `workers`.
        path: ends in .npy.
        size: pixels per side.
        workers: processes.
        n_frames: of clips; None: stills.
        progress: whether a line on stderr tells it.

    Returns:
        Read-only uint8 (N, size, size, 3), with `n_frames` (N, n_frames, size, size, 3).

    Raises:
        MismatchError: `path` holds other jobs.
        ConfigError: no jobs or workers.
    """
    path = Path(path)
    if not jobs or workers < 1:
        raise ConfigError(f"render_many needs at least one job and one worker, got {len(jobs)} and {workers}")
    if path.suffix != ".npy":
        raise ConfigError(f"{path.name} should end in .npy, the format that is written")
    shape = (len(jobs), *(() if n_frames is None else (n_frames,)), size, size, 3)
    _prepare(path, shape, _hash(jobs, size, n_frames))
    done = np.memmap(_beside(path, "done"), np.uint8, "r+")
    rest = np.flatnonzero(done == 0)
    chunks = [rest[start : start + CHUNK] for start in range(0, len(rest), CHUNK)]
    tasks = [(path, [(int(row), jobs[row]) for row in chunk], size, n_frames) for chunk in chunks]
    bar = _Bar(len(jobs), len(jobs) - len(rest)) if progress and len(rest) else None
    if workers == 1 or len(chunks) <= 1:
        for task in tasks:
            _report(bar, _render_rows(*task))
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
            for count in pool.map(_run, tasks):
                _report(bar, count)
    if bar:
        bar.close()
    return np.load(path, mmap_mode="r")


def write_clip(path: Path, frames: np.ndarray, fps: int = 12) -> None:
    """Writes frames (F, H, W, 3) uint8 as an h264 mp4 (yuv420p), under a temporary name first. H and W must be even.

    Deterministic on the same library versions: one encoder thread.

    Raises:
        ConfigError: another shape or type.
    """
    path = Path(path)
    odd = frames.ndim == 4 and (frames.shape[1] % 2 or frames.shape[2] % 2)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or odd:
        raise ConfigError(f"a clip is uint8 (F, H, W, 3) with even H and W, got {frames.dtype} {frames.shape}")
    with (
        replacing(path) as draft,
        av.open(str(draft), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        # One thread and plain C: the threaded and the vectorised lookahead do not always write the same bytes.
        stream = container.add_stream(
            "libx264",
            rate=fps,
            options={"crf": "28", "preset": "medium", "x264-params": "threads=1:lookahead-threads=1:asm=0"},
        )
        stream.codec_context.thread_count = 1
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}")


def _hash(jobs: Sequence[Job], size: int, n_frames: int | None) -> str:
    digest = hashlib.sha256(f"{size} {n_frames}\n".encode())
    for job in jobs:
        digest.update(json.dumps([job.scene.to_json(), job.seed, job.style], sort_keys=True).encode())
    return digest.hexdigest()


def _prepare(path: Path, shape: tuple[int, ...], wanted: str) -> None:
    """Makes the array, the done-bytes and, last, the hash; or checks that an earlier run was for the same jobs."""
    record = _beside(path, "jobs")
    if record.exists():
        if record.read_text().strip() != wanted:
            raise MismatchError(
                f"{path.name} holds renders of other jobs than the {shape[0]} given. Delete it with "
                "its .jobs and .done files, or choose another name."
            )
        for needed in (path, _beside(path, "done")):
            if not needed.exists():
                raise MismatchError(f"{needed.name} is missing beside {record.name}: delete the rest and render anew.")
        return
    if path.exists():
        raise MismatchError(f"{path.name} exists without its {record.name}: not a store of render_many. Move it away.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path, "done").write_bytes(bytes(shape[0]))
    with replacing(path) as draft:
        np.lib.format.open_memmap(draft, "w+", np.uint8, shape).flush()
    write_text(record, wanted + "\n")


def _one_thread() -> None:
    """Renders are many small array operations: one process per core, never threads within them."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _run(task: tuple) -> int:
    return _render_rows(*task)


def _render_rows(path: Path, rows: list[tuple[int, Job]], size: int, n_frames: int | None) -> int:
    """Renders rows and marks them done, after their bytes have been handed to the system."""
    store, done = np.load(path, mmap_mode="r+"), np.memmap(_beside(path, "done"), np.uint8, "r+")
    for row, job in rows:
        store[row] = (
            render_image(job.scene, job.seed, size, job.style)
            if n_frames is None
            else render_clip(job.scene, job.seed, size, n_frames, job.style)
        )
        done[row] = 1
    return len(rows)


class _Bar:
    """One line on stderr: how many, how fast, how long still."""

    def __init__(self, total: int, before: int) -> None:
        self.total, self.count, self.before = total, before, before
        self.started = self.shown = time.monotonic()

    def add(self, count: int) -> None:
        self.count += count
        now = time.monotonic()
        if now - self.shown > 1 or self.count == self.total:
            self.shown = now
            rate = (self.count - self.before) / max(now - self.started, 1e-6)
            left = (self.total - self.count) / max(rate, 1e-6)
            print(
                f"\rrendered {self.count:,} of {self.total:,}, {rate:.0f}/s, {left / 60:.1f} min left   ",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        print(file=sys.stderr, flush=True)


def _report(bar: _Bar | None, count: int) -> None:
    if bar:
        bar.add(count)
