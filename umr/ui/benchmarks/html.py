"""Stored reports as HTML: tables with a strip of intervals, a paired difference, the queries behind a number.

Every number is a button that names its run file and its command, and leads to its queries. Not the reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from umr.eval import evaluate, reports, splits, vector_sum
from umr.eval.diagnosis import first_relevant
from umr.eval.evaluate import Verdict, over_sum, verdict
from umr.eval.judged import Judged
from umr.eval.measures import DEPTH
from umr.eval.pools import EVERYTHING, GLOBAL, LOCAL, POOLS, Pool
from umr.eval.reports import Row, Stored, key_of
from umr.eval.scores import KEPT, SINGLE, pool_means
from umr.eval.splits import IN_DISTRIBUTION
from umr.shipped import shown_path
from umr.types import Run
from umr.ui import queries
from umr.ui.finding import composing_adds, finding
from umr.ui.markup import NOTHING, macros, together
from umr.ui.models.html import name_button
from umr.ui.plots import Dot, strip
from umr.ui.queries import task_name, task_order

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
    KEPT: "Free edits without an exact answer: edit made, main facts kept",
}
_TRAINED = splits.asks(IN_DISTRIBUTION)
_ASKED = "Short queries as people type them, and any edit of any picture."
_POOLS = (
    "Searched are the candidates of the kind that is asked for. All kinds: the same queries among the candidates of "
    "every kind together, where a result of another kind is wrong."
)
_ANY = "Queries for any kind at once: every picture, passage and entry of the wanted scene is right."
_OUT = "The same task where one thing differs from training; a row's name says what when it is pointed at."
_SUM = "vector_sum_success@1"
_WORD: Mapping[Verdict, str] = {"gains": "gain", "loses": "loss", "no clear difference": "no clear difference"}
#: Model -> (task, split, pool) -> what the composed query shows against its vector sum.
Above = Mapping[str, Mapping[tuple[str, str, str], Verdict]]
#: Models that have a column for each pool.
Names = frozenset[str]
PAGE = 30  # queries shown at a time


def tables(stored: Sequence[Stored], column: str, trained: Markup = NOTHING) -> Markup:
    """The tables of one measure: every task as trained, then for each task its other splits; only what has it.

    Args:
        stored: the reports.
        column: the measure.
        trained: whether the models were trained equally.
    """
    pairs = sorted(
        {key_of(row)[:2] for one in stored for row in one.report["rows"] if row.get(column) is not None}, key=_order
    )
    stale = [one.name for one in stored if not one.current]
    above = {one.name: over_sum(one.report["rows"]) for one in stored}
    blocks = []
    for place, (title, words, keys, is_open) in enumerate(_groups(pairs)):
        both = frozenset(one.name for one in stored if any(_in_both(one, key, column) for key in keys))
        rows = [row for key in keys for row in _rows(stored, key, column, above, both)]
        if place == 0 and keys[0][1] == IN_DISTRIBUTION:
            rows += _means(stored, column, both)
        blocks.append(macros("benchmarks").block(title, words, _heads(stored, both), together(rows), is_open))
    return macros("benchmarks").tables(
        finding=finding(stored),
        composing=composing_adds(stored),
        trained=trained,
        stale=stale,
        legend=[name_button(one.name) for one in stored],
        said=f"{MEASURE[column]}, in per cent, with the 95 % bootstrap interval. {_POOLS}",
        blocks=together(blocks),
        sources=_sources(stored),
    )


def pair(a: Stored, b: Stored, rows: Sequence[Row], trained: Markup = NOTHING) -> Markup:
    """success@1 of b minus a, with the interval of the paired difference.

    Args:
        a: what is compared with.
        b: what is compared.
        rows: of both, over the same queries.
        trained: whether both were trained equally.
    """
    reach = max([0.05, *(abs(edge) for row in rows for edge in row["ci95"])]) * 1.05
    count = Counter(verdict(row) for row in rows)
    said = (
        f"{b.name} gains on {count['gains']}, loses on {count['loses']}, and shows no clear difference on "
        f"{count['no clear difference']} of {len(rows)} rows. Difference in how often the first result is right, "
        "over the same queries, with its paired 95 % bootstrap interval over families of scenes. A gain or a loss "
        f"has p below {evaluate.ALPHA:g} (models exchanged in whole families at random) after Holm's correction over "
        f"the {len(rows)} rows; an interval that leaves out 0 is not enough."
    )
    names = [(name_button(one.name), False) for one in (a, b)]
    heads = macros("benchmarks").heads(
        f"{-100 * reach:+.0f} to {100 * reach:+.0f} points", [*names, ("Difference", False)]
    )
    found = {(row["task"], row["split"]): row for row in rows}
    blocks = [
        macros("benchmarks").block(
            title, words, heads, together(_pair_row(a, b, found[key], reach) for key in keys), is_open
        )
        for title, words, keys, is_open in _groups(sorted(found, key=_order))
    ]
    return macros("benchmarks").pair(
        b=name_button(b.name),
        a=name_button(a.name),
        said=said,
        trained=trained,
        sums=_sums(a, b),
        blocks=together(blocks),
        command=f"python -m umr compare {a.name} {b.name}",
        files=f"{shown_path(a.folder)} and {shown_path(b.folder)}",
    )


def _sums(a: Stored, b: Stored) -> str:
    """How far each of the two is from the sum of its own two vectors."""
    sums = [
        f"{one.name} {_percent(row['success@1'])} against {_percent(row[_SUM])}"
        for one in (a, b)
        if (row := one.row("it2i", "ind")) is not None and row.get(_SUM) is not None
    ]
    if not sums:
        return ""
    return f"Right first in {task_name('it2i')}, composed against the sum of its own two vectors: {'; '.join(sums)} %."


def drill(one: Stored, judged: Judged, run: Run, page: int) -> Markup:
    """The queries behind a number, those whose right result comes last in front; one page of them.

    Args:
        one: whose run it is.
        judged: the queries, with the pool that was searched.
        run: of these queries.
        page: which page; any number is one.
    """
    task, split, known = judged.task, judged.split, {query.query_id: query for query in judged.queries}
    ranks = {query_id: first_relevant(run.get(query_id, ()), relevant) for query_id, relevant in judged.qrels.items()}
    ordered = sorted(ranks, key=lambda query_id: -(ranks[query_id] or 10**6))
    pages = max(1, -(-len(ordered) // PAGE))
    page = page % pages
    items = together(
        queries.item(known[query_id], task, split, _rank(ranks[query_id]))
        for query_id in ordered[page * PAGE : (page + 1) * PAGE]
    )
    first = sum(rank == 1 for rank in ranks.values())
    among = ", among all kinds" if judged.pool != LOCAL else ""
    graded = " that have an exact answer" if judged.grades is not None else ""
    return macros("benchmarks").drill(
        heading=f"{one.name} on {task_name(task)}, {splits.title(split)}{among}",
        turns=[(drill_key(one.name, task, split, judged.pool, at), 0 <= at < pages) for at in (page - 1, page + 1)],
        page=page + 1,
        pages=pages,
        said=f"The first result is right for {first:,} of {len(ranks):,} queries{graded}. Hardest first; press one to "
        "compare the models on it.",
        items=items,
        file=shown_path(reports.find_run(one.folder, task, split, "composed", judged.pool)),
    )


def _groups(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str, list[tuple[str, str]], bool]]:
    """(title, words, rows, open from the start): what is as trained first, then what people ask, then each shift."""
    as_asked = (splits.TYPED, splits.FREE)
    any_kind = [key for key in pairs if key[0] in EVERYTHING]
    others = [key for key in pairs if key[0] not in EVERYTHING]
    groups = [
        ("As trained", _TRAINED, [key for key in others if key[1] == IN_DISTRIBUTION], True),
        ("As people ask", _ASKED, [key for key in others if key[1] in as_asked], True),
        ("Any kind", _ANY, any_kind, True),
    ]
    shifted = [key for key in others if key[1] not in (IN_DISTRIBUTION, *as_asked)]
    for place, task in enumerate(dict.fromkeys(task for task, _ in shifted)):
        rows = [key for key in others if key[0] == task and key[1] not in as_asked]
        groups.append((f"Out of distribution: {task_name(task)}", _OUT, rows, place == 0))
    return [group for group in groups if group[2]]


def _in_both(one: Stored, key: tuple[str, str], column: str) -> bool:
    """Whether a model has a number of a row in the local and in the global pool."""
    return all((row := one.row(*key, pool)) is not None and row.get(column) is not None for pool in POOLS)


def _heads(stored: Sequence[Stored], both: Names) -> Markup:
    """The heads of the strip and of each model; one that has numbers of both pools has a column for each."""
    return macros("benchmarks").heads("0 to 100 %", [(name_button(one.name), one.name in both) for one in stored])


def _rows(stored: Sequence[Stored], key: tuple[str, str], column: str, above: Above, both: Names) -> list[Markup]:
    """The row of one (task, split), and of typed queries one for each form below it."""
    pools = [{pool: one.row(*key, pool) for pool in POOLS} for one in stored]
    first = [found[LOCAL] or found[GLOBAL] for found in pools]
    cells = together(
        _cell(one, found, column, above[one.name], one.name in both) for one, found in zip(stored, pools, strict=True)
    )
    dots = strip(_dots(stored, first, column))
    rows = [macros("benchmarks").row(*_label(*key, next(row for row in first if row)), dots, cells)]
    forms = dict.fromkeys(form for row in first for form in (row or {}).get("forms", {}))
    return rows + [_form_row(stored, first, form, both) for form in forms if column == "success@1"]


def _form_row(stored: Sequence[Stored], rows: Sequence[Row | None], form: str, both: Names) -> Markup:
    parts = [(row or {}).get("forms", {}).get(form) for row in rows]
    cells = together(
        _plain_cell(one, part, "success@1") + (macros("benchmarks").whole("") if one.name in both else NOTHING)
        for one, part in zip(stored, parts, strict=True)
    )
    count = next(part["n"] for part in parts if part)
    dots = strip(_dots(stored, parts, "success@1"))
    return macros("benchmarks").row("", form, f"typed in this form · {count:,} queries", dots, cells)


def _means(stored: Sequence[Stored], column: str, both: Names) -> list[Markup]:
    """The row of the means over tasks; none where no model has two tasks."""
    means = [pool_means(one.report["rows"], column) for one in stored]
    tasks = max((count for found in means for _, count in found.values()), default=0)
    if tasks < 2:
        return []
    local = [None if LOCAL not in found else {column: found[LOCAL][0]} for found in means]
    whole = [None if GLOBAL not in found else found[GLOBAL][0] for found in means]
    cells = together(
        _plain_cell(one, row, column) + (_whole_mean(one, value) if one.name in both else NOTHING)
        for one, row, value in zip(stored, local, whole, strict=True)
    )
    dots = strip(_dots(stored, local, column))
    return [macros("benchmarks").row("", f"Mean of {tasks} tasks", "every task counts once", dots, cells)]


def _dots(stored: Sequence[Stored], rows: Sequence[Row | None], column: str) -> list[Dot]:
    return [
        Dot(row[column], _interval(row, column), f"u-s{place}", f"{one.name} {_percent(row[column])}")
        for place, (one, row) in enumerate(zip(stored, rows, strict=True), 1)
        if row is not None and row.get(column) is not None
    ]


def _cell(
    one: Stored, found: Mapping[Pool, Row | None], column: str, above: Mapping[tuple, Verdict], both: bool
) -> Markup:
    """A model's number in the local pool, and where the table has both, that of the global one in a cell of its own."""
    shown = {pool: row for pool, row in found.items() if row is not None and row.get(column) is not None}
    if not shown:
        return _plain_cell(one, None, column) + (macros("benchmarks").whole("") if both else NOTHING)
    row = shown.get(LOCAL) or shown[GLOBAL]
    parts = NOTHING
    if column == "success@1":
        told = [_part(row, key, name, above.get(key_of(row))) for key, name in SINGLE.items()]
        parts = together([*told, _kept(row)])
    own = macros("benchmarks").cell(one.name, _number(one, row, column), _spread(row, column), parts)
    if not both:
        return own
    if len(shown) < 2:
        return own + macros("benchmarks").whole("")
    whole = shown[GLOBAL]
    return own + macros("benchmarks").whole(one.name, _number(one, whole, column), _spread(whole, column))


