"""A dataset by name, row by row as the network or the disk gives it: nothing is downloaded before its first row.

What was read is kept beside the index that is built of it, so that an interrupted reading goes on. Not what is made of
a row (umr.ingest), and not datasets that lie here whole (umr.packed).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.disk import told_when_full
from umr.errors import StoppedError, reason
from umr.packed import as_bytes, unreadable
from umr.tar_rows import UNDECODED

if TYPE_CHECKING:
    import datasets

EVERY = 64  # rows between two places that an interrupted reading can go on from
READ = "reading-"  # how the names of what is kept of rows that were read begin
_UNKNOWN = 2**62  # in place of the rows of a split that does not say how many it has
_COUNTED = 2**48  # no place of a row that a person names is as large
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The rows of a dataset, which are read as they are asked for; pictures and clips are the files' own bytes.

    Attributes:
        source: its name.
        data: the rows.
        columns: their names.
        count: how many there are, as the dataset says; 0: it does not.
        of: sha256 of what they are rows of: the files, at their versions, and the split.
    """

    source: str
    data: datasets.IterableDataset
    columns: tuple[str, ...]
    count: int
    of: str

    def selected(self, columns: list[str]) -> Stream:
        """The same rows, of these columns alone."""
        there = self.data.features
        told = [UNDECODED] if there is not None and UNDECODED in there else []
        data = self.data if there is None else self.data.select_columns([*columns, *told])
        return Stream(source=self.source, data=data, columns=tuple(columns), count=self.count, of=self.of)

    def rows(self, start: int = 0, state: Row | None = None) -> Iterator[Row]:
        """The rows. That of a tar's sample with files that could not be decoded has UNDECODED: column -> why.

        Args:
            start: how many were read before.
            state: of `data` after those; None: from the first.

        Raises:
            StoppedError: they cannot be read on: they do not come, or the next is none that can be read.
        """
        import datasets  # heavy, and only this reader needs it
        import httpx

        if state is not None:
            self.data.load_state_dict(state)
        number = start
        try:
            for row in self.data:
                undecoded = json.loads(row.pop(UNDECODED, "{}"))
                yield row | ({UNDECODED: undecoded} if undecoded else {})
                number += 1
        except (OSError, EOFError, tarfile.TarError, httpx.HTTPError) as error:
            raise StoppedError(
                f"{self.source} gave {number:,} rows and then no more ({reason(error)}): check the connection and run "
                "the same command again, which goes on near that row"
            ) from error
        except (ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError) as error:
            raise StoppedError(
                f"row {number} of {self.source} cannot be read ({reason(error)}), and a stream gets no further: "
                "download the files and index each by its name"
            ) from error


def open_stream(source: str, split: str) -> Stream | None:
    """The rows of a dataset that `datasets` finds by this name, on the Hub or in a folder of its files.

    Args:
        source: the name, or the folder.
        split: which part of it: test, train[:1000], train[10%:], train+test.

    Returns:
        None where the split is a share, or counted from the end, of rows whose number the dataset does not say: it has
        to be there whole.

    Raises:
        ConfigError: it cannot be read as a dataset, or has no such split.
    """
    import datasets  # heavy, and only this reader needs it

    from umr.streamed_tars import spare_others

    try:
        builder = datasets.load_dataset_builder(source)
        spare_others(builder)
        there = builder.as_streaming_dataset()
        stated = {name: one.num_examples or _UNKNOWN for name, one in (builder.info.splits or {}).items()}
        pieces = _pieces(split, {name: stated.get(name, _UNKNOWN) for name in there})
        if pieces is None:
            return None
        cut = [_cut(there[name], first, last) for name, first, last in pieces]
        data = as_bytes(cut[0] if len(cut) == 1 else datasets.concatenate_datasets(cut))
        columns = tuple(one for one in data.features or next(iter(data), {}) if one != UNDECODED)
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise unreadable(source, split, error) from error
    ends = [stated.get(name, _UNKNOWN) if last is None else last for name, _, last in pieces]
    count = sum(end - first for end, (_, first, _) in zip(ends, pieces, strict=True))
    files = {str(one): [*of, *map(str, of.origin_metadata)] for one, of in (builder.config.data_files or {}).items()}
    of = hashlib.sha256(json.dumps([source, split, files]).encode()).hexdigest()
    return Stream(source=source, data=data, columns=columns, count=count if count < _COUNTED else 0, of=of)


