"""An index on disk, bound to the encoder and the collection it was built from. Not search by content (umr.search).

A folder holds vectors.faiss, ids.txt (line i = row i), probe.npy and manifest.json, written last: without it there
is no index. Of rows in a Qdrant collection the manifest has the name. N rows, D numbers in a row, Q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Group
from pathlib import Path

import numpy as np

from umr.candidate_rows import Pool, RowSet
from umr.collection import Collection
from umr.columns import MappedIds
from umr.errors import ConfigError, MismatchError
from umr.index.build import SHARD, Form, build_claimed
from umr.index.coarse import CoarseIndex
from umr.index.flat import ExactRows, Rows
from umr.index.manifest import IndexManifest
from umr.index.probe import MOST_ROWS, TOLERANCE, encode_probe, sample_rows
from umr.index.stored import BackgroundCheck, check_what_stands, read_stored
from umr.lock import claimed
from umr.types import Embeddings, Encoder, Hit, Run

_SPARE = 4  # rows fetched beyond k, to see whether a tie crosses its edge
_MAX_POOLS = 64  # row sets kept; one is as large as a bit per row


class Index:
    """Vectors of a collection, opened only with the encoder that made them.

    Args:
        manifest: what the index says of itself.
        flat: the vectors.
        ids: (N,) candidate of each row.
        probe: what `encode_probe` gave when the index was built.
        folder: where it lies; None: in memory.
        coarse: the way to the best vectors where not all are compared; None: all are.
    """

    def __init__(
        self,
        manifest: IndexManifest,
        flat: ExactRows,
        ids: Sequence[str],
        probe: np.ndarray,
        folder: Path | None = None,
        coarse: CoarseIndex | None = None,
    ) -> None:
        self.manifest, self.ids, self.folder, self.coarse = manifest, ids, folder, coarse
        self._flat, self._probe = flat, probe
        self._rows: dict[str, int] | None = None
        self._pools: dict[str | frozenset[str], Rows] = {}
        self._check: BackgroundCheck | None = None
        self.hashed = True

    @classmethod
    def open(cls, folder: str | Path, encoder: Encoder, collection: Collection | None = None) -> Index:
        """Open an index after comparing encoder, files and, where given, collection with the manifest.

        Raises:
            ConfigError: the index is unfinished.
            MismatchError: two things do not belong together; they are named.
        """
        folder = Path(folder)
        manifest = IndexManifest.read(folder)
        check_encoder(folder, manifest, encoder)
        index = cls.read(folder, manifest, encoder.dim, whole=False)
        if collection is not None:
            index.check_collection(collection)
        return index

    @classmethod
    def read(cls, folder: Path, manifest: IndexManifest, dim: int, whole: bool = True) -> Index:
        """What a manifest says is in the folder, without the encoder: to be copied, never to be searched by another.

        Args:
            folder: the index's.
            manifest: as it was read from there.
            dim: numbers that the encoder makes.
            whole: compare every file's hash, however large it is (see umr.index.stored).

        Raises:
            MismatchError: a file is not the one that the manifest lists.
        """
        stored = read_stored(folder, manifest, dim, whole)
        index = cls(manifest, stored.flat, stored.ids, stored.probe, folder, stored.coarse)
        index.hashed = stored.hashed
        return index

    def check_in_background(self, collection: Collection) -> BackgroundCheck | None:
        """Compare the hashes of all files, and of the collection's, beside the searches; None where that was done.

        Once something is found to be wrong, a search says so and gives nothing.
        """
        if self.folder is not None and not self.hashed and self._check is None:
            folder, manifest = self.folder, self.manifest
            self._check = BackgroundCheck(lambda: check_what_stands(folder, manifest, collection), str(folder))
        return self._check

    def check_collection(self, collection: Collection) -> None:
        """Compare a collection with the one that this index was built over.

        Raises:
            MismatchError: it is another.
        """
        if collection.fingerprint != self.manifest.collection or collection.ids != self.ids:
            raise MismatchError(
                f"the candidates of {collection.name} changed since the index was built "
                f"({self.manifest.collection[:12]} then, {collection.fingerprint[:12]} now), "
                f"so a hit could show the wrong thing. Rebuild: {self.manifest.command}"
            )

    def verify_probe(self, encoder: Encoder) -> float:
        """Re-encode the eight fixed inputs.

        Returns:
            The lowest cosine with the stored ones.

        Raises:
            MismatchError: it is below 0.99.
        """
        lowest = float((encode_probe(encoder) * self._probe).sum(axis=1).min())
        if not lowest >= TOLERANCE:
            raise MismatchError(
                f"{encoder.name} does not make the vectors it made when the index was built (cosine {lowest:.4f}, "
                f"at least {TOLERANCE} is needed): code or libraries changed. Rebuild: {self.manifest.command}"
            )
        return lowest

    def verify_rows(self, encoder: Encoder, collection: Collection, most: int = MOST_ROWS) -> float:
        """Re-encode candidates of the collection, which shows rows that another encoder made.

        Args:
            encoder: the index's.
            collection: the index's.
            most: candidates, chosen as umr.index.probe.sample_rows says.

        Returns:
            The lowest cosine with a stored row, 1 where no candidate can be read.

        Raises:
            MismatchError: it is below 0.99; the candidate is named.
        """
        sampled = sample_rows(encoder, collection, most)
        if not len(sampled):
            return 1.0
        stored_MD = self.vectors(sampled.ids)
        length_M1 = np.linalg.norm(stored_MD, axis=1, keepdims=True)
        stored_MD /= length_M1.clip(min=1e-12)  # half precision is not quite unit
        cosines = (sampled.vectors * stored_MD).sum(axis=1)
        worst = int(cosines.argmin())
        if not cosines[worst] >= TOLERANCE:
            raise MismatchError(
                f"the row of {sampled.ids[worst]!r} is not the vector that {encoder.name} makes of it (cosine "
                f"{cosines[worst]:.4f}, at least {TOLERANCE} is needed), so others may be wrong too. "
                f"Rebuild: {self.manifest.command}"
            )
        return float(cosines[worst])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nprobe(self) -> int | None:
        """Lists that a query looks into; None where every row is compared."""
        return None if self.coarse is None else self.coarse.nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        if self.coarse is None:
            raise ConfigError(f"nprobe is {value}, but this index compares every row: it was built without --factory")
        self.coarse.nprobe = value

    def vectors(self, ids: Group[str]) -> np.ndarray:
        """The stored vectors (M, D) of these candidates, in their order.

        Raises:
            KeyError: an id is not here.
        """
        return self._flat.vectors(self._rows_of(ids))

    def search(
        self,
        embeddings: Embeddings,
        k: int,
        pool: Group[str] | None = None,
        exclude: Mapping[str, Group[str]] | None = None,
    ) -> Run:
        """The k nearest candidates of each query by cosine, ties in the order of their ids.

        Args:
            embeddings: the queries.
            k: results of each; fewer only where there are fewer.
            pool: the only ids to find (a collection's pool, or the same frozenset again: its rows are kept); None: all.
            exclude: {query_id: ids it never finds}.

        Returns:
            The hits of each query, best first.

        Raises:
            MismatchError: the vectors are another encoder's, two queries have one id, or the files are not those that
                were built.
            ConfigError: k is below 1, or an id of the pool is not here.
        """
        if self._check is not None:
            self._check.raise_found()
        if embeddings.encoder != self.manifest.encoder:
            raise MismatchError(
                f"these vectors were made by {embeddings.encoder[:12]}, this index by "
                f"{self.manifest.encoder_name} {self.manifest.encoder[:12]}; encode with the index's own encoder"
            )
        if k < 1:
            raise ConfigError(f"k is {k}; at least 1 result must be asked for")
        if len(set(embeddings.ids)) != len(embeddings.ids):
            raise MismatchError("two queries have the same id, so their results could not be told apart")
        within = None if pool is None else self._within(pool)
        size = len(self.ids) if within is None else len(within)
        if not size or not len(embeddings):
            return {query_id: [] for query_id in embeddings.ids}
        excluded = {query_id: frozenset(exclude.get(query_id, ())) for query_id in embeddings.ids} if exclude else {}
        spare = max(map(len, excluded.values()), default=0)
        scores_QK, rows_QK = self._fetch(embeddings.vectors, k + spare, size, within)
        tied = bool((scores_QK[:, 1:] == scores_QK[:, :-1]).any())
        run: Run = {}
        for query_id, scores, rows in zip(embeddings.ids, scores_QK.tolist(), rows_QK.tolist(), strict=True):
            found = [(self.ids[row], score) for score, row in zip(scores, rows, strict=True) if row >= 0]
            if tied:
                found.sort(key=lambda pair: (-pair[1], pair[0]))
            if unwanted := excluded.get(query_id):
                found = [pair for pair in found if pair[0] not in unwanted]
            run[query_id] = [Hit(found_id, score, rank) for rank, (found_id, score) in enumerate(found[:k], 1)]
        return run

    def _fetch(
        self, vectors_QD: np.ndarray, needed: int, size: int, within: Rows | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """At least the `needed` best, and every row that ties with the last of them."""
        needed = min(needed, size)
        count = min(size, needed + _SPARE)
        while True:
            found = None if self.coarse is None else self.coarse.search(vectors_QD, count, within)
            scores_QK, rows_QK = self._flat.search(vectors_QD, count, within) if found is None else found
            if count == size or not (scores_QK[:, needed - 1] == scores_QK[:, -1]).any():
                return scores_QK, rows_QK
            count = min(size, 4 * count)

    def _within(self, pool: Group[str]) -> Rows:
        key: str | frozenset[str]
        if isinstance(pool, RowSet) and pool.fingerprint == self.manifest.collection:
            key = pool.name
        else:
            key = pool if isinstance(pool, frozenset) else frozenset(pool)
        found = self._pools.get(key)
        if found is None:
            if len(self._pools) >= _MAX_POOLS:
                self._pools.clear()
            kind = pool.target if isinstance(key, str) and isinstance(pool, Pool) else ""
            found = self._pools[key] = Rows(self._rows_of_pool(pool), len(self.ids), kind)
        return found

    def _rows_of_pool(self, pool: Group[str]) -> np.ndarray:
        if isinstance(pool, RowSet) and pool.fingerprint == self.manifest.collection:
            return pool.rows
        try:
            return np.sort(self._rows_of(pool))
        except KeyError as error:
            raise ConfigError(
                f"the pool holds {error.args[0]!r}, which is not in this index ({self.manifest.collection_name})"
            ) from error

    def _rows_of(self, ids: Group[str]) -> np.ndarray:
        """(M,) int64. Raises KeyError where an id is not here."""
        if isinstance(self.ids, MappedIds):
            return self.ids.rows(ids)
        if self._rows is None:
            self._rows = {candidate_id: row for row, candidate_id in enumerate(self.ids)}
        rows = self._rows
        return np.fromiter((rows[i] for i in ids), np.int64, len(ids))


def build_index(
    encoder: Encoder,
    collection: Collection,
    folder: str | Path,
    *,
    encoder_at: str | Path = "../encoder",
    precision: str = "float32",
    shard: int = SHARD,
    progress: Callable[[int, int], None] | None = None,
) -> IndexManifest:
    """Encode a collection and write its index; interrupted, the next call goes on after the last shard.

    Args:
        encoder: what makes the vectors.
        collection: what is indexed; one in memory is saved to folder/collection first.
        folder: where the index goes; an older one there is replaced once the new one is whole.
        encoder_at: where the encoder can be loaded from again.
        precision: what the encoder computes in.
        shard: candidates encoded between two saves.
        progress: called with (done, total) after every shard.

    Returns:
        What the index says of itself.

    Raises:
        ConfigError: another build has the folder, or an id does not fit on a line.
        MediaError: a candidate, which is named, cannot be read, or its file changed meanwhile.
        DiskFullError: the disk is full; the next call goes on.
    """
    with claimed(folder) as claim:
        return build_claimed(
            claim, encoder, collection, Form(shard=shard), encoder_at=encoder_at, precision=precision, progress=progress
        )


def check_encoder(folder: Path, manifest: IndexManifest, encoder: Encoder) -> None:
    """Compare an encoder with the one that an index was built by.

    Raises:
        MismatchError: it is another.
    """
    if encoder.fingerprint != manifest.encoder:
        raise MismatchError(
            f"{folder} was built by {manifest.encoder_name} {manifest.encoder[:12]}, but {encoder.name} "
            f"{encoder.fingerprint[:12]} was given. Open it with its own encoder, or rebuild: {manifest.command}"
        )
