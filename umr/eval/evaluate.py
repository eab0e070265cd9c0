"""Measures an encoder on a benchmark: composed beside picture alone, text alone and their sum. Not the measures.

The same encode and search as everywhere (umr.search). A query's variants: "composed", "picture", "text", "sum".
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np

from umr.disk import atomic_write
from umr.errors import ConfigError, MismatchError
from umr.eval.groups import query_groups
from umr.eval.measures import MEASURES, bootstrap_interval, holm, mean, paired_interval, paired_p, per_query
from umr.eval.vector_sum import UNTUNED, weight_of, weighted_sum
from umr.formats import read_pool, read_qrels, read_queries, read_run, write_run
from umr.query_files import find_query_file, names, query_files
from umr.search import Searcher
from umr.types import Content, Embeddings, Hit, Qrels, Query, Run, Target

log = logging.getLogger(__name__)

DEPTH = 10  # hits kept per query, as deep as the deepest measure; MRR counts a first hit below it as 0 (MRR@10)
REPORT = "report.json"
COLUMNS = ("success@1", "success@5", "success@10", "recall@10", "mrr", "ndcg@10")
ALPHA = 0.05  # chance of any false "gains" or "loses" among the rows of a comparison
_TARGETS: Mapping[str, Target] = {"t": "text", "i": "image", "it": "image,text", "v": "video"}
_BATCH = 512  # queries searched at a time

#: b minus a over the same queries in a comparison's row; and in a report's, the composed query minus its vector sum.
PAIRED = ("difference", "ci95", "p")
OVER_SUM = ("composed_over_sum", "ci95_composed_over_sum", "p_composed_over_sum")

Row = dict[str, Any]
Verdict = Literal["gains", "loses", "no clear difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One (task, split): its queries with the right target modality, and the judgements of exactly these queries.

    groups: of each query, those that depend on each other have one number (umr.eval.groups).
    pool: ids that are searched; None: every candidate of the target modality.
    """

    task: str
    split: str
    queries: list[Query]
    qrels: Qrels
    groups: tuple[int, ...]
    pool: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What measuring one (task, split) gave: the report's row, and the run and the query vectors of each variant."""

    judged: Judged
    row: Row
    runs: dict[str, Run]
    vectors: dict[str, Embeddings]


def all_tasks_and_splits(root: str | Path) -> list[tuple[str, str]]:
    """Every (task, split) of a benchmark folder, sorted."""
    return [(found.task, found.split) for found in query_files(root)]


def load(root: str | Path, task: str, split: str) -> Judged:
    """Queries and judgements of one (task, split). Raises ConfigError naming those that exist, or where the two
    disagree.
    """
    root = Path(root)
    found = find_query_file(root, task, split)
    target = _TARGETS[task.partition("2")[2]]
    rows = read_queries(found.path, root)
    queries = [replace(row.query, target_modality=target) for row in rows]
    qrels = read_qrels(found.qrels)
    lost = {query.query_id for query in queries} ^ set(qrels)
    if lost or not queries:
        raise ConfigError(
            f"{found.path.name} and {found.qrels.name} disagree on {len(lost)} queries "
            f"({', '.join(sorted(lost)[:3])}): write the benchmark again"
        )
    return Judged(
        task=task,
        split=split,
        queries=queries,
        qrels={query.query_id: qrels[query.query_id] for query in queries},
        groups=query_groups(rows, qrels, found.path.name),
        pool=None if found.pool is None else read_pool(found.pool),
    )


def evaluate(searcher: Searcher, root: str | Path, task: str, split: str, runs: str | Path | None = None) -> Row:
    """One row of the report: fractions from 0 to 1, None where a column does not apply to the task.

    groups: of queries that depend on each other; every interval and p value resamples them.  success@k: any relevant in
    the first k; recall@10: share found.  *_only_, vector_sum_: success@1 of the same query with one part removed, and of
    the unit sum of those two vectors (late fusion), the text's weighted with vector_sum_weight, chosen on validation
    queries.  unimodal_wins: share of queries whose picture or text alone is nearer to the nearest relevant candidate than
    the composed query is.  composed_over_sum: success@1 minus the vector sum's, with its paired interval and p value (one
    test, uncorrected).  runs: folder for the TREC run files.
    """
    judged = load(root, task, split)
    measured = measure(searcher, judged)
    if runs is not None:
        for variant, run in measured.runs.items():
            write_run(run_file(runs, task, split, variant), run, searcher.encoder.name)
        add_to_report(Path(runs), searcher, measured.row, "--runs DIR")
    return measured.row


