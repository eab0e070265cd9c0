"""What a score is worth: limits to words, which query gets none, which words are known, and the file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from tests.conftest import judge_scores, made_verdicts
from umr import shipped
from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.encoders.templates import task_key
from umr.errors import ConfigError
from umr.eval.reports import beside
from umr.index.index import build_index
from umr.query_arithmetic import QueryArithmetic
from umr.search import Searcher, of_unlike_picture, result_row
from umr.types import Candidate, Content, Hit, Match, Query, Result
from umr.verdict import (
    UNLIKE_WORDS,
    WEAK_FIRST,
    find_verdicts,
    read_verdicts,
    verdicts_file,
    write_verdicts,
)

RED = "This card is red."


def ask(text: str = RED, target: str = "text", **more) -> Query:
    return Query(query_id="q", content=Content(text=text), target_modality=target, **more)


def results(*scores: float) -> list[Result]:
    shown = Candidate(candidate_id="c", content=Content(text="x"))
    return [Result(hit=Hit("c", score, rank), candidate=shown) for rank, score in enumerate(scores, 1)]


def words(judged: list[Result]) -> list[str | None]:
    return [None if result.match is None else result.match.word for result in judged]


def test_limits_belong_to_the_stronger_word_and_every_word_has_its_measured_rate():
    verdicts = made_verdicts("e", strong=0.8, weak=0.5)
    judged = verdicts.judged(ask(), results(0.9, 0.8, 0.79, 0.5, 0.49))
    assert words(judged) == ["strong", "strong", "fair", "fair", "weak"]
    assert [result.match.right for result in judged] == [0.972, 0.972, 0.61, 0.61, 0.1]
    assert words(made_verdicts("e", strong=None, weak=0.5).judged(ask(), results(1.0, 0.4))) == ["fair", "weak"]


def test_a_higher_score_never_gets_a_weaker_word():
    limits = made_verdicts("e", strong=0.7, weak=0.7).searches["text->text"]
    ranks = [("weak", "fair", "strong").index(limits.match(step / 100).word) for step in range(-100, 101)]
    assert ranks == sorted(ranks) and set(ranks) == {0, 2}


def test_what_was_not_calibrated_gets_no_verdict():
    verdicts = made_verdicts("e", strong=0.8, weak=0.5)
    elsewhere = replace(verdicts, searches={"text->image": verdicts.searches["text->text"]})
    assert words(elsewhere.judged(ask(), results(0.9))) == [None]
    assert words(verdicts.judged(ask(instruction="Find my own."), results(0.9))) == [None]
    assert words(verdicts.judged(ask(), results(0.9), QueryArithmetic(less_of="glass"))) == [None]
    assert words(verdicts.judged(ask(), results(0.9), QueryArithmetic(balance=0.5, cut=0.5))) == ["strong"]  # unmoved


def test_a_search_is_named_as_encoders_name_their_instructions():
    assert task_key(ask(target="all")) == "text->all"
    picture = Query(query_id="q", content=Content(image="a.png", text=" "), target_modality="image")
    assert task_key(picture) == "image->image"


def test_every_hit_of_a_search_has_its_match_and_a_weak_best_one_is_told(searcher):
    strong = Searcher.open(judge_scores(searcher, strong=0.9, weak=0.5)).search(ask(), 3)
    assert [result_row(result)["match"] for result in strong.results] == ["strong", "weak", "weak"]
    assert strong.notices == ()
    weak = Searcher.open(judge_scores(searcher, strong=None, weak=1.5)).search(ask(), 3)
    assert words(weak.results) == ["weak"] * 3 and weak.notices == (WEAK_FIRST,)
    without = searcher.search(ask(), 3)
    assert words(without.results) == [None] * 3 and without.notices == ()
    assert [r.hit for r in without.results] == [r.hit for r in strong.results]


def test_unknown_words_make_every_match_a_weak_one_and_are_told_with_their_rate(searcher):
    opened = Searcher.open(judge_scores(searcher, strong=-1.0, weak=-1.0, known="card red"))
    assert words(opened.search(ask(), 2).results) == ["strong", "strong"]
    told = opened.search(ask("quarterly revenue report"), 2)
    assert [result.match for result in told.results] == [Match("weak", unlike=True)] * 2
    assert told.notices == (f"{UNLIKE_WORDS} Of its catalogue's own queries, 1.2 % are called so by mistake.",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a red card by the kettle", "\u201ckettle\u201d"),
        ("red card, Kettle, red card, kettle", "\u201ckettle\u201d"),
        ("red card card card ball dog", "\u201cball\u201d and \u201cdog\u201d"),
        ("red card card card card card ball dog cat", "\u201cball\u201d, \u201cdog\u201d and \u201ccat\u201d"),
        (
            "red card red card red card sun ball dog cat",
            "\u201csun\u201d, \u201cball\u201d, \u201cdog\u201d and 1 more",
        ),
    ],
)
def test_unknown_words_among_known_ones_are_named_and_no_match_is_strong(searcher, text, named):
    opened = Searcher.open(judge_scores(searcher, strong=-1.0, weak=-1.0, known="card red"))
    told = opened.search(ask(text), 2)
    assert words(told.results) == ["fair", "fair"]
    assert told.notices == (f"This model does not know {named} and goes by the rest.",)


def test_unknown_words_are_told_before_a_weak_best_match(searcher):
    opened = Searcher.open(judge_scores(searcher, strong=None, weak=1.5, known="card red"))
    told = opened.search(ask("a red card by the kettle"), 2)
    assert words(told.results) == ["weak", "weak"]
    assert told.notices == ("This model does not know \u201ckettle\u201d and goes by the rest.", WEAK_FIRST)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a red card", 0.0),
        ("RED, the card!", 0.0),
        ("my card on the beach", 0.5),
        ("quarterly revenue report", 1.0),
        ("purpel candel", 0.0),  # letters that changed places
        ("cande purplee", 0.0),
        ("canble", 0.0),
        ("bandle", 1.0),  # the first letter is typed right
        ("rod", 1.0),  # another short word is another word
        ("12 of the 3", 0.0),
        ("", 0.0),
    ],
)
def test_words_of_the_training_are_known_with_a_slip_of_the_hand_too(text, unknown):
    assert made_verdicts("e", 0.8, 0.5, known="red card purple candle").words.unknown(text) == unknown


def test_a_picture_that_is_unlike_takes_the_words_of_the_scores_back(searcher):
    found = Searcher.open(judge_scores(searcher, strong=None, weak=1.5)).search(ask(), 2)
    told = of_unlike_picture(found, ("unlike",))
    assert told.notices == ("unlike",) and [r.match for r in told.results] == [Match("weak", unlike=True)] * 2
    assert of_unlike_picture(found, ()) is found
    assert words(of_unlike_picture(searcher.search(ask(), 2), ("unlike",)).results) == [None, None]


# The file


def test_verdicts_are_read_back_as_they_were_written_beside_the_other_reports(tmp_path):
    path = verdicts_file(tmp_path / "catalogue")
    assert path.parent == beside(tmp_path / "catalogue")
    made = made_verdicts("e", strong=0.8, weak=0.5, known="red card")
    assert read_verdicts(write_verdicts(made, path)) == made
    assert [left.name for left in path.parent.iterdir()] == ["verdicts.json"]


def test_verdicts_of_another_encoder_are_not_used(searcher):
    folder = judge_scores(searcher, strong=0.8, weak=0.5)
    assert find_verdicts(folder, "unified", searcher.encoder.fingerprint) is not None
    other = FakeEncoder(dim=48, name="unified")
    assert find_verdicts(folder, "unified", other.fingerprint) is None
    write_verdicts(made_verdicts(other.fingerprint, 0.8, 0.5), verdicts_file(folder))
    assert Searcher.open(folder).verdicts is None


def test_an_own_index_has_the_verdicts_of_its_shipped_encoder(searcher, tmp_path):
    judge_scores(searcher, strong=-1.0, weak=-1.0)
    at = shipped.default_root() / "unified" / "encoder"
    own = Collection([Candidate(candidate_id="a", content=Content(text="mine"))], "own", "")
    build_index(searcher.encoder, own, tmp_path / "own", encoder_at=at)
    assert words(Searcher.open(tmp_path / "own").search(ask(), 1).results) == ["strong"]


def changed(**changes: object) -> str:
    row = json.loads(json.dumps(made_row()))
    for place, value in changes.items():
        *path, last = place.split("__")
        into = row
        for key in path:
            into = into["text->text"] if key == "limits" else into[key]
        into[last] = value
    return json.dumps(row)


def made_row() -> dict:
    return asdict(made_verdicts("e", strong=0.8, weak=0.5, known="red", searches=("text->text",)))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"searches": {}, "words": null}',
        "[" * 100_000,
        changed(encoder=3),
        changed(words=[]),
        changed(words__known="red"),
        changed(words__limit="0.4"),
        changed(words__false_alarms=None),
        changed(searches__limits__weak=0.9),
        changed(searches__limits__strong=float("nan")),
        changed(searches__limits__held_out__right={"strong": 1.0}),
        changed(searches__limits__held_out__right={"strong": 1.2, "fair": None, "weak": 0}),
    ],
)
def test_a_file_that_holds_no_verdicts_is_refused_with_the_way_out(searcher, text):
    folder = judge_scores(searcher, strong=0.8, weak=0.5)
    verdicts_file(folder).write_text(text)
    with pytest.raises(ConfigError, match=r"verdicts.json holds no verdicts .* python -m umr.eval.verdicts"):
        Searcher.open(folder)
