"""Comparing models without a browser: what is shared, what is known, what is hidden, voted and taken away."""

from __future__ import annotations

import base64
import io
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import MARKUP, calibrate, made_verdicts
from umr import media
from umr.errors import ConfigError, UMRError
from umr.eval.bradley_terry import standings
from umr.eval.familiar import UNLIKE
from umr.search import Outcome
from umr.types import Candidate, Content, Hit, Result
from umr.ui.compare import html as compare_html
from umr.ui.compare import tally_html
from umr.ui.compare.actions import (
    compare_page,
    export_file,
    not_asked,
    random_query,
    report_file,
    reports,
    travel,
    vote_page,
)
from umr.ui.compare.comparison import Comparison, benchmark_of, compare, compare_rows, judged_query
from umr.ui.compare.export import as_json, as_png
from umr.ui.compare.votes import VoteBox, votes_file
from umr.ui.handlers import Question, search_rows
from umr.ui.links import KEPT
from umr.ui.results.asking import GONE
from umr.verdict import WEAK_FIRST

MS = {"decode": 1.0, "encode": 41.25, "search": 0.5, "total": 42.75}


def made(ids: dict[str, str], targets: tuple[str, ...] = (), shown: int = 10, **more) -> Comparison:
    """A comparison in which each model ranks passages named by single letters."""
    outcomes = {}
    for model, letters in ids.items():
        found = [
            Result(
                hit=Hit(letter, 0.9 - rank / 100, rank),
                candidate=Candidate(candidate_id=letter, content=Content(text=f"Passage {letter}")),
            )
            for rank, letter in enumerate(letters, 1)
        ]
        outcomes[model] = Outcome(results=found, notices=(), ms=MS)
    return Comparison(
        text="q",
        search_in="passages",
        picture=b"",
        asked=more.pop("asked", ""),
        targets=targets,
        outcomes=outcomes,
        shown=shown,
        **more,
    )


@pytest.fixture
def pictures(benchmark: Path) -> Path:
    return benchmark / "files" / "queries"


def rows(
    searchers,
    uploads=Path("nowhere"),
    image=None,
    text="red",
    kind="images",
    models=("unified", "other"),
    k=3,
    asked="",
):
    return compare_rows(
        searchers, Question(uploads=uploads, image=image, text=text, search_in=kind, k=k), list(models), asked
    )


def shown_page(searchers, uploads, image=None, text="red", blind=False):
    question = Question(uploads=uploads, image=image, text=text, k=10)
    return compare_page(searchers, question, ["unified", "other"], blind, "")


def test_overlap_counts_the_items_that_both_have_among_the_first_ten():
    found = made({"a": "ABCDEFGHIJKL", "b": "KLABMNOPQRCD"})
    assert found.overlaps() == {("a", "b"): 0.2}
    assert made({"a": "ABC", "b": "BCA"}).overlap("a", "b") == 1.0
    assert made({"a": "", "b": ""}).overlap("a", "b") == 0.0


def test_only_here_means_shown_in_no_other_column():
    found = made({"a": "ABCD", "b": "BAEC"}, shown=3)
    assert [found.only_in(letter, "a") for letter in "ABC"] == [False, False, True]
    assert found.rank_of("C", "b") == 4 and found.rank_of("D", "b") is None


def test_recall_is_over_the_known_targets_and_absent_without_any():
    found = made({"a": "ABCDEFGHIJK", "b": "KXYZ"}, targets=("B", "K"))
    assert (found.recall("a"), found.recall("b")) == (0.5, 0.5)
    assert (found.best_target("a"), found.best_target("b")) == (2, 1)
    assert made({"a": "A", "b": "B"}).recall("a") is None


def test_rows_have_the_command_lines_objects_times_and_overlap(searchers):
    answer = rows(searchers)
    assert [column["name"] for column in answer["models"]] == ["unified", "other"]
    assert [row["rank"] for row in answer["models"][1]["results"]] == [1, 2, 3]
    assert set(answer["models"][0]["ms"]) == {"encode", "search", "total"}
    assert set(answer["overlap@10"]) == {"unified|other"} and answer["targets"] == []
    assert "recall" not in answer["models"][0] and answer["models"][0]["notices"] == []
    json.dumps(answer)


