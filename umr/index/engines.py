"""What holds the rows of an index, by name: FAISS's files, or a collection of a Qdrant server. Not how it is searched.

N rows, D numbers in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from umr.index.coarse import Coarse, CoarseIndex, check_factory
from umr.index.flat import FlatIndex
from umr.index.manifest import COARSE, FACTORY, FAISS, QDRANT, VECTORS, IndexManifest

if TYPE_CHECKING:
    from umr.collection import Collection


class Store(Protocol):
    """Where the rows of a version go: FaissStore, and umr.index.qdrant_store.QdrantStore."""

    def write(
        self,
        draft: Path,
        collection: Collection,
        blocks: Iterable[np.ndarray],
        encoder: str,
        dim: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Put the rows there.

        Args:
            draft: the folder of the version's files.
            collection: the candidates of the rows.
            blocks: their vectors, float32 (M, D) each.
            encoder: fingerprint of what made them.
            dim: D.
            progress: called with (done, total) after every block.

        Returns:
            What the manifest says of them: "engine", "factory", "rows_at", "rows".
        """


@dataclass(frozen=True, slots=True)
class FaissStore:
    """Files in FAISS's own format.

    Attributes:
        coarse: a coarse index over the exact rows; None: none.
    """

    coarse: Coarse | None = None

    def write(
        self,
        draft: Path,
        collection: Collection,
        blocks: Iterable[np.ndarray],
        encoder: str,  # noqa: ARG002  # the manifest alone says it of files
        dim: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Write them into the draft. As Store says."""
        flat, done = FlatIndex.empty(dim), 0
        for vectors in blocks:
            flat.add(vectors)
            done += len(vectors)
            if progress is not None:
                progress(done, len(collection))
        flat.write(draft / VECTORS)
        if self.coarse is not None:
            CoarseIndex.made(self.coarse, flat).write(draft / COARSE)
        return {"engine": FAISS, "factory": str(self.coarse or FACTORY), "rows_at": "", "rows": ""}


def store_asked(engine: str, factory: str, nprobe: int, count: int, dim: int) -> Store:
    """The store that a build asks for.

    Args:
        engine: one of umr.index.manifest.ENGINES.
        factory: how the rows are searched.
        nprobe: lists that a query looks into, where there are lists; 0: a share of them.
        count: N.
        dim: D.

    Raises:
        ConfigError: the factory does not fit the engine or the rows, or the server does not answer.
    """
    if engine != QDRANT:
        return FaissStore(Coarse.read(factory, count, dim, nprobe))
    from umr.index.qdrant_store import QdrantStore  # what a FAISS index never needs

    return QdrantStore.asked(factory, nprobe)


def check_asked(engine: str, factory: str, nprobe: int) -> None:
    """Look whether an engine can hold an index at all, before a candidate is read.

    Raises:
        ConfigError: the server does not answer, or is none, or the factory is none of the engine's.
    """
    if engine == QDRANT:
        store_asked(engine, factory, nprobe, 0, 0)
    else:
        check_factory(factory, nprobe)


def store_again(manifest: IndexManifest, nprobe: int, count: int) -> Store:
    """The store of an index's next version.

    Args:
        manifest: of the version that stands.
        nprobe: that it has.
        count: N of the next one.
    """
    if manifest.engine != QDRANT:
        return FaissStore(Coarse.again(manifest.factory, count, nprobe))
    from umr.index.qdrant_store import QdrantStore

    return QdrantStore(manifest.factory)
