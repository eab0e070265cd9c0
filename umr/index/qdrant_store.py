"""Rows sent to a collection of a Qdrant server, one collection for each version of an index. Not how they are searched.

A version's collection is filled before its manifest stands, and the one before it stays, without what was removed, for
searchers that are open, until the next change. qdrant.json beside an index lists the collections that it ever made and
that may still be there. N rows, D numbers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from umr.collection import Collection
from umr.disk import write_text
from umr.errors import ConfigError, MismatchError, UMRError
from umr.facts import COMPANY, GROUND, OF_COMPANY, OF_ONE, facts_of
from umr.index.manifest import FACTORY, JOURNAL, PARTIAL, QDRANT, IndexManifest
from umr.index.qdrant import QdrantRows, point_id, requests, row_hash
from umr.index.qdrant_server import check_server, client_package, connect, metadata, told
from umr.types import Candidate

#: How the server searches: every row; its graph; its graph over rows of one byte a number, scored again by the rows.
HNSW, QUANTISED = "HNSW", "HNSW,SQ8"
FACTORIES = (FACTORY, HNSW, QUANTISED)
log = logging.getLogger(__name__)


class Sender:
    """Puts rows into a collection of the server; started again, it sends only what is not there.

    Args:
        client: a qdrant_client.QdrantClient.
        name: of the collection, which is made where there is none.
        encoder: fingerprint of what makes the rows.
        dim: D.
        factory: one of FACTORIES.

    Raises:
        ConfigError: the server does not answer.
        MismatchError: there is such a collection, and it is another encoder's.
    """

    def __init__(self, client: Any, name: str, *, encoder: str, dim: int, factory: str = FACTORY) -> None:
        self._client, self._name, self._models = client, name, client_package().models
        self._says = {"encoder": encoder, "dim": dim, "rows": ""}
        self._whole, self._count = hashlib.sha256(), 0
        with told(name):
            if not client.collection_exists(name):
                client.create_collection(name, metadata=self._says, **self._shape(dim, factory))
            for field, kind in _indexed(self._models).items():  # each time, as a process may have died before the last
                client.create_payload_index(name, field, kind)
        said = metadata(client, name)
        if (said.get("encoder"), said.get("dim")) != (encoder, dim):
            raise MismatchError(
                f"{name} holds rows of another encoder ({str(said.get('encoder'))[:12]}, {said.get('dim')} numbers); "
                "send these to a collection of another name"
            )
        with told(name):
            client.update_collection(name, metadata=self._says)

    def send(self, candidates: Sequence[Candidate], vectors: np.ndarray) -> int:
        """The next rows.

        Args:
            candidates: of the rows.
            vectors: (M, D) float32, unit rows.

        Returns:
            Points that were sent.

        Raises:
            ConfigError: the server does not answer.
        """
        halves_MD, sent = vectors.astype(np.float16), 0
        self._whole.update(halves_MD.tobytes())
        for block in requests(len(candidates), vectors.shape[1]):
            points = [self._point(candidates[n], halves_MD[n], self._count + n) for n in block]
            with told(self._name):
                there = self._client.retrieve(self._name, [one.id for one in points], with_payload=True)
                held = {str(point.id): point.payload for point in there}
                if new := [point for point in points if held.get(point.id) != point.payload]:
                    self._client.upsert(self._name, new, wait=True)
                    sent += len(new)
        self._count += len(candidates)
        return sent

    def finish(self) -> str:
        """Let the collection say that it is whole.

        Returns:
            sha256 over the rows that were sent.

        Raises:
            ConfigError: the server does not answer.
            MismatchError: it holds other points too, or two candidates had one id.
        """
        with told(self._name):
            count = self._client.count(self._name, exact=True).count
        if count != self._count:
            raise MismatchError(f"{self._name} holds {count} points, not {self._count}: choose another name")
        with told(self._name):
            self._client.update_collection(self._name, metadata=self._says | {"rows": self._whole.hexdigest()})
        return self._whole.hexdigest()

    def _point(self, candidate: Candidate, half: np.ndarray, row: int) -> Any:
        payload = {"id": candidate.candidate_id, "kind": candidate.content.modality, "row": row}
        payload |= {"vector": row_hash(half), "facts": facts_payload(candidate)}
        vector = half.astype(np.float32).tolist()
        return self._models.PointStruct(id=point_id(candidate.candidate_id), vector=vector, payload=payload)

    def _shape(self, dim: int, factory: str) -> dict[str, Any]:
        models = self._models
        made: dict[str, Any] = {
            "vectors_config": models.VectorParams(
                size=dim, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16
            )
        }
        if factory == FACTORY:
            made["hnsw_config"] = models.HnswConfigDiff(m=0)  # no graph, as none is asked
        if factory == QUANTISED:
            eight = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            made["quantization_config"] = models.ScalarQuantization(scalar=eight)
        return made


@dataclass(frozen=True, slots=True)
class QdrantStore:
    """Where a build's rows go: to a collection of their own on the server of the environment.

    Attributes:
        factory: one of FACTORIES.
    """

    factory: str = FACTORY

    def __post_init__(self) -> None:
        if self.factory not in FACTORIES:
            raise ConfigError(
                f"--factory is {self.factory!r}; with --engine qdrant legal are {', '.join(FACTORIES)}: lists and PQ "
                "are of --engine faiss"
            )

    @classmethod
    def asked(cls, factory: str, nprobe: int) -> QdrantStore:
        """As the command line asks for it, after the server answered.

        Raises:
            ConfigError: it does not, the factory is none of a server's, or lists are to be looked into.
        """
        if nprobe:
            raise ConfigError(f"--nprobe is {nprobe}, and a Qdrant collection has no lists: leave it out")
        store = cls(factory)
        check_server()
        return store

    def write(
        self,
        draft: Path,
        collection: Collection,
        blocks: Iterable[np.ndarray],
        encoder: str,
        dim: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Send the rows; after an interruption, those that are not there. As umr.index.engines.Store says.

        Raises:
            ConfigError: the server does not answer.
            MismatchError: its collection holds other points too.
        """
        name = self._name(draft)
        sender = Sender(connect(), name, encoder=encoder, dim=dim, factory=self.factory)
        candidates, done = iter(collection), 0
        for vectors in blocks:
            sender.send(list(islice(candidates, len(vectors))), vectors)
            done += len(vectors)
            if progress is not None:
                progress(done, len(collection))
        return {"engine": QDRANT, "rows_at": name, "rows": sender.finish(), "factory": self.factory}

    def _name(self, draft: Path) -> str:
        """The version's collection: chosen once, kept in the draft, and written down before it is made."""
        partial = next(one for one in (draft, *draft.parents) if one.name.startswith(PARTIAL))
        folder, kept = partial.parent, partial / f"{self.factory}.name"
        if not kept.is_file():
            words = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:40] or "index"
            name = f"umr-{words}-{uuid.uuid4().hex[:12]}"
            _write_journal(folder, [*made_by(folder), name])
            write_text(kept, name)
        return kept.read_text("utf-8")


