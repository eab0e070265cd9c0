"""The diagnosis by closed forms: what the shortcut index says of encoders that ignore a part, and what is stored."""

import json
from dataclasses import replace

import numpy as np
import pytest

from umr.cli.commands import main
from umr.disk import write_text
from umr.errors import ConfigError
from umr.eval.diagnosis import (
    Diagnosed,
    diagnose,
    diagnose_measured,
    diagnosis_file,
    first_relevant,
    read_diagnosis,
    shortcut_index,
    worst,
    write_diagnosis,
)
from umr.eval.evaluate import encode_variants, evaluate, load, measure, nearest_relevant
from umr.types import Hit


def hits(*ids: str) -> list[Hit]:
    return [Hit(candidate_id, 1 - rank / 100, rank) for rank, candidate_id in enumerate(ids, 1)]


def index_of(composed, picture, text, relevant=("r",)) -> dict[str, float]:
    runs = {"composed": {"q": hits(*composed)}, "picture": {"q": hits(*picture)}, "text": {"q": hits(*text)}}
    return shortcut_index({"q": dict.fromkeys(relevant, 1)}, runs)


def test_a_composition_that_answers_as_its_picture_has_index_1():
    found = index_of("abc", "abc", "xyz")
    assert found == {"shortcut_index": 1, "shortcut_picture": 1, "shortcut_text": 0}


def test_a_composition_whose_errors_no_part_explains_has_index_0():
    assert set(index_of("abc", "xyz", "uvw").values()) == {0}


def test_the_index_takes_the_part_that_explains_more_of_the_wrong_results():
    assert index_of("abcd", "abxy", "dxyz") == {"shortcut_index": 0.5, "shortcut_picture": 0.5, "shortcut_text": 0.25}


def test_a_relevant_result_that_a_part_finds_too_is_no_shortcut():
    assert index_of("rab", "rxy", "rxy")["shortcut_index"] == 0
    assert index_of("ra", "ra", "xy")["shortcut_index"] == 1  # its one wrong result is the picture's


def test_a_query_without_wrong_results_counts_0_and_only_ten_results_count():
    assert index_of("r", "r", "r")["shortcut_index"] == 0
    first = [f"c{n}" for n in range(10)]
    assert index_of([*first, "z"], ["z"], ["y"])["shortcut_index"] == 0


def test_the_index_is_the_mean_over_queries():
    runs = {
        "composed": {"p": hits("a"), "q": hits("b")},
        "picture": {"p": hits("a"), "q": hits("x")},
        "text": {"p": hits("y"), "q": hits("y")},
    }
    assert shortcut_index({"p": {"r": 1}, "q": {"r": 1}}, runs)["shortcut_index"] == 0.5


def test_the_first_relevant_rank_is_0_without_one():
    assert first_relevant(hits("a", "r", "b"), {"r": 1}) == 2
    assert first_relevant(hits("a"), {"r": 1}) == first_relevant([], {"r": 1}) == 0


def test_the_nearest_relevant_similarity_is_the_largest_cosine(searcher, benchmark):
    judged = load(benchmark, "it2i", "ind")
    two = judged.qrels["100:0"] | {"100:7": 1}
    judged = replace(judged, qrels=judged.qrels | {"100:0": two})
    vectors = encode_variants(searcher, judged)
    near = nearest_relevant(searcher, vectors, judged)
    by_hand = searcher.index.vectors(("100:0", "100:7")) @ vectors["composed"].vectors[0]
    assert near["composed"][0] == pytest.approx(by_hand.max())
    assert set(near) == {"composed", "picture", "text", "sum"} and near["picture"].shape == (6,)


def test_an_encoder_that_finds_the_target_by_the_picture_alone_is_said_to(searcher, benchmark):
    """The fake encoder's picture alone is the target itself; the composed vector is that and the edit's noise."""
    found = diagnose(searcher, benchmark, "it2i", "ind")
    assert found.summary["picture_wins"] == found.summary["either_wins"] == 1
    assert found.summary["masked_text_success@1"] == 1
    assert {one.winner for one in found.queries} == {"picture"}
    assert all(one.picture_target == pytest.approx(1, abs=1e-3) and one.picture_rank == 1 for one in found.queries)
    assert all(one.picture_top == pytest.approx(one.picture_target, abs=1e-3) for one in found.queries)