def _plain_cell(one: Stored, row: Row | None, column: str) -> Markup:
    """A number that leads nowhere, as no single run is behind it."""
    if row is None or row.get(column) is None:
        return macros("benchmarks").cell(one.name, macros("benchmarks").not_run(), "")
    return macros("benchmarks").cell(one.name, macros("benchmarks").plain(_percent(row[column])), _spread(row, column))


def _whole_mean(one: Stored, value: float | None) -> Markup:
    number = NOTHING if value is None else macros("benchmarks").plain(_percent(value))
    return macros("benchmarks").whole(one.name, number)


def _kept(row: Row) -> Markup:
    """What is said of free edits without an exact answer."""
    if row.get(KEPT) is None:
        return NOTHING
    said = (
        f"Of {row[f'{KEPT}_n']:,} queries without an exact answer, for which there is a picture with the edit made and "
        "the main facts kept: the share whose first result is one"
    )
    interval = _interval(row, KEPT)
    if interval is not None:
        said += f"; {_between(interval)}, 95 % bootstrap interval"
    return macros("benchmarks").part(said, f"else kept {_percent(row[KEPT])}")


def _part(row: Row, key: str, name: str, above: Verdict | None) -> Markup:
    """The same queries asked otherwise, with the interval; of the sum also its weight and what composing adds."""
    if row.get(key) is None:
        return NOTHING
    interval = _interval(row, key)
    said = "" if interval is None else f"{name}: {_between(interval)}, 95 % bootstrap interval"
    if name == "sum" and row.get("vector_sum_weight") is not None:
        said += f"; the text's weight is {row['vector_sum_weight']:.2f}"
        if above is not None:
            low, high = row["ci95_composed_over_sum"]
            said += (
                f". Composed minus sum: {100 * row['composed_over_sum']:+.1f} points, {100 * low:+.1f} to "
                f"{100 * high:+.1f}: {_WORD[above]}"
            )
    return macros("benchmarks").part(said, f"{name} {_percent(row[key])}")


