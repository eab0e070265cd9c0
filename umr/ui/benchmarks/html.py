"""Stored reports as HTML: tables with a strip of intervals, a paired difference, the queries behind a number.

Every number is a button that names its run file and its command, and leads to its queries. Not the reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from umr.encoders.caveats import UNEQUAL_DATA, concerns
from umr.eval import evaluate, vector_sum
from umr.eval.diagnosis import first_relevant
from umr.eval.evaluate import Row, Verdict, over_sum, verdict
from umr.eval.reports import Stored
from umr.shipped import shown_path
from umr.types import Qrels, Query, Run
from umr.ui import queries
from umr.ui.plots import Dot, strip
from umr.ui.render import escape

#: Column of a report -> what a person calls it.
MEASURE = {
    "success@1": "First result right (success@1)",
    "success@5": "One of five right (success@5)",
    "success@10": "One of ten right (success@10)",
    "recall@10": "Share found in ten (recall@10)",
    "mrr": "Reciprocal rank (MRR)",
    "ndcg@10": "nDCG@10",
    "picture_only_success@1": "Picture alone: first result right",
    "text_only_success@1": "Text alone: first result right",
    "vector_sum_success@1": "Sum of both vectors: first result right",
}
_SPLIT = {
    "ind": "as trained",
    "combination": "new combinations",
    "shortcut-text": "plain edits",
    "shortcut-picture": "picture shortcut broken",
    "rendering": "other rendering",
    "phrasing": "other phrasings",
    "clutter": "cluttered pictures",
}
_OUT = (
    "The same task where one thing differs from training. Plain edits differ from nothing: these queries are as those "
    "that every model was trained on, without a text that describes the whole target."
)
_PART = {"t": "text", "i": "picture", "it": "picture + text", "v": "clips"}
_FOUND = {"t": "passages", "i": "images", "it": "entries", "v": "clips"}
#: Column of a query asked otherwise -> the variant whose run it is read from.
_SINGLE = {"picture_only_success@1": "picture", "text_only_success@1": "text", "vector_sum_success@1": "sum"}
_SUM = "vector_sum_success@1"
_NOTHING = '<p class="u-muted">No stored report has this measure.</p>'
_WORD: Mapping[Verdict, str] = {"gains": "gain", "loses": "loss", "no clear difference": "no clear difference"}
#: Model -> (task, split) -> what the composed query shows against its vector sum.
Above = Mapping[str, Mapping[tuple[str, str], Verdict]]
PAGE = 30  # queries shown at a time


def tables(stored: Sequence[Stored], column: str) -> str:
    """The tables of one measure: every task as trained, then for each task its other splits; only what has it."""
    pairs = sorted(
        {(row["task"], row["split"]) for one in stored for row in one.report["rows"] if row.get(column) is not None},
        key=_order,
    )
    stale = "".join(
        f'<p class="u-notice">{escape(one.name)} was measured with other weights or another collection than its index '
        "has now; evaluate it again.</p>"
        for one in stored
        if not one.current
    )
    heads = f'<th scope="col" class="u-dots-cell">0 to 100 %</th>{"".join(map(_head, stored))}'
    above = {one.name: over_sum(one.report["rows"]) for one in stored}
    blocks = [
        _block(title, words, heads, [_row(stored, task, split, column, above) for task, split in rows], is_open)
        for title, words, rows, is_open in _groups(pairs)
    ]
    return (
        f'{stale}{_legend(stored)}<p class="u-muted u-measure">{escape(MEASURE[column])}, in per cent, with the '
        f"95 % bootstrap interval.</p>{''.join(blocks) or _NOTHING}{_sources(stored)}"
    )


def pair(a: Stored, b: Stored, rows: Sequence[Row]) -> str:
    """success@1 of b minus a, with the interval of the paired difference."""
    reach = max([0.05, *(abs(edge) for row in rows for edge in row["ci95"])]) * 1.05
    count = Counter(verdict(row) for row in rows)
    said = (
        f"{b.name} gains on {count['gains']}, loses on {count['loses']}, and shows no clear difference on "
        f"{count['no clear difference']} of {len(rows)} rows."
    )
    heads = (
        f'<th scope="col" class="u-dots-cell">{-100 * reach:+.0f} to {100 * reach:+.0f} points</th>'
        f'{_head(a)}{_head(b)}<th scope="col">Difference</th>'
    )
    found = {(row["task"], row["split"]): row for row in rows}
    blocks = [
        _block(title, words, heads, [_pair_row(a, b, found[key], reach) for key in keys], is_open)
        for title, words, keys, is_open in _groups(sorted(found, key=_order))
    ]
    return (
        f'<div class="u-tab-intro"><h2>{escape(b.name)} against {escape(a.name)}</h2><p>{escape(said)} Difference '
        "of success@1 over the same queries, with its paired 95 % bootstrap interval over families of scenes. A gain "
        f"or a loss has p below {evaluate.ALPHA:g} (models exchanged in whole families at random) after Holm's "
        f"correction over the {len(rows)} rows; an interval that leaves out 0 is not enough.</p></div>"
        f'{_caveat(a, b)}{"".join(blocks)}<p class="u-origin"><code>python -m umr compare {escape(a.name)} '
        f"{escape(b.name)}</code> from {escape(shown_path(a.folder))} and {escape(shown_path(b.folder))}</p>"
    )


def _caveat(a: Stored, b: Stored) -> str:
    """What must be said of the two, with how far each is from the sum of its own two vectors."""
    if not concerns(one.report["encoder"] for one in (a, b)):
        return ""
    sums = [
        f"{one.name} {_percent(row['success@1'])} against {_percent(row[_SUM])}"
        for one in (a, b)
        if (row := one.row("it2i", "ind")) is not None and row.get(_SUM) is not None
    ]
    lost = (
        f" Right first in {_name('it2i')}, composed against the sum of its own two vectors: {'; '.join(sums)} %."
        if sums
        else ""
    )
    return f'<p class="u-notice"><span>{escape(UNEQUAL_DATA + lost)}</span></p>'


def drill(one: Stored, task: str, split: str, known: Mapping[str, Query], qrels: Qrels, run: Run, page: int) -> str:
    """The queries behind a number, those whose right result comes last in front; one page of them."""
    ranks = {query_id: first_relevant(run.get(query_id, ()), relevant) for query_id, relevant in qrels.items()}
    ordered = sorted(ranks, key=lambda query_id: -(ranks[query_id] or 10**6))
    pages = max(1, -(-len(ordered) // PAGE))
    page = page % pages
    items = "".join(
        queries.item(known[query_id], task, split, _rank(ranks[query_id]))
        for query_id in ordered[page * PAGE : (page + 1) * PAGE]
    )
    first = sum(rank == 1 for rank in ranks.values())
    turn = (
        ""
        if pages == 1
        else (
            f'<nav class="u-turn" aria-label="Pages of queries">{_turn(one, task, split, page - 1, pages, "Harder")}'
            f"<span>{page + 1} of {pages}</span>{_turn(one, task, split, page + 1, pages, 'Easier')}</nav>"
        )
    )
    file = shown_path(evaluate.find_run(one.folder, task, split, "composed"))
    return (
        f'<section class="u-drill" tabindex="-1" aria-label="Queries"><div class="u-head"><h3>{escape(one.name)} '
        f"on {escape(_name(task))}, {escape(_SPLIT.get(split, split))}</h3>{turn}</div>"
        f'<p class="u-muted">The first result is right for {first:,} of {len(ranks):,} queries. Hardest first; '
        f'press one to compare the models on it.</p><ol class="u-queries">{items}</ol>'
        f'<p class="u-origin">Ranks from <code>{escape(file)}</code></p></section>'
    )


def _groups(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str, list[tuple[str, str]], bool]]:
    """(title, words, rows, open from the start): what is as trained first, then each task that has other splits."""
    groups = [
        (
            "As trained",
            "Test queries that training never saw, drawn as the training's were.",
            [pair_ for pair_ in pairs if pair_[1] == "ind"],
            True,
        )
    ]
    for task in dict.fromkeys(task for task, split in pairs if split != "ind"):
        rows = [pair_ for pair_ in pairs if pair_[0] == task]
        groups.append((f"Out of distribution: {_name(task)}", _OUT, rows, len(groups) == 1))
    return [group for group in groups if group[2]]


def _block(title: str, words: str, heads: str, rows: Sequence[str], is_open: bool) -> str:
    return (
        f'<details class="u-table"{" open" if is_open else ""}><summary><h3>{escape(title)}</h3><span>'
        f'{escape(words)}</span></summary><table><thead><tr><th scope="col">Task and split</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def _head(one: Stored) -> str:
    return f'<th scope="col">{escape(one.name)}</th>'


def _row(stored: Sequence[Stored], task: str, split: str, column: str, above: Above) -> str:
    rows = [one.row(task, split) for one in stored]
    dots = [
        Dot(row[column], _interval(row, column), f"u-s{place}", f"{one.name} {_percent(row[column])}")
        for place, (one, row) in enumerate(zip(stored, rows), 1)
        if row is not None and row.get(column) is not None
    ]
    cells = "".join(_cell(one, row, column, above[one.name].get((task, split))) for one, row in zip(stored, rows))
    label = _label(task, split, next(row for row in rows if row))
    return f'<tr>{label}<td class="u-dots-cell">{strip(dots)}</td>{cells}</tr>'


def _cell(one: Stored, row: Row | None, column: str, above: Verdict | None) -> str:
    label = escape(one.name)
    if row is None or row.get(column) is None:
        return f'<td data-label="{label}"><span class="u-muted">not run</span></td>'
    interval = _interval(row, column)
    spread = "" if interval is None else f"<small>{_spread(interval)}</small>"
    parts = "".join(_part(row, key, name, above) for key, name in _SINGLE.items()) if column == "success@1" else ""
    number = _number(one, row["task"], row["split"], _percent(row[column]), _SINGLE.get(column, "composed"))
    line = f'<small class="u-parts">{parts}</small>' if parts else ""
    return f'<td data-label="{label}">{number}{spread}{line}</td>'


def _part(row: Row, key: str, name: str, above: Verdict | None) -> str:
    """The same queries asked otherwise, with the interval; of the sum also its weight and what composing adds."""
    if row.get(key) is None:
        return ""
    interval = _interval(row, key)
    said = "" if interval is None else f"{name}: {_spread(interval)}, 95 % bootstrap interval"
    if name == "sum" and row.get("vector_sum_weight") is not None:
        said += f"; the text's weight is {row['vector_sum_weight']:.2f}"
        if above is not None:
            low, high = row["ci95_composed_over_sum"]
            said += (
                f". Composed minus sum: {100 * row['composed_over_sum']:+.1f} points, {100 * low:+.1f} to "
                f"{100 * high:+.1f}: {_WORD[above]}"
            )
    title = f' title="{escape(said)}"' if said else ""
    return f"<span{title}>{name} {_percent(row[key])}</span>"


def _spread(interval: tuple[float, float]) -> str:
    return f"{_percent(interval[0])} – {_percent(interval[1])}"


def _pair_row(a: Stored, b: Stored, row: Row, reach: float) -> str:
    low, high = row["ci95"]
    said = f"{100 * row['difference']:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
    word = _WORD[verdict(row)]
    dots = [Dot(row["difference"], (low, high), {"gain": "u-gain", "loss": "u-loss"}.get(word, "u-even"), said)]
    numbers = "".join(
        f'<td data-label="{escape(one.name)}">{_number(one, row["task"], row["split"], _percent(row[key]))}</td>'
        for one, key in ((a, "a"), (b, "b"))
    )
    return (
        f'<tr>{_label(row["task"], row["split"], row)}<td class="u-dots-cell">'
        f'{strip(dots, -reach, reach, 0.0)}</td>{numbers}<td data-label="Difference">'
        f"<b>{100 * row['difference']:+.1f}</b><small>{100 * low:+.1f} to {100 * high:+.1f} · p {row['p_holm']:.3f} · {word}</small>"
        "</td></tr>"
    )


def _number(one: Stored, task: str, split: str, value: str, variant: str = "composed") -> str:
    """A number that names its run and its command. Only the whole queries' runs are deep enough to lead to them."""
    file = shown_path(evaluate.find_run(one.folder, task, split, variant))
    title = f"{file}\n{one.report.get('command', '')} --task {task} --split {split}"
    if variant != "composed":
        return f'<b class="u-num-plain" title="{escape(title)}">{value}</b>'
    title += "\nPress for its queries"
    said = f" {one.name}, {task} {split}: show its queries"
    return (
        f'<button type="button" class="u-num" data-drill="{escape(drill_key(one.name, task, split, 0))}" '
        f'title="{escape(title)}">{value}<span class="u-hidden">{escape(said)}</span></button>'
    )


