"""The candidates of a collection by row: those in memory, and some of them as a set. Not those on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

import numpy as np

from umr.columns import MODALITIES, MappedRows
from umr.types import Candidate, Target


class HeldRows:
    """Candidates in memory, with what umr.columns.MappedRows has of those on disk.

    Attributes:
        ids: of the candidates.
        rows: of each id its row; fewer than candidates where an id stands twice.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = tuple(candidates)
        self.ids = tuple(candidate.candidate_id for candidate in self._candidates)
        self.rows = {candidate_id: row for row, candidate_id in enumerate(self.ids)}

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._candidates)

    @cached_property
    def kinds(self) -> np.ndarray:
        """(N,) uint8, places in MODALITIES."""
        return np.array([MODALITIES.index(candidate.content.modality) for candidate in self._candidates], np.uint8)

    def row(self, candidate_id: str) -> int | None:
        """The row of an id; None where it is not here."""
        return self.rows.get(candidate_id)

    def candidate(self, row: int) -> Candidate:
        """The candidate of a row."""
        return self._candidates[row]

    def with_hash(self, content_hash: str) -> frozenset[str]:
        """Ids of the candidates whose picture or clip has these very bytes."""
        return self._by_hash.get(content_hash, frozenset())

    def stating(self) -> Iterator[Candidate]:
        """The candidates whose source may be a JSON object."""
        return (candidate for candidate in self._candidates if candidate.source.startswith("{"))

    @cached_property
    def _by_hash(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for candidate in self._candidates:
            if candidate.content_hash:
                found.setdefault(candidate.content_hash, set()).add(candidate.candidate_id)
        return {key: frozenset(ids) for key, ids in found.items()}


class RowSet(AbstractSet[str]):
    """Ids of some candidates of a collection: a set that need not be made, as their rows are known.

    Attributes:
        name: of the set; no other one of the collection has it.
        rows: (M,) int64, ascending: theirs in the collection.
        fingerprint: of the collection.
    """

    def __init__(self, name: str, rows: np.ndarray, of: HeldRows | MappedRows, fingerprint: str) -> None:
        self.name, self.rows, self.fingerprint = name, rows, fingerprint
        self._of = of

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (self._of.ids[row] for row in self.rows.tolist())

    def __contains__(self, candidate_id: object) -> bool:
        row = self._of.row(candidate_id) if isinstance(candidate_id, str) else None
        return row is not None and self._has(row)

    def _has(self, row: int) -> bool:
        place = int(np.searchsorted(self.rows, row))
        return place < len(self.rows) and int(self.rows[place]) == row


class Pool(RowSet):
    """Ids of the candidates of one kind.

    Attributes:
        target: the kind.
    """

    def __init__(self, target: Target, rows: np.ndarray, of: HeldRows | MappedRows, fingerprint: str) -> None:
        super().__init__(target, rows, of, fingerprint)
        self.target = target

    def _has(self, row: int) -> bool:
        return MODALITIES[self._of.kinds[row]] == self.target