def test_the_diagnosis_agrees_with_the_evaluation(searcher, benchmark):
    row, summary = evaluate(searcher, benchmark, "it2i", "ind"), diagnose(searcher, benchmark, "it2i", "ind").summary
    assert summary["either_wins"] == row["unimodal_wins"] and summary["n"] == row["n"]
    for ours, theirs in (
        ("success@1", "success@1"),
        ("success@10", "success@10"),
        ("masked_text_success@1", "picture_only_success@1"),
        ("masked_picture_success@1", "text_only_success@1"),
    ):
        assert summary[ours] == row[theirs]


def test_a_tie_is_no_win_of_a_part():
    one = Diagnosed("q", 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1)
    assert one.winner == "composed" and one.lead == 0


def test_the_worst_queries_are_those_where_a_part_leads_most(searcher, benchmark):
    found = diagnose(searcher, benchmark, "it2i", "ind")
    leads = [one.lead for one in worst(found, 6)]
    assert leads == sorted(leads, reverse=True) and len(worst(found, 2)) == 2
    assert leads[0] == max(one.lead for one in found.queries)


def test_a_diagnosis_is_read_as_it_was_written(searcher, benchmark, tmp_path):
    found = diagnose(searcher, benchmark, "it2i", "phrasing")
    assert write_diagnosis(tmp_path, found) == diagnosis_file(tmp_path, "it2i", "phrasing")
    assert read_diagnosis(tmp_path, "it2i", "phrasing") == found


def test_a_file_that_is_not_packed_is_refused(tmp_path):
    diagnosis_file(tmp_path, "it2i", "ind").write_text("{}")
    with pytest.raises(ConfigError, match=r"diagnosis\.it2i\.ind\.json\.xz is no diagnosis"):
        read_diagnosis(tmp_path, "it2i", "ind")


@pytest.mark.parametrize("text", [None, "{", "{}", "[]", '{"columns": ["other"]}'])
def test_a_file_that_is_no_diagnosis_is_refused_with_the_command_that_writes_one(tmp_path, text):
    if text is not None:
        write_text(diagnosis_file(tmp_path, "it2i", "ind"), text)
    with pytest.raises(
        ConfigError, match=r"is no diagnosis.*umr diagnose --encoder NAME --task it2i --split ind --out"
    ):
        read_diagnosis(tmp_path, "it2i", "ind")


def test_queries_of_one_part_are_refused(searcher, benchmark):
    with pytest.raises(ConfigError, match="t2t queries have one part"):
        diagnose(searcher, benchmark, "t2t", "ind")
    with pytest.raises(ConfigError, match="has no picture run"):
        diagnose_measured(searcher, measure(searcher, load(benchmark, "t2t", "ind")))


def test_the_command_prints_the_summary_and_writes_the_queries(searcher, tmp_path, capsys):
    assert main(["diagnose", "--json", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    (row,) = json.loads(out)
    assert (row["task"], row["split"], row["n"]) == ("it2i", "ind", 6) and "diagnosis.it2i.ind.json.xz" in err
    assert {"picture_wins", "text_wins", "either_wins", "shortcut_index"} <= set(row)
    assert len(read_diagnosis(tmp_path, "it2i", "ind").queries) == 6


def test_the_command_refuses_a_task_of_one_part(searcher, capsys):
    assert main(["diagnose", "--task", "t2t"]) == 2
    assert "have one part" in capsys.readouterr().err


def test_similarities_are_cosines(searcher, benchmark):
    found = diagnose(searcher, benchmark, "it2i", "ind")
    values = np.array([one[1:7] for one in found.queries], float)
    assert (np.abs(values) <= 1.001).all() and (values[:, 3] + 1e-3 >= values[:, 0]).all()  # the top is the nearest