def test_rows_tell_of_which_model_the_text_was_cut(searchers, monkeypatch):
    monkeypatch.setattr(searchers.get("other").encoder, "notices", lambda query: ["the text was cut at 32 tokens"])
    told = [column["notices"] for column in rows(searchers)["models"]]
    assert told == [[], ["the text was cut at 32 tokens"]]


def test_a_picture_unlike_the_training_is_told_for_each_model_and_named_once_on_the_page(searchers, uploads, upload):
    image = upload("queries/3.bmp")
    for name, rate in (("unified", 0.0123), ("other", 0.02)):
        calibrate(searchers.get(name), 0.0, rate=rate)
    told = [column["notices"] for column in rows(searchers, uploads, image)["models"]]
    assert [len(notices) for notices in told] == [1, 1] and "1.2 %" in told[0][0] and "2 %" in told[1][0]
    page = shown_page(searchers, uploads, image)[0]
    assert page.count(UNLIKE) == 2 and "<b>unified:</b>" in page and "<b>other:</b>" in page


def test_a_blind_comparison_says_it_without_the_rate_that_would_tell_the_models_apart(searchers, uploads, upload):
    for name, rate in (("unified", 0.0123), ("other", 0.02)):
        calibrate(searchers.get(name), 0.0, rate=rate)
    page = shown_page(searchers, uploads, upload("queries/3.bmp"), blind=True)[0]
    assert page.count(UNLIKE) == 1 and " %" not in page[page.index(UNLIKE) :].partition("</p>")[0]


def test_rows_and_cells_have_the_match_by_each_models_own_limits(searchers, uploads):
    for name, strong in (("unified", -1.0), ("other", None)):
        opened = searchers.get(name)
        opened.verdicts = made_verdicts(opened.encoder.fingerprint, strong=strong, weak=-1.0)
    words = [[row["match"] for row in column["results"]] for column in rows(searchers)["models"]]
    assert words == [["strong"] * 3, ["fair"] * 3]
    page = shown_page(searchers, uploads)[0]
    assert page.count("u-match-strong") == page.count("u-match-fair") > 0 and "97.2 % were right" in page


def test_a_blind_comparison_hides_what_the_scores_say(searchers, uploads):
    for name in ("unified", "other"):
        opened = searchers.get(name)
        opened.verdicts = made_verdicts(opened.encoder.fingerprint, strong=None, weak=2.0)
    assert WEAK_FIRST in shown_page(searchers, uploads)[0] and "u-match-weak" in shown_page(searchers, uploads)[0]
    blind = shown_page(searchers, uploads, blind=True)[0]
    assert WEAK_FIRST not in blind and "u-match" not in blind


def test_each_column_is_what_the_model_answers_alone(searchers, pictures):
    columns = rows(searchers, pictures, {"path": str(pictures / "2.bmp")}, "edit 2", k=5)["models"]
    for column in columns:
        question = Question(uploads=pictures, image={"path": str(pictures / "2.bmp")}, text="edit 2", k=5)
        alone = search_rows(searchers, question, column["name"], notify=[].append)
        assert [row["id"] for row in column["results"]] == [row["id"] for row in alone]


def test_a_picture_is_read_once_for_all_models(searchers, pictures, monkeypatch):
    for name in searchers.names:
        searchers.get(name)  # opening an index reads some of its own pictures
    read, opened = [], media.open_image
    monkeypatch.setattr(media, "open_image", lambda source, **more: read.append(source) or opened(source, **more))
    compare(searchers, pictures / "1.bmp", "edit 1", "images", ["unified", "other"], 3)
    assert len([source for source in read if isinstance(source, (str, Path))]) == 1


def test_a_benchmark_query_brings_its_targets_until_it_is_edited(searchers, pictures):
    picture = {"path": str(pictures / "0.bmp")}
    known = rows(searchers, pictures, picture, "edit 0", asked="it2i ind 100:0")
    assert known["targets"] == ["100:0"] and all(column["recall"] in (0, 1) for column in known["models"])
    assert known["benchmark"] == "it2i ind 100:0"
    for row in (row for column in known["models"] for row in column["results"]):
        assert row["target"] is (row["id"] == "100:0")
    edited = [
        rows(searchers, pictures, picture, "edit 1", asked="it2i ind 100:0"),
        rows(searchers, pictures, picture, "edit 0", "passages", asked="it2i ind 100:0"),
        rows(searchers, pictures, {"path": str(pictures / "1.bmp")}, "edit 0", asked="it2i ind 100:0"),
        rows(searchers, pictures, None, "edit 0", asked="it2i ind 100:0"),
    ]
    assert [answer["targets"] for answer in edited] == [[]] * 4
    assert not any("target" in row for answer in edited for row in answer["models"][0]["results"])


