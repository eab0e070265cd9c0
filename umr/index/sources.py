"""Where the candidates of an index came from, so that the source can be looked at again. Not their vectors.

sources.json lies beside the vectors. Candidates stand in the order of their sources: the first `count` are of the
first one, and so on. An index without that file, or with another index's, has one source that nobody knows any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from umr.collection import CANDIDATES, POOLS, Collection
from umr.disk import write_text
from umr.errors import ConfigError, MismatchError
from umr.index.manifest import IndexManifest, place
from umr.packed import is_packed, is_saved
from umr.reading import Reading
from umr.types import Candidate, Refused

if TYPE_CHECKING:
    from umr.ingest import Progress

SOURCES = "sources.json"
MEDIA = "files"  # beside an index: pictures and clips that stood in a dataset
DATASET = "dataset:"
COLUMNS = ("image", "video", "text", "title", "id")
Kind = Literal["unknown", "folder", "file", "jsonl", "collection", "dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What candidates were read from.

    Attributes:
        kind: how it is read.
        at: its absolute path, or the name of a dataset; "" where it is unknown.
        prefix: stands before the ids that it gives.
        columns: of a dataset, by what they hold.
        split: of a dataset.
        segment_s: longer clips of it are cut into parts of so many seconds; 0: they stay whole.
        removed: ids that stay out when it is looked at again.
        count: candidates of it in the index.
    """

    kind: Kind
    at: str
    prefix: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    split: str = "train"
    segment_s: float = 0.0
    removed: tuple[str, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, where: str, columns: Mapping[str, str | None] | None = None, split: str = "train") -> Source:
        """The source that a person names: a folder, a file, a jsonl, a collection's folder, a dataset or a file of one.

        Raises:
            ConfigError: there is nothing of this name.
        """
        path = Path(os.path.abspath(where))
        if where.startswith(DATASET) or is_saved(path) or is_packed(path):
            named = {key: value for key, value in (columns or {}).items() if value}
            at = where.removeprefix(DATASET)
            at = at if where.startswith(DATASET) and not Path(at).is_dir() else os.path.abspath(at)
            return cls(kind="dataset", at=at, columns=named, split=split)
        if path.is_file():
            return cls(kind="jsonl" if path.suffix.lower() == ".jsonl" else "file", at=str(path))
        if (path / CANDIDATES).is_file() or (path / POOLS).is_dir():
            return cls(kind="collection", at=str(path))
        if not path.is_dir():
            raise ConfigError(
                f"{where} is not a folder; give a folder, a file, a .jsonl, .parquet or .tar, or a saved dataset"
            )
        return cls(kind="folder", at=str(path))

    @property
    def name(self) -> str:
        """What a collection of it is called."""
        return Path(self.at).stem if self.kind == "jsonl" or is_packed(self.at) else Path(self.at).name

    def same(self, other: Source) -> bool:
        """Whether both are one place, read in one way, whatever was taken of it."""
        return replace(self, removed=(), count=0) == replace(other, removed=(), count=0)

    def read(
        self,
        media: Path,
        progress: Progress | None = None,
        reading: Reading | None = None,
        within: Path | None = None,
    ) -> tuple[list[Candidate], list[Refused]]:
        """Its candidates as they are now, and what is refused of it; those that were removed too.

        Args:
            media: a folder for the pictures and clips that stand in a dataset.
            progress: called with (done, total) as it is read.
            reading: which part of it, and what is known of it, under the ids that the index has.
            within: of a folder only this file or folder in it.

        Raises:
            ConfigError: it is gone, or not what it was.
        """
        reading = reading or Reading()
        reading.segment_s = self.segment_s
        skip = len(self.prefix)
        reading.known = {i[skip:]: one for i, one in reading.known.items() if i.startswith(self.prefix)}
        candidates, refused = self._read(media, progress, reading, within)
        if self.prefix:
            candidates = [replace(one, candidate_id=self.prefix + one.candidate_id) for one in candidates]
        return candidates, refused

    def _read(
        self, media: Path, progress: Progress | None, reading: Reading, within: Path | None
    ) -> tuple[list[Candidate], list[Refused]]:
        from umr.ingest import Columns, read_dataset, read_folder, read_rows  # media libraries, not needed to search

        if self.kind != "file" and os.path.isabs(self.at) and not os.path.exists(self.at):
            what = "folder" if self.kind in ("folder", "collection") else "file or folder"
            raise ConfigError(
                f"{self.at} is not a {what} that is there; if it moved, `umr index update INDEX --source PLACE` names "
                "where it is now"
            )
        if self.kind == "folder":
            return read_folder(self.at, progress, reading, within)
        if self.kind == "file":
            if not Path(self.at).is_file():
                return [], []
            return read_folder(Path(self.at).parent, progress, reading, within=Path(self.at))
        if self.kind == "jsonl":
            return read_rows(self.at, progress, reading)
        if self.kind == "dataset":
            return read_dataset(self.at, media, Columns(**self.columns), self.split, progress, reading)
        if self.kind == "collection":
            candidates = []
            for candidate in Collection.rows(self.at):
                if reading.wants(candidate.candidate_id):
                    candidates.append(candidate)
                    reading.took()
            return candidates, []
        raise ConfigError(
            "this index does not say where its candidates came from: name the folder that was indexed with --source"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a source an index holds.

    Attributes:
        number: 1 to `of`.
        of: how many parts there are.
        total: entries of the source.
        listing: sha256 over their ids, in their order.
        places: of the index's candidates among them, 0 for the first.
    """

    number: int
    of: int
    total: int
    listing: str
    places: tuple[int, ...]

    def __str__(self) -> str:
        """As the command line names it."""
        return f"{self.number}/{self.of}"


def read_part(word: str) -> tuple[int, int]:
    """The (i, n) of "i/n".

    Raises:
        ConfigError: it is no part of a whole.
    """
    number, _, of = word.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ConfigError(f"--shard is {word!r}; it is i/n, the i-th of n parts, such as 1/4")
    return int(number), int(of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What sources.json says: the sources, and of which part, where it is not all."""

    sources: tuple[Source, ...]
    part: Part | None = None

    def write(self, folder: Path, fingerprint: str, index: Path | None = None) -> None:
        """Write it beside the files of the index that has this fingerprint.

        A collection's folder is written as the manifest writes it: one that is near moves with the index.

        Args:
            folder: of the files.
            fingerprint: of the index.
            index: its own folder, where the files go into another; None: they lie in it.

        Raises:
            DiskFullError: nothing more fits.
        """
        part, home = None if self.part is None else asdict(self.part), Path(os.path.abspath(index or folder))
        sources = [
            asdict(one) | ({"at": place(one.at, home)} if one.kind == "collection" else {}) for one in self.sources
        ]
        row = {"index": fingerprint, "sources": sources, "part": part}
        write_text(folder / SOURCES, json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def read_record(folder: Path, manifest: IndexManifest) -> Record:
    """The sources of an index; one unknown one where it has no record, or the record of an earlier build.

    Raises:
        MismatchError: the file is damaged.
    """
    path = folder / manifest.files_at / SOURCES
    unknown = Record(sources=(Source(kind="unknown", at="", count=manifest.count),))
    if not path.is_file():
        return unknown
    try:
        row = json.loads(path.read_text("utf-8"))
        if row["index"] != manifest.fingerprint:
            return unknown
        sources = tuple(
            Source(
                **one
                | {"removed": tuple(one["removed"]), "at": _found(one, folder)}
                | {"segment_s": float(one.get("segment_s", 0))}  # older records have none
            )
            for one in row["sources"]
        )
        part = None if row["part"] is None else Part(**row["part"] | {"places": tuple(row["part"]["places"])})
        if sum(one.count for one in sources) != manifest.count or any(
            one.kind not in get_args(Kind) for one in sources
        ):
            raise ValueError(f"its sources are not those of {manifest.count} candidates")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MismatchError(
            f"{path} is damaged ({error}): remove it, and name the indexed folder with `index update --source`"
        ) from error
    return Record(sources=sources, part=part)


def _found(row: Mapping[str, str], folder: Path) -> str:
    """Where a recorded source lies, as `Source.at`."""
    return os.path.abspath(folder / row["at"]) if row["kind"] == "collection" else row["at"]


def collection_of(source: Source, candidates: Sequence[Candidate], refused: Sequence[Refused] = ()) -> Collection:
    """The collection that was read of a source; a collection's own folder stays where it is if all of it is there."""
    if source.kind == "collection":
        ids = zip_longest(Collection.rows(source.at), candidates)
        if all(None not in pair and pair[0].candidate_id == pair[1].candidate_id for pair in ids):
            return Collection.open(source.at)
    return Collection.taken(source.name, candidates, refused)
