"""The candidates of several pools as one collection on disk, each once, written as they are read. Not what a pool is.

None of them is held: an id is known again by its checksum, and what stands under it is read from what was written. A
collection that is there already is taken as it is, where the pools are those that it was made of.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from umr.arrays import map_arrays, write_arrays
from umr.candidate_rows import RowSet
from umr.collection import Collection, to_row
from umr.columns import COLUMNS, Keys
from umr.disk import replacing
from umr.errors import ConfigError, MismatchError
from umr.formats import CANDIDATES, candidate_from_row, json_line, read_jsonl
from umr.index.manifest import IDS
from umr.known_hashes import known_sha256
from umr.types import Candidate

POOLS = "pools.safetensors"
_CONTENT = ("txt", "img_path", "video_path", "modality", "start", "end")  # what two rows of one id must agree on


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A collection that was made of pools, and which of it each pool has."""

    collection: Collection
    pools: Mapping[str, RowSet]


def pooled(
    name: str, root: Path, pools: Mapping[str, Path], folder: Path, changed: Callable[[Candidate], Candidate]
) -> Pooled:
    """The candidates of M-BEIR pools in the order of the pools, each id once.

    Args:
        name: of the collection.
        root: what the paths in the pools are relative to.
        pools: files by name.
        folder: where the collection is, or is written.
        changed: what becomes of each candidate; always the same.

    Raises:
        ConfigError: a row is broken, or an id stands for two candidates (file:line).
        DiskFullError: nothing more fits.
    """
    folder = Path(os.path.abspath(folder))
    made = {"root": str(root.absolute()), "pools": [[one, known_sha256(path)] for one, path in pools.items()]}
    kept = folder / POOLS
    try:
        rows, said = map_arrays(kept)
        there = {one: said.get(one) for one in made} == made
    except MismatchError:  # there is none yet, or one that was cut off
        there = False
    if not there:
        kept.unlink(missing_ok=True)
        with replacing(folder / CANDIDATES) as draft, draft.open("w+b") as file:
            writing = _Writing(file, folder)
            rows = {one: writing.pool(path, root, changed) for one, path in pools.items()}
    collection = Collection.streamed(folder, folder / COLUMNS, folder / IDS, name)
    if not there:
        write_arrays(kept, rows, made | {"collection": collection.fingerprint})
    elif said["collection"] != collection.fingerprint:
        raise MismatchError(f"{folder / CANDIDATES} changed since it was made of the pools; remove {folder}")
    sets = {one: collection.some(f"pool {one}", rows[one].astype(np.int64)) for one in pools}
    return Pooled(collection=collection, pools=sets)


class _Writing:
    """Candidates that are written once each; about 12 bytes of memory for each."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file, self._folder = file, folder
        self._keys, self._starts, self._end = array("I"), array("Q"), 0

    def pool(self, path: Path, root: Path, changed: Callable[[Candidate], Candidate]) -> np.ndarray:
        """(M,) uint32: the rows of the candidates of a pool, ascending; those that are new are written.

        Raises:
            ConfigError: as of pooled.
        """
        first, known, rows = len(self._keys), Keys.sorted(np.asarray(self._keys, np.uint32)), array("I")
        for place, row in read_jsonl(path):
            one = to_row(changed(candidate_from_row(row, root, place)), self._folder)
            there = self._found(known, one["did"]) if first else None
            if there is None:
                rows.append(len(self._keys))
                self._write(one)
                continue
            if any(self._read(there).get(key) != one.get(key) for key in _CONTENT):
                raise _two(place, one["did"])
            rows.append(there)
        found = np.sort(np.asarray(rows, np.uint32))
        again = np.flatnonzero(found[1:] == found[:-1])
        fresh = Keys.sorted(np.asarray(self._keys, np.uint32)[first:])
        twice = self._id(int(found[again[0]])) if len(again) else fresh.twice(lambda row: self._id(first + row))
        if twice is not None:
            raise _two([place for place, row in read_jsonl(path) if row["did"] == twice][1], twice)
        return found

    def _found(self, known: Keys, candidate_id: str) -> int | None:
        return next((row for row in known.rows(candidate_id) if self._id(row) == candidate_id), None)

    def _id(self, row: int) -> str:
        return str(self._read(row)["did"])

    def _read(self, row: int) -> dict[str, Any]:
        """A row that was written."""
        self._file.seek(self._starts[row])
        found: dict[str, Any] = json.loads(self._file.readline())
        self._file.seek(self._end)
        return found

    def _write(self, row: Mapping[str, Any]) -> None:
        data = json_line(row).encode()
        self._file.write(data)
        self._keys.append(Keys.checksum(row["did"]))
        self._starts.append(self._end)
        self._end += len(data)


def _two(place: str, candidate_id: str) -> ConfigError:
    return ConfigError(f"{place}: the did {candidate_id!r} stands for two candidates")
