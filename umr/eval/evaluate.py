"""Measures an encoder on a benchmark: composed beside picture alone, text alone and their sum. Not the measures.

The same encode and search as everywhere (umr.search). A query's variants: "composed", "picture", "text", "sum".
Where a stored evaluation lies is said in umr.eval.reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Group
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from umr.errors import ConfigError, MismatchError
from umr.eval.judged import Judged, load, reachable, unknown_judgement
from umr.eval.measures import DEPTH, MEASURES, holm, per_query
from umr.eval.pools import EVERYTHING, GLOBAL, LOCAL, Job, Pool, matching
from umr.eval.reports import Row, Stored, add_to_report, find_run, key_of, qrels_file, read_report, run_file
from umr.eval.scores import OVER_SUM, Sampled, paired, score
from umr.eval.vector_sum import UNTUNED, weight_of
from umr.formats import read_run, write_qrels, write_run
from umr.fusion import weighted_sum
from umr.query_files import query_files
from umr.search import Searcher
from umr.types import Content, Embeddings, Hit, Query, Run

ALPHA = 0.05  # chance of any false "gains" or "loses" among the rows of a comparison
_BATCH = 512  # queries searched at a time

#: A run of some queries to the same in a new order (umr.rerank.order, which needs torch).
Reorder = Callable[[Run, Sequence[Query], Searcher], Run]

Verdict = Literal["gains", "loses", "no clear difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How the composed queries are ranked.

    Attributes:
        depth: hits that are found and, in run files, kept; measures look at the first umr.eval.measures.DEPTH.
        reorder: puts the hits in a new order, before they are measured; None: they stay as they were found.
        reordered_by: what a report says of that.
    """

    depth: int = DEPTH
    reorder: Reorder | None = None
    reordered_by: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if self.depth < DEPTH:
            raise ConfigError(f"depth is {self.depth}; at least {DEPTH} hits are needed, as the measures look at them")