def test_a_benchmark_query_that_is_only_named_is_asked_as_it_is(searchers, pictures):
    named = rows(searchers, text="", asked="it2i ind 100:3")
    given = rows(searchers, pictures, {"path": str(pictures / "3.bmp")}, "edit 3", asked="it2i ind 100:3")
    assert named["targets"] == ["100:3"] and [c["results"] for c in named["models"]] == [
        c["results"] for c in given["models"]
    ]
    passages = rows(searchers, text="", kind="images", asked="t2t ind 100:50")["models"][0]["results"]
    assert [row["modality"] for row in passages] == ["text"] * 3


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (["unified"], "two to four"),
        (["unified", "unified"], "two to four"),
        (["unified", "x"], "no encoder 'x'"),
        ("unified", "list of names"),
        (None, "list of names"),
        ([{}, "other"], "no encoder"),
        ([], "two to four"),
    ],
)
def test_models_that_cannot_be_compared_are_refused_in_words(searchers, models, words):
    with pytest.raises(ConfigError, match=words):
        compare_rows(searchers, Question(uploads=Path("nowhere"), text="red", k=3), models)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "cars"},
        {"k": 0},
        {"k": "3"},
        {"k": 101},
        {"text": ""},
        {"text": 3},
        {"asked": "it2i ind"},
        {"asked": "it2i ind 100:999"},
        {"asked": "../x y z"},
        {"image": {"path": "secret.png"}},
    ],
)
def test_a_wrong_request_is_refused(searchers, change):
    with pytest.raises(UMRError):
        rows(searchers, **change)


def test_the_page_shows_an_error_as_a_sentence_and_keeps_nothing(searchers):
    shown, *kept = shown_page(searchers, Path("nowhere"), text="")
    assert 'role="alert"' in shown and "Give a picture, a text, or both" in shown and kept == [None, ""]


def test_columns_rows_targets_and_badges_are_in_the_html():
    page = compare_html.comparison(made({"a": "ABC", "b": "BXC"}, targets=("B",), asked="it2t ind 1:2"))
    assert page.count('class="u-column"') == 2 and page.count('data-id="B"') == 2
    assert page.count("u-is-target") == 2 and page.count("Only here") == 2
    assert "recall@10 100 %" in page and "<b>Found at rank 2</b>" in page
    assert '<span title="encode 41 ms · search 0.5 ms">answered in 42 ms</span>' in page
    assert "67 %" in page and "not in the first 100 of b" in page


def test_a_blind_comparison_tells_no_target_no_recall_and_no_score_before_the_vote():
    found = made({"a": "ABC", "b": "BXC"}, targets=("B",), asked="it2t ind 1:2", blind=True)
    page = compare_html.comparison(found)
    assert not [
        word
        for word in ("u-is-target", "Target", "recall", "ound at", "green frame", "u-score", " ms", "u-answers")
        if word in page
    ]
    assert "shown after your vote" in page and "Exactly two of those that you ticked" in page
    told = json.loads(as_json(found))
    assert "ms" not in told["models"][0] and not {"score", "match"} & set(told["models"][0]["results"][0])
    assert told["made"]["encoders"] == {}
    assert (
        told["targets"] == [] and "recall" not in told["models"][0] and "target" not in told["models"][0]["results"][0]
    )
    assert as_png(found) == as_png(replace(found, targets=()))
    voted = compare_html.comparison(replace(found, blind=False), "tie")
    assert voted.count("u-is-target") == 2 and "recall@10 100 %" in voted and "a green frame" in voted


