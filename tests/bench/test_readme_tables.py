"""The README's tables: what rounding and a correction may and may not say."""

import pytest

from umr.bench import readme_tables
from umr.bench.readme_tables import _percent
from umr.errors import ConfigError
from umr.eval.pools import POOLS
from umr.eval.reports import Stored
from umr.eval.scores import SINGLE


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1.0, "100"),
        (0.996, "99.6"),
        (0.99999, "99.9"),
        (0.994, "99"),
        (0.5, "50"),
        (0.002, "0.2"),
        (0.00001, "0.1"),
        (0.0, "0"),
        (None, ""),
    ],
)
def test_rounding_never_says_all_or_nothing_of_less(share, shown):
    assert _percent(share) == shown


def row(task: str, difference: float, p: float) -> dict:
    return {
        "task": task,
        "split": "ind",
        "n": 500,
        "groups": 177,
        "a": 0.4,
        "b": 0.4 + difference,
        "difference": difference,
        "ci95": [difference - 0.01, difference + 0.01],
        "p": p / 28,
        "p_holm": p,
    }


def test_the_pair_loses_or_gains_only_after_holm_whatever_its_interval(monkeypatch):
    rows = (row("it2i", -0.05, 0.2), row("it2t", 0.05, 0.01), row("t2t", -0.05, 0.0004))
    monkeypatch.setattr(readme_tables, "_stored", lambda name: name)
    monkeypatch.setattr(readme_tables, "compare_stored", lambda a, b: rows)
    assert readme_tables.pair()[2:] == [
        "| `it2i` | ind | 177 | 40.0 | 35.0 | -5.0 (-6.0 to -4.0) | .200 |  |",
        "| `it2t` | ind | 177 | 40.0 | 45.0 | +5.0 (+4.0 to +6.0) | .010 | gains |",
        "| `t2t` | ind | 177 | 40.0 | 35.0 | -5.0 (-6.0 to -4.0) | < .001 | loses |",
    ]


#: (task, split, pool) -> success@1 of a report as `evaluate --store` leaves it.
SHARES = {
    **{(task, "ind", pool): 0.9 if pool == "local" else 0.8 for task in readme_tables.TASKS for pool in POOLS},
    **{(task, "ind", "global"): 0.95 for task in ("t2all", "i2all", "it2all")},
    **{("t2i", "typed", pool): 0.7 for pool in POOLS},
    **{("it2i", "free", pool): 0.6 for pool in POOLS},
    ("it2i", "light", "local"): 0.5,
    ("it2t", "light", "local"): 0.5,
    ("it2i", "cirr", "local"): 0.4,
}


def stored_row(task: str, split: str, pool: str, share: float) -> dict:
    composed = task.startswith("it2") and task != "it2all"
    made = {"task": task, "split": split, "pool": pool, "n": 40, "groups": 20, "success@5": 1.0, "success@10": 1.0}
    made |= dict.fromkeys(("success@1", "ndcg@10", "edit_made_facts_kept"), share)
    made |= dict.fromkeys(SINGLE, 0.1 if composed else None)
    made |= {"vector_sum_weight": 0.55 if composed else None, "composed_over_sum": share - 0.1 if composed else None}
    made |= {"ci95_composed_over_sum": [0.1, 0.9], "p_composed_over_sum": 1e-4 if composed else None}
    if split == "free":
        made |= {"exact_share": 0.75, "edit_made_facts_kept_n": 8}
    if split == "typed":
        made["forms"] = {"colour": {"success@1": 0.7, "ci95_success@1": [0.6, 0.8], "n": 20, "groups": 9}}
    names = ("success@1", "ndcg@10", "edit_made_facts_kept")
    return made | {"intervals": {name: [share - 0.1, share + 0.05] for name in names}}


@pytest.fixture
def report(monkeypatch, tmp_path) -> Stored:
    rows = [stored_row(*key, share) for key, share in SHARES.items()]
    stored = Stored(name="unified", folder=tmp_path, benchmark=tmp_path, report={"rows": rows}, current=True)
    monkeypatch.setattr(readme_tables, "_stored", lambda name: stored)
    return stored


def test_the_tasks_stand_with_both_pools_and_end_with_their_means(report):
    lines = readme_tables.tasks()
    assert lines[2].startswith("| `it2i` | 40 / 20 | **90.0** (80 to 95) | **80.0** (70 to 85) | 100 | 100 | 10 | 10 |")
    assert lines[2].endswith("| 10 (0.55) | **+80.0** (+10.0 to +90.0) |") and len(lines) == 2 + 10 + 1
    assert lines[-1] == "| mean |  | **90.0** | **80.0** |  |  |  |  |  |  |"
    assert {line.count("|") for line in lines} == {11}


def test_what_people_ask_is_told_by_form_and_by_grade(report):
    lines = readme_tables.asked()
    assert lines[2:] == [
        "| `t2i` typed | 40 / 20 | **70.0** (60 to 75) | **70.0** (60 to 75) |",
        "| typed: colour | 20 / 9 | **70.0** (60 to 80) | **70.0** (60 to 80) |",
        "| `it2i` free, exact answer exists | 30 | **60.0** (50 to 65) | **60.0** (50 to 65) |",
        "| free, else: edit made, main facts kept | 8 | **60.0** (50 to 65) | **60.0** (50 to 65) |",
        "| free, all: graded nDCG@10 | 40 / 20 | **60.0** (50 to 65) | **60.0** (50 to 65) |",
        *(
            f"| `{task}`, any kind is right | 40 / 20 |  | **95.0** (85 to 100) |"
            for task in ("t2all", "i2all", "it2all")
        ),
    ]


def test_the_splits_are_those_of_the_report_whatever_they_are(report):
    lines = readme_tables.splits()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| ind", "| light", "| cirr"]
    assert lines[3] == "| light | 20 / 20 /  | **50.0** (40 to 55); sum 10 | **50.0** (40 to 55); sum 10 |  |"


def test_a_row_that_is_not_stored_is_named_with_its_command(report):
    report.report["rows"] = [row for row in report.report["rows"] if row["split"] != "typed"]
    with pytest.raises(ConfigError, match="no stored t2i typed of the local pool: `python -m umr evaluate"):
        readme_tables.asked()
