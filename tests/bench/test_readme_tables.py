"""The README's tables: what rounding and a correction may and may not say."""

import pytest

from umr.bench import readme_tables
from umr.bench.readme_tables import _percent


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
