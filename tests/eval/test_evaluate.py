"""Evaluation over a tiny benchmark: values that follow by hand, run files that give the same numbers again, honest
comparisons."""

import json
from dataclasses import replace

import numpy as np
import pytest

from umr.cli.commands import main
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError, MismatchError
from umr.eval.evaluate import (
    all_tasks_and_splits,
    compare,
    compare_runs,
    compare_stored,
    encode_variants,
    evaluate,
    evaluate_all,
    evaluate_job,
    over_sum,
    verdict,
)
from umr.eval.judged import load
from umr.eval.measures import DEPTH, holm, wilson_interval
from umr.eval.pools import POOLS, Job, matching
from umr.eval.reports import key_of, read_report, run_file
from umr.eval.scores import OVER_SUM, score
from umr.formats import read_run
from umr.index.index import Index, build_index
from umr.search import Searcher
from umr.types import Content, Embeddings, Hit

KEYS = [
    "task",
    "split",
    "pool",
    "n",
    "groups",
    "success@1",
    "success@5",
    "success@10",
    "recall@10",
    "mrr",
    "ndcg@10",
    "picture_only_success@1",
    "text_only_success@1",
    "vector_sum_success@1",
    "vector_sum_weight",
    "unimodal_wins",
    "ci95_success@1",
    "composed_over_sum",
    "ci95_composed_over_sum",
    "p_composed_over_sum",
]


class Composes(FakeEncoder):
    """Understands "edit n" beside a picture as candidate image n's own vector; either part alone says nothing."""

    def bind(self, collection) -> "Composes":
        self._targets = {f"edit {n}": super(Composes, self)._vector(collection[f"100:{n}"].content) for n in range(6)}
        return self

    def _vector(self, content: Content) -> np.ndarray:
        if content.modality == "image,text" and content.text in self._targets:
            return self._targets[content.text]
        if content.modality == "image" and str(content.image).endswith(".bmp"):
            return self._direction("a picture alone").astype(np.float32)
        return super()._vector(content)


@pytest.fixture
def composing(collection, tmp_path) -> Searcher:
    encoder = Composes(dim=32, name="composes").bind(collection)
    build_index(encoder, collection, tmp_path / "composing")
    return Searcher(encoder, Index.open(tmp_path / "composing", encoder), collection)


def test_every_task_and_split_is_listed(benchmark):
    assert all_tasks_and_splits(benchmark) == [("it2i", "ind"), ("it2i", "phrasing"), ("t2t", "ind")]


def test_the_row_has_exactly_the_keys_of_the_contract(searcher, benchmark):
    assert list(evaluate(searcher, benchmark, "it2i", "ind")) == KEYS


def test_a_text_task_has_no_values_for_parts(searcher, benchmark):
    row = evaluate(searcher, benchmark, "t2t", "ind")
    assert (row["n"], row["groups"], row["success@1"], row["mrr"]) == (6, 6, 1.0, 1.0)
    assert row["ci95_success@1"] == list(wilson_interval(1.0, 6))
    assert [row[key] for key in (*KEYS[11:16], *OVER_SUM)] == [None] * 8


def test_an_encoder_that_only_composes_wins_nothing_with_one_part(composing, benchmark):
    row = evaluate(composing, benchmark, "it2i", "ind")
    assert row["success@1"] == 1 and row["unimodal_wins"] == 0
    assert row["picture_only_success@1"] <= 1 / 6 and row["text_only_success@1"] <= 2 / 6


def test_an_encoder_that_reads_the_picture_alone_wins_with_it(searcher, benchmark):
    """The fake encoder's composed vector is the sum of its parts, and here the picture alone is the target."""
    row = evaluate(searcher, benchmark, "it2i", "ind")
    assert row["picture_only_success@1"] == 1 and row["unimodal_wins"] == 1
    assert row["vector_sum_success@1"] == row["success@1"]


def test_the_vector_sum_is_the_unit_sum_of_the_two_parts(searcher, benchmark):
    vectors = encode_variants(searcher, load(benchmark, "it2i", "ind"))
    total = vectors["picture"].vectors + vectors["text"].vectors
    assert vectors["sum"].vectors == pytest.approx(total / np.linalg.norm(total, axis=1, keepdims=True), abs=1e-6)


