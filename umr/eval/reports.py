"""What an evaluation leaves for the page and for later: indexes/<encoder>/reports. Not the measuring (umr.eval.evaluate).

report.json (rows with intervals), runs/<task>.<split>.<variant>.run.gz, diagnosis.<task>.<split>.json.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from umr import shipped
from umr.eval import diagnosis, evaluate
from umr.eval.evaluate import COLUMNS, Judged, Measured, Row
from umr.eval.measures import MEASURES, bootstrap_interval, per_query
from umr.formats import read_run, write_run
from umr.index.manifest import IndexManifest
from umr.search import Searcher
from umr.types import Run

FOLDER = "reports"
#: Hits kept of each variant: at least as deep as the columns of the report look.
DEPTHS = {"composed": evaluate.DEPTH, "picture": 5, "text": 5, "sum": 1}
DECIMALS = 4  # of stored scores, for their size; the ranks that the measures read are written beside them
SINGLE = (("picture_only", "picture"), ("text_only", "text"), ("vector_sum", "sum"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The stored reports of one encoder. current: they were measured with the encoder and collection of its index."""

    name: str
    folder: Path
    benchmark: Path
    report: dict[str, Any]
    current: bool

    def row(self, task: str, split: str) -> Row | None:
        """The report's row of one (task, split), None where there is none."""
        return next((row for row in self.report["rows"] if (row["task"], row["split"]) == (task, split)), None)

    def run(self, task: str, split: str, variant: str = "composed") -> Run:
        """A stored run. Raises ConfigError where it is not there."""
        return read_run(evaluate.find_run(self.folder, task, split, variant))


def reports_folder(encoder: str, root: Path | None = None) -> Path:
    """Where the reports of a bundled encoder lie."""
    return (shipped.default_root() if root is None else root) / encoder / FOLDER


def store(
    searcher: Searcher,
    root: str | Path,
    folder: str | Path,
    task: str | None = None,
    split: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measures every (task, split) that matches once, and writes its row, runs and diagnosis into the folder.

    Rows are those of `evaluate` and "intervals": {column: 95 % bootstrap interval}. Raises ConfigError if none
    matches.
    """
    rows = []
    wanted = evaluate.matching(root, task, split)
    for number, (one_task, one_split) in enumerate(wanted, 1):
        measured = evaluate.measure(searcher, evaluate.load(root, one_task, one_split))
        rows.append(_store_one(searcher, Path(folder), measured))
        if progress is not None:
            progress(number, len(wanted))
    return rows


def _store_one(searcher: Searcher, folder: Path, measured: Measured) -> Row:
    task, split = measured.judged.task, measured.judged.split
    for variant, run in measured.runs.items():
        path = evaluate.run_file(folder / "runs", task, split, variant)
        write_run(path.with_name(f"{path.name}.gz"), run, searcher.encoder.name, DEPTHS[variant], DECIMALS)
    if len(measured.runs) > 1:
        diagnosis.write_diagnosis(folder, diagnosis.diagnose_measured(searcher, measured))
    row = measured.row | {"intervals": intervals(measured.judged, measured.runs)}
    evaluate.add_to_report(folder, searcher, row, "--store")
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


def read_stored(name: str, index: Path) -> Stored:
    """The reports beside an index folder. Raises ConfigError where there are none."""
    folder, manifest = index.parent / FOLDER, IndexManifest.read(index)
    report = evaluate.read_report(folder)
    current = (report["encoder"], report["collection"]) == (manifest.encoder, manifest.collection)
    benchmark = (index / manifest.collection_at).resolve()
    return Stored(name=name, folder=folder, benchmark=benchmark, report=report, current=current)


def diagnosed(folder: Path) -> list[tuple[str, str]]:
    """(task, split) of the diagnoses in a folder of reports, sorted; reads only names."""
    found = (path.name.split(".") for path in folder.glob("diagnosis.*.*.json"))
    return sorted((parts[1], parts[2]) for parts in found if len(parts) == 4)


def paired(a: Stored, b: Stored) -> tuple[Row, ...]:
    """success@1 of b minus a on every (task, split) that both have, with the paired interval (umr.eval.evaluate.compare).

    Kept until a report changes, as it reads every run. Raises MismatchError where the collections differ.
    """
    return _paired(a.benchmark, a.folder, a.report.get("built_at"), b.folder, b.report.get("built_at"))


@lru_cache(maxsize=8)
def _paired(benchmark: Path, a: Path, _a_at: str | None, b: Path, _b_at: str | None) -> tuple[Row, ...]:
    return tuple(evaluate.compare_runs(benchmark, a, b))
