"""Rows from runs alone: graded answers, forms, and the means of the pools, against values computed by hand."""

import math

import pytest

from tests.eval.test_judged import write_free
from umr.cli.commands import main
from umr.eval.diagnosis import read_diagnosis
from umr.eval.evaluate import compare, evaluate
from umr.eval.judged import Judged, load
from umr.eval.measures import wilson_interval
from umr.eval.reports import reports_folder
from umr.eval.scores import pool_means, sampled, score
from umr.types import Content, Hit, Query


def ranked(*ids: str) -> list[Hit]:
    return [Hit(found, 1 - rank / 10, rank) for rank, found in enumerate(ids, 1)]


#: An exact answer first; a kept one before the exact one; a kept one first; a loose one second.
RUN = {
    "100:0": ranked("100:0", "100:5"),
    "100:1": ranked("100:9", "100:1"),
    "100:2": ranked("100:8", "100:2"),
    "100:3": ranked("100:6", "100:3"),
}


def test_only_exact_answers_count_where_there_are_some(benchmark):
    write_free(benchmark)
    row = score(load(benchmark, "it2i", "free"), {"composed": RUN})
    assert (row["n"], row["exact_share"], row["success@1"], row["success@5"]) == (4, 0.5, 0.5, 1)
    assert (row["mrr"], row["recall@10"]) == (0.75, 1)
    assert row["ci95_success@1"] == pytest.approx([0, 1])


def test_kept_is_over_queries_without_an_exact_answer_that_have_such_a_picture(benchmark):
    """Query 100:3 has none, so that its first result says nothing."""
    write_free(benchmark)
    judged = load(benchmark, "it2i", "free")
    row = score(judged, {"composed": RUN})
    assert (row["edit_made_facts_kept"], row["edit_made_facts_kept_n"]) == (1, 1)
    assert row["ci95_edit_made_facts_kept"] == list(wilson_interval(1, 1))
    loose = score(judged, {"composed": RUN | {"100:2": ranked("100:9", "100:2")}})
    assert loose["edit_made_facts_kept"] == 0 and loose["success@1"] == row["success@1"]


def test_graded_ndcg_is_over_all_queries_with_exponential_gains(benchmark):
    write_free(benchmark)
    found = sampled(load(benchmark, "it2i", "free"), {"composed": RUN})["ndcg@10"]
    second, third = 1 / math.log2(3), 1 / 2
    assert found.values == pytest.approx(
        [
            15 / (15 + 3 * second),
            (1 + 15 * second) / (15 + second),
            (3 + 7 * second) / (7 + 3 * second + third),
            second,
        ]
    )


def test_free_queries_without_any_exact_answer_have_no_success(benchmark):
    write_free(benchmark)
    judged = load(benchmark, "it2i", "free").at([2, 3])
    row = score(judged, {"composed": RUN, "sum": RUN})
    assert row["success@1"] is row["ci95_success@1"] is row["composed_over_sum"] is row["mrr"] is None
    assert (row["exact_share"], row["edit_made_facts_kept"], row["n"]) == (0, 1, 2) and row["ndcg@10"] > 0


def test_models_are_compared_on_the_queries_with_an_exact_answer(benchmark):
    write_free(benchmark)
    row = compare(load(benchmark, "it2i", "free"), {}, RUN)
    assert (row["n"], row["a"], row["b"]) == (2, 0, 0.5)


def test_the_command_stores_graded_rows_and_a_diagnosis_of_those_with_an_exact_answer(searcher, benchmark, capsys):
    write_free(benchmark)
    assert main(["evaluate", "--store", "--split", "free"]) == 0
    assert "edit_made_facts_kept  exact_share" in capsys.readouterr().out
    folder = reports_folder("unified", benchmark.parents[1])
    found = read_diagnosis(folder, "it2i", "free")
    assert [one.query_id for one in found.queries] == ["100:0", "100:1"]
    assert found.summary["success@1"] == evaluate(searcher, benchmark, "it2i", "free")["success@1"]


def typed(forms: str, groups: tuple[int, ...]) -> Judged:
    ids = [f"q{place}" for place in range(len(forms))]
    queries = [Query(query_id=one, content=Content(text="x"), target_modality="image") for one in ids]
    return Judged(
        task="t2i",
        split="typed",
        queries=queries,
        qrels={one: {"right": 1} for one in ids},
        groups=groups,
        forms=tuple(forms),
    )


def test_each_form_has_its_own_share_number_and_interval():
    judged = typed("abab", (0, 0, 0, 1))
    run = {"q0": ranked("right"), "q1": ranked("wrong", "right"), "q2": ranked("right"), "q3": ranked("right")}
    row = score(judged, {"composed": run})
    assert row["success@1"] == 0.75
    assert row["forms"] == {
        "a": {"success@1": 1, "ci95_success@1": list(wilson_interval(1, 1)), "n": 2, "groups": 1},
        "b": {"success@1": 0.5, "ci95_success@1": [0, 1], "n": 2, "groups": 2},
    }


def test_the_mean_of_a_pool_counts_every_task_once_and_everything_never():
    rows = [
        {"task": task, "split": split, "pool": pool, "success@1": value}
        for task, split, pool, value in (
            ("it2i", "ind", "local", 0.9),
            ("t2i", "ind", "local", 0.7),
            ("t2i", "typed", "local", 0.1),
            ("it2i", "ind", "global", 0.5),
            ("t2all", "ind", "global", 0.1),
            ("i2i", "ind", "global", None),
        )
    ]
    assert pool_means(rows) == {"local": (pytest.approx(0.8), 2), "global": (0.5, 1)}
    assert pool_means([{"task": "t2i", "split": "ind", "success@1": 0.4}]) == {"local": (0.4, 1)}, "an older report's"