PLAIN = Ranking()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What measuring one (task, split) in one pool gave: the row, and the run and query vectors of each variant.

    deep: the composed queries' run to the depth of the ranking.
    """

    judged: Judged
    row: Row
    runs: dict[str, Run]
    vectors: dict[str, Embeddings]
    deep: Run


def all_tasks_and_splits(root: str | Path) -> list[tuple[str, str]]:
    """Every (task, split) of a benchmark folder, sorted."""
    return [(found.task, found.split) for found in query_files(root)]


def evaluate(
    searcher: Searcher, root: str | Path, task: str, split: str, runs: str | Path | None = None, pool: Pool = LOCAL
) -> Row:
    """Measure one (task, split) in one pool.

    Args:
        searcher: what is measured.
        root: the benchmark's folder.
        task: such as it2i; t2all, i2all and it2all ask for any kind, and need the global pool.
        split: such as ind.
        runs: folder for TREC run files, judgements in TREC's four fields and report.json; None: nothing is written.
        pool: what is searched: the candidates of the task's kind, or all of all kinds.

    Returns:
        One row of the report: fractions from 0 to 1, None where a column does not apply to the task. groups: number of
        groups of queries that depend on each other; every interval and p value resamples them. success@k: any relevant
        in the first k. recall@10: share found. *_only_, vector_sum_: success@1 of the same query with one part removed,
        and of the unit sum of those two vectors (late fusion), the text's weighted with vector_sum_weight, chosen on
        validation queries. unimodal_wins: share of queries whose picture or text alone is nearer to the nearest
        relevant candidate than the composed query is. composed_over_sum: success@1 minus the vector sum's, with its
        paired interval and p value (one test, uncorrected).

        Where queries say their form: forms, success@1 of each. Where answers are graded (`free`): exact_share of the
        queries have an exact answer; success@k, recall@10, mrr, the parts' and the sum's columns are over these, and an
        exact answer alone is right. ndcg@10 is over all queries, with gains 2^grade - 1. edit_made_facts_kept is over
        the edit_made_facts_kept_n queries without an exact answer for which there is a picture with the edit made and
        the main facts kept: the share in which the first result is one.

    Raises:
        ConfigError: there are no such queries, or not in this pool.
    """
    (row,) = evaluate_job(searcher, root, Job(task, split, (pool,)), runs)
    return row


def evaluate_job(
    searcher: Searcher, root: str | Path, job: Job, runs: str | Path | None = None, ranking: Ranking = PLAIN
) -> list[Row]:
    """`evaluate` in each pool of a job; the queries are encoded once."""
    measured = measure_job(searcher, root, job, ranking)
    if runs is not None:
        for one in measured:
            for variant, run in (one.runs | {"composed": one.deep}).items():
                write_run(run_file(runs, job.task, job.split, variant, one.judged.pool), run, searcher.encoder.name)
            grades = one.judged.grades
            write_qrels(
                qrels_file(runs, job.task, job.split, one.judged.pool),
                one.judged.qrels if grades is None else grades.graded,
            )
            rerank = "" if ranking.reorder is None else "--rerank "
            add_to_report(Path(runs), searcher, one.row, f"{rerank}--runs DIR", ranking.reordered_by)
    return [one.row for one in measured]


def measure_job(searcher: Searcher, root: str | Path, job: Job, ranking: Ranking = PLAIN) -> list[Measured]:
    """Measure one (task, split) in each pool of a job.

    Raises:
        ConfigError: there are no such queries, or not in this pool.
        MismatchError: the judgements are not of this collection.
    """
    if job.task in EVERYTHING and set(job.pools) != {GLOBAL}:
        raise ConfigError(f"{job.task} asks for any kind, so its pool is {GLOBAL}, not {', '.join(job.pools)}")
    return measure_pools(searcher, load(root, job.task, job.split, searcher.collection), job.pools, ranking)


def measure(searcher: Searcher, judged: Judged) -> Measured:
    """Encode and search every variant of the queries, in their pool.

    Raises:
        MismatchError: the judgements are not of this collection.
    """
    (measured,) = measure_pools(searcher, judged, (judged.pool,))
    return measured


def measure_pools(
    searcher: Searcher, judged: Judged, pools: Sequence[Pool], ranking: Ranking = PLAIN
) -> list[Measured]:
    """Encode every variant of the queries once, and search each pool with it.

    Rows of a re-ordered ranking have "rerank": true, those of queries whose judgements name another data set's
    candidates (umr.eval.judged.reachable) their number as "unreachable". Queries of one part, and the vector sum, are
    not re-ordered.

    Raises:
        MismatchError: the judgements are not of this collection.
    """
    unknown = unknown_judgement(judged, searcher.collection)
    if unknown is not None:
        raise MismatchError(
            f"the judgements of {judged.task} {judged.split} name {unknown}, which is not in {searcher.collection.name}"
        )
    weight = weight_of(searcher, judged.task)
    vectors = encode_variants(searcher, judged, weight)
    excluded = {query.query_id: searcher.excluded(query) for query in judged.queries}
    wins = None
    if len(vectors) > 1:
        near = nearest_relevant(searcher, vectors, judged)
        wins = float((np.maximum(near["picture"], near["text"]) > near["composed"]).mean())
    measured = []
    for pool in pools:
        asked, unreachable = reachable(
            replace(judged, pool=pool),
            searcher.collection if pool == GLOBAL or judged.candidates is None else judged.candidates,
        )
        found = {variant: retrieve(searcher, embeddings, asked, excluded) for variant, embeddings in vectors.items()}
        deep = found["composed"]
        if ranking != PLAIN:
            deep = retrieve(searcher, vectors["composed"], asked, excluded, ranking.depth)
            deep = deep if ranking.reorder is None else ranking.reorder(deep, asked.queries, searcher)
            found["composed"] = {query_id: hits[:DEPTH] for query_id, hits in deep.items()}
        row = score(asked, found, weight) | {"unimodal_wins": wins}
        row |= {} if ranking.reorder is None else {"rerank": True}
        row |= {"unreachable": unreachable} if unreachable else {}
        measured.append(Measured(judged=asked, row=row, runs=found, vectors=vectors, deep=deep))
    return measured


def evaluate_all(
    searcher: Searcher,
    root: str | Path,
    jobs: Sequence[Job] | None = None,
    runs: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    ranking: Ranking = PLAIN,
) -> list[Row]:
    """Measure every job.

    Args:
        searcher: what is measured.
        root: the benchmark's folder.
        jobs: of umr.eval.pools.matching; None: all that the folder has.
        runs: as in `evaluate`.
        progress: called with the jobs done and their number.
        ranking: how deep the composed queries are ranked, and in which order.

    Returns:
        A row for each job and pool, in their order.
    """
    wanted = matching(root, None, None) if jobs is None else jobs
    rows: list[Row] = []
    for number, job in enumerate(wanted, 1):
        rows += evaluate_job(searcher, root, job, runs, ranking)
        if progress is not None:
            progress(number, len(wanted))
    return rows


def encode_variants(searcher: Searcher, judged: Judged, text_weight: float = UNTUNED) -> dict[str, Embeddings]:
    """The queries as they are and, where all have picture and text, each part alone and the unit sum of the two.

    Queries for any kind are encoded as they are alone: their parts were measured where one kind is asked for.

    Args:
        searcher: whose encoder is asked.
        judged: the queries.
        text_weight: of the text in the sum (umr.eval.vector_sum).

    Returns:
        Variant -> (Q, D) vectors.
    """
    composed = {"composed": searcher.encoder.encode_queries(judged.queries)}
    if judged.task in EVERYTHING or not all(query.content.modality == "image,text" for query in judged.queries):
        return composed
    parts = encode_parts(searcher, judged)
    summed = weighted_sum(parts["picture"].vectors, parts["text"].vectors, text_weight)
    return composed | parts | {"sum": replace(parts["text"], vectors=summed)}


def encode_parts(searcher: Searcher, judged: Judged) -> dict[str, Embeddings]:
    """The "picture" and "text" of the queries, each encoded alone; a part that several share is encoded once."""
    parts = {}
    for variant, field in (("picture", "image"), ("text", "text")):
        keys = [getattr(query.content, field) for query in judged.queries]
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        alone = [
            replace(judged.queries[place], content=Content(**{field: key}), instruction="")
            for key, place in first.items()
        ]
        place_of = {key: place for place, key in enumerate(first)}
        unique = searcher.encoder.encode_queries(alone)
        parts[variant] = Embeddings(
            ids=tuple(query.query_id for query in judged.queries),
            vectors=unique.vectors[[place_of[key] for key in keys]].astype(np.float32),
            encoder=unique.encoder,
        )
    return parts


def compare(judged: Judged, a: Run, b: Run) -> Row:
    """success@1 of two runs over the same queries, their difference b - a, its paired 95 % interval and its p value.

    The interval is a bootstrap over groups, p a sign-flip permutation over groups (umr.eval.measures.paired_p),
    uncorrected. Where answers are graded, only queries with an exact answer count, as in `evaluate`.

    Raises:
        ConfigError: no query has an exact answer.
    """
    asked = judged.at(judged.answered)
    if not asked.queries:
        raise ConfigError(f"no query of {judged.task} {judged.split} has an exact answer, so no success@1 to compare")
    first, second = (Sampled(per_query(MEASURES["success@1"], asked.qrels, run), asked.groups) for run in (a, b))
    return {
        "task": judged.task,
        "split": judged.split,
        "pool": judged.pool,
        "n": len(asked.queries),
        "groups": len(set(asked.groups)),
        "a": first.mean,
        "b": second.mean,
        **paired(first, second),
    }


def verdict(row: Row) -> Verdict:
    """What a row of `compare_runs` shows of b: a gain or a loss only where its corrected p value is below ALPHA."""
    return _verdict(row["difference"], row["p_holm"])


def over_sum(rows: Sequence[Row]) -> dict[tuple[str, str, str], Verdict]:
    """What the composed query shows against its vector sum, by (task, split, pool), where a report has one.

    Holm's correction over these rows; "gains": it finds more than the sum does.
    """
    difference, _, p = OVER_SUM
    asked = [row for row in rows if row.get(p) is not None]
    corrected = holm([row[p] for row in asked])
    return {key_of(row): _verdict(row[difference], one) for row, one in zip(asked, corrected, strict=True)}


def _verdict(difference: float, corrected_p: float) -> Verdict:
    if corrected_p >= ALPHA:
        return "no clear difference"
    return "gains" if difference > 0 else "loses"


def compare_runs(
    root: str | Path,
    runs_a: str | Path,
    runs_b: str | Path,
    task: str | None = None,
    split: str | None = None,
    pool: Pool = LOCAL,
) -> list[Row]:
    """`compare` for every (task, split) that matches and that both folders of runs have in the pool.

    Args:
        root: the benchmark's folder.
        runs_a: one encoder's report.json and runs.
        runs_b: the other's.
        task: None: any.
        split: None: any.
        pool: which.

    Returns:
        The rows, with "p_holm": the p value after Holm's correction over them.

    Raises:
        MismatchError: the runs are of different collections.
        ConfigError: a report is missing, or none matches.
    """
    reports = [read_report(folder) for folder in (runs_a, runs_b)]
    if reports[0]["collection"] != reports[1]["collection"]:
        raise MismatchError(f"{runs_a} and {runs_b} were run over different collections; evaluate both again")
    there = {key_of(row) for row in reports[1]["rows"]}
    both = [key for key in map(key_of, reports[0]["rows"]) if key in there and key[2] == pool]
    wanted = [(t, s) for t, s, _ in both if task in (None, t) and split in (None, s)]
    if not wanted:
        raise ConfigError(
            f"{runs_a} and {runs_b} share no run of task {task or 'any'}, split {split or 'any'} in the {pool} pool"
        )
    rows = []
    for one_task, one_split in wanted:
        judged = replace(load(root, one_task, one_split), pool=pool)
        if judged.answered:
            found = [read_run(find_run(folder, one_task, one_split, "composed", pool)) for folder in (runs_a, runs_b)]
            rows.append(compare(judged, *found))
    return [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def compare_stored(a: Stored, b: Stored) -> tuple[Row, ...]:
    """`compare_runs` of two stored reports in the local pool; kept until one of them changes, as it reads every run.

    Raises:
        MismatchError: the collections differ.
    """
    return _compare_stored(a.benchmark, a.folder, a.report.get("built_at"), b.folder, b.report.get("built_at"))


@lru_cache(maxsize=8)
def _compare_stored(benchmark: Path, a: Path, _a_at: str | None, b: Path, _b_at: str | None) -> tuple[Row, ...]:
    return tuple(compare_runs(benchmark, a, b))


def retrieve(
    searcher: Searcher,
    embeddings: Embeddings,
    judged: Judged,
    excluded: Mapping[str, frozenset[str]],
    depth: int = DEPTH,
) -> Run:
    """The first candidates of each query in its pool.

    Args:
        searcher: what is searched.
        embeddings: of the queries.
        judged: whose pool is searched.
        excluded: {query_id: ids that it must not find}.
        depth: how many of them.
    """
    pool: Group[str] | None = None if judged.pool == GLOBAL else judged.candidates
    if pool is None and judged.pool == LOCAL:
        pool = searcher.collection.pool(judged.queries[0].target_modality)
    run: dict[str, list[Hit]] = {}
    for start in range(0, len(embeddings), _BATCH):
        part = slice(start, start + _BATCH)
        chunk = Embeddings(ids=embeddings.ids[part], vectors=embeddings.vectors[part], encoder=embeddings.encoder)
        run |= searcher.index.search(chunk, depth, pool, excluded)
    return run


def nearest_relevant(searcher: Searcher, vectors: Mapping[str, Embeddings], judged: Judged) -> dict[str, np.ndarray]:
    """Variant -> (Q,) float64: the cosine of each query's vector with the relevant candidate nearest to it."""
    near = {variant: np.zeros(len(judged.queries)) for variant in vectors}
    for place, query in enumerate(judged.queries):
        relevant = [one for one in judged.qrels[query.query_id] if one in searcher.collection]
        if not relevant:  # all of another data set (umr.eval.judged.reachable)
            continue
        relevant_RD = searcher.index.vectors(relevant)
        for variant, embeddings in vectors.items():
            near[variant][place] = float((relevant_RD @ embeddings.vectors[place]).max())
    return near
