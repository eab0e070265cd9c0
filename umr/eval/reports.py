"""Where and how a stored evaluation lies: report.json and run files. Not the measuring (umr.eval.evaluate).

`evaluate --runs DIR` leaves DIR/NAME/report.json with plain run files; `evaluate --store` leaves indexes/NAME/reports,
which the page shows: report.json (rows with intervals), runs/<task>.<split>.<variant>.run.xz, and the diagnoses. The
runs of the global pool are <task>.<split>.<variant>.global.run.xz. What a re-ranker made of the composed queries lies
the same way in reports/reranked, whose report says by which re-ranker, weight and depth.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umr import shipped
from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.eval.measures import DEPTH
from umr.eval.pools import LOCAL, POOLS, Pool
from umr.formats import read_run
from umr.index.manifest import IndexManifest
from umr.index.versions import made_with
from umr.search import Searcher
from umr.types import Run

log = logging.getLogger(__name__)

REPORT = "report.json"
RERANKED = "reranked"  # the folder in an encoder's reports

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The stored reports of one encoder.

    Attributes:
        name: the encoder's.
        folder: where they lie.
        benchmark: the folder of the queries.
        report: what report.json holds.
        current: they were measured with the encoder and collection of its index.
    """

    name: str
    folder: Path
    benchmark: Path
    report: dict[str, Any]
    current: bool

    def row(self, task: str, split: str, pool: str = LOCAL) -> Row | None:
        """The report's row of one (task, split) in a pool, None where there is none."""
        return next((row for row in self.report["rows"] if key_of(row) == (task, split, pool)), None)

    def run(self, task: str, split: str, variant: str = "composed", pool: Pool = LOCAL) -> Run:
        """A stored run.

        Raises:
            ConfigError: it is not there.
        """
        return read_run(find_run(self.folder, task, split, variant, pool))


def key_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """(task, split, pool) of a report's row; one from before the pools were told apart is of the local one."""
    return row["task"], row["split"], row.get("pool", LOCAL)


def reports_folder(encoder: str, root: Path | None = None) -> Path:
    """Where the reports of a bundled encoder lie. root: the folder of encoders; None: the repository's."""
    return (shipped.default_root() if root is None else root) / encoder / shipped.REPORTS


def beside(index_folder: str | Path) -> Path:
    """Where the reports of an index lie, with all else that is measured of its encoder."""
    return Path(index_folder).parent / shipped.REPORTS


def run_file(folder: str | Path, task: str, split: str, variant: str, pool: Pool = LOCAL) -> Path:
    """Where the plain run of one (task, split, variant) lies; that of the global pool says so in its name."""
    return Path(folder) / f"{task}.{split}.{variant}{'' if pool == LOCAL else f'.{pool}'}.run"


def qrels_file(folder: str | Path, task: str, split: str, pool: Pool = LOCAL) -> Path:
    """Where the judgements of one (task, split) lie beside its runs, in the four fields that other tools read."""
    return Path(folder) / f"{task}.{split}{'' if pool == LOCAL else f'.{pool}'}.qrels"


def stored_run_file(folder: str | Path, task: str, split: str, variant: str, pool: Pool = LOCAL) -> Path:
    """Where the compressed run of one (task, split, variant) lies."""
    plain = run_file(Path(folder) / "runs", task, split, variant, pool)
    return plain.with_name(f"{plain.name}.xz")


def find_run(folder: str | Path, task: str, split: str, variant: str, pool: Pool = LOCAL) -> Path:
    """The run as it is there: compressed, as `--store` leaves it (.gz until 0.2), else plain, as `--runs` does."""
    packed = stored_run_file(folder, task, split, variant, pool)
    stored = next((one for one in (packed, packed.with_suffix(".gz")) if one.is_file()), None)
    return stored or run_file(folder, task, split, variant, pool)


def read_report(folder: str | Path) -> dict[str, Any]:
    """report.json beside the runs: whose they are, over what, and their rows.

    Raises:
        ConfigError: there is none; the command that writes it is named.
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
    found: dict[str, Any] = report
    return found


def add_to_report(
    folder: Path, searcher: Searcher, row: Row, flag: str, reranked: Mapping[str, Any] | None = None
) -> None:
    """Add a row to report.json; rows of another encoder, collection or re-ranking are dropped: they do not belong here.

    Args:
        folder: where report.json lies, or will.
        searcher: what was measured.
        row: replaces the one of its task, split and pool.
        flag: of `umr evaluate`, for the command that the report names.
        reranked: what re-ranked the composed queries, and how; None for nothing.
    """
    report: dict[str, Any] = {
        "encoder": searcher.encoder.fingerprint,
        "encoder_name": searcher.encoder.name,
        "collection": searcher.collection.fingerprint,
        "depth": DEPTH,
        **made_with(),
        "command": f"python -m umr evaluate --encoder {searcher.encoder.name} {flag}",
    } | ({} if reranked is None else {"reranked": dict(reranked)})
    rows = []
    if (folder / REPORT).is_file():
        old = read_report(folder)
        if all(old.get(key) == report.get(key) for key in ("encoder", "collection", "depth", "reranked")):
            rows = [kept for kept in old["rows"] if key_of(kept) != key_of(row)]
        else:
            log.warning("%s was of another encoder, collection or re-ranking; it starts anew", folder / REPORT)
    rows = sorted([*rows, row], key=_order)
    with atomic_write(folder / REPORT) as file:
        file.write(json.dumps(report | {"rows": rows}, indent=1) + "\n")


def _order(row: Row) -> tuple[str, str, int]:
    task, split, pool = key_of(row)
    return task, split, [*POOLS].index(pool) if pool in POOLS else len(POOLS)


def read_stored(name: str, index: Path) -> Stored:
    """The reports beside an index folder.

    Raises:
        ConfigError: there are none.
    """
    folder, manifest = beside(index), IndexManifest.read(index)
    report = read_report(folder)
    current = (report["encoder"], report["collection"]) == (manifest.encoder, manifest.collection)
    benchmark = (index / manifest.collection_at).resolve()
    return Stored(name=name, folder=folder, benchmark=benchmark, report=report, current=current)


def diagnosed(folder: Path) -> list[tuple[str, str]]:
    """(task, split) of the diagnoses in a folder of reports, sorted; reads only names."""
    found = (path.name.split(".") for path in folder.glob("diagnosis.*.*.json.xz"))
    return sorted((parts[1], parts[2]) for parts in found if len(parts) == 5)
