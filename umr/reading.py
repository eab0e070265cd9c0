"""Which entries of a source are read, and which were read before. Not how one is read (umr.ingest)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.types import Candidate, Content

if TYPE_CHECKING:
    from umr.shrunk import Shrunk


@dataclass(slots=True)
class Reading:
    """How one source is read: which of it, what was read before, and, afterwards, where in it the candidates stood.

    Attributes:
        known: by id, candidates as they were read before: a file with the very bytes listed there is not decoded again.
        part: (i, n): only entries of the i-th of n parts, by a hash of their ids, which no other entry changes.
        shrunk: keeps what an encoder needs of the pictures that are decoded; None: nothing is kept.
        segment_s: longer clips are cut into parts of so many seconds (umr.moments.cut); 0: they stay whole.
        keep: a folder, where rows of a dataset by name are kept as they are read, so that an interrupted reading goes
            on (umr.streamed.Kept); None: they are not.
        places: of the candidates taken: 0 for the source's first entry.
        total: entries that the source lists, of all parts.
    """

    known: Mapping[str, Candidate] = field(default_factory=dict)
    part: tuple[int, int] = (1, 1)
    shrunk: Shrunk | None = None
    segment_s: float = 0.0
    keep: Path | None = None
    places: list[int] = field(default_factory=list)
    total: int = 0
    _listed: Any = field(default_factory=hashlib.sha256)

    def wants(self, candidate_id: str) -> bool:
        """Whether the next entry of the source, in the source's order, is of the part that is read."""
        data = hashlib.sha256(candidate_id.encode("utf-8", "surrogatepass")).digest()
        self._listed.update(data)
        self.total += 1
        number, count = self.part
        return int.from_bytes(data[:8], "big") % count == number - 1

    def took(self, place: int | None = None) -> None:
        """An entry was taken: the one at a place, or the one that was wanted last."""
        self.places.append(self.total - 1 if place is None else place)

    @property
    def listing(self) -> str:
        """sha256 over the ids of all entries in their order, of every part: equal for parts of one source."""
        return str(self._listed.hexdigest())

    def has_read(self, candidate_id: str, content: Content, content_hash: str) -> bool:
        """Whether a file of these bytes was read as this candidate before, as a picture or as this part of a clip."""
        before = self.known.get(candidate_id)
        if before is None or before.content_hash != content_hash:
            return False
        same_kind = (before.content.image is None) == (content.image is None)
        return same_kind and before.content.span == content.span
