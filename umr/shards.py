"""The encoded parts of an index that is being built, kept so that an interrupted build goes on. Not the index
(umr.index)."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from umr.arrays import read_npy, write_npy
from umr.collection import Collection
from umr.errors import MismatchError
from umr.formats import written
from umr.types import Candidate, Embeddings, Encoder

log = logging.getLogger(__name__)


def keep_plan(draft: Path, plan: dict[str, Any]) -> None:
    """Keep the shards of an interrupted build of the same thing; drop those of any other, or of a damaged plan."""
    path = draft / "plan.json"
    if path.is_file() and path.read_bytes() == json.dumps(plan).encode():
        log.info("going on with the interrupted build in %s", draft)
        return
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    with written(path) as file:
        file.write(json.dumps(plan))


def encoded_shards(encoder: Encoder, collection: Collection, draft: Path, size: int) -> Iterator[np.ndarray]:
    """Vectors of every `size` candidates, read from `draft` where they are there and whole, else encoded and kept."""
    candidates = iter(collection)
    for number, start in enumerate(range(0, len(collection), size)):
        ids = collection.ids[start : start + size]
        batch = [next(candidates) for _ in ids]
        path = draft / f"shard_{number:06}.npy"
        vectors = _kept(path, ids, encoder)
        if vectors is None:
            vectors = _encoded(encoder, batch, ids)
            write_npy(path, vectors)
        yield vectors


def _kept(path: Path, ids: tuple[str, ...], encoder: Encoder) -> np.ndarray | None:
    """The vectors of a shard; None where there is none, or it is not what was written."""
    if not path.is_file():
        return None
    try:
        vectors = Embeddings(ids=ids, vectors=read_npy(path), encoder=encoder.fingerprint).vectors
        if vectors.shape[1] != encoder.dim:
            raise MismatchError(f"rows have {vectors.shape[1]} numbers, {encoder.name} makes {encoder.dim}")
    except MismatchError as error:
        log.warning("%s is damaged and is encoded again: %s", path.name, error)
        return None
    return vectors


def _encoded(encoder: Encoder, batch: list[Candidate], ids: tuple[str, ...]) -> np.ndarray:
    made = encoder.encode_candidates(batch)
    if made.encoder != encoder.fingerprint or made.ids != ids:
        raise MismatchError(
            f"{encoder.name} gave vectors of other candidates, or under another fingerprint, than asked"
        )
    return made.vectors
