"""Damaged clips by the thousand, and what becomes of them: `python -m umr.bench.fuzz_clips --mutants 2000 [--through library]`.

Not a test of how well clips are found. Small clips are made with PyAV and changed: bytes, extreme values in the fields
of boxes, cuts, insertions. Exit status 1 if any of them ended a process that reads clips for others.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from umr import media
from umr.clips.decoder import ClipDecoder
from umr.errors import MediaError, UMRError

#: What is changed: ending -> (codec, pixel format).
KINDS = {"mp4": ("h264", "yuv420p"), "webm": ("libvpx-vp9", "yuv420p"), "avi": ("mpeg4", "yuv420p"),
         "mkv": ("h264", "yuv420p"), "gif": ("gif", "rgb8")}  # fmt: skip
#: Where containers keep numbers: names of boxes and chunks, and ids of EBML elements.
FIELDS = (b"stts", b"stsz", b"stsc", b"stco", b"stss", b"ctts", b"mdhd", b"mvhd", b"tkhd", b"elst", b"avc1", b"avcC",
          b"moov", b"trak", b"mdat", b"avih", b"strh", b"strf", b"idx1", b"movi", b"00dc", b"\x1f\x43\xb6\x75",
          b"\x16\x54\xae\x6b", b"\x15\x49\xa9\x66", b"\x1c\x53\xbb\x6b", b"\xb0", b"\xba", b"\x21\xf9", b"\x2c\x00")  # fmt: skip
EXTREMES = (0, 1, 0x7F, 0xFFFF, 0x10000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
BATCH = 500  # files of one `umr index`, and of one visitor's drop
DIED, REFUSED, VECTORS = "deaths", "refused", "vectors"
Judge = Callable[[list[Path]], Counter[str]]


def seeds() -> dict[str, bytes]:
    """A sound clip of every kind: 25 frames of 64 x 48 px."""
    import av

    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 255, (25, 6, 8, 3), dtype=np.uint8), np.ones((1, 8, 8, 1), np.uint8))
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, (codec, pixels) in KINDS.items():
            path = Path(folder) / f"seed.{kind}"
            with av.open(str(path), "w", options={"fflags": "bitexact"}) as container:  # no random ids and dates
                stream = container.add_stream(codec, rate=Fraction(12))
                stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
                for frame in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                container.mux(stream.encode())
            made[kind] = path.read_bytes()
    return made


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The clip with one kind of damage."""
    return rng.choice((_flip, _extreme, _extreme, _cut, _insert))(bytearray(data), rng)


def _flip(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _extreme(data: bytearray, rng: random.Random) -> bytes:
    """An extreme number of four bytes behind the name of a field, or in the header."""
    places = [at for field in FIELDS if (at := data.find(field)) >= 0]
    at = rng.choice(places) + rng.randrange(4, 52) if places and rng.random() < 0.8 else rng.randrange(600)
    at = min(at, len(data) - 4)
    data[at : at + 4] = struct.pack(rng.choice(("<I", ">I")), rng.choice(EXTREMES))
    return bytes(data)


def _cut(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data))])


def _insert(data: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 64))
    return bytes(data)


