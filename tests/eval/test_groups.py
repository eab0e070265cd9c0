"""Groups of queries: families where they are named, else what shares a picture or a relevant candidate."""

import json

import pytest

from umr.errors import ConfigError
from umr.eval.groups import query_groups
from umr.formats import BenchmarkQuery
from umr.types import Content, Query


def row(query_id: str, image: str | None = None, source: str = "") -> BenchmarkQuery:
    content = Content(text="words", image=image)
    query = Query(query_id=query_id, content=content, target_modality="image")
    return BenchmarkQuery(query=query, task=None, positives=(), negatives=(), source=source)


def judged(*relevant: str) -> dict[str, dict[str, int]]:
    return {f"q{place}": dict.fromkeys(found, 1) for place, found in enumerate(relevant)}


def test_queries_of_one_family_are_one_group():
    rows = [
        row(f"q{place}", source=json.dumps({"scene": {}, "family": family}))
        for place, family in enumerate((9, 4, 9, 7))
    ]
    assert query_groups(rows, judged("a", "a", "b", "c"), "x") == (0, 1, 0, 2)


def test_without_families_a_shared_picture_or_target_joins_also_through_others():
    rows = [
        row("q0", "one.png"),
        row("q1", "two.png"),
        row("q2", "one.png"),
        row("q3"),
        row("q4", "two.png"),
        row("q5"),
    ]
    assert query_groups(rows, judged("a", "b", "c", "d", "c", "e"), "x") == (0, 0, 0, 1, 0, 2)
    assert query_groups(rows, judged("a", "b", "c", "d", "e", "f"), "x") == (0, 1, 0, 2, 1, 3)
    assert query_groups(rows[3:4] + rows[5:], judged("", "", "", "ab", "", "b"), "x") == (0, 0)


@pytest.mark.parametrize(
    "source", ["", "https://example.org/1", "{broken", "[1]", '{"family": null}', '{"family": {}}', "{" * 9999]
)
def test_a_source_that_names_no_family_is_read_as_text(source):
    rows = [row("q0", "one.png", source), row("q1", "one.png", source)]
    assert query_groups(rows, judged("a", "b"), "x") == (0, 0)


def test_families_of_some_queries_alone_are_refused():
    rows = [row("q0", source='{"family": 1}'), row("q1")]
    with pytest.raises(ConfigError, match=r"it2i.jsonl: 1 of 2 queries name their family"):
        query_groups(rows, judged("a", "b"), "it2i.jsonl")