def test_targets_that_no_model_shows_are_said_not_to_be_there():
    page = compare_html.comparison(made({"a": "ABC", "b": "BXC"}, targets=("Z", "Y"), asked="it2t ind 1:2"))
    assert "Its 2 right answers are not among the ranks on show." in page and "green frame" not in page
    page = compare_html.comparison(made({"a": "ABC", "b": "BXC"}, targets=("Z", "B"), asked="it2t ind 1:2"))
    assert "Its 2 right answers have a green frame where shown." in page


def test_markup_in_names_queries_and_results_stays_text():
    found = made({MARKUP: "A", "b": "B"}, targets=("A",), asked=f"it2t ind {MARKUP.replace(' ', '')}")
    candidate = Candidate(candidate_id=MARKUP, content=Content(text=MARKUP), title=MARKUP)
    bad = replace(
        found.outcomes["b"], results=[Result(hit=Hit(MARKUP, 0.5, 1), candidate=candidate)], notices=(MARKUP,)
    )
    page = compare_html.comparison(
        replace(found, text=MARKUP, outcomes={MARKUP: found.outcomes[MARKUP], "b": bad}, answers=(candidate,)), "a"
    ) + tally_html.tally({MARKUP: Counter()}, standings([(MARKUP, "b", 1.0)]))
    assert "<img" not in page and "{{" not in page and "${" not in page and "`" not in page
    assert "&lt;img src=x" in page


def test_blind_columns_have_no_name_anywhere_until_the_vote(searchers, tmp_path):
    page, kept, _ = shown_page(searchers, Path("nowhere"), blind=True)
    assert kept.labels == ("A", "B") and "data-vote" in page
    assert "unified" not in page and "other" not in page and "encode" not in page and "answered in" not in page
    assert "unified" not in as_json(kept)
    shown, revealed = vote_page(VoteBox(tmp_path / "votes.jsonl"), kept, f"a {kept.battle}")
    assert f"You preferred {kept.models[0]} to {kept.models[1]}." in shown
    assert revealed.labels == kept.models and "data-vote" not in shown
    with pytest.raises(ConfigError, match="nothing to vote on"):
        vote_page(VoteBox(tmp_path / "votes.jsonl"), revealed, f"a {kept.battle}")


def test_a_vote_on_columns_that_stand_there_no_more_is_refused_and_not_counted(searchers, tmp_path):
    box = VoteBox(tmp_path / "votes.jsonl")
    first, then = (shown_page(searchers, Path("nowhere"), blind=True)[:2] for _ in range(2))
    assert f'data-battle="{first[1].battle}"' in first[0] and first[1].battle != then[1].battle
    with pytest.raises(ConfigError, match="Other columns have come"):
        vote_page(box, then[1], f"a {first[1].battle}")
    with pytest.raises(ConfigError, match="Other columns have come"):
        vote_page(box, then[1], "a")
    assert not box.lines()
    assert shown_page(searchers, Path("nowhere"))[1].battle == ""


def test_a_step_of_the_history_fills_the_bar_and_says_whether_it_is_asked(searchers):
    *fields, asked = travel(searchers, "?tab=compare&c-text=red&c-in=images&c-models=other,unified&c-blind=1")
    assert asked is True and fields[:4] == [None, "red", "images", ""]
    assert list(fields[4]) == ["other", "unified"] and fields[5] is True
    assert travel(searchers, "?tab=compare")[-1] is False
    assert travel(searchers, "?tab=compare&c-picture=own&c-text=red")[-1] == GONE
    assert travel(searchers, "?tab=compare&c-picture=kept&c-text=red")[-1] == KEPT
    assert "has no query" in travel(searchers, "?tab=compare&task=it2i&split=ind&q=nobody")[-1]
    assert travel(searchers, None)[-1].startswith("This address cannot be read")
    assert not_asked(False) == (compare_html.INVITATION, None, "")
    assert GONE in not_asked(GONE)[0] and 'role="alert"' in not_asked(GONE)[0]


def test_the_choice_of_a_report_needs_two_models_with_numbers_and_a_pair_of_them(searchers):
    assert "<select" not in reports(searchers)  # nothing is stored beside these
    page = compare_html.reports([("a", MARKUP), ("b", "a")])
    assert page.count("<option") == 2 and "<img" not in page
    with pytest.raises(ConfigError, match="there is no encoder 'nobody'"):
        report_file(searchers, "nobody|unified")


