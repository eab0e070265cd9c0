"""Measuring what scores are worth: closed forms of the limits, whose rates are stated, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.errors import ConfigError
from umr.eval import ood, verdicts
from umr.eval.verdicts import (
    EVERYDAY,
    LEAST,
    Seen,
    held_out_groups,
    isotonic,
    limits_of,
    look,
    main,
    read_asked,
    strong_from,
    vocabulary,
    weak_below,
)
from umr.index.index import build_index
from umr.search import Searcher
from umr.verdict import find_verdicts, read_verdicts, verdicts_file

# Closed forms


def test_isotonic_regression_pools_neighbours_that_fall():
    points, shares = isotonic(np.array([1.0, 2, 3, 4, 5, 6]), np.array([0, 1, 0, 1, 1, 0], bool), np.ones(6))
    assert points.tolist() == [1, 2, 3, 4, 5, 6]
    assert shares == pytest.approx([0, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 2 / 3])


def test_isotonic_regression_counts_equal_scores_as_one_point_and_each_by_its_weight():
    scores, right = np.array([2.0, 1, 2, 2]), np.array([1, 0, 1, 0], bool)
    points, shares = isotonic(scores, right, np.ones(4))
    assert points.tolist() == [1, 2] and shares == pytest.approx([0, 2 / 3])
    assert isotonic(scores, right, np.array([1, 1, 1, 0.5]))[1] == pytest.approx([0, 4 / 5])


def test_the_curve_is_the_monotone_one_with_the_least_squares():
    """Against the min-max formula: at each point the largest over starts of the least over ends of the mean between."""
    rng = np.random.default_rng(0)
    scores, right = np.arange(40.0), rng.random(40) < np.linspace(0.1, 0.9, 40)
    _, shares = isotonic(scores, right, np.ones(40))
    means = [[right[start : end + 1].mean() if end >= start else np.nan for end in range(40)] for start in range(40)]
    expected = [max(min(means[start][end] for end in range(at, 40)) for start in range(at + 1)) for at in range(40)]
    assert shares == pytest.approx(expected) and (np.diff(shares) >= 0).all()


def test_a_match_is_strong_from_the_least_score_at_which_nine_of_ten_are_right():
    scores = np.arange(100.0)
    right = scores >= 50
    right[[60, 75]] = False  # 50 .. 99 hold 48 of 50 right, and from 50 on the curve is at least 10 / 11
    assert strong_from(scores, right, np.ones(100)) == 50.0
    right[52:56] = False  # 50 .. 60 now hold 6 of 11
    assert strong_from(scores, right, np.ones(100)) == 61.0


def test_too_few_strong_ones_are_no_strong_ones():
    scores = np.arange(100.0)
    assert strong_from(scores, scores >= 100 - LEAST, np.ones(100)) == 100 - LEAST
    assert strong_from(scores, scores >= 101 - LEAST, np.ones(100)) is None
    assert strong_from(scores, scores < 50, np.ones(100)) is None


def test_weak_is_below_what_nineteen_of_twenty_right_answers_reach():
    assert weak_below(np.arange(1.0, 20.0)) == 1.0  # floor(20 / 20) = the first of nineteen
    assert weak_below(np.arange(1.0, 100.0)) == 5.0  # so of a hundred equally likely places five are below
    with pytest.raises(ConfigError, match="18 right answers"):
        weak_below(np.arange(18.0))


def test_right_answers_are_called_weak_no_more_often_than_promised():
    rng, below = np.random.default_rng(0), []
    for _ in range(300):
        limit = weak_below(rng.standard_normal(60))
        below.append((rng.standard_normal(200) < limit).mean())
    assert 0.03 < np.mean(below) <= 0.052


def seen(score: float, wrong: float, held_out: bool, group: int = 0) -> Seen:
    """A query whose right answer has this score, and the best wrong candidate that one."""
    first = ((score, True, 1.0) if score > wrong else (wrong, False, 1.0), (wrong, False, 0.5))
    return Seen(first, score, held_out, group)


def test_rates_are_those_of_queries_that_set_no_limit():
    setting = [seen(0.90 + n / 1000, 0.5, False, n) for n in range(50)]
    checking = [seen(0.95, 0.6, True, 100 + n) for n in range(30)] + [seen(0.7, 0.92, True, 200)] * 10
    limits = limits_of(setting + checking)
    assert limits.strong == 0.9 and limits.weak == 0.9 and (limits.queries, limits.groups) == (50, 50)
    rates = limits.held_out
    assert (rates.queries, rates.groups) == (40, 31)
    # first results: 30 right of 0.95, 30 wrong of 0.6 that count half, and 10 queries with a wrong 0.92 once and a half
    assert rates.right == {"strong": pytest.approx(30 / 45, abs=1e-4), "fair": None, "weak": 0.0}
    assert (rates.wrong_called_strong, rates.wrong_called_weak) == (15 / 30, 15 / 30)
    assert (rates.right_called_weak, rates.right_called_strong) == (10 / 40, 30 / 40)


def test_without_enough_answers_in_each_half_nothing_is_claimed():
    setting = [seen(0.9, 0.5, False, n) for n in range(50)]
    assert limits_of(setting + [seen(0.9, 0.5, True)] * (LEAST - 1)) is None
    assert limits_of(setting + [seen(0.9, 0.5, True)] * LEAST) is not None
    assert limits_of(setting + [Seen(((0.4, False, 1.0),), None, True, 0)] * LEAST) is None  # none has an answer


# A validation set


NAMES = [f"{first} {second}" for first in ("oak", "ash", "elm", "fir", "yew") for second in ("door", "gate", "roof")]
COUNT = 120


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    """COUNT passages, each asked for in its own words, and free queries of which every second has no exact answer."""
    root = tmp_path / "validation"
    for folder in ("cand_pool/local", "query/test", "qrels/test"):
        (root / folder).mkdir(parents=True)
    texts = [f"{NAMES[n % len(NAMES)]} number {'abcdefgh'[n % 8]}{'abcdefghijklmnop'[n // 8]}" for n in range(COUNT)]
    rows = [
        {
            "did": f"1:{n}",
            "txt": text,
            "modality": "text",
            "src_content": json.dumps({"scene": {"category": text, "action": None}}),
        }
        for n, text in enumerate(texts)
    ]
    (root / "cand_pool/local/mbeir_x_passage_cand_pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for split, name in (("ind", ""), ("free", "find "), ("typos", "xq ")):
        queries, qrels = [], []
        for n, text in enumerate(texts):
            qid = f"9:{n}"
            source = json.dumps({"family": n // 2})
            queries.append(
                {
                    "qid": qid,
                    "query_txt": name + text,
                    "query_modality": "text",
                    "query_src_content": source,
                    "pos_cand_list": [f"1:{n}"],
                    "neg_cand_list": [],
                    "task_id": 1,
                }
            )
            grade = (4 if n % 2 else 2) if split == "free" else 1
            qrels.append(f"{qid} 0 1:{n} {grade} 1")
        (root / f"query/test/mbeir_x_t2t_{split}_test.jsonl").write_text("\n".join(map(json.dumps, queries)))
        (root / f"qrels/test/mbeir_x_t2t_{split}_test_qrels.txt").write_text("\n".join(qrels))
    (root / "benchmark.json").write_text(json.dumps({"split": "validation"}))
    return root


@pytest.fixture
def index(searcher: Searcher, validation: Path, tmp_path: Path) -> Path:
    """The validation set, indexed by the shipped (fake) encoder."""
    folder = tmp_path / "VI"
    at = searcher.collection.folder.parents[1] / "unified" / "encoder"
    build_index(searcher.encoder, Collection.open(validation), folder, encoder_at=at)
    return folder


def test_queries_are_asked_as_they_are_and_over_every_kind_and_only_the_best_grade_is_right(validation):
    asked = read_asked(validation)
    assert len(asked) == 2 * 3 * COUNT and len({one.query.query_id for one in asked}) == len(asked)
    free = [one for one in asked if one.split == "free"]
    assert [len(one.right) for one in free[:6]] == [0, 0, 1, 1, 0, 0]
    assert [one.query.target_modality for one in free[:2]] == ["text", "all"]
    assert {one.group for one in free} == {one.group for one in asked if one.split == "ind"}


def test_every_second_family_measures_and_no_family_does_both(validation):
    asked = read_asked(validation)
    held_out = held_out_groups(asked)
    assert len(held_out) == COUNT // 4 and held_out == held_out_groups(asked)


def test_each_query_is_looked_up_with_and_without_its_right_answers(index, validation):
    opened = Searcher.open(index)
    asked = [one for one in read_asked(validation) if one.split == "ind" and one.query.target_modality == "text"]
    found = look(opened, asked, held_out_groups(asked))
    for one in found:
        (score, right, once), (other, wrong, half) = one.first
        assert (score, right, wrong) == (pytest.approx(1, abs=1e-3), True, False) and other < score
        assert (once, half) == (1, 0.5)
        assert one.best_right == score
    free = [one for one in read_asked(validation) if one.split == "free" and not one.right][:10]
    assert all(len(one.first) == 1 and one.best_right is None for one in look(opened, free, frozenset()))


def test_another_kind_that_shows_the_same_is_right_too_in_a_search_of_every_kind(index, validation):
    opened = Searcher.open(index)
    one = next(one for one in read_asked(validation) if one.query.target_modality == "all" and one.right)
    assert verdicts._also_right(one, opened, verdicts._same_facts(opened)) == one.right


def test_the_command_measures_writes_and_search_uses_it(index, searcher, capsys):
    assert main(["--index", str(index), "--json"]) == 0
    out, err = capsys.readouterr()
    lines = {line["search"]: line for line in json.loads(out)}
    folder = searcher.collection.folder.parents[1] / "unified" / "catalogue"
    assert set(lines) == {"text->all", "text->text"} and err == f"written: {verdicts_file(folder)}\n"
    line = lines["text->text"]
    assert line["queries"] == 3 * COUNT // 2 and line["groups"] == COUNT // 4
    assert line["wrong_called_strong"] <= 0.1 and line["right_called_weak"] <= 0.12
    made = find_verdicts(folder, "unified", searcher.encoder.fingerprint)
    assert made.command.endswith("python -m umr.eval.verdicts --encoder unified --index VI")
    assert Searcher.open(folder).verdicts == made == read_verdicts(verdicts_file(folder))


def test_known_words_are_those_of_candidates_and_queries_but_not_of_typing_errors(index, validation):
    opened, asked = Searcher.open(index), read_asked(validation)
    made = vocabulary(opened, asked, held_out_groups(asked))
    assert {"oak", "door", "find"} <= set(made.known) and "xq" not in made.known
    assert made.limit == 0.6 and made.rate == ood.ALPHA and made.false_alarms == 0
    assert (made.calibrated, made.checked) == (COUNT, COUNT)
    assert made.detected["everyday searches"] == 1 and made.detected["legal sentences"] == 1
    assert made.detected["typing errors"] == 0  # one word of four
    assert all(made.unlike(text) for text in EVERYDAY)


def test_words_are_not_judged_where_any_text_could_hold_none_of_the_known(index, validation, monkeypatch):
    opened, asked = Searcher.open(index), read_asked(validation)
    monkeypatch.setattr(ood, "threshold", lambda shares: 1.0)
    assert vocabulary(opened, asked, held_out_groups(asked)) is None


def test_the_test_queries_and_another_encoders_index_are_refused(searcher, index, tmp_path, capsys):
    folder = searcher.collection.folder.parents[1] / "unified" / "catalogue"
    assert main(["--index", str(folder)]) == 2 and "are the test" in capsys.readouterr().err
    other = FakeEncoder(dim=16, name="unified")
    other.save(tmp_path / "other")
    opened = Searcher.open(index)
    build_index(other, opened.collection, tmp_path / "OI", encoder_at=tmp_path / "other")
    assert main(["--index", str(tmp_path / "OI")]) == 2
    assert "python -m umr index V --encoder unified --out DIR" in capsys.readouterr().err
    assert not verdicts_file(folder).exists()
