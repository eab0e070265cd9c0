"""Queries with what is right for each: graded answers, and forms of typed queries."""

import json
from pathlib import Path

import pytest

from umr.errors import ConfigError
from umr.eval.judged import load

#: Query -> the grades of its answers: two with an exact one, one with a kept one at best, one with a loose one alone.
GRADES = {
    "100:0": {"100:0": 4, "100:7": 2},
    "100:1": {"100:1": 4, "100:9": 1},
    "100:2": {"100:2": 3, "100:8": 2, "100:9": 1},
    "100:3": {"100:3": 1},
}


def write_free(benchmark: Path, **changes: dict) -> None:
    """it2i free: the first four queries of it2i ind with graded answers, as training.catalogue writes them."""
    source = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    rows = [json.loads(line) for line in source.read_text().splitlines()[: len(GRADES)]]
    for row in rows:
        grades = GRADES[row["qid"]]
        row["exact"] = [found for found, grade in grades.items() if grade == 4]
        row["edit_made_facts_kept"] = [found for found, grade in grades.items() if grade >= 2]
        row |= changes.get(row["qid"].replace(":", "_"), {})
    write(benchmark, "it2i_free", rows)
    (benchmark / "qrels/test/mbeir_catalogue_it2i_free_test_qrels.txt").write_text(
        "".join(f"{qid} 0 {did} {grade} 7\n" for qid, grades in GRADES.items() for did, grade in grades.items())
    )


def write(benchmark: Path, name: str, rows: list[dict]) -> None:
    path = benchmark / f"query/test/mbeir_catalogue_{name}_test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_graded_answers_are_read_with_who_has_an_exact_one(benchmark):
    write_free(benchmark)
    judged = load(benchmark, "it2i", "free")
    assert judged.grades.exact == {"100:0", "100:1"} and judged.answered == [0, 1]
    assert judged.grades.kept["100:2"] == {"100:2", "100:8"} and judged.grades.kept["100:3"] == frozenset()
    assert judged.grades.graded == GRADES
    assert judged.qrels == {"100:0": {"100:0": 4}, "100:1": {"100:1": 4}, "100:2": {"100:2": 3}, "100:3": {"100:3": 1}}
    part = judged.at(judged.answered)
    assert [query.query_id for query in part.queries] == list(part.qrels) == ["100:0", "100:1"]
    assert len(part.groups) == 2


def test_judgements_without_exact_answers_named_are_not_graded(benchmark):
    path = benchmark / "qrels/test/mbeir_catalogue_it2i_ind_test_qrels.txt"
    path.write_text(path.read_text().replace(" 100:1 1 7", " 100:1 2 7"))
    judged = load(benchmark, "it2i", "ind")
    assert judged.grades is None and judged.answered == list(range(6)) and judged.qrels["100:1"] == {"100:1": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exact": ["100:7"]}, "the answers that 100:0 calls exact or kept are not those"),
        ({"edit_made_facts_kept": ["100:5"]}, "the answers that 100:0 calls exact or kept are not those"),
        ({"exact": "100:0"}, "free_test.jsonl:1: exact must be a list of ids"),
    ],
)
def test_graded_answers_that_contradict_their_judgements_are_refused(benchmark, change, message):
    write_free(benchmark, **{"100_0": change})
    with pytest.raises(ConfigError, match=message):
        load(benchmark, "it2i", "free")


def test_queries_of_which_some_are_graded_are_refused(benchmark):
    write_free(benchmark)
    path = benchmark / "query/test/mbeir_catalogue_it2i_free_test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    del rows[2]["exact"]
    write(benchmark, "it2i_free", rows)
    with pytest.raises(ConfigError, match="3 of 4 queries have both exact and edit_made_facts_kept"):
        load(benchmark, "it2i", "free")


def test_forms_are_those_that_every_query_says_of_itself(benchmark):
    path = benchmark / "query/test/mbeir_catalogue_t2t_ind_test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    forms = ("colour", "company", "colour", "keywords", "colour", "company")
    for row, form in zip(rows, forms, strict=True):
        row["query_src_content"] = json.dumps({"form": form, "family": 1})
    write(benchmark, "t2t_ind", rows)
    assert load(benchmark, "t2t", "ind").forms == forms
    rows[3]["query_src_content"] = json.dumps({"form": 3, "family": 1})
    write(benchmark, "t2t_ind", rows)
    assert load(benchmark, "t2t", "ind").forms is None
