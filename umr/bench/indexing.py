"""How fast a folder of pictures is indexed, beside a plain loop over the same files with the same encoder, in turns.

    python -m umr.bench indexing [--pictures 500] [--side 1024] [--encoder NAME] [--runs 3] [--dtype float32]

The pictures are the bundled ones, enlarged and saved as JPEG in a temporary folder. The plain loop decodes a file,
shrinks it, and encodes batches of 32, as scripts do. Not how good an index is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from umr import media
from umr.bench.rows import printed
from umr.bench.turns import Spent, medians, timed
from umr.collection import Collection
from umr.encoders import load_encoder
from umr.errors import ConfigError
from umr.index.build import Form, build_claimed
from umr.index.index import Index
from umr.ingest import IMAGES, files_under, read_folder
from umr.lock import claimed
from umr.reading import Reading
from umr.shipped import BUNDLED, default_root, find_encoder
from umr.shrunk import Shrunk
from umr.types import Candidate, Content, Encoder

BATCH = 32
QUALITY = 90
APART = 0.999  # the least cosine of two vectors of one picture; an index holds halves


def write_pictures(folder: Path, count: int, side: int) -> None:
    """Write `count` JPEGs of side x side px.

    Raises:
        ConfigError: there are not so many bundled pictures.
    """
    bundled = (path for path in files_under(default_root() / "media" / BUNDLED) if path.suffix.lower() in IMAGES)
    found = list(islice(bundled, count))
    if len(found) < count or count < 1:
        raise ConfigError(f"{count} pictures were asked for; 1 to {len(found)} of the bundled ones can be had")
    for number, path in enumerate(found):
        large = media.open_image(path).resize((side, side), Image.Resampling.BICUBIC)
        large.save(folder / f"{number:05}.jpg", "JPEG", quality=QUALITY)


def bench_indexing(encoder: Encoder, pictures: Path, out: Path, runs: int) -> list[dict[str, Any]]:
    """Index a folder and run the plain loop over it, in turns.

    Args:
        encoder: what encodes.
        pictures: the folder.
        out: an empty folder, for the indexes.
        runs: of each.

    Returns:
        A row of each: median seconds and processor seconds, pictures a second; "times" is what the loop takes of what
        indexing takes, run by run.

    Raises:
        ConfigError: the two do not give the same vectors.
    """
    files = sorted(pictures.iterdir())
    ways: dict[str, Callable[[Path], np.ndarray]] = {
        "umr index": lambda to: _indexed(encoder, pictures, to),
        "plain loop": lambda _: _plain(encoder, files),
    }
    took: dict[str, list[Spent]] = {name: [] for name in ways}
    for run in range(runs):
        made: dict[str, np.ndarray] = {}
        for name, way in ways.items():
            spent, made[name] = timed(partial(way, out / str(run)))
            took[name].append(spent)
        least = float((made["umr index"] * made["plain loop"]).sum(1).min())
        if least < APART:
            raise ConfigError(f"the plain loop gives other vectors (cosine {least:.4f}); the bench is of no use then")
    rows = []
    for name, all_runs in took.items():
        middle, times = medians(all_runs, took["umr index"])
        row = {"way": name, "pictures": len(files)} | {key: round(s, 2) for key, s in middle._asdict().items()}
        rows.append(row | {"per_second": round(len(files) / middle.s, 1), "times": times})
    return rows


def _indexed(encoder: Encoder, pictures: Path, out: Path) -> np.ndarray:
    """What `umr index` does, (N, D)."""
    shrunk = Shrunk(encoder)
    with claimed(out) as claim:
        collection = Collection.taken("pictures", *read_folder(pictures, reading=Reading(shrunk=shrunk)))
        build_claimed(claim, encoder, collection, replace(Form(), shrunk=shrunk))
    return Index.open(out, encoder).vectors(list(collection.ids))


def _plain(encoder: Encoder, files: Sequence[Path]) -> np.ndarray:
    """Decode and encode, batch after batch, (N, D)."""
    found = []
    for start in range(0, len(files), BATCH):
        batch = [
            Candidate(candidate_id=path.name, content=Content(image=np.asarray(Image.open(path).convert("RGB"))))
            for path in files[start : start + BATCH]
        ]
        found.append(encoder.encode_candidates(batch).vectors)
    return np.concatenate(found)


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench indexing", description=__doc__)
    parser.add_argument("--pictures", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--side", type=int, default=1024, help="px of a side (default: 1024)")
    parser.add_argument("--encoder", default="unified", help="a shipped encoder or a folder (default: unified)")
    parser.add_argument("--dtype", default="float32", help="what is computed in (default: float32)")
    parser.add_argument("--runs", type=int, default=3, help="of each way (default: 3)")
    options = parser.parse_args(arguments)

    def measured() -> list[dict[str, Any]]:
        encoder = load_encoder(find_encoder(options.encoder), options.dtype)
        with tempfile.TemporaryDirectory() as folder:
            pictures, out = Path(folder, "pictures"), Path(folder, "out")
            pictures.mkdir()
            write_pictures(pictures, options.pictures, options.side)
            return bench_indexing(encoder, pictures, out, options.runs)

    return printed(measured)