def measure(searcher: Searcher, judged: Judged) -> Measured:
    """Encodes and searches every variant of the queries. Raises MismatchError where the judgements are not of this
    collection.
    """
    unknown = next((i for found in judged.qrels.values() for i in found if i not in searcher.collection), None)
    if unknown is not None:
        raise MismatchError(
            f"the judgements of {judged.task} {judged.split} name {unknown}, which is not in {searcher.collection.name}"
        )
    weight = weight_of(searcher, judged.task)
    vectors = encode_variants(searcher, judged, weight)
    barred = {query.query_id: searcher.excluded(query) for query in judged.queries}
    found = {variant: retrieve(searcher, embeddings, judged, barred) for variant, embeddings in vectors.items()}
    row = score(judged, found, weight)
    if len(vectors) > 1:
        near = nearest_relevant(searcher, vectors, judged)
        row["unimodal_wins"] = float((np.maximum(near["picture"], near["text"]) > near["composed"]).mean())
    return Measured(judged=judged, row=row, runs=found, vectors=vectors)


def score(judged: Judged, found: Mapping[str, Run], text_weight: float = UNTUNED) -> Row:
    """The report's row from runs alone (unimodal_wins needs vectors: None here). text_weight: of the vector sum's run."""
    first = {variant: per_query(MEASURES["success@1"], judged.qrels, run) for variant, run in found.items()}
    row: Row = {"task": judged.task, "split": judged.split, "n": len(judged.queries), "groups": len(set(judged.groups))}
    row |= {name: mean(MEASURES[name], judged.qrels, found["composed"]) for name in COLUMNS}
    for name, variant in (("picture_only", "picture"), ("text_only", "text"), ("vector_sum", "sum")):
        row[f"{name}_success@1"] = float(first[variant].mean()) if variant in first else None
    row |= {"vector_sum_weight": text_weight if "sum" in first else None, "unimodal_wins": None}
    row["ci95_success@1"] = list(bootstrap_interval(first["composed"], groups=judged.groups))
    over = _paired(judged, first["sum"], first["composed"]) if "sum" in first else dict.fromkeys(PAIRED)
    return row | dict(zip(OVER_SUM, (over[key] for key in PAIRED), strict=True))


def _paired(judged: Judged, a: np.ndarray, b: np.ndarray) -> Row:
    """B minus a over the same queries (values in their order), its paired 95 % interval and p value, by groups."""
    interval = list(paired_interval(a, b, groups=judged.groups))
    return dict(zip(PAIRED, (float((b - a).mean()), interval, paired_p(a, b, judged.groups)), strict=True))


