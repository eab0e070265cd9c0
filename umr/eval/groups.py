"""Which queries of a benchmark depend on each other: the groups that an interval resamples. Not the resampling."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from umr.errors import ConfigError
from umr.formats import BenchmarkQuery, facts_of
from umr.types import Qrels

FAMILY = "family"  # key in a query's source (M-BEIR's query_src_content) of the scenes it was drawn with


def query_groups(rows: Sequence[BenchmarkQuery], qrels: Qrels, name: str) -> tuple[int, ...]:
    """The group of each query, numbered from 0 in the order of their first queries.

    Where the source of every query names its "family" (as training.catalogue writes it), a group is a family: scenes
    that were drawn together, so that their queries share references, targets and near neighbours. Where none does, as
    in M-BEIR's own files, two queries are of one group if they share their picture, their clip or a relevant candidate,
    directly or through other queries (connected components).

    Args:
        rows: Q queries.
        qrels: the relevant candidates of each.
        name: the file, for messages.

    Returns:
        Q group numbers.

    Raises:
        ConfigError: some queries name a family and others do not.
    """
    families = [_family(row.source) for row in rows]
    named = sum(family is not None for family in families)
    if named == len(rows):
        return _numbered(families)
    if named:
        raise ConfigError(
            f"{name}: {named} of {len(rows)} queries name their {FAMILY} in query_src_content; "
            "intervals need it of all of them, or of none"
        )
    return _numbered(_components([_shared(row, qrels) for row in rows]))


def _family(source: str) -> Hashable | None:
    family = facts_of(source).get(FAMILY)
    return family if isinstance(family, (int, str)) else None


def _shared(row: BenchmarkQuery, qrels: Qrels) -> list[Hashable]:
    """What makes another query a relative: the same media file, the same relevant candidate."""
    content = row.query.content
    media = [("media", str(path)) for path in (content.image, content.video) if path is not None]
    return [*media, *(("relevant", found) for found in qrels[row.query.query_id])]


def _components(shared: Iterable[Sequence[Hashable]]) -> list[Hashable]:
    """For each list of keys the root of its component: lists with a common key are of one (union-find)."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    first = []
    for keys in shared:
        for key in keys:
            parent[root(key)] = root(keys[0])
        first.append(keys[0])
    return [root(key) for key in first]


def _numbered(keys: Iterable[Hashable]) -> tuple[int, ...]:
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)