def _spread(row: Row, column: str) -> str:
    interval = _interval(row, column)
    return "" if interval is None else _between(interval)


def _between(interval: tuple[float, float]) -> str:
    return f"{_percent(interval[0])} – {_percent(interval[1])}"


def _pair_row(a: Stored, b: Stored, row: Row, reach: float) -> Markup:
    low, high = row["ci95"]
    said = f"{100 * row['difference']:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
    word = _WORD[verdict(row)]
    dots = [Dot(row["difference"], (low, high), {"gain": "u-gain", "loss": "u-loss"}.get(word, "u-even"), said)]
    cells = [macros("benchmarks").cell(one.name, _number(one, row, key), "") for one, key in ((a, "a"), (b, "b"))]
    told = f"{100 * low:+.1f} to {100 * high:+.1f} · p {row['p_holm']:.3f} · {word}"
    cells.append(macros("benchmarks").difference(f"{100 * row['difference']:+.1f}", told))
    label, plot = _label(row["task"], row["split"], row), strip(dots, -reach, reach, 0.0)
    return macros("benchmarks").row(*label, plot, together(cells))


def _number(one: Stored, row: Row, column: str) -> Markup:
    """A number that names its run and its command. Only the whole queries' runs are deep enough to lead to them."""
    task, split, pool = key_of(row)
    variant, value = SINGLE.get(column, "composed"), _percent(row[column])
    file = shown_path(reports.find_run(one.folder, task, split, variant, GLOBAL if pool == GLOBAL else LOCAL))
    title = f"{file}\n{one.report.get('command', '')} --task {task} --split {split}"
    title += f" --pool {pool}" if pool != LOCAL else ""
    if variant != "composed":
        return macros("benchmarks").plain(value, title)
    title += "\nPress for its queries"
    where = f"{task_name(task)}, {splits.title(split)}{', all kinds' if pool != LOCAL else ''}"
    said = f" {one.name}, {where}: show its queries"
    return macros("benchmarks").number(drill_key(one.name, task, split, pool, 0), title, value, said)


