"""The tables of numbers in README.md, from the stored reports. Not the numbers (umr.eval.reports).

    python -m umr.bench.readme_tables       writes them between their marks

A mark is `<!-- table: NAME -->`; everything up to `<!-- end -->` is this module's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.eval.evaluate import Verdict, compare_stored, over_sum, verdict
from umr.eval.pools import EVERYTHING, GLOBAL, LOCAL, POOLS, Pool
from umr.eval.reports import Row, Stored, read_stored
from umr.eval.scores import KEPT, pool_means
from umr.eval.splits import FREE, IN_DISTRIBUTION, TYPED, order
from umr.shipped import DEFAULT_ENCODER, index_folder, repository_root

TASKS = ("it2i", "it2t", "it2it", "it2v", "t2i", "t2t", "t2it", "t2v", "i2i", "i2t")
SPLIT_TASKS = ("it2i", "it2t", "it2v")
PAIR = ("contrastive", "mca")
_BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tasks() -> list[str]:
    """Every task in distribution, the default encoder: success@k, and success@1 of the parts and of their sum."""
    stored = _stored(DEFAULT_ENCODER)
    head = (
        "task",
        "queries / families",
        "success@1 (95 %)",
        "all kinds @1 (95 %)",
        "@5",
        "@10",
        "picture only @1",
        "text only @1",
        "vector sum @1 (text's weight)",
        "above the sum (95 %, paired)",
    )
    shown = over_sum(stored.report["rows"])
    lines = []
    for task in TASKS:
        row = _row(stored, task, IN_DISTRIBUTION)
        columns = ("success@5", "success@10", "picture_only_success@1", "text_only_success@1")
        lines.append(
            (
                f"`{task}`",
                _counts(row),
                _with_interval(row),
                _with_interval(_row(stored, task, IN_DISTRIBUTION, GLOBAL)),
                *(_percent(row[column]) for column in columns),
                _sum(row),
                _above_sum(row, shown.get((task, IN_DISTRIBUTION, LOCAL))),
            )
        )
    means = (f"**{100 * mean:.1f}**" for mean, _ in pool_means(stored.report["rows"]).values())
    lines.append(("mean", "", *means, *[""] * 6))
    return markdown(head, lines)


def asked() -> list[str]:
    """What people ask, the default encoder: typed queries by form, free edits, and queries for any kind."""
    stored = _stored(DEFAULT_ENCODER)
    typed, free = (
        [_row(stored, task, split, pool) for pool in POOLS] for task, split in (("t2i", TYPED), ("it2i", FREE))
    )
    lines = [("`t2i` typed", _counts(typed[0]), *map(_with_interval, typed))]
    for form in typed[0]["forms"]:
        parts = [row["forms"][form] for row in typed]
        lines.append((f"typed: {form}", _counts(parts[0]), *map(_with_interval, parts)))
    exact = round(free[0]["exact_share"] * free[0]["n"])
    lines.append(("`it2i` free, exact answer exists", f"{exact}", *map(_with_interval, free)))
    kept = (_with_interval(row, KEPT) for row in free)
    lines.append(("free, else: edit made, main facts kept", f"{free[0][f'{KEPT}_n']}", *kept))
    graded = (_with_interval(row, "ndcg@10") for row in free)
    lines.append(("free, all: graded nDCG@10", _counts(free[0]), *graded))
    for task in EVERYTHING:
        row = _row(stored, task, IN_DISTRIBUTION, GLOBAL)
        lines.append((f"`{task}`, any kind is right", _counts(row), "", _with_interval(row)))
    return markdown(("asked", "queries / families", "success@1 (95 %)", "all kinds @1 (95 %)"), lines)


def splits() -> list[str]:
    """success@1 of the composed tasks on every split, the default encoder; in brackets the vector sum's."""
    stored = _stored(DEFAULT_ENCODER)
    there = {row["split"] for row in stored.report["rows"] if row["task"] in SPLIT_TASKS} - {FREE}
    lines = []
    for split in sorted(there, key=order):
        rows = [stored.row(task, split) for task in SPLIT_TASKS]
        cells = (
            "" if row is None else f"{_with_interval(row)}; sum {_percent(row['vector_sum_success@1'])}" for row in rows
        )
        lines.append((split, " / ".join("" if row is None else str(row["groups"]) for row in rows), *cells))
    return markdown(("split", "families", *(f"`{task}`" for task in SPLIT_TASKS)), lines)


