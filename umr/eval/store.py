"""Measures a benchmark once and keeps all of it for the page. Not where it lies (umr.eval.reports)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from umr.eval import diagnosis
from umr.eval.evaluate import COLUMNS, Judged, Measured, load, matching, measure
from umr.eval.measures import DEPTH, MEASURES, bootstrap_interval, per_query
from umr.eval.reports import Row, add_to_report, stored_run_file
from umr.formats import write_run
from umr.search import Searcher
from umr.types import Run

#: Hits kept of each variant: at least as deep as the columns of the report look.
DEPTHS = {"composed": DEPTH, "picture": 5, "text": 5, "sum": 1}
DECIMALS = 4  # of stored scores, for their size; the ranks that the measures read are written beside them
SINGLE = (("picture_only", "picture"), ("text_only", "text"), ("vector_sum", "sum"))


def store(
    searcher: Searcher,
    root: str | Path,
    folder: str | Path,
    task: str | None = None,
    split: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measure every (task, split) that matches once, and write its row, runs and diagnosis.

    Args:
        searcher: what is measured.
        root: the benchmark's folder.
        folder: the encoder's reports.
        task: None: any.
        split: None: any.
        progress: called with the pairs done and their number.

    Returns:
        The rows of `evaluate`, with "intervals": {column: 95 % bootstrap interval}.

    Raises:
        ConfigError: no queries match.
    """
    rows = []
    wanted = matching(root, task, split)
    for number, (one_task, one_split) in enumerate(wanted, 1):
        measured = measure(searcher, load(root, one_task, one_split))
        rows.append(_store_one(searcher, Path(folder), measured))
        if progress is not None:
            progress(number, len(wanted))
    return rows


def _store_one(searcher: Searcher, folder: Path, measured: Measured) -> Row:
    task, split = measured.judged.task, measured.judged.split
    for variant, run in measured.runs.items():
        path = stored_run_file(folder, task, split, variant)
        write_run(path, run, searcher.encoder.name, DEPTHS[variant], DECIMALS)
    if len(measured.runs) > 1:
        diagnosis.write_diagnosis(folder, diagnosis.diagnose_measured(searcher, measured))
    row = measured.row | {"intervals": intervals(measured.judged, measured.runs)}
    add_to_report(folder, searcher, row, "--store")
    return row


def intervals(judged: Judged, runs: dict[str, Run]) -> dict[str, list[float]]:
    """Column -> its 95 % bootstrap interval over groups of queries, for every column that follows from the runs."""
    found = {name: per_query(MEASURES[name], judged.qrels, runs["composed"]) for name in COLUMNS}
    for name, variant in SINGLE:
        if variant in runs:
            found[f"{name}_success@1"] = per_query(MEASURES["success@1"], judged.qrels, runs[variant])
    return {
        name: [round(end, 5) for end in bootstrap_interval(values, groups=judged.groups)]
        for name, values in found.items()
    }
