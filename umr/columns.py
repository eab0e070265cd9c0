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
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from umr.arrays import map_arrays, map_file, write_arrays
from umr.disk import atomic_write
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
        return cls.sorted(_checksums(texts, len(rows)), rows)

    @classmethod
    def sorted(cls, keys: np.ndarray, rows: np.ndarray | None = None) -> Keys:
        """Checksums in any order.

        Args:
            keys: (M,) uint32.
            rows: (M,) of each; None: its place.
        """
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], (order if rows is None else rows[order]).astype(np.uint32))

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Keys and rows, to be stored."""
        return self._keys, self._rows

    def rows(self, text: str) -> list[int]:
        """The rows that may have the text, and no row that has it is missing."""
        key = np.uint32(_checksum(text))
        first, last = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        return [int(row) for row in self._rows[first:last]]

    def twice(self, text_of: Callable[[int], str]) -> str | None:
        """A text that two rows have; None where each has its own. text_of: the text of a row."""
        keys, rows = self.arrays
        seen, last = set[str](), -2
        for place in np.flatnonzero(keys[1:] == keys[:-1]).tolist():
            if place != last + 1:
                seen = {text_of(int(rows[place]))}
            one, last = text_of(int(rows[place + 1])), place
            if one in seen:
                return one
            seen.add(one)
        return None

    @staticmethod
    def checksum(text: str) -> int:
        """What stands for a text."""
        return _checksum(text)

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

    def twice(self) -> str | None:
        """An id that stands twice; None where each stands once."""
        return self._keys.twice(self.__getitem__)

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
        columns: the file of the columns.
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
        self.ids, self.columns = _ids(ids, arrays), columns
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

    def __iter__(self) -> Iterator[Candidate]:
        """All of them, read one after the other and not through what is mapped, which would stay in memory.

        Raises:
            ConfigError, MismatchError: as of `candidate`.
        """
        row = 0
        for name in self._names:
            for _, line in _lines(name):
                yield self._checked(row, line, name)
                row += 1

    def candidate(self, row: int) -> Candidate:
        """The candidate of a row, read from its file.

        Raises:
            ConfigError: its row is broken.
            MismatchError: another candidate stands there than when the index was built.
        """
        number = int(np.searchsorted(self._firsts, row, "right")) - 1
        start, data = int(self._starts[row]), self._files[number]
        end = data.find(b"\n", start)
        return self._checked(row, data[start : len(data) if end < 0 else end], self._names[number])

    def _checked(self, row: int, line: bytes, name: Path) -> Candidate:
        expected = self.ids[row] if row < len(self.ids) else "behind the last one"
        place = f"{name}, candidate {expected}"
        found = candidate_from_row(parse_object(line.decode("utf-8", "replace"), place), self._folder, place)
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


class Gathered:
    """The columns of candidates that are taken one by one, of which nothing else is held: 26 bytes for each.

    Attributes:
        id_keys: checksums of the ids, in their order.
        licences: of the candidates; two at most, which is to say several.
    """

    def __init__(self) -> None:
        self.id_keys, self._ends = array("I"), array("Q", [0])
        self._kinds, self._stating = array("B"), array("I")
        self._hash_keys, self._hash_rows = array("I"), array("I")
        self.licences: set[str] = set()

    def __len__(self) -> int:
        return len(self.id_keys)

    def take(self, candidate: Candidate) -> None:
        """The next candidate."""
        row, data = len(self), candidate.candidate_id.encode("utf-8", "surrogatepass")
        self._ends.append(self._ends[-1] + len(data) + 1)
        self.id_keys.append(zlib.crc32(data))
        self._kinds.append(MODALITIES.index(candidate.content.modality))
        if candidate.content_hash:
            self._hash_keys.append(_checksum(candidate.content_hash))
            self._hash_rows.append(row)
        if candidate.source.startswith("{"):
            self._stating.append(row)
        if len(self.licences) < 2:
            self.licences.add(candidate.licence)

    def ids(self, path: Path) -> MappedIds:
        """Their ids, which were written there, one a line."""
        return MappedIds(path, np.asarray(self._ends, np.uint64)[1:], Keys.sorted(np.asarray(self.id_keys, np.uint32)))

    def write(self, path: Path, folder: Path, starts: Mapping[Path, Sequence[int]], said: Mapping[str, Any]) -> None:
        """Write the file of the columns.

        Args:
            path: the file.
            folder: the collection's.
            starts: where the rows of each of its files start, in the order of the files.
            said: its "fingerprint" and "licence".
        """
        hashes = Keys.sorted(np.asarray(self._hash_keys, np.uint32), np.asarray(self._hash_rows, np.uint32))
        id_keys, id_rows = Keys.sorted(np.asarray(self.id_keys, np.uint32)).arrays
        arrays = {
            "id_ends": np.asarray(self._ends, np.uint64)[1:],
            "id_keys": id_keys,
            "id_rows": id_rows,
            "starts": np.concatenate([np.asarray(one, np.uint64) for one in starts.values()]),
            "kinds": np.asarray(self._kinds, np.uint8),
            "hash_keys": hashes.arrays[0],
            "hash_rows": hashes.arrays[1],
            "stating": np.asarray(self._stating, np.uint32),
        }
        rows = [
            {"name": file.relative_to(folder).as_posix(), "bytes": file.stat().st_size, "rows": len(one)}
            for file, one in starts.items()
        ]
        write_arrays(path, arrays, {"format": _FORMAT, **said, "files": rows})


def write_columns(
    path: Path, candidates: Iterable[Candidate], folder: Path, files: Sequence[Path], said: Mapping[str, Any]
) -> bool:
    """Write the columns of a collection that was just read from its files.

    Args:
        path: the file to write.
        candidates: in their order.
        folder: the collection's.
        files: its own, in their order.
        said: its "fingerprint" and "licence".

    Returns:
        Whether they were written: not where the rows cannot be told apart by line feeds alone.
    """
    gathered = Gathered()
    for one in candidates:
        gathered.take(one)
    starts = {file: array("Q", (start for start, _ in _lines(file))) for file in files}
    if sum(map(len, starts.values())) != len(gathered):
        log.warning("%s: its rows are not one a line; the collection is read whole each time", folder)
        return False
    gathered.write(path, folder, starts, said)
    return True


def read_columns(ids: Path, folder: Path, files: Sequence[Path]) -> tuple[Gathered, dict[Path, array[int]]] | None:
    """The columns of the rows in a collection's files, of which one is held at a time.

    Args:
        ids: where their ids are written, one a line.
        folder: the collection's.
        files: its own, in their order.

    Returns:
        The columns, and where the rows of each file start; None where rows cannot be told apart by line feeds alone.

    Raises:
        ConfigError: a row is broken (file:line).
    """
    gathered, starts = Gathered(), dict[Path, "array[int]"]()
    with atomic_write(ids) as listed:
        for file in files:
            starts[file] = array("Q")
            for number, (start, line) in enumerate(_lines(file, blank=True), 1):
                if not line.strip():
                    continue
                try:
                    text = line.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    return None
                if "\r" in text:
                    return None
                place = f"{file}:{number}"
                candidate = candidate_from_row(parse_object(text, place), folder, place)
                gathered.take(candidate)
                starts[file].append(start)
                listed.write(f"{candidate.candidate_id}\n")
    return gathered, starts


def _read(columns: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, said = map_arrays(columns)
    if set(arrays) != _NAMES or said.get("format") != _FORMAT:
        raise MismatchError(f"{columns} is of another format; rebuild the index")
    return arrays, said


def _ids(path: Path, arrays: dict[str, np.ndarray]) -> MappedIds:
    return MappedIds(path, arrays["id_ends"], Keys(arrays["id_keys"], arrays["id_rows"]))


def _lines(file: Path, blank: bool = False) -> Iterator[tuple[int, bytes]]:
    """Where each line starts, and its bytes; with `blank` also of lines that have none."""
    place = 0
    with file.open("rb") as lines:
        for line in lines:
            skip = len(_BOM) if not place and line.startswith(_BOM) else 0
            if blank or line.strip():
                yield place + skip, line[skip:]
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