def pair() -> list[str]:
    """Every row of `contrastive` against `mca`: success@1, the paired interval of the difference, and p after Holm."""
    lines = []
    for row in sorted(
        compare_stored(*map(_stored, PAIR)), key=lambda row: (TASKS.index(row["task"]), order(row["split"]))
    ):
        low, high = row["ci95"]
        word = verdict(row)
        lines.append(
            (
                f"`{row['task']}`",
                row["split"],
                str(row["groups"]),
                f"{100 * row['a']:.1f}",
                f"{100 * row['b']:.1f}",
                f"{100 * row['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
                _p(row["p_holm"]),
                "" if word == "no clear difference" else word,
            )
        )
    return markdown(("task", "split", "families", *PAIR, "difference (95 %, paired)", "p (Holm)", "MCA"), lines)


def pair_sum() -> list[str]:
    """The pair's composed queries beside their own vector sums, in distribution: success@1, paired difference."""
    head = (
        "task",
        *(part for name in PAIR for part in (name, "its vector sum (text's weight)", "composed above the sum")),
    )
    stored = [_stored(name) for name in PAIR]
    shown = [over_sum(one.report["rows"]) for one in stored]
    lines = []
    for task in (task for task in TASKS if (task, IN_DISTRIBUTION, LOCAL) in shown[0]):
        rows = [_row(one, task, IN_DISTRIBUTION) for one in stored]
        cells = (
            (f"{100 * row['success@1']:.1f}", _sum(row, 1), _above_sum(row, words[task, IN_DISTRIBUTION, LOCAL]))
            for row, words in zip(rows, shown, strict=True)
        )
        lines.append((f"`{task}`", *(cell for three in cells for cell in three)))
    return markdown(head, lines)


TABLES: dict[str, Callable[[], list[str]]] = {
    "tasks": tasks,
    "asked": asked,
    "splits": splits,
    "pair": pair,
    "pair-sum": pair_sum,
}


def filled(text: str) -> str:
    """The text with every marked table written anew.

    Raises:
        ConfigError: a mark names no table.
    """

    def block(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise ConfigError(f"there is no table {found[2]!r}; there are: {', '.join(TABLES)}")
        return f"{found[1]}{chr(10).join(TABLES[found[2]]())}\n{found[3]}"

    return _BLOCK.sub(block, text)


def _stored(name: str) -> Stored:
    return read_stored(name, index_folder(name))


def _row(stored: Stored, task: str, split: str, pool: Pool = LOCAL) -> Row:
    row = stored.row(task, split, pool)
    if row is None:
        raise ConfigError(
            f"{stored.name} has no stored {task} {split} of the {pool} pool: "
            f"`python -m umr evaluate --encoder {stored.name} --store`"
        )
    return row


def _counts(row: Row) -> str:
    return f"{row['n']} / {row['groups']}"


def _percent(share: float | None) -> str:
    """Whole per cent, "" for None; with a decimal where rounding would make it all or nothing, which it is not."""
    if share is None:
        return ""
    share = round(share, 9)  # a bootstrap's mean of ones may be a hair below 1
    whole = f"{100 * share:.0f}"
    return f"{min(99.9, max(0.1, 100 * share)):.1f}" if whole in ("0", "100") and share not in (0, 1) else whole


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _sum(row: Row, decimals: int = 0) -> str:
    """success@1 of the vector sum and the weight of the text in it; "" where the task has none."""
    share = row["vector_sum_success@1"]
    if share is None:
        return ""
    return f"{f'{100 * share:.{decimals}f}' if decimals else _percent(share)} ({row['vector_sum_weight']:.2f})"


def _above_sum(row: Row, word: Verdict | None) -> str:
    """The composed query minus its vector sum; in bold where it differs after Holm's correction."""
    if word is None:
        return ""
    low, high = row["ci95_composed_over_sum"]
    value = f"{100 * row['composed_over_sum']:+.1f}"
    shown = value if word == "no clear difference" else f"**{value}**"
    return f"{shown} ({100 * low:+.1f} to {100 * high:+.1f})"


def _with_interval(row: Row, column: str = "success@1") -> str:
    """A number with its interval; "" where no query has it."""
    if row[column] is None:
        return ""
    low, high = row["intervals"][column] if "intervals" in row else row[f"ci95_{column}"]
    return f"**{100 * row[column]:.1f}** ({_percent(low)} to {_percent(high)})"


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    rows = [list(head), *map(list, lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> int:
    """Writes README.md's tables; says whether anything changed."""
    path = repository_root() / "README.md"
    text = path.read_text("utf-8")
    new = filled(text)
    if new != text:
        with atomic_write(path) as file:
            file.write(new)
    print("README.md: tables written" if new != text else "README.md: tables are as stored", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