def drill_key(name: str, task: str, split: str, page: int) -> str:
    """What a pressed number says: model, task, split and page, for `umr.ui.benchmarks.drill`."""
    return "|".join((name, task, split, str(page)))


def _turn(one: Stored, task: str, split: str, page: int, pages: int, word: str) -> str:
    off = "" if 0 <= page < pages else " disabled"
    return (
        f'<button type="button" class="u-quiet" data-drill="{escape(drill_key(one.name, task, split, page))}"{off}>'
        f"{word}</button>"
    )


def _label(task: str, split: str, row: Row) -> str:
    names = (_SPLIT.get(split, split).capitalize(), _name(task))
    first, second = names if split != "ind" else names[::-1]
    return (
        f'<th scope="row" title="{escape(task)} {escape(split)}"><span class="u-task">{escape(first)}</span>'
        f"<small>{escape(second)} · {row['n']:,} queries{_families(row)}</small></th>"
    )


def _families(row: Row) -> str:
    """How many independent groups the queries are of; nothing in a report from before they were counted."""
    return f" of {row['groups']:,} {'family' if row['groups'] == 1 else 'families'}" if "groups" in row else ""


def _name(task: str) -> str:
    asked, _, found = task.partition("2")
    return f"{_PART.get(asked, asked)} → {_FOUND.get(found, found)}"


