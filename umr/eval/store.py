"""Measures a benchmark once and keeps all of it for the page. Not where it lies (umr.eval.reports)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from umr.eval import diagnosis
from umr.eval.evaluate import PLAIN, Measured, Ranking, measure_job
from umr.eval.judged import Judged
from umr.eval.measures import DEPTH
from umr.eval.pools import LOCAL, Job, matching
from umr.eval.reports import Row, add_to_report, stored_run_file
from umr.eval.scores import sampled
from umr.formats import write_run
from umr.search import Searcher
from umr.types import Run

#: Hits kept of each variant: at least as deep as the columns of the report look.
DEPTHS = {"composed": DEPTH, "picture": 1, "text": 1, "sum": 1}
DECIMALS = 6  # of stored scores: at four, trec_eval, which reads no ranks, saw ties and gave 45 cells another value


def store(
    searcher: Searcher,
    root: str | Path,
    folder: str | Path,
    jobs: Sequence[Job] | None = None,
    progress: Callable[[int, int], None] | None = None,
    ranking: Ranking = PLAIN,
) -> list[Row]:
    """Measure every job once, and write its rows, runs and diagnosis.

    Args:
        searcher: what is measured.
        root: the benchmark's folder.
        folder: the encoder's reports, or the folder in them for a re-ranked evaluation.
        jobs: of umr.eval.pools.matching; None: all that the folder has.
        progress: called with the jobs done and their number.
        ranking: how the composed queries are ranked; of a re-ordered one their runs alone are kept.

    Returns:
        The rows of `evaluate`, with "intervals": {column: 95 % bootstrap interval}.
    """
    wanted = matching(root, None, None) if jobs is None else jobs
    rows = []
    for number, job in enumerate(wanted, 1):
        found = measure_job(searcher, root, job, ranking)
        rows += [_store_one(searcher, Path(folder), measured, ranking) for measured in found]
        if progress is not None:
            progress(number, len(wanted))
    return rows


def _store_one(searcher: Searcher, folder: Path, measured: Measured, ranking: Ranking) -> Row:
    judged, plain = measured.judged, ranking.reorder is None
    for variant, run in measured.runs.items():
        if not plain and variant != "composed":
            continue  # the same as the encoder's own
        path = stored_run_file(folder, judged.task, judged.split, variant, judged.pool)
        write_run(path, run, searcher.encoder.name, DEPTHS[variant], DECIMALS)
    if plain and len(measured.runs) > 1 and judged.pool == LOCAL and judged.answered:
        diagnosis.write_diagnosis(folder, diagnosis.diagnose_measured(searcher, measured))
    row = measured.row | {"intervals": intervals(judged, measured.runs)}
    add_to_report(folder, searcher, row, "--store" if plain else "--rerank --store", ranking.reordered_by)
    return row


def intervals(judged: Judged, runs: dict[str, Run]) -> dict[str, list[float]]:
    """Column -> its 95 % bootstrap interval over groups of queries, for every column that follows from the runs."""
    found = {name: column.interval for name, column in sampled(judged, runs).items()}
    return {name: [round(end, 5) for end in ends] for name, ends in found.items() if ends is not None}
