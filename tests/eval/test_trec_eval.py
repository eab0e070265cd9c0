"""Measures and run files against trec_eval (pytrec_eval) and ir_measures: equal to the last digit.

trec_eval goes by the scores and reads no ranks. Of equal scores it takes the larger id first, umr the smaller one: with
ties the values are equal once the hits stand in its order. map@10 is divided by min(10, relevant), as in CIRCO, in
trec_eval by relevant: they are one measure where at most ten are.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from ir_measures import AP, RR, R, Success, nDCG

from umr.eval.judged import load
from umr.eval.measures import MEASURES, mean, ndcg, per_query
from umr.eval.reports import find_run, read_report, reports_folder
from umr.formats import read_qrels, read_run, write_qrels, write_run
from umr.shipped import BUNDLED, DEFAULT_ENCODER, default_root
from umr.types import Hit, Qrels, Run

#: Ours -> trec_eval's name of it, and that of ir_measures.
NAMES = {
    "success@1": ("success_1", Success @ 1),
    "success@5": ("success_5", Success @ 5),
    "success@10": ("success_10", Success @ 10),
    "recall@10": ("recall_10", R @ 10),
    "mrr": ("recip_rank", RR),
    "ndcg@10": ("ndcg_cut_10", nDCG @ 10),
    "map@10": ("map_cut_10", AP @ 10),
}
ASKED = {"success.1,5,10", "recall.10", "recip_rank", "ndcg_cut.10", "map_cut.10"}


def random_run(rng: np.random.Generator, levels: int | None) -> tuple[Qrels, Run]:
    """Sixty queries over forty candidates, one of them without results; scores of so many levels, or all different."""
    ids = [f"100:{number}" for number in range(40)]
    qrels: Qrels = {}
    run: Run = {}
    for number in range(60):
        right = rng.choice(ids, rng.integers(1, 11), replace=False)
        qrels[f"q{number}"] = {str(one): int(rng.integers(1, 4)) for one in right}
        found = [str(one) for one in rng.choice(ids, rng.integers(1, 31), replace=False)]
        scores = rng.permutation(1000)[: len(found)] if levels is None else rng.integers(0, levels, len(found))
        best = sorted(zip(found, scores / 1000, strict=True), key=lambda pair: (-pair[1], pair[0]))
        run[f"q{number}"] = [Hit(one, float(score), rank) for rank, (one, score) in enumerate(best, 1)]
    del run["q7"]
    return qrels, run


def in_their_order(run: Run) -> Run:
    """The hits as trec_eval ranks them."""
    found = {}
    for query_id, hits in run.items():
        best = sorted(hits, key=lambda hit: (hit.score, hit.candidate_id), reverse=True)
        found[query_id] = [Hit(hit.candidate_id, hit.score, rank) for rank, hit in enumerate(best, 1)]
    return found


def by_trec_eval(qrels: Qrels, run: Run) -> dict[str, np.ndarray]:
    """Ours -> its value for each query; 0 without results, which trec_eval leaves out."""
    scores = {query_id: {hit.candidate_id: hit.score for hit in hits} for query_id, hits in run.items()}
    found = pytrec_eval.RelevanceEvaluator(qrels, ASKED).evaluate(scores)
    return {
        ours: np.array([found.get(query_id, {}).get(theirs, 0.0) for query_id in qrels])
        for ours, (theirs, _) in NAMES.items()
    }


def written(folder: Path, qrels: Qrels, run: Run) -> tuple[list, list]:
    """Judgements and run as ir_measures reads them from our files."""
    write_qrels(folder / "x.qrels", qrels)
    write_run(folder / "x.run", run, "enc")
    assert read_qrels(folder / "x.qrels") == qrels and read_run(folder / "x.run") == run
    qrels_file, run_file = (str(folder / name) for name in ("x.qrels", "x.run"))
    return list(ir_measures.read_trec_qrels(qrels_file)), list(ir_measures.read_trec_run(run_file))


def by_ir_measures(qrels: Qrels, judged: list, hits: list) -> dict[str, np.ndarray]:
    """Ours -> its value for each query."""
    found = {(one.query_id, one.measure): one.value for one in ir_measures.iter_calc([*_theirs()], judged, hits)}
    return {ours: np.array([found[query_id, name] for query_id in qrels]) for ours, (_, name) in NAMES.items()}


def _theirs() -> list:
    return [name for _, name in NAMES.values()]


@pytest.mark.parametrize("levels", [None, 300, 5])
@pytest.mark.parametrize("seed", range(4))
def test_every_measure_of_a_random_run_is_theirs_to_the_last_digit(tmp_path, seed, levels):
    qrels, run = random_run(np.random.default_rng(seed), levels)
    tied = any(len({hit.score for hit in hits}) < len(hits) for hits in run.values())
    assert tied == (levels is not None)
    trec, measures = by_trec_eval(qrels, run), by_ir_measures(qrels, *written(tmp_path, qrels, run))
    ranked = in_their_order(run)
    assert tied or ranked == run
    for name, measure in MEASURES.items():
        ours = per_query(measure, qrels, ranked)
        assert np.array_equal(ours, trec[name]) and np.array_equal(ours, measures[name]), name
        assert 0 < ours.mean() < 1 and ours[7] == 0


def test_means_are_those_of_ir_measures_with_queries_that_found_nothing(tmp_path):
    qrels, run = random_run(np.random.default_rng(9), None)
    found = ir_measures.calc_aggregate(_theirs(), *written(tmp_path, qrels, run))
    for ours, (_, theirs) in NAMES.items():
        assert mean(MEASURES[ours], qrels, run) == pytest.approx(found[theirs], rel=1e-14), ours


def test_gains_of_grades_are_those_of_trec_eval_given_the_gains():
    qrels, run = random_run(np.random.default_rng(3), None)
    gains = {query_id: {one: 2**grade - 1 for one, grade in judged.items()} for query_id, judged in qrels.items()}
    assert np.array_equal(per_query(ndcg(10, exponential=True), qrels, run), by_trec_eval(gains, run)["ndcg@10"])


@pytest.mark.parametrize(("task", "split"), [("it2i", "ind"), ("it2t", "typos")])
def test_a_stored_run_of_the_bundled_catalogue_has_the_values_of_its_report(tmp_path, task, split):
    folder = reports_folder(DEFAULT_ENCODER)
    path = find_run(folder, task, split, "composed")
    run, qrels = read_run(path), load(default_root() / "media" / BUNDLED, task, split).qrels
    write_qrels(tmp_path / "x.qrels", qrels)
    with lzma.open(path, "rt") as file:
        hits = list(ir_measures.read_trec_run(file))
    trec = by_trec_eval(qrels, run)
    measures = by_ir_measures(qrels, list(ir_measures.read_trec_qrels(str(tmp_path / "x.qrels"))), hits)
    rows = read_report(folder)["rows"]
    row = next(one for one in rows if (one["task"], one["split"], one["pool"]) == (task, split, "local"))
    assert row["n"] == len(qrels)
    alike = np.array([len(judged) <= 10 for judged in qrels.values()])
    for name, measure in MEASURES.items():
        ours, same = per_query(measure, qrels, run), alike | (name != "map@10")
        assert np.array_equal(ours[same], trec[name][same]) and np.array_equal(ours[same], measures[name][same]), name
        if name in row:
            assert row[name] == pytest.approx(measures[name].mean(), abs=1e-12), name
    assert alike.mean() > 0.5 and {"success@1", "recall@10", "mrr", "ndcg@10"} <= row.keys()
