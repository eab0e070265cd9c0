"""A large collection by columns, mapped from the disk: where each row stands, its kind, its keys. Not the rows.

Those stay in the collection's own files. A row is read when it is asked for, and its id is compared with the one that
the index lists at its place. So opening takes the same time for a thousand candidates and for millions.

N candidates. Keys are checksums of texts in ascending order, each with its row: several texts may share one, so a
found row is always compared with what was asked for.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from umr.arrays import map_arrays, map_file, write_arrays
from umr.errors import MismatchError
from umr.formats import candidate_from_row, parse_object
from umr.types import Candidate

if TYPE_CHECKING:
    import mmap

COLUMNS = "columns.safetensors"
#: Fewer candidates are read whole, which takes less than half a second.
FEWEST = 20_000
#: What a candidate can be; its place here is its kind in the column.
MODALITIES = ("text", "image", "image,text", "video", "video,text")
_FORMAT = 1
_BOM = b"\xef\xbb\xbf"
_NAMES = frozenset(("id_ends", "id_keys", "id_rows", "starts", "kinds", "hash_keys", "hash_rows", "stating"))
log = logging.getLogger(__name__)


class Keys:
    """Rows by the checksum of a text that each has.

    Args:
        keys: (M,) uint32, ascending.
        rows: (M,) uint32.
    """

    def __init__(self, keys: np.ndarray, rows: np.ndarray) -> None:
        self._keys, self._rows = keys, rows

    @classmethod
    def of(cls, texts: Iterable[str], rows: np.ndarray) -> Keys:
        """The keys of texts, one for each row."""
        keys = _checksums(texts, len(rows))
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], rows[order].astype(np.uint32))

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys and rows, to be stored."""
        return self._keys, self._rows

    def rows(self, text: str) -> list[int]:
        """The rows that may have the text, and no row that has it is missing."""
        key = np.uint32(_checksum(text))
        first, last = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        return [int(row) for row in self._rows[first:last]]

    def guess(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts),) one row for each that may have it; any row where none does."""
        places = np.searchsorted(self._keys, _checksums(texts, len(texts)))
        return self._rows[np.minimum(places, len(self._rows) - 1)].astype(np.int64)


class MappedIds(Sequence[str]):
    """The ids of ids.txt, one a line, without reading them.

    Args:
        path: the file.
        ends: (N,) where each line ends, behind its line feed.
        keys: of the ids.

    Raises:
        MismatchError: the file has another size.
    """

    def __init__(self, path: Path, ends: np.ndarray, keys: Keys) -> None:
        self._bytes, self._ends, self._keys = _mapped(path), ends, keys
        self._file = _identity(path)
        if not len(ends) or len(self._bytes) != int(ends[-1]):
            raise MismatchError(f"{path} changed since the index was built; copy the index again, or rebuild it")

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[str, ...]: ...
    def __getitem__(self, row: int | slice) -> str | tuple[str, ...]:
        if isinstance(row, slice):
            return tuple(self[one] for one in range(*row.indices(len(self))))
        if row < 0:
            row += len(self)
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        start = int(self._ends[row - 1]) if row else 0
        return self._bytes[start : int(self._ends[row]) - 1].decode("utf-8")

    def __contains__(self, candidate_id: object) -> bool:
        return isinstance(candidate_id, str) and self.row(candidate_id) is not None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MappedIds):
            return self._file == other._file or self._bytes[:] == other._bytes[:]
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list's: it is compared, not looked up

    def row(self, candidate_id: str) -> int | None:
        """The row of an id; None where it is not here."""
        return next((row for row in self._keys.rows(candidate_id) if self[row] == candidate_id), None)

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """(M,) int64: the rows of these ids.

        Raises:
            KeyError: an id is not here.
        """
        asked = list(ids)
        rows = self._keys.guess(asked)
        for place, one in enumerate(asked):
            if self[int(rows[place])] != one:  # another id with the same checksum, or none
                found = self.row(one)
                if found is None:
                    raise KeyError(one)
                rows[place] = found
        return rows


class MappedRows:
    """The candidates of a collection whose columns were written; as umr.collection holds those in memory.

    Attributes:
        ids: of the candidates.
        kinds: (N,) uint8, places in MODALITIES.
        fingerprint, licence: the collection's, as they were when the columns were written.
    """

    def __init__(self, columns: Path, ids: Path, folder: Path) -> None:
        """Map them.

        Args:
            columns: the file of the columns.
            ids: the file of the ids.
            folder: the collection's.

        Raises:
            MismatchError: a file is missing, or has another size than when the columns were written.
        """
        arrays, said = _read(columns)
        self.ids = _ids(ids, arrays)
        self._starts, self.kinds, self._stating = arrays["starts"], arrays["kinds"], arrays["stating"]
        self._hashes = Keys(arrays["hash_keys"], arrays["hash_rows"])
        if not len(self._starts) == len(self.kinds) == len(self.ids):
            raise MismatchError(f"{columns} is damaged: its columns have different lengths; rebuild the index")
        self.fingerprint, self.licence = str(said["fingerprint"]), str(said["licence"])
        self._folder, self._names, self._files = folder, [], []
        first, firsts = 0, []
        for one in said["files"]:
            firsts.append(first)
            first += int(one["rows"])
            self._names.append(folder / one["name"])
            self._files.append(_mapped(folder / one["name"]))
            if len(self._files[-1]) != one["bytes"]:
                raise MismatchError(
                    f"{self._names[-1]} changed since the index was built, so a hit could show the wrong thing; "
                    "rebuild the index"
                )
        self._firsts = np.array(firsts)

    def row(self, candidate_id: str) -> int | None:
        """The row of an id; None where it is not here."""
        return self.ids.row(candidate_id)

    def candidate(self, row: int) -> Candidate:
        """The candidate of a row, read from its file.

        Raises:
            ConfigError: its row is broken.
            MismatchError: another candidate stands there than when the index was built.
        """
        number = int(np.searchsorted(self._firsts, row, "right")) - 1
        start, data = int(self._starts[row]), self._files[number]
        end = data.find(b"\n", start)
        expected, place = self.ids[row], f"{self._names[number]}, candidate {self.ids[row]}"
        line = data[start : len(data) if end < 0 else end].decode("utf-8", "replace")
        found = candidate_from_row(parse_object(line, place), self._folder, place)
        if found.candidate_id != expected:
            raise MismatchError(
                f"{place}: {found.candidate_id!r} stands there, so the file changed since the index was built; "
                "copy it again, or rebuild the index"
            )
        return found

    def with_hash(self, content_hash: str) -> frozenset[str]:
        """Ids of the candidates whose picture or clip has these very bytes."""
        found = (self.candidate(row) for row in self._hashes.rows(content_hash))
        return frozenset(one.candidate_id for one in found if one.content_hash == content_hash)

    def stating(self) -> Iterator[Candidate]:
        """The candidates whose source may be a JSON object."""
        return (self.candidate(int(row)) for row in self._stating)


def mapped_ids(columns: Path, ids: Path) -> MappedIds:
    """The ids of an index that has columns.

    Raises:
        MismatchError: a file is missing or damaged.
    """
    return _ids(ids, _read(columns)[0])


def write_columns(
    path: Path,
    candidates: Iterable[Candidate],
    ids: Sequence[str],
    folder: Path,
    files: Sequence[Path],
    said: dict[str, Any],
) -> bool:
    """Write the columns of a collection that was just read from its files.

    Args:
        path: the file to write.
        candidates: (N,) in their order.
        ids: theirs; ids.txt holds one a line.
        folder: the collection's.
        files: its own, in their order.
        said: its "fingerprint" and "licence".

    Returns:
        Whether they were written: not where the rows cannot be told apart by line feeds alone.
    """
    starts = [np.fromiter(_starts(file), np.uint64) for file in files]
    if sum(map(len, starts)) != len(ids):
        log.warning("%s: its rows are not one a line; the collection is read whole each time", folder)
        return False
    kinds, hashes, stating = np.empty(len(ids), np.uint8), dict[int, str](), list[int]()
    for row, one in enumerate(candidates):
        kinds[row] = MODALITIES.index(one.content.modality)
        if one.content_hash:
            hashes[row] = one.content_hash
        if one.source.startswith("{"):
            stating.append(row)
    id_keys, id_rows = Keys.of(ids, np.arange(len(ids))).arrays
    hash_keys, hash_rows = Keys.of(hashes.values(), np.array(list(hashes), np.uint32)).arrays
    arrays = {
        "id_ends": np.cumsum(np.fromiter((len(i.encode("utf-8")) + 1 for i in ids), np.uint64, len(ids))),
        "id_keys": id_keys,
        "id_rows": id_rows,
        "starts": np.concatenate(starts),
        "kinds": kinds,
        "hash_keys": hash_keys,
        "hash_rows": hash_rows,
        "stating": np.array(stating, np.uint32),
    }
    rows = [
        {"name": file.relative_to(folder).as_posix(), "bytes": file.stat().st_size, "rows": len(one)}
        for file, one in zip(files, starts, strict=True)
    ]
    write_arrays(path, arrays, {"format": _FORMAT, **said, "files": rows})
    return True


def _read(columns: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, said = map_arrays(columns)
    if set(arrays) != _NAMES or said.get("format") != _FORMAT:
        raise MismatchError(f"{columns} is of another format; rebuild the index")
    return arrays, said


def _ids(path: Path, arrays: dict[str, np.ndarray]) -> MappedIds:
    return MappedIds(path, arrays["id_ends"], Keys(arrays["id_keys"], arrays["id_rows"]))


def _starts(file: Path) -> Iterator[int]:
    """Where each line that is not blank starts."""
    place = 0
    with file.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield place + (len(_BOM) if not place and line.startswith(_BOM) else 0)
            place += len(line)


def _mapped(path: Path) -> mmap.mmap:
    try:
        return map_file(path)
    except (OSError, ValueError) as error:
        raise MismatchError(f"{path} cannot be read ({error}); copy it again, or rebuild the index") from error


def _identity(path: Path) -> tuple[int, int, int]:
    """Equal for one file of the disk; one that was renamed over it is another."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _checksums(texts: Iterable[str], count: int) -> np.ndarray:
    return np.fromiter((_checksum(text) for text in texts), np.uint32, count)