def test_parts_are_asked_with_the_instruction_of_their_own_modality(searcher, benchmark, monkeypatch):
    asked = []
    real = searcher.encoder.encode_queries
    monkeypatch.setattr(
        searcher.encoder, "encode_queries", lambda queries: asked.extend(queries) or real(queries), raising=False
    )
    encode_variants(searcher, load(benchmark, "it2i", "ind"))
    assert {(query.content.modality, query.instruction, query.target_modality) for query in asked} == {
        ("image,text", "", "image"),
        ("image", "", "image"),
        ("text", "", "image"),
    }


def test_a_part_that_queries_share_is_encoded_once(searcher, benchmark, monkeypatch):
    judged = load(benchmark, "it2i", "ind")
    shared = judged.queries[0].content.image
    judged = replace(
        judged, queries=[replace(query, content=replace(query.content, image=shared)) for query in judged.queries]
    )
    counts = []
    real = searcher.encoder.encode_queries
    monkeypatch.setattr(
        searcher.encoder, "encode_queries", lambda queries: counts.append(len(queries)) or real(queries)
    )
    vectors = encode_variants(searcher, judged)
    assert counts == [6, 1, 6]
    assert vectors["picture"].vectors == pytest.approx(np.repeat(vectors["picture"].vectors[:1], 6, axis=0))


def test_a_candidate_with_the_bytes_of_the_query_picture_is_left_out(searcher, benchmark):
    path = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    path.write_text(path.read_text().replace("files/queries/0.bmp", "files/images/00.png"))
    evaluate(searcher, benchmark, "it2i", "ind", benchmark / "runs")
    for variant in ("composed", "picture", "text", "sum"):
        run = read_run(run_file(benchmark / "runs", "it2i", "ind", variant))
        assert "100:0" not in {hit.candidate_id for hit in run["100:0"]}
        assert len(run["100:0"]) == len(run["100:1"]) == DEPTH  # 11 and 12 were there to be ranked


def test_only_candidates_of_the_searched_modality_are_ranked(searcher, benchmark):
    evaluate(searcher, benchmark, "t2t", "ind", benchmark / "runs")
    run = read_run(run_file(benchmark / "runs", "t2t", "ind", "composed"))
    assert {hit.candidate_id for hits in run.values() for hit in hits} == searcher.collection.pool("text")


def test_the_global_pool_ranks_all_kinds_and_a_hit_of_the_wrong_kind_is_wrong(searcher, benchmark):
    """Entries 30 to 33 show the very pictures of images 0 to 3, and are no images."""
    local, whole = (evaluate(searcher, benchmark, "it2i", "ind", benchmark / "runs", pool) for pool in POOLS)
    assert (local["pool"], local["success@1"], whole["pool"]) == ("local", 1, "global")
    run = read_run(run_file(benchmark / "runs", "it2i", "ind", "composed", "global"))
    kinds = {searcher.collection[hit.candidate_id].content.modality for hits in run.values() for hit in hits}
    assert kinds > {"image", "text"}
    first = [run[f"100:{n}"][0].candidate_id == f"100:{n}" for n in range(6)]
    assert whole["success@1"] == sum(first) / 6
    assert run_file(benchmark / "runs", "it2i", "ind", "composed").is_file(), "the local run keeps its name"
    assert whole["unimodal_wins"] == local["unimodal_wins"] and whole["vector_sum_success@1"] is not None


def test_queries_are_encoded_once_for_both_pools(searcher, benchmark, monkeypatch):
    counts, real = [], searcher.encoder.encode_queries
    monkeypatch.setattr(searcher.encoder, "encode_queries", lambda asked: counts.append(len(asked)) or real(asked))
    rows = evaluate_job(searcher, benchmark, Job("it2i", "ind", POOLS))
    assert [row["pool"] for row in rows] == ["local", "global"] and counts == [6, 6, 6]


def test_scores_follow_from_the_run_files_alone(searcher, benchmark):
    row = evaluate(searcher, benchmark, "it2i", "ind", benchmark / "runs")
    stored = {
        variant: read_run(run_file(benchmark / "runs", "it2i", "ind", variant))
        for variant in ("composed", "picture", "text", "sum")
    }
    again = score(load(benchmark, "it2i", "ind"), stored)
    assert again | {"unimodal_wins": row["unimodal_wins"]} == row


def test_the_report_keeps_rows_of_the_same_encoder_and_collection(searcher, benchmark):
    evaluate(searcher, benchmark, "t2t", "ind", benchmark / "runs")
    evaluate(searcher, benchmark, "it2i", "ind", benchmark / "runs")
    evaluate(searcher, benchmark, "t2t", "ind", benchmark / "runs")
    evaluate(searcher, benchmark, "it2i", "ind", benchmark / "runs", "global")
    report = read_report(benchmark / "runs")
    assert [key_of(row) for row in report["rows"]] == [
        ("it2i", "ind", "local"),
        ("it2i", "ind", "global"),
        ("t2t", "ind", "local"),
    ]
    assert report["encoder"] == searcher.encoder.fingerprint


