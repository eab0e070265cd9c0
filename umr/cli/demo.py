"""What `demo` does before the page opens: encoders made ready, a folder indexed by each. Not the page (umr.ui).

Indexes lie in the cache, one for each folder, encoder and precision. One that is there is opened as it is while the
folder lists the same files with the same sizes and dates; otherwise `index update` looks at the files themselves.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from umr.cli import index
from umr.cli.progress import say
from umr.disk import write_text
from umr.errors import ConfigError
from umr.moments import check_length
from umr.shipped import DEFAULT_ENCODER, MANIFEST, cache_root

if TYPE_CHECKING:
    from umr.encoders.dual_config import AnyConfig
    from umr.models.ready import Wishes
    from umr.ui.searchers import Searchers

_SEEN = "seen.txt"


@dataclass(frozen=True, slots=True)
class Own:
    """A folder of one's own, and the length in seconds of the parts that its long clips are cut into, 0 for none."""

    path: Path
    segment_s: float = 0.0


def searchers(options: argparse.Namespace) -> Searchers | None:
    """What the page searches: the folder, by each encoder.

    Args:
        options: encoder, folder, segment_seconds, recipe, dtype, check, dry_run, batch and reranker.

    Returns:
        The searchers; None after a dry run.

    Raises:
        ConfigError: the folder or an encoder is none, or something does not fit.
        MismatchError: a file is damaged.
    """
    from umr.models.ready import reranker
    from umr.ui.reranking import find_page_reranker
    from umr.ui.searchers import Searchers, open_searcher

    folder = Own(_folder(options.folder), check_length(options.segment_seconds))
    again = None if options.reranker is None else reranker(options.reranker, _wishes(options), say)
    places = _places(options)
    if options.dry_run and None in places:
        return None
    here = [place for place in places if place is not None]
    names, dtype = _names(here), _dtype(options.dtype, folder, here, again)
    if options.dry_run:
        return None
    found = {name: _indexed(folder, place, dtype) for name, place in zip(names, here, strict=True)}
    opener = partial(open_searcher, batch=options.batch)
    return Searchers(found, names[0], opener, reranker=find_page_reranker(again, dtype=options.dtype))


def _folder(where: str | None) -> Path:
    folder = None if where is None else os.path.expanduser(where)  # a shell leaves the ~ in --folder=~/Pictures
    if folder is None or not os.path.isdir(folder):
        raise ConfigError(f"--folder is {where!r}; give the folder of your pictures, texts and clips")
    return Path(os.path.abspath(folder))


def _places(options: argparse.Namespace) -> list[Path | None]:
    """The encoder folders, made ready one after the other; None for those that a dry run does not bring."""
    from umr.models.ready import ready

    return [ready(spec, _wishes(options), say) for spec in options.encoder or [DEFAULT_ENCODER]]


def _wishes(options: argparse.Namespace) -> Wishes:
    """How models are wanted."""
    from umr.models.ready import Wishes

    return Wishes(recipe=options.recipe, dtype=options.dtype, check=options.check, dry_run=options.dry_run)


def _names(places: list[Path]) -> list[str]:
    names = [_config(place).name for place in places]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ConfigError(f"two encoders are called {double!r}; `umr adopt SOURCE --out DIR --name OTHER` renames one")
    return names


def _dtype(asked: str | None, folder: Own, places: list[Path], again: Path | None) -> str:
    """What all encoders are computed in: as asked, as they were before, or as fits the memory together.

    Args:
        asked: what was asked for.
        folder: what is searched.
        places: the encoders'.
        again: the re-ranker's, which is opened beside them; None: there is none, or the small one that is shipped.
    """
    from umr.models.fit import bfloat16_gpu, dtype_that_fits, gigabytes
    from umr.models.weights import BYTES, memory, parameters_in

    before = [one for one in BYTES if all((_index_at(folder, place, one) / MANIFEST).is_file() for place in places)]
    count = sum(map(parameters_in, places if again is None else [*places, again]))
    what = "what is to be searched by" if len(places) > 1 or again is not None else str(places[0])
    dtype = dtype_that_fits(what, count, asked or next(iter(before), None))
    gpu = "" if asked or before else bfloat16_gpu()
    usual = f", which {gpu} computes in; --dtype float32 asks for the other" if gpu else ""
    say(f"{count / 1e6:,.1f} M parameters, {gigabytes(memory(count, dtype))} of memory in {dtype}{usual}")
    return dtype


def _index_at(folder: Own, place: Path, dtype: str) -> Path:
    config = _config(place)
    home = f"{folder.path.name}-{hashlib.sha256(str(folder.path).encode()).hexdigest()[:12]}"
    home += f"-{folder.segment_s:g}s" if folder.segment_s else ""
    return cache_root() / "demo" / home / f"{config.name}-{config.fingerprint()[:12]}-{dtype}"


def _config(place: Path) -> AnyConfig:
    from umr.encoders.dual_config import read_settings

    return read_settings(place)


def _indexed(folder: Own, place: Path, dtype: str) -> Path:
    """The index of the folder by an encoder: as it is, brought up to date, or built."""
    at = _index_at(folder, place, dtype)
    seen, stamp = at.with_name(f"{at.name}.{_SEEN}"), _stamp(folder.path)
    if not (at / MANIFEST).is_file():
        from umr.index.manifest import FACTORY, FAISS

        form = {"shard": None, "engine": FAISS, "factory": FACTORY, "nprobe": 0, "segment_seconds": folder.segment_s}
        index.build(_asked(command="index", source=str(folder.path), encoder=str(place), out=at, dtype=dtype, **form))
    elif not seen.is_file() or seen.read_text("utf-8") != stamp:
        index.update(_asked(index=at, source=None))
    else:
        say(f"the index of {folder.path} by {_config(place).name} is there")
    write_text(seen, stamp)
    return at


def _asked(**options: object) -> argparse.Namespace:
    """Options of `umr index`, with the columns of data sets that a folder has none of."""
    from umr.index.sources import COLUMNS

    return argparse.Namespace(**options, split="train", **{f"{column}_column": None for column in COLUMNS})


def _stamp(folder: Path) -> str:
    """A sign of the names, sizes and dates of the files under a folder."""
    from umr.ingest import files_under

    seen = hashlib.sha256()
    for path in files_under(folder):
        told = path.lstat()
        seen.update(
            f"{path.relative_to(folder)}\0{told.st_size}\0{told.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return seen.hexdigest() + "\n"
