"""Whether bfloat16 may stand for float32: some of a collection's candidates, encoded in both. Not the build itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from umr.collection import Collection
from umr.index.manifest import PARTIAL, check_parity
from umr.shrunk import Shrunk
from umr.types import BFLOAT16, FLOAT32, Candidate, Encoder

#: Lowest cosine between the two vectors of a candidate with which bfloat16 is taken.
LEAST = 0.999
MOST = 64  # candidates that are compared
_WARM_UP = 2  # of them, which are encoded before, untimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What chose the precision of an index, as its manifest keeps it.

    Attributes:
        dtype: the choice.
        cosine: the lowest between a candidate's vectors in float32 and in bfloat16.
        probed: candidates that were compared.
        of: `digest` of them; "" where it is not known any more.
    """

    dtype: str
    cosine: float
    probed: int
    of: str = ""

    def facts(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {name: value for name, value in asdict(self).items() if name != "of"}

    def __str__(self) -> str:
        """A sentence."""
        return (
            f"--dtype auto takes {self.dtype}: over {self.probed} of the candidates the lowest cosine between float32 "
            f"and bfloat16 is {self.cosine:.6f}, where {LEAST} is asked"
        )


def probe(collection: Collection, most: int = MOST) -> list[Candidate]:
    """So many candidates at most, as many of each kind as there are, evenly over the collection: always the same."""
    kinds, counts = np.unique(collection.kinds, return_counts=True)
    found: list[int] = []
    for number, kind in enumerate(kinds[np.argsort(counts, kind="stable")]):  # what few leave goes to the others
        rows = np.flatnonzero(collection.kinds == kind)
        count = min(len(rows), (most - len(found)) // (len(kinds) - number))
        found += rows[np.linspace(0, len(rows) - 1, count).round().astype(int)].tolist()
    return [collection[collection.ids[row]] for row in sorted(found)]


def digest(candidates: Sequence[Candidate]) -> str:
    """The same for the same candidates, by their ids, words and files."""
    told = [(one.candidate_id, one.title, one.content.text, one.content.span, one.content_hash) for one in candidates]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def compared(opened: Callable[[str], Encoder], candidates: Sequence[Candidate], shrunk: Shrunk) -> tuple[Parity, float]:
    """Encode candidates in both precisions, one after the other: neither waits in memory for the other.

    Args:
        opened: gives the encoder in float32, then in bfloat16, when the first is needed no more.
        candidates: of `probe`.
        shrunk: what was decoded already.

    Returns:
        The choice, and how many times as quick as float32 bfloat16 is here.

    Raises:
        MediaError: a candidate cannot be read.
    """
    ready = [shrunk.ready(one) for one in candidates]
    vectors, seconds = zip(*(_timed(opened(dtype), ready) for dtype in (FLOAT32, BFLOAT16)), strict=True)
    cosine = round(float((vectors[0] * vectors[1]).sum(axis=1).min()), 6)
    speed = seconds[0] / max(seconds[1], 1e-9)
    taken = BFLOAT16 if cosine >= LEAST and speed > 1 else FLOAT32
    return Parity(dtype=taken, cosine=cosine, probed=len(ready), of=digest(candidates)), speed


def _timed(encoder: Encoder, ready: list[Candidate]) -> tuple[np.ndarray, float]:
    """Vectors, and the seconds that they took."""
    encoder.encode_candidates(ready[:_WARM_UP])
    start = perf_counter()
    found = encoder.encode_candidates(ready).vectors
    return found, perf_counter() - start


def begun(folder: Path, encoder: str, of: str) -> Parity | None:
    """The choice that an interrupted build of a folder began with, which goes on with it; None where there is none.

    Args:
        folder: the index's, held by the caller alone.
        encoder: fingerprint of what builds it now.
        of: `digest` of what would be compared now.
    """
    for path in sorted(folder.glob(f"{PARTIAL}-*/plan.json")):
        try:
            plan = json.loads(path.read_bytes())
            if (plan["encoder"], plan["parity_of"]) == (encoder, of):
                check_parity(plan["parity"])
                return Parity(**plan["parity"], of=of)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # damaged: the build removes it
    return None
