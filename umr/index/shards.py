"""The encoded parts of an index that is being built, kept so that an interrupted build goes on. Not the index."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from umr import media
from umr.ahead import in_order
from umr.arrays import read_npy, write_npy
from umr.collection import Collection
from umr.disk import atomic_write, clear_drafts
from umr.errors import MismatchError
from umr.index.manifest import PARTIAL
from umr.shrunk import Shrunk, changed
from umr.types import Candidate, Embeddings, Encoder

log = logging.getLogger(__name__)


def keep_plan(folder: Path, plan: dict[str, Any]) -> Path:
    """The folder for the shards of this very plan; its name carries the plan's hash, so that no other's can be in it.

    Shards of an interrupted build of the same thing are kept; those of any other, or of a damaged plan, are removed,
    and so is what processes that died left half-written.

    Args:
        folder: the index's, held by the caller alone (umr.lock).
        plan: what decides the vectors, as JSON can hold it.

    Returns:
        The folder, which holds plan.json.
    """
    words = json.dumps(plan)
    draft = folder / f"{PARTIAL}-{hashlib.sha256(words.encode()).hexdigest()[:16]}"
    path = draft / "plan.json"
    kept = path.is_file() and path.read_bytes() == words.encode()
    forget_plans(folder, draft if kept else None)
    if kept:
        log.info("going on with the interrupted build in %s", draft)
        return draft
    draft.mkdir()
    with atomic_write(path) as file:
        file.write(words)
    return draft


def forget_plans(folder: Path, but: Path | None = None) -> None:
    """Remove what builds that died left in an index's folder, which the caller has alone; the draft `but` stays."""
    for other in folder.glob(f"{PARTIAL}*"):
        if other != but:
            shutil.rmtree(other) if other.is_dir() and not other.is_symlink() else other.unlink()
    clear_drafts(folder, folder / "collection", folder / "files", *([] if but is None else [but]))


def encoded_shards(
    encoder: Encoder, collection: Collection, draft: Path, size: int, shrunk: Shrunk | None = None
) -> Iterator[np.ndarray]:
    """Vectors of every `size` candidates, read from `draft` where they are there and whole, else encoded and kept.

    While some are encoded, the pictures of the next are decoded.

    Args:
        encoder: what encodes.
        collection: of the candidates.
        draft: the folder of the shards.
        size: of a shard.
        shrunk: what was decoded already.
    """
    candidates, starts = iter(collection), range(0, len(collection), size)
    listed = ([next(candidates) for _ in collection.ids[start : start + size]] for start in starts)
    read = partial(_read, encoder, draft, shrunk or Shrunk(encoder))
    for number, (batch, ready, vectors) in enumerate(in_order(read, enumerate(listed), threads=1, ahead=1)):
        if vectors is None:
            vectors = _encoded(encoder, ready, batch)
            write_npy(_at(draft, number), vectors)
        yield vectors


def _at(draft: Path, number: int) -> Path:
    return draft / f"shard_{number:06}.npy"


def _read(
    encoder: Encoder, draft: Path, shrunk: Shrunk, shard: tuple[int, list[Candidate]]
) -> tuple[list[Candidate], list[Candidate], np.ndarray | None]:
    """A shard's candidates, and the same ready to be encoded where there are no vectors of it."""
    number, batch = shard
    vectors = _kept(_at(draft, number), tuple(one.candidate_id for one in batch), encoder)
    return batch, [] if vectors is not None else list(in_order(shrunk.ready, batch)), vectors


def check_unchanged(candidates: Iterable[Candidate]) -> None:
    """Compare the bytes of candidates' pictures or clips with the hashes that their collection lists.

    A file is read once, however many parts of it are candidates.

    Raises:
        MediaError: one is gone, or no longer the one that was listed.
    """
    found: dict[str, str] = {}
    for candidate in candidates:
        content = candidate.content
        file = content.media
        if not candidate.content_hash or not isinstance(file, (str, Path)):
            continue
        if str(file) not in found:
            found[str(file)] = media.content_hash(file)
        if found[str(file)] != candidate.content_hash:
            raise changed(candidate, file)


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


def _encoded(encoder: Encoder, ready: list[Candidate], listed: list[Candidate]) -> np.ndarray:
    made = encoder.encode_candidates(ready)
    if made.encoder != encoder.fingerprint or made.ids != tuple(one.candidate_id for one in listed):
        raise MismatchError(
            f"{encoder.name} gave vectors of other candidates, or under another fingerprint, than asked"
        )
    check_unchanged(listed)  # now, not before: what was encoded has the bytes that a hit will show
    return made.vectors
