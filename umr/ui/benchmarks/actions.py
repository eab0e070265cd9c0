"""What the Benchmarks tab does: tables of stored reports, two models' difference, a number's queries. No Gradio.

No model is loaded: everything follows from indexes/<encoder>/reports and the benchmark's own files.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from umr.errors import ConfigError
from umr.eval import evaluate
from umr.eval.judged import Judged, load
from umr.eval.pools import POOLS
from umr.ui import edge, links, render
from umr.ui.benchmarks import html as benchmarks_html
from umr.ui.benchmarks import pool_curve
from umr.ui.benchmarks.table_csv import as_csv
from umr.ui.download import download
from umr.ui.models import actions as models
from umr.ui.report.offer import has_reports, stored_of
from umr.ui.searchers import Searchers

KEYS = ("b-measure", "b-a", "b-b")  # in the page's address
MAX_MODELS = 4  # as many series as the stylesheet has colours for
PAPERS = ("contrastive", "mca")  # the pair that was trained to be compared


def first_pair(searchers: Searchers) -> tuple[str, str]:
    """The two models whose difference is shown first."""
    names = searchers.names
    return PAPERS if set(PAPERS) <= set(names) else (names[0], names[-1])


def choices(searchers: Searchers) -> tuple[links.Choice, ...]:
    """The measure of the tables, and the two models whose difference is shown."""
    a, b = first_pair(searchers)
    measures = tuple(benchmarks_html.MEASURE)
    given = (("measure", measures, "success@1"), ("model", searchers.names, a), ("model", searchers.names, b))
    return tuple(links.Choice(key, *choice) for key, choice in zip(KEYS, given, strict=True))


def fill(searchers: Searchers, given: links.Given) -> links.Filled:
    """What an address chooses in the tab."""
    return links.fill_choices(choices(searchers), given)


def tables(searchers: Searchers, column: Any) -> Markup:
    """Every stored report's numbers of one measure, as HTML."""
    return edge.answered_html("a report", lambda: _tables(searchers, column))


def difference(searchers: Searchers, a: Any, b: Any) -> Markup:
    """The paired difference of two models, as HTML."""
    return edge.answered_html("a report", lambda: _difference(searchers, a, b))


def table_file(searchers: Searchers) -> dict[str, str]:
    """Every stored number of every model as CSV, one row for each (model, task, split, pool).

    Raises:
        ConfigError: nothing is stored.
    """
    found = [stored_of(searchers, name) for name in searchers.names if has_reports(searchers, name)]
    if not found:
        raise ConfigError("No model here has a stored report, so there is no table to save.")
    return download("benchmarks.csv", "text/csv", as_csv(found).encode())


def drill(searchers: Searchers, key: Any) -> Markup:
    """The queries behind a pressed number ("model|task|split|pool|page"), as HTML."""
    return edge.answered_html("a report", lambda: _drill(searchers, key))


def _tables(searchers: Searchers, column: Any) -> Markup:
    if not isinstance(column, str) or column not in benchmarks_html.MEASURE:
        raise ConfigError(f"{column!r} is no measure; there are: {', '.join(benchmarks_html.MEASURE)}")
    found = [stored_of(searchers, name) for name in searchers.names if has_reports(searchers, name)]
    if not found:
        return render.message(
            "Nothing measured yet",
            "No model here has a stored report. Write one: "
            f"python -m umr evaluate --encoder {searchers.default} --store",
        )
    shown = found[:MAX_MODELS]
    trained = models.trained(searchers, [one.name for one in shown])
    return benchmarks_html.tables(shown, column, trained) + pool_curve.curves(shown)


def _difference(searchers: Searchers, a: Any, b: Any) -> Markup:
    if a == b:
        return render.message("Choose two models", "A model does not differ from itself.")
    one, other = (stored_of(searchers, name) for name in (a, b))
    rows = evaluate.compare_stored(one, other)
    return benchmarks_html.pair(one, other, rows, models.trained(searchers, (a, b)))


def _drill(searchers: Searchers, key: Any) -> Markup:
    parts = key.split("|") if isinstance(key, str) else []
    if len(parts) != 5 or not parts[4].isdecimal() or len(parts[4]) > 6:
        raise ConfigError(f"{key!r} names no number of a table; press one")
    name, task, split, named, page = parts
    one = stored_of(searchers, name)
    pool = next((known for known in POOLS if known == named), None)
    if pool is None or one.row(task, split, pool) is None:
        raise ConfigError(f"{name} has no stored row of task {task!r}, split {split!r}, pool {named!r}")
    judged = replace(_judged(one.benchmark, task, split), pool=pool)
    return benchmarks_html.drill(one, judged, one.run(task, split, pool=pool), int(page))


@lru_cache(maxsize=64)
def _judged(benchmark: Path, task: str, split: str) -> Judged:
    """The queries that success@1 is over."""
    judged = load(benchmark, task, split)
    return judged.at(judged.answered)