def evaluate_all(
    searcher: Searcher,
    root: str | Path,
    task: str | None = None,
    split: str | None = None,
    runs: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """A row for every (task, split) that matches. Raises ConfigError if none does."""
    wanted = matching(root, task, split)
    rows = []
    for number, (one_task, one_split) in enumerate(wanted, 1):
        rows.append(evaluate(searcher, root, one_task, one_split, runs))
        if progress is not None:
            progress(number, len(wanted))
    return rows


def matching(root: str | Path, task: str | None, split: str | None) -> list[tuple[str, str]]:
    """The (task, split) pairs that match, None matching any. Raises ConfigError if none does."""
    wanted = [(t, s) for t, s in all_tasks_and_splits(root) if task in (None, t) and split in (None, s)]
    if not wanted:
        raise ConfigError(
            f"no queries of task {task or 'any'}, split {split or 'any'}; there are: {names(query_files(root))}"
        )
    return wanted


def encode_variants(searcher: Searcher, judged: Judged, text_weight: float = UNTUNED) -> dict[str, Embeddings]:
    """The queries as they are and, where all have picture and text, each part alone and the unit sum of the two.

    text_weight: of the text in the sum (umr.eval.vector_sum).
    """
    composed = {"composed": searcher.encoder.encode_queries(judged.queries)}
    if not all(query.content.modality == "image,text" for query in judged.queries):
        return composed
    parts = encode_parts(searcher, judged)
    summed = weighted_sum(parts["picture"].vectors, parts["text"].vectors, text_weight)
    return composed | parts | {"sum": replace(parts["text"], vectors=summed)}


def encode_parts(searcher: Searcher, judged: Judged) -> dict[str, Embeddings]:
    """The "picture" and "text" of the queries, each encoded alone; a part that several queries share is encoded once."""
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

    Interval: bootstrap over groups.  p: sign-flip permutation over groups (umr.eval.measures.paired_p), uncorrected.
    """
    values = [per_query(MEASURES["success@1"], judged.qrels, run) for run in (a, b)]
    return {
        "task": judged.task,
        "split": judged.split,
        "n": len(judged.queries),
        "groups": len(set(judged.groups)),
        "a": float(values[0].mean()),
        "b": float(values[1].mean()),
        **_paired(judged, *values),
    }


def verdict(row: Row) -> Verdict:
    """What a row of `compare_runs` shows of b: a gain or a loss only where its corrected p value is below ALPHA."""
    return _verdict(row["difference"], row["p_holm"])


def over_sum(rows: Sequence[Row]) -> dict[tuple[str, str], Verdict]:
    """What the composed query shows against its vector sum on each (task, split) of a report that has one.

    Holm's correction over these rows; "gains": it finds more than the sum does.
    """
    difference, _, p = OVER_SUM
    asked = [row for row in rows if row.get(p) is not None]
    corrected = holm([row[p] for row in asked])
    return {
        (row["task"], row["split"]): _verdict(row[difference], one) for row, one in zip(asked, corrected, strict=True)
    }


def _verdict(difference: float, corrected_p: float) -> Verdict:
    if corrected_p >= ALPHA:
        return "no clear difference"
    return "gains" if difference > 0 else "loses"


def compare_runs(
    root: str | Path, runs_a: str | Path, runs_b: str | Path, task: str | None = None, split: str | None = None
) -> list[Row]:
    """compare() for every (task, split) that matches and that both folders of runs have, and "p_holm": the p value after
    Holm's correction over these rows. Raises MismatchError where the runs are of other collections.
    """
    reports = [read_report(folder) for folder in (runs_a, runs_b)]
    if reports[0]["collection"] != reports[1]["collection"]:
        raise MismatchError(f"{runs_a} and {runs_b} were run over different collections; evaluate both again")
    both = [
        (row["task"], row["split"])
        for row in reports[0]["rows"]
        if any((row["task"], row["split"]) == (other["task"], other["split"]) for other in reports[1]["rows"])
    ]
    wanted = [(t, s) for t, s in both if task in (None, t) and split in (None, s)]
    if not wanted:
        raise ConfigError(f"{runs_a} and {runs_b} share no run of task {task or 'any'}, split {split or 'any'}")
    rows = []
    for one_task, one_split in wanted:
        found = [read_run(find_run(folder, one_task, one_split, "composed")) for folder in (runs_a, runs_b)]
        rows.append(compare(load(root, one_task, one_split), *found))
    return [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]


def run_file(folder: str | Path, task: str, split: str, variant: str) -> Path:
    """Where the run of one (task, split, variant) lies."""
    return Path(folder) / f"{task}.{split}.{variant}.run"


def find_run(folder: str | Path, task: str, split: str, variant: str) -> Path:
    """The run as it is there: runs/*.run.gz, as umr.eval.reports stores it, else as `evaluate --runs` wrote it."""
    plain = run_file(folder, task, split, variant)
    packed = plain.parent / "runs" / f"{plain.name}.gz"
    return packed if packed.is_file() else plain


def read_report(folder: str | Path) -> dict[str, Any]:
    """report.json beside the runs: whose they are, over what, and their rows. Raises ConfigError where there is
    none.
    """
    path = Path(folder) / REPORT
    try:
        report = json.loads(path.read_text("utf-8"))
        if {"encoder", "collection", "rows"} - set(report):
            raise ValueError("encoder, collection or rows is missing")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no report ({error}); write one: "
            f"python -m umr evaluate --encoder NAME --runs {Path(folder).parent}"
        ) from error
    return report


def retrieve(searcher: Searcher, embeddings: Embeddings, judged: Judged, barred: Mapping[str, frozenset[str]]) -> Run:
    """The first DEPTH candidates of each query in its pool. barred: {query_id: ids that it must not find}."""
    pool = judged.pool
    if pool is None:
        pool = searcher.collection.pool(judged.queries[0].target_modality)
    run: dict[str, list[Hit]] = {}
    for start in range(0, len(embeddings), _BATCH):
        part = slice(start, start + _BATCH)
        chunk = Embeddings(ids=embeddings.ids[part], vectors=embeddings.vectors[part], encoder=embeddings.encoder)
        run |= searcher.index.search(chunk, DEPTH, pool, barred)
    return run


def nearest_relevant(searcher: Searcher, vectors: Mapping[str, Embeddings], judged: Judged) -> dict[str, np.ndarray]:
    """Variant -> (Q,) float64: the cosine of each query's vector with the relevant candidate nearest to it."""
    near = {variant: np.zeros(len(judged.queries)) for variant in vectors}
    for place, query in enumerate(judged.queries):
        relevant_RD = searcher.index.vectors(tuple(judged.qrels[query.query_id]))
        for variant, embeddings in vectors.items():
            near[variant][place] = float((relevant_RD @ embeddings.vectors[place]).max())
    return near


def add_to_report(folder: Path, searcher: Searcher, row: Row, flag: str) -> None:
    """Add the row to report.json; rows of another encoder or collection are dropped, as they would not belong
    together.
    """
    report = {
        "encoder": searcher.encoder.fingerprint,
        "encoder_name": searcher.encoder.name,
        "collection": searcher.collection.fingerprint,
        "depth": DEPTH,
        "built_by": f"faiss {faiss.__version__}, numpy {np.__version__}, python {sys.version.split()[0]}",
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m umr evaluate --encoder {searcher.encoder.name} {flag}",
    }
    rows = []
    if (folder / REPORT).is_file():
        old = read_report(folder)
        if all(old.get(key) == report[key] for key in ("encoder", "collection", "depth")):
            rows = [kept for kept in old["rows"] if (kept["task"], kept["split"]) != (row["task"], row["split"])]
        else:
            log.warning("%s was of another encoder or collection; it starts anew", folder / REPORT)
    rows = sorted([*rows, row], key=lambda kept: (kept["task"], kept["split"]))
    with atomic_write(folder / REPORT) as file:
        file.write(json.dumps(report | {"rows": rows}, indent=1) + "\n")