def test_the_report_starts_anew_for_another_encoder(searcher, composing, benchmark):
    evaluate(searcher, benchmark, "t2t", "ind", benchmark / "runs")
    evaluate(composing, benchmark, "it2i", "ind", benchmark / "runs")
    assert [row["task"] for row in read_report(benchmark / "runs")["rows"]] == ["it2i"]


def test_all_rows_or_only_those_asked_for(searcher, benchmark):
    seen = []
    rows = evaluate_all(searcher, benchmark, progress=lambda done, total: seen.append((done, total)))
    assert [key_of(row) for row in rows] == [
        ("it2i", "ind", "local"),
        ("it2i", "ind", "global"),
        ("it2i", "phrasing", "local"),
        ("t2t", "ind", "local"),
        ("t2t", "ind", "global"),
    ]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    asked = evaluate_all(searcher, benchmark, matching(benchmark, "it2i", None, "local"))
    assert [row["split"] for row in asked] == ["ind", "phrasing"]


def test_an_unknown_task_is_answered_with_the_known_ones(benchmark):
    with pytest.raises(ConfigError, match="there are: it2i ind, it2i phrasing, t2t ind"):
        load(benchmark, "it2i", "clutter")


def test_queries_and_judgements_that_disagree_are_refused(benchmark):
    path = benchmark / "qrels/test/mbeir_catalogue_t2t_ind_test_qrels.txt"
    path.write_text(path.read_text().replace("100:50 ", "100:99 "))
    with pytest.raises(ConfigError, match="disagree on 2 queries"):
        load(benchmark, "t2t", "ind")


def test_a_judgement_of_an_absent_candidate_is_refused(searcher, benchmark):
    path = benchmark / "qrels/test/mbeir_catalogue_t2t_ind_test_qrels.txt"
    path.write_text(path.read_text().replace(" 100:20 ", " 100:999 "))
    with pytest.raises(MismatchError, match="name 100:999, which is not in"):
        evaluate(searcher, benchmark, "t2t", "ind")


def test_judgements_of_another_data_set_are_counted_and_left_out(searcher, benchmark):
    path = benchmark / "qrels/test/mbeir_catalogue_t2t_ind_test_qrels.txt"
    path.write_text(path.read_text() + "100:50 0 6:1 1 1\n")
    row = evaluate(searcher, benchmark, "t2t", "ind")
    assert row["unreachable"] == 1 and row["recall@10"] == 1
    path.write_text(path.read_text().replace(" 100:20 ", " 6:2 "))  # a query of which nothing is left counts 0
    assert evaluate(searcher, benchmark, "t2t", "ind")["success@1"] == pytest.approx(5 / 6)


def test_compare_gives_the_difference_and_its_interval(benchmark):
    judged = load(benchmark, "t2t", "ind")
    good = {query_id: [Hit(next(iter(relevant)), 1.0, 1)] for query_id, relevant in judged.qrels.items()}
    row = compare(judged, {}, good)
    assert (row["a"], row["b"], row["difference"], row["ci95"]) == (0, 1, 1, [1, 1])
    assert (row["groups"], row["p"]) == (6, 2 / 2**6)


def named_families(benchmark, families) -> None:
    """The it2i ind queries name these families in their source, as the catalogue's do."""
    path = benchmark / "query/test/mbeir_catalogue_it2i_ind_test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, family in zip(rows, families, strict=True):
        row["query_src_content"] = json.dumps({"scene": {}, "family": family})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_intervals_and_p_values_resample_families(searcher, benchmark):
    apart = evaluate(searcher, benchmark, "it2i", "ind")
    named_families(benchmark, [3, 3, 3, 8, 8, 8])
    together = evaluate(searcher, benchmark, "it2i", "ind")
    assert (apart["groups"], together["groups"], apart["n"], together["n"]) == (6, 2, 6, 6)
    assert together["ci95_success@1"] == list(wilson_interval(1.0, 2)) != apart["ci95_success@1"]
    judged = load(benchmark, "it2i", "ind")
    good = {query_id: [Hit(next(iter(relevant)), 1.0, 1)] for query_id, relevant in judged.qrels.items()}
    assert compare(judged, {}, good)["p"] == 2 / 2**2


