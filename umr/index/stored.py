"""The files of an index as they are opened, and whether they are still those that were written. Not what is searched.

A small index is hashed at each opening. One above umr.known_hashes.LARGE bytes is mapped, and the sizes of its files
alone are compared: hashes are computed when it is built, by `umr index verify`, and by a searcher in the background,
which from then on refuses to search an index that is not what was built.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umr.arrays import read_npy
from umr.collection import Collection
from umr.columns import COLUMNS, mapped_ids
from umr.disk import file_sha256
from umr.errors import ConfigError, MismatchError, UMRError, reason
from umr.index.coarse import CoarseIndex
from umr.index.flat import ExactRows, FlatIndex
from umr.index.manifest import COARSE, FACTORY, IDS, OPTIONAL, PROBE, QDRANT, VECTORS, IndexManifest
from umr.index.probe import PROBES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What an index folder holds.

    Attributes:
        flat: the exact rows (N, D).
        coarse: the way to them, where the manifest names a factory.
        ids: (N,) of the rows.
        probe: (PROBES, D) float32.
        hashed: whether every file was compared with its hash, not with its size alone.
    """

    flat: ExactRows
    coarse: CoarseIndex | None
    ids: Sequence[str]
    probe: np.ndarray
    hashed: bool


def read_stored(folder: Path, manifest: IndexManifest, dim: int, whole: bool) -> Stored:
    """Open the files that a manifest lists.

    Args:
        folder: the index's.
        manifest: as it was read from there.
        dim: numbers that the encoder makes.
        whole: compare every file's hash, however large it is.

    Raises:
        ConfigError: a Qdrant server that holds the rows does not answer.
        MismatchError: a file is not the one that the manifest lists.
    """
    place, large = folder / manifest.files_at, bool(manifest.sizes)
    check_files(folder, manifest, hashed=whole or not large)
    probe = read_npy(place / PROBE)
    if probe.shape != (PROBES, dim) or probe.dtype != np.float32:
        raise MismatchError(
            f"{place / PROBE} holds {probe.dtype} {probe.shape}, not float32 ({PROBES}, {dim}). "
            f"Rebuild: {manifest.command}"
        )
    ids = mapped_ids(place / COLUMNS, place / IDS) if COLUMNS in manifest.files else _read_ids(place / IDS)
    flat, coarse = _rows(place, manifest, ids)
    if not len(ids) == len(flat) == manifest.count or not flat.dim == dim == manifest.dim:
        raise MismatchError(
            f"{folder}: {len(ids)} ids, {len(flat)} rows of {flat.dim} numbers; the manifest says {manifest.count} "
            f"of {manifest.dim}, {manifest.encoder_name} makes {dim}. Rebuild: {manifest.command}"
        )
    return Stored(flat=flat, coarse=coarse, ids=ids, probe=probe, hashed=whole or not large)


def _rows(place: Path, manifest: IndexManifest, ids: Sequence[str]) -> tuple[ExactRows, CoarseIndex | None]:
    """The rows, and the way to them where not all are compared."""
    if manifest.engine == QDRANT:
        from umr.index.qdrant_store import open_rows  # what a FAISS index never needs

        return open_rows(manifest, ids), None
    coarse_too, large = manifest.factory != FACTORY, bool(manifest.sizes)
    flat = FlatIndex.read(place / VECTORS, mapped=large, on_gpu=not coarse_too)
    coarse = CoarseIndex.read(place / COARSE, manifest.factory, flat, mapped=large) if coarse_too else None
    return flat, coarse


def check_rows(folder: Path, manifest: IndexManifest) -> None:
    """Compare every row of a Qdrant collection with what was sent there; nothing is done for rows in files.

    Raises:
        ConfigError: the server does not answer.
        MismatchError: rows are missing, or others.
    """
    if manifest.engine != QDRANT:
        return
    from umr.index.qdrant_store import open_rows

    rows = open_rows(manifest, _read_ids(folder / manifest.files_at / IDS))
    if rows.digest() != manifest.rows:
        raise MismatchError(f"the rows of {manifest.rows_at} changed since they were sent. Rebuild: {manifest.command}")


def check_files(folder: Path, manifest: IndexManifest, hashed: bool) -> None:
    """Compare the files of an index with its manifest.

    Args:
        folder: the index's.
        manifest: its own.
        hashed: by their hashes; else by their sizes, which the manifest of a large index has.

    Raises:
        MismatchError: a file is missing or another one; it is named.
    """
    for name in dict.fromkeys((*manifest.needed, *(name for name in OPTIONAL if name in manifest.files))):
        path = folder / manifest.files_at / name
        if not path.is_file():
            raise MismatchError(f"{path} is missing; copy the index folder again, or rebuild: {manifest.command}")
        if path.stat().st_size != manifest.sizes.get(name, path.stat().st_size) or (
            hashed and file_sha256(path) != manifest.files.get(name)
        ):
            raise MismatchError(
                f"{path} changed since the index was built; copy it again, or rebuild: {manifest.command}"
            )


def open_collection(folder: Path, manifest: IndexManifest) -> Collection:
    """The collection of an index: mapped by its columns where it has them, else read.

    Raises:
        ConfigError: there is none.
        MismatchError: its files are not what they were when the columns were written.
    """
    at, place = folder / manifest.collection_at, folder / manifest.files_at
    if COLUMNS in manifest.files:
        return Collection.mapped(at, place / COLUMNS, place / IDS, manifest.collection_name)
    return Collection.open(at, manifest.collection_name)


def check_whole(folder: Path, manifest: IndexManifest, collection: Collection) -> None:
    """Compare every file of an index, and of its collection, with what was there when it was built.

    Raises:
        MismatchError: one is another; it is named.
    """
    check_files(folder, manifest, hashed=True)
    if collection.stored_fingerprint() != manifest.collection:
        raise MismatchError(
            f"the candidates of {collection.name} changed since the index was built, so a hit could show the wrong "
            f"thing. Rebuild: {manifest.command}"
        )


def check_what_stands(folder: Path, manifest: IndexManifest, collection: Collection) -> None:
    """As check_whole, but nothing is wrong with a version that another one replaced meanwhile: its files may go.

    Raises:
        MismatchError: the manifest still stands, and a file is not what it says.
    """
    try:
        check_whole(folder, manifest, collection)
    except (UMRError, OSError):
        try:
            stands = IndexManifest.read(folder) == manifest
        except ConfigError:  # it is being built anew
            stands = False
        if stands:
            raise


class BackgroundCheck:
    """A check that runs beside the searches, which ask it what it found."""

    def __init__(self, check: Callable[[], None], what: str) -> None:
        """Start it.

        Args:
            check: raises what is wrong.
            what: is checked, for the log.
        """
        self._check, self._what = check, what
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="index-check", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is done."""
        self._thread.join()

    def raise_found(self) -> None:
        """Nothing while it runs, or where all is as it was.

        Raises:
            MismatchError: something is not.
        """
        if self._error is not None:
            raise MismatchError(self._error)

    def _run(self) -> None:
        try:
            self._check()
            log.info("%s: its files are those that were built", self._what)
        except (UMRError, OSError) as error:
            self._error = reason(error)
            log.error("%s is not searched any more: %s", self._what, self._error)


def _read_ids(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text("utf-8").split("\n")[:-1])
    except UnicodeDecodeError as error:
        raise MismatchError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); rebuild it") from error
