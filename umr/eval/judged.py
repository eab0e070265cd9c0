"""The queries of one (task, split) with what is right for each, read from a benchmark folder. Not the measuring.

Relevance is yes or no, except in a split whose files grade their answers (`free`): see Grades.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval.groups import query_groups
from umr.eval.pools import EVERYTHING, GLOBAL, LOCAL, Pool, of_any_kind
from umr.eval.splits import IN_DISTRIBUTION
from umr.formats import BenchmarkQuery, facts_of, read_pool, read_qrels, read_queries
from umr.query_files import find_query_file
from umr.types import KIND_BY_LETTERS, Qrels, Query

FORM = "form"  # key in a query's source of how it is put: the forms of `typed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """The answers of queries that may have no exact one.

    Attributes:
        graded: every judged candidate with its grade, by query.
        exact: queries that an exact answer exists for.
        kept: of every query, the candidates with the edit made and the main facts kept, exact ones among them.
    """

    graded: Qrels
    exact: frozenset[str]
    kept: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One (task, split): its queries with the right target modality, and the judgements of exactly these queries.

    Attributes:
        task, split: which.
        queries: Q queries.
        qrels: the relevant candidates of each; where answers are graded, those of its best grade.
        groups: (Q,) those that depend on each other have one number (umr.eval.groups).
        pool: which candidates are searched.
        candidates: ids of the local pool; None: every candidate of the target modality.
        forms: (Q,) how each is put; None where the file does not say it of all.
        grades: None where relevance is yes or no.
    """

    task: str
    split: str
    queries: list[Query]
    qrels: Qrels
    groups: tuple[int, ...]
    pool: Pool = LOCAL
    candidates: frozenset[str] | None = None
    forms: tuple[str, ...] | None = None
    grades: Grades | None = None

    @property
    def answered(self) -> list[int]:
        """Places of the queries that an exact answer exists for: all of them where nothing is graded."""
        if self.grades is None:
            return list(range(len(self.queries)))
        return [place for place, query in enumerate(self.queries) if query.query_id in self.grades.exact]

    def at(self, places: Sequence[int]) -> Judged:
        """The same with the queries at these places alone."""
        queries = [self.queries[place] for place in places]
        return replace(
            self,
            queries=queries,
            qrels={query.query_id: self.qrels[query.query_id] for query in queries},
            groups=tuple(self.groups[place] for place in places),
            forms=None if self.forms is None else tuple(self.forms[place] for place in places),
        )


def load(root: str | Path, task: str, split: str, collection: Collection | None = None) -> Judged:
    """Queries and judgements of one (task, split) of a benchmark folder.

    Args:
        root: the benchmark's folder.
        task: such as it2i; t2all, i2all and it2all ask the queries of t2i, i2i and it2i for any kind, where everything
            that shows the scene of a relevant candidate is right (umr.eval.pools.of_any_kind).
        split: such as ind.
        collection: the folder's, where it is open already.

    Raises:
        ConfigError: there is none (those that exist are named), or queries and judgements disagree.
    """
    root = Path(root)
    if task in EVERYTHING and split == IN_DISTRIBUTION:
        judged = load(root, EVERYTHING[task], split)
        return replace(
            judged,
            task=task,
            queries=[replace(query, target_modality="all") for query in judged.queries],
            qrels=of_any_kind(collection or Collection.open(root), judged.qrels),
            pool=GLOBAL,
            candidates=None,
        )
    found = find_query_file(root, task, split)
    rows = read_queries(found.path, root)
    qrels = read_qrels(found.qrels)
    lost = {row.query.query_id for row in rows} ^ set(qrels)
    if lost or not rows:
        raise ConfigError(
            f"{found.path.name} and {found.qrels.name} disagree on {len(lost)} queries "
            f"({', '.join(sorted(lost)[:3])}): write the benchmark again"
        )
    grades = _grades(rows, qrels, found.path.name)
    searched = KIND_BY_LETTERS[task.partition("2")[2]].modality
    return Judged(
        task=task,
        split=split,
        queries=[replace(row.query, target_modality=searched) for row in rows],
        qrels={row.query.query_id: _right(qrels[row.query.query_id], grades) for row in rows},
        groups=query_groups(rows, qrels, found.path.name),
        candidates=None if found.pool is None else read_pool(found.pool),
        forms=_forms(rows),
        grades=grades,
    )


def reachable(judged: Judged, ids: Container[str]) -> tuple[Judged, int]:
    """The same without judgements of another data set's candidates, which its queries cannot find.

    M-BEIR's OVEN lists InfoSeek's ids among its positives, and InfoSeek OVEN's: in a local pool none of these is there.
    An id belongs to another data set where what stands before its colon is not what stands before the query's. A query
    of which nothing is left keeps its judgements and counts 0, as in UniIR's code.

    Args:
        judged: the queries and their judgements.
        ids: of the candidates that are searched.

    Returns:
        What is left, and how many judgements were left out.
    """
    kept: Qrels = {}
    for query_id, relevant in judged.qrels.items():
        dataset = query_id.partition(":")[0]
        there = {one: grade for one, grade in relevant.items() if one in ids or one.partition(":")[0] == dataset}
        kept[query_id] = there or relevant
    out = sum(map(len, judged.qrels.values())) - sum(map(len, kept.values()))
    return (replace(judged, qrels=kept), out) if out else (judged, 0)


def unknown_judgement(judged: Judged, ids: Container[str]) -> str | None:
    """A judged candidate of the query's own data set that is not there; None where all are."""
    return next(
        (
            one
            for query_id, relevant in judged.qrels.items()
            for one in relevant
            if one not in ids and one.partition(":")[0] == query_id.partition(":")[0]
        ),
        None,
    )


def _right(judged: dict[str, int], grades: Grades | None) -> dict[str, int]:
    """Of graded answers those of the best grade."""
    if grades is None:
        return judged
    best = max(judged.values())
    return {found: grade for found, grade in judged.items() if grade == best}


def _forms(rows: Sequence[BenchmarkQuery]) -> tuple[str, ...] | None:
    said = [facts_of(row.source).get(FORM) for row in rows]
    forms = tuple(form for form in said if isinstance(form, str))
    return forms if len(forms) == len(rows) else None


def _grades(rows: Sequence[BenchmarkQuery], qrels: Qrels, name: str) -> Grades | None:
    """None where no query names its exact answers.

    Raises:
        ConfigError: some do and others do not, or they are not among the judged ones.
    """
    told = sum(row.exact is not None and row.kept is not None for row in rows)
    if not told:
        return None
    if told < len(rows):
        raise ConfigError(
            f"{name}: {told} of {len(rows)} queries have both exact and edit_made_facts_kept; graded answers need "
            "them in every query, or in none"
        )
    exact, kept = {}, {}
    for row in rows:
        query_id = row.query.query_id
        exact[query_id], kept[query_id] = frozenset(row.exact or ()), frozenset(row.kept or ())
        best = {found for found, grade in qrels[query_id].items() if grade == max(qrels[query_id].values())}
        if not kept[query_id] <= set(qrels[query_id]) or (exact[query_id] and exact[query_id] != best):
            raise ConfigError(
                f"{name}: the answers that {query_id} calls exact or kept are not those that its judgements grade "
                "best; write the benchmark again"
            )
    return Grades(graded=qrels, exact=frozenset(query_id for query_id, found in exact.items() if found), kept=kept)
