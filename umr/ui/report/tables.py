"""The report's tables: every task and split of two models with the paired interval, parts and pools. All is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from umr.eval import splits
from umr.eval.evaluate import verdict
from umr.eval.pools import GLOBAL
from umr.eval.reports import Row, Stored, find_run
from umr.eval.scores import SINGLE
from umr.shipped import shown_path
from umr.ui.plots import Dot, strip
from umr.ui.queries import task_name
from umr.ui.render import escape

_WORD = {"gains": "gain", "loses": "loss", "no clear difference": "no clear difference"}
_CLASS = {"gains": "u-gain", "loses": "u-loss", "no clear difference": "u-even"}


def paired(a: Stored, b: Stored, rows: Sequence[Row]) -> str:
    """success@1 of both and b minus a over the same queries, with the paired interval and what it shows."""
    reach = max([0.05, *(abs(edge) for row in rows for edge in row["ci95"])]) * 1.05
    body = "".join(_paired_row(a, b, row, reach) for row in sorted(rows, key=_order))
    heads = "".join(
        f'<th scope="col">{escape(head)}</th>'
        for head in ("Task and split", a.name, b.name, f"{b.name} minus {a.name}", "95 %, paired", "p (Holm)", "")
    )
    return f'<div class="u-wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def parts(stored: Sequence[Stored]) -> str:
    """Composed queries as trained beside their parts, their vector sum, and the same among all kinds."""
    names = ("Task", "Model", "picture + text", "95 %", *(f"{name} only" for name in ("picture", "text")), "vector sum",
             "all kinds")  # fmt: skip
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in names)
    tasks = sorted({row["task"] for one in stored for row in one.report["rows"] if row["split"] == "ind"})
    body = "".join(
        _parts_row(one, task, row) for task in tasks for one in stored if (row := one.row(task, "ind")) is not None
    )
    return f'<div class="u-wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _paired_row(a: Stored, b: Stored, row: Row, reach: float) -> str:
    word, (low, high) = verdict(row), row["ci95"]
    said = f"{100 * row['difference']:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
    dots = strip([Dot(row["difference"], (low, high), _CLASS[word], said)], -reach, reach, 0.0)
    files = [shown_path(find_run(one.folder, row["task"], row["split"], "composed")) for one in (a, b)]
    command = f"python -m umr compare {a.name} {b.name} --task {row['task']} --split {row['split']}"
    title = "\n".join([command, *files])
    return (
        f'<tr title="{escape(title)}"><th scope="row">{escape(task_name(row["task"]))}<small>'
        f"{escape(splits.title(row['split']))} · {row['n']:,} queries of {row['groups']:,} families</small></th>"
        f"<td>{_percent(row['a'])}</td><td>{_percent(row['b'])}</td>"
        f'<td class="u-dots-cell">{dots}</td><td>{100 * row["difference"]:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})'
        f"</td><td>{row['p_holm']:.3f}</td><td>{escape(_WORD[word])}</td></tr>"
    )


def _parts_row(one: Stored, task: str, row: Row) -> str:
    interval = row.get("ci95_success@1")
    spread = "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
    whole = one.row(task, "ind", GLOBAL)
    cells = [_percent(row.get("success@1")), spread, *(_percent(row.get(key)) for key in SINGLE)]
    cells.append("" if whole is None else _percent(whole.get("success@1")))
    command = f"{one.report.get('command', '')} --task {task} --split ind"
    return (
        f'<tr title="{escape(command)}"><th scope="row">{escape(task_name(task))}</th><td>{escape(one.name)}</td>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _order(row: Row) -> tuple[int, str, tuple[int, str]]:
    return -len(row["task"].partition("2")[0]), row["task"], splits.order(row["split"])
