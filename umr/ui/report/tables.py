"""The report's tables: every task and split of two models with the paired interval, parts and pools."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from umr.eval import splits
from umr.eval.evaluate import verdict
from umr.eval.pools import GLOBAL
from umr.eval.reports import Row, Stored, find_run
from umr.eval.scores import SINGLE
from umr.shipped import shown_path
from umr.ui.markup import macros, together
from umr.ui.plots import Dot, strip
from umr.ui.queries import task_name

_WORD = {"gains": "gain", "loses": "loss", "no clear difference": "no clear difference"}
_CLASS = {"gains": "u-gain", "loses": "u-loss", "no clear difference": "u-even"}


def paired(a: Stored, b: Stored, rows: Sequence[Row]) -> Markup:
    """success@1 of both and b minus a over the same queries, with the paired interval and what it shows."""
    reach = max([0.05, *(abs(edge) for row in rows for edge in row["ci95"])]) * 1.05
    body = together(_paired_row(a, b, row, reach) for row in sorted(rows, key=_order))
    heads = ("Task and split", a.name, b.name, f"{b.name} minus {a.name}", "95 %, paired", "p (Holm)", "")
    return macros("parts").wide_table(heads, body)


def parts(stored: Sequence[Stored]) -> Markup:
    """Composed queries as trained beside their parts, their vector sum, and the same among all kinds."""
    names = ("Task", "Model", "picture + text", "95 %", *(f"{name} only" for name in ("picture", "text")), "vector sum",
             "all kinds")  # fmt: skip
    tasks = sorted({row["task"] for one in stored for row in one.report["rows"] if row["split"] == "ind"})
    body = together(
        _parts_row(one, task, row) for task in tasks for one in stored if (row := one.row(task, "ind")) is not None
    )
    return macros("parts").wide_table(names, body)


def _paired_row(a: Stored, b: Stored, row: Row, reach: float) -> Markup:
    word, (low, high) = verdict(row), row["ci95"]
    said = f"{100 * row['difference']:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
    dots = strip([Dot(row["difference"], (low, high), _CLASS[word], said)], -reach, reach, 0.0)
    files = [shown_path(find_run(one.folder, row["task"], row["split"], "composed")) for one in (a, b)]
    command = f"python -m umr compare {a.name} {b.name} --task {row['task']} --split {row['split']}"
    title = "\n".join([command, *files])
    told = f"{splits.title(row['split'])} · {row['n']:,} queries of {row['groups']:,} families"
    spread = f"{100 * row['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    ends = spread, f"{row['p_holm']:.3f}", _WORD[word]
    both = _percent(row["a"]), _percent(row["b"])
    return macros("report").paired_row(title, task_name(row["task"]), told, *both, dots, ends)


def _parts_row(one: Stored, task: str, row: Row) -> Markup:
    interval = row.get("ci95_success@1")
    spread = "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
    whole = one.row(task, "ind", GLOBAL)
    cells = [_percent(row.get("success@1")), spread, *(_percent(row.get(key)) for key in SINGLE)]
    cells.append("" if whole is None else _percent(whole.get("success@1")))
    command = f"{one.report.get('command', '')} --task {task} --split ind"
    return macros("report").parts_row(command, task_name(task), [one.name, *cells])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _order(row: Row) -> tuple[int, str, tuple[int, str]]:
    return -len(row["task"].partition("2")[0]), row["task"], splits.order(row["split"])