def write_mutants(folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Files number 0 to count - 1 of a seed, written one by one."""
    rng, sound = random.Random(seed), seeds()
    kinds = sorted(sound)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        path = folder / (
            f"{number:06}.gif.mp4" if kind == "gif" else f"{number:06}.{kind}"
        )  # a .gif would be a picture
        path.write_bytes(mutate(sound[kind], rng))
        yield path


def through_library(paths: list[Path]) -> Counter[str]:
    """Read by umr.media in this process; a worker that a clip ends is a refusal, the end of this one a death."""
    found: Counter[str] = Counter()
    for path in paths:
        try:
            media.sample_frames(path, 8)
            found[VECTORS] += 1
        except MediaError as error:
            found[REFUSED] += 1
            found["workers ended"] += "stops the decoder" in str(error)
            found["over time or memory"] += "takes more than" in str(error) or "more memory" in str(error)
    return found


def through_decord(paths: list[Path]) -> Counter[str]:
    """Read by decord in a worker, beside PyAV: how often it ends the worker, or gives other frames."""
    found: Counter[str] = Counter()
    decoder = ClipDecoder()
    for path in paths:
        frames = {}
        for reader in ("decord", "pyav"):
            try:
                frames[reader] = decoder.frames(path, 8, reader=reader)
            except MediaError as error:
                found[f"{reader}: refused"] += 1
                found[f"{reader}: workers ended"] += "stops the decoder" in str(error)
        if len(frames) == 2:
            found["both read"] += 1
            found["both read, other frames"] += not np.array_equal(*frames.values())
    decoder.close()
    return found


def through_cli(paths: list[Path]) -> Counter[str]:
    """Indexed by `python -m umr index` as one folder."""
    folder = paths[0].parent
    out = folder.with_name(f"{folder.name}-index")
    command = [sys.executable, "-m", "umr", "index", str(folder), "--encoder", "unified", "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], check=False)
    found = Counter({DIED: 0, REFUSED: sum(line.startswith("refused ") for line in run.stderr.splitlines())})
    if run.returncode == 0:
        found[VECTORS] = json.loads((out / "manifest.json").read_text("utf-8"))["count"]
    elif "no candidate at all" in run.stderr:
        found[REFUSED] = len(paths)
    else:
        found[DIED] = 1
        print(f"umr index ended with {run.returncode}: {run.stderr[-500:]}", file=sys.stderr)
    shutil.rmtree(out, ignore_errors=True)
    return found


def through_page(paths: list[Path]) -> Counter[str]:
    """Taken in and indexed by the functions behind the page's own files, one visitor's drop."""
    from umr.search import Searcher
    from umr.shipped import DEFAULT_ENCODER, index_folder
    from umr.ui.files.uploads import index_files

    encoder = Searcher.open(index_folder(DEFAULT_ENCODER)).encoder
    folder = paths[0].parent.with_name("visitor")
    sources = [(path.name, path) for path in paths]
    try:
        own = index_files(sources, folder, encoder, lambda *_: None)
        found = Counter({REFUSED: len(own.refused), VECTORS: len(own.searcher.collection)})
    except UMRError:
        found = Counter({REFUSED: len(paths)})  # nothing at all could be taken
    shutil.rmtree(folder, ignore_errors=True)
    return found


WAYS: dict[str, Judge] = {"library": through_library, "cli": through_cli, "page": through_page,
                          "decord": through_decord}  # fmt: skip


def fuzz(through: str, mutants: int, seed: int) -> Counter[str]:
    """Sends mutants through one way, in batches; the numbers of what became of them."""
    found: Counter[str] = Counter({DIED: 0})
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "clips"
        folder.mkdir()
        batch: list[Path] = []
        for path in write_mutants(folder, mutants, seed):
            batch.append(path)
            if len(batch) == BATCH or path.name.startswith(f"{mutants - 1:06}"):
                found.update(WAYS[through](batch))
                for done in batch:
                    done.unlink()
                batch = []
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the numbers of every way. Returns 1 if a process that reads clips for others died, else 0."""
    parser = argparse.ArgumentParser(description="Damages clips and counts what becomes of them.")
    parser.add_argument("--mutants", type=int, default=2000, help="clips for each way (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: 0)")
    parser.add_argument("--through", choices=list(WAYS), action="append",
                        help="one way, may be given again (default: library, cli and page)")  # fmt: skip
    options = parser.parse_args(arguments)
    logging.getLogger("umr.clips.decoder").setLevel(logging.ERROR)  # it counts what that would tell
    died = 0
    for through in options.through or ("library", "cli", "page"):
        found = fuzz(through, options.mutants, options.seed)
        died += found[DIED]
        print(
            f"{through}: {options.mutants:,} clips; " + ", ".join(f"{n:,} {what}" for what, n in found.items()),
            flush=True,
        )
    return 1 if died else 0


if __name__ == "__main__":
    sys.exit(main())