def open_rows(manifest: IndexManifest, ids: Sequence[str]) -> QdrantRows:
    """The rows of an index whose manifest names a collection of the server.

    Raises:
        ConfigError: the server does not answer, or has no such collection.
        MismatchError: it holds other rows, or another encoder's.
    """
    says: dict[str, str | int] = {"encoder": manifest.encoder, "dim": manifest.dim, "rows": manifest.rows}
    return QdrantRows(connect(), manifest.rows_at, ids, says, exact=manifest.factory == FACTORY)


def made_by(folder: Path) -> list[str]:
    """The collections that an index made and that may still be there, the oldest first.

    Raises:
        MismatchError: the list is damaged.
    """
    path = folder / JOURNAL
    if not path.is_file():
        return []
    try:
        names = json.loads(path.read_text("utf-8"))["collections"]
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise TypeError(f"its collections are {str(names)[:60]}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MismatchError(
            f"{path} is damaged ({error}): remove it, and the collections that no index names from the server yourself"
        ) from error
    return names


def retire(folder: Path, manifest: IndexManifest, before: IndexManifest | None, gone: Iterable[str] = ()) -> None:
    """Remove the collections that neither the standing version nor searchers need; of the one before, what is gone.

    A server that does not answer is a line in the log: the list stays, and the next change removes them.

    Args:
        folder: the index's, held by the caller alone.
        manifest: of the version that stands.
        before: of the one that it replaced just now; None: it was none, or nothing searches it any more.
        gone: ids that the version before has, and this one has not, or with another vector.
    """
    names = made_by(folder)
    last = "" if before is None or before.rows_at == manifest.rows_at else before.rows_at
    unwanted = [one for one in names if one not in (manifest.rows_at, last)]
    points = [point_id(one) for one in gone] if last else []
    if not unwanted and not points:
        return
    try:
        client = connect()
        for block in requests(len(points), manifest.dim):
            with told(last):
                client.delete(last, points[block.start : block.stop], wait=True)
        for name in unwanted:
            with told(name):
                client.delete_collection(name)
    except UMRError as error:
        log.warning("earlier versions of %s stay on the server for now: %s", folder, error)
        return
    _write_journal(folder, [one for one in names if one not in unwanted])


def facts_payload(candidate: Candidate) -> dict[str, Any]:
    """The facts of a candidate that umr.facts knows, those of a second object one level below."""
    facts = facts_of(candidate)
    company = facts.get(COMPANY)
    found = _known(facts, (*OF_ONE, GROUND))
    beside = _known(company, OF_COMPANY) if isinstance(company, dict) else {}
    return found | ({COMPANY: beside} if beside else {})


def _known(facts: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    plain = {name: facts[name] for name in names if isinstance(facts.get(name), (str, int, bool))}
    return {name: one for name, one in plain.items() if not isinstance(one, str) or one.isprintable()}


def _indexed(models: Any) -> dict[str, Any]:
    """The payload's fields that a filter may name, and what they hold."""
    word, number = models.PayloadSchemaType.KEYWORD, models.PayloadSchemaType.INTEGER
    facts = {f"facts.{name}": number if name == "count" else word for name in (*OF_ONE, GROUND)}
    return {"id": word, "kind": word, "row": number} | facts | {f"facts.{COMPANY}.{name}": word for name in OF_COMPANY}


def _write_journal(folder: Path, names: Sequence[str]) -> None:
    write_text(folder / JOURNAL, json.dumps({"collections": list(names)}, indent=1) + "\n")
