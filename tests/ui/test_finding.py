"""What stored reports find, said in a sentence."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from umr.ui.finding import finding


def stored(name: str, **means: float) -> SimpleNamespace:
    """A report with one task's success@1 in the pools named."""
    rows = [{"task": "it2i", "split": "ind", "pool": pool, "success@1": value} for pool, value in means.items()]
    return SimpleNamespace(name=name, report={"rows": rows})


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ([stored("a", local=0.5)], "a has the right one first in 50.0 % of the queries."),
        (
            [stored("a", local=0.5), stored("b", **{"local": 0.75, "global": 0.25})],
            "b has the right one first in 75.0 % of the queries, a in 50.0 %; among all kinds b in 25.0 %.",
        ),
        (
            [stored(name, **{"local": at, "global": at / 2}) for name, at in (("a", 0.5), ("b", 0.75), ("c", 0.25))],
            "b has the right one first in 75.0 % of the queries, a in 50.0 % and c in 25.0 %; "
            "among all kinds b in 37.5 %, a in 25.0 % and c in 12.5 %.",
        ),
        ([SimpleNamespace(name="a", report={"rows": []})], ""),
    ],
)
def test_every_model_is_told_in_both_pools(reports: list[SimpleNamespace], said: str):
    assert finding(reports).replace("\u00a0", " ") == said
