"""The first build of an index: a collection encoded, in shards that an interruption keeps. Not the next version."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from umr.arrays import write_npy
from umr.collection import Collection
from umr.errors import ConfigError
from umr.index.engines import store_asked
from umr.index.manifest import FACTORY, FAISS, PROBE, IndexManifest, place
from umr.index.parity import Parity
from umr.index.probe import encode_probe
from umr.index.shards import encoded_shards, keep_plan
from umr.index.versions import COLLECTION, command, install, made_now, write_columns_of, write_ids
from umr.lock import Claim
from umr.shrunk import Shrunk
from umr.types import Encoder

SHARD = 512  # candidates encoded between two saves; what an interruption can cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a build makes, beside what is in it.

    Attributes:
        shard: candidates encoded between two saves.
        engine: what holds the rows, one of umr.index.manifest.ENGINES.
        factory: how the rows are searched (umr.index.coarse.Coarse.read, umr.index.qdrant_store).
        nprobe: lists that a query looks into, where there are lists; 0: a share of them.
        shrunk: the pictures that were decoded as the collection was read.
        parity: what chose the precision, where that was left to a comparison.
    """

    shard: int = SHARD
    factory: str = FACTORY
    nprobe: int = 0
    engine: str = FAISS
    shrunk: Shrunk | None = None
    parity: Parity | None = None


PLAIN = Form()


def build_claimed(
    claim: Claim,
    encoder: Encoder,
    collection: Collection,
    form: Form = PLAIN,
    *,
    encoder_at: str | Path = "../encoder",
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> IndexManifest:
    """build_index for a caller that has the folder already, as one that reads the collection for minutes does.

    Raises:
        ConfigError: as of build_index, or the form does not fit the collection, or a server does not answer.
    """
    folder, shard = claim.folder, form.shard
    store = store_asked(form.engine, form.factory, form.nprobe, len(collection), encoder.dim)
    saved_at = collection.folder
    if saved_at is None:
        saved_at = Path(os.path.abspath(folder / COLLECTION))
        collection = collection.save(saved_at)
    check_ids(collection.ids)
    plan = {"encoder": encoder.fingerprint, "collection": collection.fingerprint, "precision": precision}
    parity = {} if form.parity is None else form.parity.facts()
    chosen = {} if form.parity is None else {"parity": parity, "parity_of": form.parity.of}
    draft = keep_plan(folder, plan | {"shard": shard} | chosen)
    vectors = encoded_shards(encoder, collection, draft, shard, form.shrunk)
    write_ids(draft, collection.ids)
    held = store.write(draft, collection, vectors, encoder.fingerprint, encoder.dim, progress)
    write_columns_of(draft, collection)
    write_npy(draft / PROBE, encode_probe(encoder))
    manifest = IndexManifest(
        encoder=encoder.fingerprint,
        encoder_name=encoder.name,
        encoder_at=place(encoder_at, folder),
        collection=collection.fingerprint,
        collection_name=collection.name,
        collection_at=place(saved_at, folder),
        dim=encoder.dim,
        count=len(collection),
        precision=precision,
        parity=parity,
        licence=collection.licence,
        command=command(),
        **held,
        **made_now(draft),
    )
    install(folder, draft, manifest)
    return manifest


def check_ids(ids: Iterable[str]) -> None:
    """Look whether each id fits into ids.txt.

    Raises:
        ConfigError: one does not.
    """
    unfit = next((i for i in ids if not i or len(i.splitlines()) != 1), None)
    if unfit is not None:
        raise ConfigError(f"the id {unfit!r} does not fit on one line; give the candidate another")
