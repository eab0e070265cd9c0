"""A folder in the place of a Qdrant server: the server's own engine as a library, behind the client's methods.

Only the methods that umr.index.qdrant and umr.index.qdrant_store call, with the models of the client that they give.
Each collection is a folder with its shard and with what it says of itself, written last. For one process at a time.
Not for more than one machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from umr.disk import write_text
from umr.errors import ConfigError, reason

_SAYS, _SHARD = "metadata.json", "shard"
_M, _EF, _FULL_SCAN = 16, 100, 10_000  # edges of a point, candidates of the making, KB: as a server has them by default


class EdgeClient:
    """Collections under one folder.

    Args:
        folder: theirs, made where it is not.

    Raises:
        ConfigError: qdrant-edge-py is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._edge = folder, edge_package()
        self._open: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def get_collections(self) -> Any:
        """Their names."""
        found = sorted(path.parent.name for path in self._folder.glob(f"*/{_SAYS}"))
        return SimpleNamespace(collections=[SimpleNamespace(name=name) for name in found])

    def collection_exists(self, name: str) -> bool:
        """Whether there is one of this name."""
        return (self._folder / name / _SAYS).is_file()

    def get_collection(self, name: str) -> Any:
        """What one says of itself, as the client gives it. Raises ValueError where there is none."""
        if not self.collection_exists(name):
            raise ValueError(f"Collection {name} not found")
        said = json.loads((self._folder / name / _SAYS).read_text("utf-8"))
        return SimpleNamespace(config=SimpleNamespace(metadata=said))

    def create_collection(
        self,
        name: str,
        metadata: Mapping[str, Any],
        vectors_config: Any,
        hnsw_config: Any = None,
        quantization_config: Any = None,
    ) -> None:
        """Make an empty one; what a process that died left under this name goes."""
        edge, place = self._edge, self._folder / name
        shutil.rmtree(place, ignore_errors=True)
        (place / _SHARD).mkdir(parents=True)
        of_rows = edge.EdgeVectorParams(
            size=vectors_config.size, distance=edge.Distance.Dot, datatype=edge.VectorStorageDatatype.Float16
        )
        graph = edge.HnswIndexConfig(
            m=_M if hnsw_config is None else hnsw_config.m, ef_construct=_EF, full_scan_threshold=_FULL_SCAN
        )
        eight = None
        if quantization_config is not None:
            eight = edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, memory=edge.Memory.Pinned)
        config = edge.EdgeConfig(vectors=of_rows, hnsw_config=graph, quantization_config=eight)
        with _told(name):
            self._open[name] = edge.EdgeShard.create(str(place / _SHARD), config)
        self._say(name, metadata)

    def create_payload_index(self, name: str, field: str, kind: Any) -> None:
        """Let a filter name this field."""
        schema = getattr(self._edge.PayloadSchemaType, str(kind.value).capitalize())
        self._update(name, self._edge.UpdateOperation.create_field_index(field, schema))

    def update_collection(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Change what one says of itself, once all that was sent is on the disk and in its graph."""
        with _told(name):
            self._shard(name).optimize()
            self._shard(name).flush()
        self._say(name, metadata)

    def delete_collection(self, name: str) -> None:
        """Remove one with all its points."""
        if name in self._open:
            self._open.pop(name).close()
        (self._folder / name / _SAYS).unlink(missing_ok=True)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def count(self, name: str, exact: bool = True) -> Any:
        """How many points there are."""
        with _told(name):
            return SimpleNamespace(count=self._shard(name).count(self._edge.CountRequest(exact=exact)))

    def retrieve(
        self, name: str, points: Sequence[str], with_payload: bool | list[str] = True, with_vectors: bool = False
    ) -> Any:
        """Those of the points that are there."""
        with _told(name):
            return self._shard(name).retrieve(list(points), with_payload, with_vectors)

    def upsert(self, name: str, points: Sequence[Any], wait: bool = True) -> None:  # noqa: ARG002  # it always waits
        """Put points there."""
        made = [self._edge.Point(one.id, one.vector, one.payload) for one in points]
        self._update(name, self._edge.UpdateOperation.upsert_points(made))

    def delete(self, name: str, points: Sequence[str], wait: bool = True) -> None:  # noqa: ARG002
        """Remove points."""
        self._update(name, self._edge.UpdateOperation.delete_points(list(points)))
        with _told(name):
            self._shard(name).flush()

    def query_batch_points(self, name: str, asked: Sequence[Any]) -> list[Any]:
        """The points that each request finds."""
        edge, shard = self._edge, self._shard(name)
        batch = [self._request(one) for one in asked]
        with _told(name):
            found = shard.query_batch(edge.QueryBatchRequest(batch))
        return [SimpleNamespace(points=points) for points in found]

    def close(self) -> None:
        """Let other processes open them."""
        while self._open:
            self._open.popitem()[1].close()

    def _request(self, one: Any) -> Any:
        edge, params, quantised = self._edge, one.params, None
        if params.quantization is not None:
            again = params.quantization
            quantised = edge.QuantizationSearchParams(rescore=again.rescore, oversampling=again.oversampling)
        return edge.QueryRequest(
            query=edge.Query.Nearest(one.query),
            limit=one.limit,
            filter=None if one.filter is None else edge.Filter(must=[self._condition(it) for it in one.filter.must]),
            params=edge.SearchParams(exact=bool(params.exact), quantization=quantised),
            with_vector=one.with_vector,
            with_payload=one.with_payload,
        )

    def _condition(self, one: Any) -> Any:
        edge = self._edge
        if one.range is not None:
            return edge.FieldCondition(one.key, range=edge.RangeFloat(gte=one.range.gte, lt=one.range.lt))
        several = getattr(one.match, "any", None)
        match = edge.MatchValue(one.match.value) if several is None else edge.MatchAny(several)
        return edge.FieldCondition(one.key, match=match)

    def _shard(self, name: str) -> Any:
        if name not in self._open:
            with _told(name):
                self._open[name] = self._edge.EdgeShard.load(str(self._folder / name / _SHARD))
        return self._open[name]

    def _update(self, name: str, operation: Any) -> None:
        with _told(name):
            self._shard(name).update(operation)

    def _say(self, name: str, metadata: Mapping[str, Any]) -> None:
        write_text(self._folder / name / _SAYS, json.dumps(dict(metadata)) + "\n")


def edge_package() -> Any:
    """The package qdrant_edge.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import qdrant_edge  # optional
    except ImportError as error:
        raise ConfigError(
            "a folder in the place of a Qdrant server needs the package qdrant-edge-py: "
            "pip install -r requirements-edge.txt"
        ) from error
    return qdrant_edge


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:  # all that the engine raises is a plain one
            raise
        if "WouldBlock" in str(error):
            raise ConfigError(
                f"{name} is open in another process, and a folder is for one at a time: end that one, or use a server"
            ) from error
        raise ConfigError(f"Qdrant's engine did not do what {name!r} needs: {reason(error)[:200]}") from error