def _pieces(split: str, sizes: Mapping[str, int]) -> list[tuple[str, int, int | None]] | None:
    """What a split means: (name, first row, row behind the last; None: to its end); None where sizes must be known.

    Args:
        split: as a person writes it.
        sizes: rows of each split that there is, or _UNKNOWN.

    Raises:
        ValueError: it means nothing, or there is no split of this name.
    """
    import datasets

    asked = datasets.ReadInstruction.from_spec("+".join(sizes) if split == "all" else split)
    found = []
    for one in asked.to_absolute(dict(sizes)):
        last = None if one.to == sizes[one.splitname] else one.to
        if max(one.from_, last or 0) > _COUNTED:
            return None
        found.append((one.splitname, one.from_, last))
    return found


def _cut(data: datasets.IterableDataset, first: int, last: int | None) -> datasets.IterableDataset:
    data = data.skip(first) if first else data
    return data if last is None else data.take(max(0, last - first))


class Kept:
    """What was made of the rows of a stream, one a line, with places between them from which it can be read on.

    The lines are believed to the last such place alone: what a process that died wrote behind it is read again.

    Attributes:
        count: rows that an earlier process kept.
        state: of the stream after those; None: none was kept, or all were.
        whole: whether they are all that there are.
    """

    def __init__(self, path: Path | None, of: str) -> None:
        """Open it.

        Args:
            path: the file; None: nothing is kept.
            of: what it is of. A file that is of something else is begun anew.
        """
        self._path, self._of, self._end = path, of, 0
        self.count, self.whole = 0, False
        self.state: Row | None = None
        self._lines: list[Row] = []
        if path is not None and path.is_file():
            self._find(path)

    def lines(self) -> Iterator[Row]:
        """What an earlier process kept, in order."""
        if self._path is None or not self.count:
            return
        left = self.count
        with self._path.open("rb") as file:
            while left:
                line = json.loads(file.readline())
                if _is_row(line):
                    left -= 1
                    yield line

    def add(self, line: Row) -> None:
        """Take what was made of the next row, as JSON can hold it; "row" of it is one of a jsonl, which names files."""
        if self._path is not None:
            self._lines.append(line)

    def mark(self, state: Row | None) -> None:
        """Write what was taken, and where the reading can go on behind it.

        Args:
            state: of the stream there; None: it has no more rows.

        Raises:
            DiskFullError: nothing more fits.
        """
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [*self._lines, {"state": state}]
        if not self._end:
            lines.insert(0, {"of": self._of})
        with told_when_full(self._path), self._path.open("r+b" if self._end else "wb") as file:
            file.seek(self._end)
            file.truncate()
            file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
            self._end = file.tell()
        self._lines = []

    def _find(self, path: Path) -> None:
        """Find the last place to which every line is whole and the files that it names are there."""
        rows, place = 0, 0
        with path.open("rb") as file:
            for data in file:
                place += len(data)
                try:
                    line = json.loads(data)
                except ValueError:  # cut off
                    return
                if not isinstance(line, dict) or line.get("of", self._of) != self._of or not _has_files(line):
                    return
                rows += _is_row(line)
                if "state" in line:
                    self.count, self.state, self.whole = rows, line["state"], line["state"] is None
                    self._end = place


def _is_row(line: Row) -> bool:
    return not {"of", "state"} & set(line)


def _has_files(line: Row) -> bool:
    row = line.get("row") or {}
    return all(Path(row[key]).is_file() for key in ("image", "video") if row.get(key))


def forget(folder: Path) -> None:
    """Remove what was kept in an index's folder of the reading of its sources, which stand in it now."""
    for path in folder.glob(f"{READ}*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