def test_a_gain_or_a_loss_is_named_only_after_holms_correction():
    rows = [
        {"difference": 0.1, "p": 0.02, "p_holm": 0.06},
        {"difference": 0.1, "p": 0.001, "p_holm": 0.003},
        {"difference": -0.1, "p": 0.001, "p_holm": 0.049},
    ]
    assert [verdict(row) for row in rows] == ["no clear difference", "gains", "loses"]


def test_the_rows_of_a_report_are_corrected_together_against_their_sums():
    p_values = {("it2i", "local"): 0.01, ("it2i", "global"): 0.03, ("it2v", "local"): 0.04, ("t2i", "local"): None}
    rows = [
        {"task": task, "split": "ind", "pool": pool, "composed_over_sum": 0.1, "p_composed_over_sum": p}
        for (task, pool), p in p_values.items()
    ]
    assert over_sum(rows) == {
        ("it2i", "ind", "local"): "gains",
        ("it2i", "ind", "global"): "no clear difference",
        ("it2v", "ind", "local"): "no clear difference",
    }


def test_the_composed_query_is_tested_against_the_sum(composing, benchmark):
    row = evaluate(composing, benchmark, "it2i", "ind")
    assert (
        row["composed_over_sum"] == pytest.approx(row["success@1"] - row["vector_sum_success@1"])
        and row["composed_over_sum"] > 0
    )
    low, high = row["ci95_composed_over_sum"]
    assert low <= row["composed_over_sum"] <= high
    wrong = round(
        6 * row["composed_over_sum"]
    )  # queries that only the composition finds: all signs alike, two patterns of 2^wrong
    assert row["p_composed_over_sum"] == pytest.approx(2 / 2**wrong if wrong > 1 else 1)


def test_stored_runs_of_two_encoders_are_compared(searcher, composing, benchmark):
    evaluate_all(searcher, benchmark, runs=benchmark / "runs" / "unified")
    evaluate_all(composing, benchmark, matching(benchmark, "it2i", None), benchmark / "runs" / "composes")
    rows = compare_runs(benchmark, benchmark / "runs" / "unified", benchmark / "runs" / "composes")
    assert [(row["task"], row["split"], row["n"]) for row in rows] == [("it2i", "ind", 6), ("it2i", "phrasing", 3)]
    assert rows[0]["b"] == 1 and rows[0]["difference"] == pytest.approx(1 - rows[0]["a"])
    assert [row["p_holm"] for row in rows] == holm([row["p"] for row in rows])
    with pytest.raises(ConfigError, match="share no run of task t2t"):
        compare_runs(benchmark, benchmark / "runs" / "unified", benchmark / "runs" / "composes", task="t2t")
    both = benchmark / "runs" / "unified", benchmark / "runs" / "composes"
    in_all = compare_runs(benchmark, *both, pool="global")
    assert [key_of(row) for row in in_all] == [("it2i", "ind", "global")] and in_all[0]["b"] == 1
    with pytest.raises(ConfigError, match="split phrasing in the global pool"):
        compare_runs(benchmark, *both, split="phrasing", pool="global")


def test_runs_over_other_collections_are_not_compared(searcher, benchmark):
    for name in ("a", "b"):
        evaluate(searcher, benchmark, "t2t", "ind", benchmark / name)
    path = benchmark / "b" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"collection": "other"}))
    with pytest.raises(MismatchError, match="different collections"):
        compare_runs(benchmark, benchmark / "a", benchmark / "b")


def test_opposite_parts_have_a_sum_that_is_still_a_vector(searcher, benchmark, monkeypatch):
    def opposed(queries):
        ids = tuple(query.query_id for query in queries)
        vectors = np.zeros((len(ids), 32), np.float32)
        vectors[:, 0] = [-1 if query.content.modality == "text" else 1 for query in queries]
        return Embeddings(ids=ids, vectors=vectors, encoder=searcher.encoder.fingerprint)

    monkeypatch.setattr(searcher.encoder, "encode_queries", opposed)
    vectors = encode_variants(searcher, load(benchmark, "it2i", "ind"))
    assert (vectors["sum"].vectors == vectors["picture"].vectors).all()


def test_compare_reads_the_stored_reports_where_no_folder_is_given(stored, capsys):
    assert main(["compare", "unified", "unified", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["task"], row["difference"]) for row in rows] == [("it2i", 0), ("it2i", 0), ("t2t", 0)]
    assert list(compare_stored(stored, stored)) == rows
