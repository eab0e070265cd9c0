"""Everything that can be found: candidates in a fixed order, from M-BEIR pool rows or a person's own files.

Not vectors (umr.index) and not pixels (umr.media). On disk: candidates.jsonl, or cand_pool/local/*_cand_pool.jsonl.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from umr.candidate_rows import HeldRows, Pool, RowSet
from umr.columns import FEWEST, MODALITIES, MappedRows, read_columns, write_columns
from umr.disk import file_sha256, replacing
from umr.errors import ConfigError, MismatchError
from umr.formats import CANDIDATES, POOLS, candidate_from_row, count_pool, read_benchmark, read_jsonl, write_jsonl
from umr.types import Candidate, Modality, Refused, Target

if TYPE_CHECKING:
    from collections.abc import Callable

_TWICE = "{name}: the id {id!r} stands twice; every candidate needs its own"


class Collection:
    """Candidates by position and by id, in memory, or mapped from the disk where an index has their columns.

    Attributes:
        name: what people call it.
        fingerprint: sha256 over everything a hit shows, so that an index cannot show the wrong thing.
        folder: where it lies on disk, None while it is only in memory.
        refused: what an ingest left out.
        ids: of the candidates, in their order.

    Raises:
        MismatchError: two candidates have one id.
        ConfigError: there is none at all.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        name: str,
        fingerprint: str,
        folder: Path | None = None,
        refused: Sequence[Refused] = (),
    ) -> None:
        held = HeldRows(candidates)
        self.refused = tuple(refused)
        if not held.ids:
            reasons = "".join(f"; {item.source}: {item.reason}" for item in self.refused[:3])
            raise ConfigError(f"{name}: no candidate at all{reasons}. Give pictures, texts (.txt, .md) or clips")
        if len(held.rows) != len(held.ids):
            twice = next(i for row, i in enumerate(held.ids) if held.rows[i] != row)
            raise MismatchError(_TWICE.format(name=name, id=twice))
        self._set(held, name, fingerprint, folder)

    def _set(self, rows: HeldRows | MappedRows, name: str, fingerprint: str, folder: Path | None) -> None:
        self._rows, self.name, self.fingerprint, self.folder = rows, name, fingerprint, folder
        self.ids: Sequence[str] = rows.ids
        self._pools: dict[Target, Pool] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._rows)

    def __getitem__(self, candidate_id: str) -> Candidate:
        """The candidate of an id.

        Raises:
            KeyError: it is not here.
        """
        row = self._rows.row(candidate_id)
        if row is None:
            raise KeyError(candidate_id)
        return self._rows.candidate(row)

    def __contains__(self, candidate_id: object) -> bool:
        return isinstance(candidate_id, str) and self._rows.row(candidate_id) is not None

    @property
    def kinds(self) -> np.ndarray:
        """(N,) uint8: of each candidate the place of its modality in umr.columns.MODALITIES."""
        return self._rows.kinds

    def counts(self) -> dict[str, int]:
        """How many candidates there are of each modality, in the order in which one of it stands first."""
        kinds, first, counts = np.unique(self.kinds, return_index=True, return_counts=True)
        return {MODALITIES[kinds[place]]: int(counts[place]) for place in np.argsort(first)}

    def pool(self, target: Target) -> Pool | None:
        """Ids of the candidates of one modality; None, which means all of them, for "all"."""
        if target == "all":
            return None
        if target not in self._pools:
            rows = np.flatnonzero(self.kinds == MODALITIES.index(target))
            self._pools[target] = Pool(target, rows, self._rows, self.fingerprint)
        return self._pools[target]

    def some(self, name: str, rows: np.ndarray) -> RowSet:
        """Ids of some candidates.

        Args:
            name: of the set; no kind of candidates is called so, and no other set.
            rows: (M,) int64, ascending.
        """
        return RowSet(name, rows, self._rows, self.fingerprint)

    def with_hash(self, content_hash: str) -> frozenset[str]:
        """Ids of the candidates whose picture or clip has these very bytes."""
        return self._rows.with_hash(content_hash) if content_hash else frozenset()

    def stating(self) -> Iterator[Candidate]:
        """The candidates whose source may be a JSON object: no other one states facts (umr.facts)."""
        return self._rows.stating()

    @property
    def licence(self) -> str:
        """The one licence of all candidates, else the one that the collection's benchmark.json names; "" for neither.

        Raises:
            ConfigError: benchmark.json cannot be read.
        """
        if isinstance(self._rows, MappedRows):
            return self._rows.licence
        return _licence({candidate.licence for candidate in self}, self.folder)

    @classmethod
    def mapped(cls, folder: str | Path, columns: Path, ids: Path, name: str = "") -> Collection:
        """The collection of a folder by the columns that its index has: nothing is read yet but its files' sizes.

        Args:
            folder: the collection's.
            columns: what write_columns wrote.
            ids: ids.txt of the same index.
            name: another than the folder's.

        Raises:
            MismatchError: a file is missing, or not what it was.
        """
        folder = Path(os.path.abspath(folder))
        rows, found = MappedRows(columns, ids, folder), cls.__new__(cls)
        found.refused = ()
        found._set(rows, name or folder.name, rows.fingerprint, folder)
        return found

    @classmethod
    def streamed(cls, folder: str | Path, columns: Path, ids: Path, name: str = "") -> Collection:
        """The collection of a folder, of which a large one is not held: its columns are made in one pass, and mapped.

        Where they are there already and are those of the folder's files, they are taken. A small collection is opened.

        Args:
            folder: the collection's.
            columns: where they are written.
            ids: where the ids are written.
            name: another than the folder's.

        Raises:
            ConfigError: there is none, or a row of it is broken (file:line).
            MismatchError: an id stands twice.
            DiskFullError: nothing more fits.
        """
        folder = Path(os.path.abspath(folder))
        files = _files(folder)
        fingerprint = _fingerprint(files)
        if columns.is_file():
            with suppress(MismatchError):  # of another collection, or cut off: they are made again
                found = cls.mapped(folder, columns, ids, name)
                if found.fingerprint == fingerprint:
                    return found
        read = read_columns(ids, folder, files)
        if read is None or len(read[0]) < FEWEST:
            ids.unlink(missing_ok=True)
            return cls.open(folder, name)
        gathered, starts = read
        twice = gathered.ids(ids).twice()
        if twice is not None:
            raise MismatchError(_TWICE.format(name=name or folder.name, id=twice))
        said = {"fingerprint": fingerprint, "licence": _licence(gathered.licences, folder)}
        gathered.write(columns, folder, starts, said)
        return cls.mapped(folder, columns, ids, name)

    def write_columns(self, path: Path, folder: Path | None = None) -> bool:
        """Write the columns that `mapped` reads; False where the collection's files do not allow it.

        Args:
            path: the file.
            folder: where its rows lie; None: where they were read from.

        Raises:
            ConfigError: the collection is in memory alone.
            DiskFullError: nothing more fits.
        """
        at = folder or self.folder
        if at is None:
            raise ConfigError(f"{self.name} is in memory; save it first")
        if folder is None and isinstance(self._rows, MappedRows):
            with replacing(path) as draft:
                shutil.copyfile(self._rows.columns, draft)
            return True
        files = _files(at)
        said = {"fingerprint": self.fingerprint if folder is None else _fingerprint(files), "licence": self.licence}
        return write_columns(path, self, at, files, said)

    def stored_fingerprint(self) -> str:
        """The fingerprint of what lies in the collection's folder now, for a comparison with its own.

        Raises:
            ConfigError: the collection is in memory alone, or its folder is gone.
        """
        if self.folder is None:
            raise ConfigError(f"{self.name} is in memory; save it first")
        return _fingerprint(_files(self.folder))

    @classmethod
    def open(cls, folder: str | Path, name: str = "") -> Collection:
        """The collection of a folder, by the folder's name unless another is given.

        Raises:
            ConfigError: there is none, or a row of it is broken (file:line).
        """
        folder = Path(os.path.abspath(folder))  # without "..", so that paths can be compared and shown
        files = _files(folder)
        return cls(tuple(_read(files, folder)), name or folder.name, _fingerprint(files), folder)

    @staticmethod
    def rows(folder: str | Path) -> Iterator[Candidate]:
        """The candidates of a folder's collection, one after the other, of which none is held.

        Raises:
            ConfigError: there is none, or a row of it is broken (file:line).
        """
        folder = Path(os.path.abspath(folder))
        return _read(_files(folder), folder)

    def save(self, folder: str | Path) -> Collection:
        """Write candidates.jsonl into the folder and open it; media stay where they are.

        Their paths are relative where they lie beside or under the folder, so that both move together.
        """
        folder = Path(os.path.abspath(folder))
        write_jsonl(folder / CANDIDATES, (to_row(candidate, folder) for candidate in self))
        saved = Collection.open(folder)
        saved.name, saved.refused = self.name, self.refused
        return saved

    @classmethod
    def from_folder(cls, folder: str | Path, progress: Callable[[int, int], None] | None = None) -> Collection:
        """Every picture, text (.txt, .md) and clip under a folder, sorted by path; ids are the relative paths."""
        from umr.ingest import read_folder  # the readers import media libraries, which opening an index must not

        return cls.taken(Path(folder).absolute().name, *read_folder(folder, progress))

    @classmethod
    def from_jsonl(cls, path: str | Path, progress: Callable[[int, int], None] | None = None) -> Collection:
        """Rows {"id"?, "text"?, "image"?, "video"?, "title"?}; paths are relative to the file."""
        from umr.ingest import read_rows

        return cls.taken(Path(path).stem, *read_rows(path, progress))

    @classmethod
    def from_dataset(
        cls,
        source: str | Path,
        media: str | Path,
        *,
        split: str = "train",
        progress: Callable[[int, int], None] | None = None,
        **columns: str | None,
    ) -> Collection:
        """A `datasets` dataset, from disk or by name.

        Args:
            source: a folder of `save_to_disk`, or a name that `load_dataset` knows.
            media: pictures that the dataset holds inside are written to this folder.
            split: which part of the dataset.
            progress: called with (done, total) after every row.
            columns: names of the columns image, text, title and id (umr.ingest.Columns).

        Raises:
            ConfigError: it cannot be read as a dataset, or has no such columns.
            DiskFullError: a picture could not be written.
        """
        from umr.ingest import Columns, read_dataset

        return cls.taken(Path(source).name, *read_dataset(source, media, Columns(**columns), split, progress))

    @classmethod
    def taken(cls, name: str, candidates: Sequence[Candidate], refused: Sequence[Refused] = ()) -> Collection:
        """A collection in memory, of candidates whose media are files; its fingerprint is of what it holds."""
        digest = hashlib.sha256()
        for candidate in candidates:
            digest.update(json.dumps(to_row(candidate), sort_keys=True).encode())
        return cls(candidates, name, digest.hexdigest(), None, refused)


