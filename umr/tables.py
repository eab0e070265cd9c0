"""The tables of numbers in README.md, from the stored reports: `python -m umr.tables` writes them between their marks.

A mark is `<!-- table: NAME -->`; everything up to `<!-- end -->` is this module's. Not the numbers (reports.py)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable

from umr.errors import ConfigError
from umr.evaluation import Row
from umr.formats import written
from umr.reports import Stored, paired, read_stored
from umr.search import DEFAULT_ENCODER, index_folder, repository_root

TASKS = ("it2i", "it2t", "it2it", "it2v", "t2i", "t2t", "t2it", "t2v", "i2i", "i2t")
SPLIT_TASKS = ("it2i", "it2t", "it2v")
SPLITS = ("ind", "combination", "shortcut-text", "shortcut-picture", "rendering", "phrasing", "clutter")
PAIR = ("contrastive", "mca")
_BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tasks() -> list[str]:
    """Every task in distribution, the default encoder: success@k, and success@1 of the parts and of their sum."""
    stored = _stored(DEFAULT_ENCODER)
    head = ("task", "success@1 (95 %)", "@5", "@10", "picture only @1", "text only @1", "vector sum @1")
    lines = []
    for task in TASKS:
        row = _row(stored, task, "ind")
        parts = (row[f"{part}_success@1"] for part in ("picture_only", "text_only", "vector_sum"))
        rest = (row["success@5"], row["success@10"], *parts)
        lines.append((f"`{task}`", _with_interval(row), *map(_percent, rest)))
    return _table(head, lines)


def splits() -> list[str]:
    """success@1 of the composed tasks on every split, the default encoder; in brackets the vector sum's."""
    stored = _stored(DEFAULT_ENCODER)
    lines = []
    for split in SPLITS:
        rows = [_row(stored, task, split) for task in SPLIT_TASKS]
        cells = (f"{_with_interval(row)}; sum {_percent(row['vector_sum_success@1'])}" for row in rows)
        lines.append((split, *cells))
    return _table(("split", *(f"`{task}`" for task in SPLIT_TASKS)), lines)


def pair() -> list[str]:
    """Every row of `contrastive` against `mca`: success@1 and the paired interval of the difference."""
    rows = {(row["task"], row["split"]): row for row in paired(*map(_stored, PAIR))}
    lines = []
    for task in TASKS:
        for split in SPLITS:
            if (task, split) in rows:
                row = rows[task, split]
                low, high = row["ci95"]
                verdict = "gains" if low > 0 else "loses" if high < 0 else ""
                difference = f"{100 * row['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
                lines.append((f"`{task}`", split, f"{100 * row['a']:.1f}", f"{100 * row['b']:.1f}", difference, verdict))
    return _table(("task", "split", *PAIR, "difference (95 %, paired)", "MCA"), lines)


TABLES: dict[str, Callable[[], list[str]]] = {"tasks": tasks, "splits": splits, "pair": pair}


def filled(text: str) -> str:
    """The text with every marked table written anew. Raises ConfigError for a mark that names no table."""

    def block(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise ConfigError(f"there is no table {found[2]!r}; there are: {', '.join(TABLES)}")
        return f"{found[1]}{chr(10).join(TABLES[found[2]]())}\n{found[3]}"

    return _BLOCK.sub(block, text)


def _stored(name: str) -> Stored:
    return read_stored(name, index_folder(name))


def _row(stored: Stored, task: str, split: str) -> Row:
    row = stored.row(task, split)
    if row is None:
        raise ConfigError(f"{stored.name} has no stored {task} {split}: `python -m umr evaluate --encoder {stored.name} --store`")
    return row


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


def _with_interval(row: Row) -> str:
    low, high = row["intervals"]["success@1"]
    return f"**{100 * row['success@1']:.1f}** ({100 * low:.0f} to {100 * high:.0f})"


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    rows = [list(head), *map(list, lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> int:
    """Writes README.md's tables; says whether anything changed."""
    path = repository_root() / "README.md"
    text = path.read_text("utf-8")
    new = filled(text)
    if new != text:
        with written(path) as file:
            file.write(new)
    print("README.md: tables written" if new != text else "README.md: tables are as stored", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