def test_the_blind_order_says_nothing_about_the_models(searchers):
    random.seed(7)
    orders = {shown_page(searchers, Path("nowhere"), blind=True)[1].models for _ in range(12)}
    assert orders == {("unified", "other"), ("other", "unified")}


def test_a_vote_keeps_ids_and_names_only(tmp_path):
    box = VoteBox(tmp_path / "cache" / "votes.jsonl")
    box.add("it2i ind 100:5", "x", "y", "b")
    (row,) = [json.loads(line) for line in box.file.read_text("utf-8").splitlines()]
    assert set(row) == {"query", "a", "b", "vote", "time"} and row["query"] == "it2i ind 100:5"
    with pytest.raises(ConfigError, match="no vote"):
        box.add("", "x", "y", "c")


def test_the_tally_counts_both_sides_of_every_vote(tmp_path):
    box = VoteBox(tmp_path / "votes.jsonl")
    assert box.tally() == {}
    for a, b, vote in (("x", "y", "a"), ("y", "x", "b"), ("x", "y", "b"), ("x", "y", "tie"), ("y", "x", "bad")):
        box.add("", a, b, vote)
    assert box.tally() == {
        "x": {"better": 2, "worse": 1, "tie": 1, "bad": 1},
        "y": {"better": 1, "worse": 2, "tie": 1, "bad": 1},
    }
    assert list(box.tally()) == ["x", "y"]


def test_votes_lie_in_the_cache_and_an_unwritable_one_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("UMR_CACHE", str(tmp_path / "here"))
    assert votes_file() == tmp_path / "here" / "votes.jsonl"
    (tmp_path / "here").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match="UMR_CACHE"):
        VoteBox().add("", "x", "y", "a")


def test_a_random_query_is_a_composed_one_of_the_benchmark(searchers):
    picture, text, kind, asked = random_query(searchers, random.Random(1))
    query, targets = judged_query(searchers, asked)
    assert asked.startswith("it2i ") and kind == "images" and targets
    assert Path(picture) == Path(query.content.image) and text == query.content.text


def test_a_collection_without_a_benchmark_has_no_random_query(searchers, benchmark):
    (benchmark / "query").rename(benchmark / "elsewhere")
    assert benchmark_of(searchers) is None
    with pytest.raises(ConfigError, match="no benchmark queries"):
        random_query(searchers)


def test_the_json_export_is_the_endpoints_answer_with_the_query(searchers):
    found = compare(searchers, None, "red", "images", ["unified", "other"], 3)
    export = export_file(found, "json")
    told = json.loads(base64.b64decode(export["content"]))
    assert told["query"] == {"text": "red", "picture": False, "search_in": "images"} and told["benchmark"] is None
    assert [row["id"] for row in told["models"][0]["results"]] == [
        row["id"] for row in rows(searchers)["models"][0]["results"]
    ]
    assert export["name"] == "comparison.json"


@pytest.mark.parametrize("kind", ["images", "passages", "clips", "entries", "all"])
def test_the_png_export_draws_every_kind(searchers, pictures, kind):
    found = compare(searchers, pictures / "0.bmp", "w" * 400, kind, ["unified", "other"], 3)
    picture = Image.open(io.BytesIO(as_png(found)))
    assert picture.format == "PNG" and picture.width > picture.height > 400


def test_the_png_frames_targets_in_green_and_writes_only_letters_when_blind():
    plain, framed = (
        Image.open(io.BytesIO(as_png(made({"a": "AB", "b": "BA"}, targets=targets)))).convert("RGB")
        for targets in ((), ("A",))
    )
    green = (0x1A, 0x7A, 0x3C)
    assert not any(colour == green for _, colour in plain.getcolors(1 << 20))
    assert any(colour == green for _, colour in framed.getcolors(1 << 20))
    names = [as_png(made({a: "AB", b: "BA"}, blind=True)) for a, b in (("one", "two"), ("three", "four"))]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("kept", "kind"), [(None, "png"), (made({"a": "A", "b": "B"}), "exe"), (made({"a": "A", "b": "B"}), None)]
)
def test_an_export_of_nothing_or_of_an_unknown_kind_is_refused(kept, kind):
    with pytest.raises(ConfigError):
        export_file(kept, kind)