def drill_key(name: str, task: str, split: str, pool: str, page: int) -> str:
    """What a pressed number says: model, task, split, pool and page, for `umr.ui.benchmarks.drill`."""
    return "|".join((name, task, split, pool, str(page)))


def _label(task: str, split: str, row: Row) -> tuple[str, str, str]:
    """What a row is called: its tooltip, its name, and the smaller line below it."""
    title = splits.title(split)
    names = (title[:1].upper() + title[1:], task_name(task))
    first, second = names if split != IN_DISTRIBUTION else names[::-1]
    said = f"{task} {split}. {splits.asks(split)}".removesuffix(". ")
    exact = f", {100 * row['exact_share']:.0f} % with an exact answer" if "exact_share" in row else ""
    return said, first, f"{second} · {row['n']:,} queries{_families(row)}{exact}"


def _families(row: Row) -> str:
    """How many independent groups the queries are of; nothing in a report from before they were counted."""
    return f" of {row['groups']:,} {'family' if row['groups'] == 1 else 'families'}" if "groups" in row else ""


def _sources(stored: Sequence[Stored]) -> Markup:
    lines = [
        (
            one.name,
            shown_path(one.folder / reports.REPORT),
            str(one.report.get("built_at", ""))[:10],
            one.report.get("command", ""),
            one.report["encoder"][:12],
        )
        for one in stored
    ]
    return macros("benchmarks").sources(lines, vector_sum.FILE)


def _interval(row: Row, column: str) -> tuple[float, float] | None:
    found: Any = row.get("intervals", {}).get(column) or row.get(f"ci95_{column}")
    return None if found is None else (float(found[0]), float(found[1]))


def _rank(rank: int) -> str:
    return f"right at {rank}" if rank else f"right one not among the first {DEPTH}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _order(key: tuple[str, str]) -> tuple[int, str, tuple[int, str]]:
    task, split = key
    return *task_order(task), splits.order(split)
