"""The fused score, in closed form; the weight that validation queries choose; what is stored of it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from umr.errors import ConfigError, MismatchError
from umr.rerank.fuse import FILE, Fusion, chosen_weight, fused, stored_fusion, success_by_weight, write_fusion
from umr.types import Hit

WRONG = ({"weight": 2}, {"depth": 0}, {"depth": "50"})
RUN = {"1": [Hit("a", 0.9, 1), Hit("b", 0.8, 2), Hit("c", 0.7, 3), Hit("d", 0.65, 4)]}


def test_the_fused_score_is_the_weighted_mean_and_orders_the_hits():
    (hits,) = fused(RUN, {"1": [0.0, 1.0, 0.5]}, 0.5).values()
    assert [(hit.candidate_id, hit.rank) for hit in hits] == [("b", 1), ("c", 2), ("a", 3), ("d", 4)]
    assert [hit.score for hit in hits[:3]] == pytest.approx([0.9, 0.6, 0.45])


def test_what_is_not_scored_stays_behind_with_falling_scores():
    (hits,) = fused(RUN, {"1": [0.0, 1.0]}, 1.0).values()
    assert [hit.candidate_id for hit in hits] == ["b", "a", "c", "d"]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True) and scores[2] < scores[1]
    assert scores[2] - scores[3] == pytest.approx(0.05)


def test_weight_nothing_and_no_answers_change_nothing():
    assert fused(RUN, {"1": [0.1, 0.9, 0.2, 0.8]}, 0.0) == RUN and fused(RUN, {}, 1.0) == RUN
    for weight in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="from 0"):
            fused(RUN, {}, weight)


def test_equal_scores_keep_their_order():
    (hits,) = fused(RUN, {"1": [0.5] * 4}, 1.0).values()
    assert [hit.candidate_id for hit in hits] == ["a", "b", "c", "d"]


def test_validation_chooses_what_the_re_ranker_is_worth():
    run = RUN | {"2": RUN["1"]}
    right = {"1": {"b": 1}, "2": {"a": 1}}
    helps = {"1": [0.2, 0.9, 0.1, 0.1], "2": [0.9, 0.2, 0.1, 0.1]}
    found = success_by_weight(right, run, helps)
    assert found[0] == 0.5 and found[-1] == 1.0 and chosen_weight(found) > 0.15
    harms = {"1": [0.9, 0.1, 0.2, 0.1], "2": [0.1, 0.9, 0.1, 0.1]}
    assert chosen_weight(success_by_weight(right, run, harms)) < 0.15


def test_a_choice_is_stored_for_its_own_re_ranker(tmp_path):
    assert stored_fusion(tmp_path, "f" * 64) is None
    made = Fusion(reranker="f" * 64, encoder="unified", collection="c" * 64, run="it2i.ind.composed.run", n=3,
                  depth=50, weight=0.35, success_at_1=[0.5] * 21)  # fmt: skip
    assert write_fusion(tmp_path, made).name == FILE and stored_fusion(tmp_path, "f" * 64) == made
    with pytest.raises(MismatchError, match="was chosen for the re-ranker ffffffffffff"):
        stored_fusion(tmp_path, "e" * 64)
    for text in ("{", "[]", json.dumps({"weight": 2}), *(json.dumps(asdict(made) | one) for one in WRONG)):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(ConfigError, match="holds no weight of a re-ranker"):
            stored_fusion(tmp_path, "f" * 64)