def to_row(candidate: Candidate, folder: Path | None = None) -> dict[str, Any]:
    """The M-BEIR row of a candidate whose media are files. folder: where the row will stand."""
    content = candidate.content
    row: dict[str, Any] = {
        "did": candidate.candidate_id,
        "txt": content.text,
        "img_path": _relative(content.image, folder),
        "modality": content.modality,
        "src_content": candidate.source or None,
    }
    extra = {
        "video_path": _relative(content.video, folder),
        "start": content.span and content.span[0],
        "end": content.span and content.span[1],
        "duration": candidate.duration_s,
        "title": candidate.title,
        "content_hash": candidate.content_hash,
        "licence": candidate.licence,
    }
    return row | {key: value for key, value in extra.items() if value not in ("", None)}


def _read(files: Iterable[Path], folder: Path) -> Iterator[Candidate]:
    return (candidate_from_row(row, folder, place) for file in files for place, row in read_jsonl(file))


def count_kinds(folder: str | Path) -> Counter[Modality]:
    """Modality -> how many candidates of it a collection's folder holds: a tenth of the time that opening it takes.

    Raises:
        ConfigError: there is no collection, or a row of it is broken (file:line).
    """
    return sum(map(count_pool, _files(Path(folder))), Counter[Modality]())


def _licence(licences: set[str], folder: Path | None) -> str:
    """The one licence that there is, else the one that the folder's benchmark.json names; "" for neither."""
    if licences != {""}:
        return licences.copy().pop() if len(licences) == 1 else ""
    return str(read_benchmark(folder).get("licence", "")) if folder else ""