def _legend(stored: Sequence[Stored]) -> str:
    items = "".join(
        f'<li class="u-s{place}"><i aria-hidden="true"></i>{escape(one.name)}</li>'
        for place, one in enumerate(stored, 1)
    )
    return f'<ul class="u-legend">{items}</ul>'


def _sources(stored: Sequence[Stored]) -> str:
    lines = "".join(
        f"<li><b>{escape(one.name)}</b>: <code>{escape(shown_path(one.folder / evaluate.REPORT))}</code> and its "
        f"<code>runs/TASK.SPLIT.VARIANT.run.gz</code>, written {escape(str(one.report.get('built_at', ''))[:10])} by "
        f"<code>{escape(one.report.get('command', ''))}</code>, encoder {escape(one.report['encoder'][:12])}</li>"
        for one in stored
    )
    return (
        f'<details class="u-origin"><summary>Where these numbers come from</summary><ul>{lines}</ul><p>Intervals: '
        "95 % percentile bootstrap over families of scenes, 2,000 draws; Wilson's interval where all are right or all "
        "wrong. picture, text, sum: success@1 of the same queries with their picture only, with their text only, and of "
        "the sum of those two vectors, weighted as was best on validation queries "
        f"(<code>{escape(vector_sum.FILE)}</code> beside each report).</p></details>"
    )


def _interval(row: Row, column: str) -> tuple[float, float] | None:
    found: Any = row.get("intervals", {}).get(column) or row.get(f"ci95_{column}")
    return None if found is None else (float(found[0]), float(found[1]))


def _rank(rank: int) -> str:
    return f"right at {rank}" if rank else f"right one not among the first {evaluate.DEPTH}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _order(pair_: tuple[str, str]) -> tuple[int, str, int, str]:
    task, split = pair_
    places = list(_SPLIT)
    return (-len(task.partition("2")[0]), task, places.index(split) if split in places else len(places), split)