def _relative(path: Any, folder: Path | None) -> str | None:
    if path is None:
        return None
    if not isinstance(path, (str, Path)):
        raise ConfigError("a candidate holds pixels, not a file; a collection on disk needs files")
    file = Path(os.path.abspath(path))
    if folder is not None and file.is_relative_to(folder.parent):
        return Path(os.path.relpath(file, folder)).as_posix()
    return file.as_posix()


def _files(folder: Path) -> list[Path]:
    single = folder / CANDIDATES
    if single.is_file():
        return [single]
    pools = sorted(pool for pool in (folder / POOLS).glob("*_cand_pool.jsonl") if pool.is_file())
    if not pools:
        raise ConfigError(f"{folder} is not a collection: neither {CANDIDATES} nor {POOLS}/*_cand_pool.jsonl is there")
    # M-BEIR's mbeir_mscoco_task0_cand_pool.jsonl holds training candidates too, beside a pool of the test's own
    tested = {pool.name.replace("_test_cand_pool", "_cand_pool") for pool in pools if "_test_cand_pool" in pool.name}
    return [pool for pool in pools if pool.name not in tested]


def _fingerprint(files: list[Path]) -> str:
    """sha256 over names and bytes of the candidate files."""
    return fingerprint_of((file.name, file_sha256(file)) for file in files)


def fingerprint_of(files: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of a collection whose candidate files have these names and sha256 (hex), in their order."""
    digest = hashlib.sha256()
    for name, sha256 in files:
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()
