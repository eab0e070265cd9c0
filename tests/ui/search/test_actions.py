"""The Search tab without a browser: turns, suggestions, links, examples, details, on the tiny collection."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.conftest import MARKUP, built_in, calibrate, judge_scores, made_verdicts, no_model
from umr import media
from umr.errors import ConfigError, UMRError
from umr.eval.familiar import UNLIKE
from umr.media import content_hash
from umr.search import decode
from umr.types import SEARCH_IN, Candidate, Content, Hit, Match, Result
from umr.ui import api, handlers, render
from umr.ui.compare.comparison import compare
from umr.ui.examples import Example, read_examples, stored
from umr.ui.handlers import Question, make_query
from umr.ui.results import cards, details
from umr.ui.results.history import MAX_TURNS, Answered, Turn, back_to, follow, refine
from umr.ui.search import actions as search
from umr.ui.search import html as search_html
from umr.ui.search import suggest
from umr.ui.searchers import Searchers
from umr.verdict import UNLIKE_WORDS, WEAK_FIRST


@pytest.fixture
def searchers(searcher, benchmark) -> Searchers:
    return Searchers({"unified": benchmark.parents[1] / "unified" / "catalogue"}, "unified", opener=lambda _: searcher)


def found(searchers, uploads, trail=(), image=None, text="red", search_in="images", balance=0, less_of="", cut=0):
    question = Question(uploads=uploads, image=image, text=text, search_in=search_in, k=5)
    return search.find(searchers, trail, question, "unified", (balance, less_of, cut))


BOX = {"category": "box", "colour": "blue", "side": "front", "finish": "glass"}


def scene(number: int, **values) -> Candidate:
    source = json.dumps({"scene": {"colour": "red", "category": "mug", "count": 1, "companion": None} | values})
    return Candidate(candidate_id=f"{number}", content=Content(text="x"), title="t", source=source)


# Find, and what a link carries


def test_a_search_gives_cards_with_actions_and_a_link_to_itself(searchers, uploads):
    page, answered, crumbs, trail, address = found(searchers, uploads, text="a red card", search_in="all")
    assert page.count("data-details") == 5 and page.count("data-words") == 5
    assert parse_qs(address[1:]) == {
        "collection": ["catalogue"],
        "text": ["a red card"],
        "in": ["all"],
        "model": ["unified"],
        "k": ["5"],
    }
    assert trail == (Turn(text="a red card", search_in="all"),) and "data-copy" in crumbs
    assert answered == Answered(trail[-1], "unified")


def test_the_precision_beside_the_results_is_that_of_the_index(searchers, uploads):
    assert 'class="u-timing" title="float32"' in found(searchers, uploads)[0]
    built_in("bfloat16", searchers.folders["unified"])
    assert 'class="u-timing" title="bfloat16"' in found(Searchers(searchers.folders, "unified"), uploads)[0]


def test_what_goes_wrong_keeps_the_turns_and_the_address(searchers, uploads):
    before = (Turn(text="red"),)
    page, answered, _, trail, address = found(searchers, uploads, trail=before, text=" ", balance=0.0)
    assert 'role="alert"' in page and answered is None and trail == before and address == ""
    assert "Balance is 7" in found(searchers, uploads, balance=7)[0]


# A picture that is unlike the training


def test_a_search_says_beside_its_results_that_the_picture_is_unlike_the_training(searchers, uploads, upload, searcher):
    calibrate(searcher, 0.0)
    page = found(searchers, uploads, image=upload("queries/3.bmp"))[0]
    assert page.count(UNLIKE) == 1 and "1.2 %" in page and page.index(UNLIKE) < page.index("u-card")
    assert UNLIKE not in found(searchers, uploads)[0]
    assert UNLIKE not in found(searchers, uploads, image=upload("images/03.png"))[0]  # the catalogue's own


def test_suggestions_stay_away_from_a_picture_that_is_unlike_the_training(searchers, uploads, upload, searcher):
    calibrate(searcher, 0.0)
    page = search.suggestions(searchers, uploads, upload("queries/3.bmp"), "images", "unified")
    assert page == search_html.no_suggestions(unlike=True) and "data-chip" not in page and "unlike" in page
    assert "data-chip" in search.suggestions(searchers, uploads, upload("images/03.png"), "images", "unified")


def test_the_page_asks_once_for_a_picture_and_the_search_finds_the_verdict(
    searchers, uploads, upload, searcher, monkeypatch
):
    calibrate(searcher, 0.0)
    image, asked, encode = upload("queries/3.bmp"), [], searcher.encoder.encode_candidates
    monkeypatch.setattr(searcher.encoder, "encode_candidates", lambda items: asked.append(1) or encode(items))
    search.suggestions(searchers, uploads, image, "images", "unified")
    assert UNLIKE in found(searchers, uploads, image=image)[0]
    assert UNLIKE in found(searchers, uploads, image=image, text="in blue")[0] and len(asked) == 1


def test_the_endpoint_tells_it_and_its_rows_stay_the_same(searchers, uploads, upload, searcher):
    said: list[str] = []
    question = Question(uploads=uploads, image=upload("queries/3.bmp"), text="red", k=5)
    before = handlers.search_rows(searchers, question, "unified", said.append)
    calibrate(searcher, 0.0)
    searchers = Searchers(searchers.folders, "unified", opener=lambda _: searcher)
    assert handlers.search_rows(searchers, question, "unified", said.append) == before
    assert len(said) == 1 and said[0].startswith(UNLIKE)


# What scores are worth


def badge(page: str) -> str:
    return page.partition('<span class="u-match')[2].partition("</span></span>")[0]


def test_a_card_has_the_verdict_beside_its_cosine_with_the_measured_rate(searchers, uploads, searcher):
    searcher.verdicts = made_verdicts(searcher.encoder.fingerprint, strong=-1.0, weak=-1.0, known="red card")
    page = found(searchers, uploads, text="a red card")[0]
    assert page.count("u-match-strong") == 5 and ">strong<" in badge(page)
    assert "Strong match: of first results with such scores 97.2 % were right" in badge(page)


def test_without_a_calibration_a_card_shows_only_the_cosine(searchers, uploads):
    page = found(searchers, uploads, text="a red card")[0]
    assert "u-match" not in page and page.count("u-score") == 5


def test_a_weak_first_result_and_unknown_words_are_said_above_the_cards(searchers, uploads, searcher):
    searcher.verdicts = made_verdicts(searcher.encoder.fingerprint, strong=None, weak=2.0, known="red card")
    page = found(searchers, uploads, text="a red card")[0]
    assert page.count(WEAK_FIRST) == 1 and page.index(WEAK_FIRST) < page.index("u-card")
    assert "10 % were right" in badge(page) and page.count("u-match-weak") == 5
    page = found(searchers, uploads, text="quarterly revenue report")[0]
    assert UNLIKE_WORDS in page and WEAK_FIRST not in page and "unlike what this model" in badge(page)


def test_a_picture_unlike_the_training_has_no_strong_match(searchers, uploads, upload, searcher):
    searcher.verdicts = made_verdicts(searcher.encoder.fingerprint, strong=-1.0, weak=-1.0)
    calibrate(searcher, 0.0)
    page = found(searchers, uploads, image=upload("queries/3.bmp"))[0]
    assert page.count("u-match-weak") == 5 and "u-match-strong" not in page


def test_the_endpoint_gives_the_match_and_notifies_of_what_is_known(searchers, uploads, searcher):
    searcher.verdicts = made_verdicts(searcher.encoder.fingerprint, strong=None, weak=2.0)
    said: list[str] = []
    rows = handlers.search_rows(searchers, Question(uploads=uploads, text="red", k=2), "unified", said.append)
    assert [row["match"] for row in rows] == ["weak", "weak"] and said == [WEAK_FIRST]


@pytest.mark.parametrize("word", ["strong", "fair", "weak"])
def test_a_badge_without_a_rate_claims_none(word):
    page = render.verdict(Match(word))
    assert f"{word.title()} match: too few" in page and "%" not in page and render.verdict(None) == ""


# A query is read once


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("name", ["queries/3.bmp", "images/03.png"])
def test_the_page_reads_a_picture_once_for_search_notice_turn_and_link(
    searchers, uploads, upload, searcher, file_reads, calibrated, name
):
    if calibrated:
        calibrate(searcher, 0.0)
    image = upload(name)
    *_, trail, address = found(searchers, uploads, image=image, text=" in blue ", balance=0.5)
    assert file_reads.of(image["path"]) == (1, 1)
    turn, own = trail[-1], name.startswith("images")
    assert (turn.picture, turn.text, turn.key) == (Path(image["path"]), "in blue", content_hash(Path(image["path"])))
    assert parse_qs(address[1:])["ref"] == (["100:3"] if own else ["query:3.bmp"])


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_endpoint_reads_a_picture_once(searchers, uploads, upload, searcher, file_reads, calibrated):
    if calibrated:
        calibrate(searcher, 0.0)
    image, said = upload("queries/3.bmp"), []
    question = Question(uploads=uploads, image=image, text="red", k=5)
    assert len(handlers.search_rows(searchers, question, "unified", said.append)) == 5
    assert file_reads.of(image["path"]) == (1, 1) and len(said) == int(calibrated)


def test_the_page_cleans_a_text_once(searchers, searcher, uploads, monkeypatch):
    cleaned, clean = [], media.clean_text

    def counted(text: str) -> str:
        cleaned.append(text)
        return clean(text)

    for module in (media, handlers):
        monkeypatch.setattr(module, "clean_text", counted)
    raw, question = " red ", Question(uploads=uploads, text=" red ", k=5)
    *_, trail, _ = found(searchers, uploads, text=raw)
    assert trail[-1].text == "red"
    assert handlers.search_rows(searchers, question, "unified", print)
    two = Searchers(dict.fromkeys(("unified", "other"), searchers.folders["unified"]), "unified", lambda _: searcher)
    assert compare(two, None, raw, "images", ["unified", "other"], 3).text == "red"
    assert cleaned.count(raw) == 3  # the encoder sees the clean one


def test_the_time_that_reading_took_counts_as_the_search_s_own(searcher, benchmark):
    asked = decode(make_query(benchmark / "files/queries/3.bmp", "red", "images"))
    ms = searcher.search(replace(asked, ms=5000.0), 3).ms
    assert asked.ms > 0 and 5000 <= ms["decode"] <= ms["total"] and ms["encode"] < 5000


# Turns


def test_the_same_picture_again_changes_the_turn_and_another_one_starts_anew():
    first, again, other = Turn(key="a", text="x"), Turn(key="a", text="y"), Turn(key="b")
    assert follow(follow((), first), again) == (again,)
    assert follow((first, again), other) == (other,)


def test_a_result_becomes_the_next_turn_and_each_turn_can_be_returned_to(searchers, uploads, searcher):
    *_, trail, _ = found(searchers, uploads, text="red")
    path, text, crumbs, trail = search.use_result(searchers, trail, "unified", "100:4")
    assert (path, text) == (str(searcher.collection["100:4"].content.image), "") and crumbs.count("data-turn") == 2
    *_, trail, address = search._find(
        searchers,
        trail,
        make_query(Path(path), "in blue", "images"),
        5,
        "unified",
        search.Tuned(),
    )
    assert [turn.text for turn in trail] == ["red", "in blue"] and parse_qs(address[1:])["ref"] == ["100:4"]
    assert search.return_to(trail, "0") == (None, "red", "images", 0, "", 0, "", False, trail[:1])


def test_a_turn_keeps_what_the_drawer_said_and_returns_to_it(searchers, uploads):
    *_, trail, _ = found(searchers, uploads, text="red", less_of="<b>blue", cut=0.5)
    _, _, crumbs, longer = search.use_result(searchers, trail, "unified", "100:4")
    assert longer[-1].arithmetic == trail[-1].arithmetic and crumbs.count("less of “&lt;b&gt;blue”, score cut 0.5") == 2
    assert search.return_to(longer, "0")[3:6] == (0, "<b>blue", 0.5)


def test_a_long_trail_forgets_its_beginning():
    trail = ()
    for number in range(MAX_TURNS + 3):
        trail = refine(trail, Turn(key=str(number)))
    assert len(trail) == MAX_TURNS and trail[-1].key == str(MAX_TURNS + 2)


@pytest.mark.parametrize("number", ["1", "-1", 0, None, "x"])
def test_a_turn_that_is_not_there_is_refused(number):
    with pytest.raises(ConfigError, match="turn"):
        back_to((Turn(),), number)


def test_markup_in_turns_suggestions_and_details_is_shown_as_text(searchers):
    turns = (Turn(text=MARKUP), Turn(text=MARKUP))
    made = Candidate(candidate_id=MARKUP, content=Content(text=MARKUP), title=MARKUP, source=MARKUP, licence=MARKUP)
    pages = (
        search_html.trail(turns),
        search_html.suggestions([MARKUP], made),
        details.details_html.facts(made),
        cards.card(Result(hit=Hit(MARKUP, 0.5, 1), candidate=made)),
        details.facts(searchers, Answered(Turn(), MARKUP), MARKUP),
    )
    for page in pages:
        assert "<img" not in page and "&lt;img" in page and "{" not in page and "`" not in page


# Suggestions


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "blue"}, "make it blue"),
        ({"category": "bowl"}, "a bowl instead"),
        ({"count": 3}, "three of them"),
        ({"companion": {"category": "box", "colour": "orange", "side": "left"}}, "with an orange box to the left"),
        ({"companion": BOX}, "with a blue glass box in front of it"),
        ({"colour": "blue", "count": 2}, None),
        ({}, None),
    ],
)
def test_a_suggestion_names_the_one_thing_that_differs(change, words):
    found = suggest.difference(scene(1), scene(2, **change))
    assert (found[1] if found else None) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"companion": BOX | {"colour": "teal"}}, "make the box teal"),
        ({"companion": BOX | {"finish": "metal"}}, "make the box metal"),
        ({"companion": BOX | {"category": "urn"}}, "an urn instead of the box"),
        ({"companion": BOX | {"side": "behind"}}, "the box behind it"),
        ({"companion": None}, "without the box"),
        ({"colour": "blue", "companion": BOX | {"colour": "red"}}, "swap the colours of the mug and the box"),
        ({"finish": "glass", "companion": BOX | {"finish": "matte"}}, "swap the finishes of the mug and the box"),
        ({"colour": "blue", "companion": BOX | {"colour": "teal"}}, None),
        ({"companion": BOX | {"colour": "teal", "side": "behind"}}, None),
        ({"companion": BOX | {"side": "above"}}, None),
    ],
)
def test_changes_of_what_stands_beside_it_are_suggested_in_words(change, words):
    before = {"finish": "matte", "companion": BOX}
    found = suggest.difference(scene(1, **before), scene(2, **before | change))
    assert found == (None if words is None else ("companion", words))


def test_one_suggestion_is_of_what_stands_beside_it_where_there_is_such():
    texts = {f"edit {n}": "colour" for n in range(4)} | {"make the box red": "companion"}
    assert suggest._chosen(texts, 3, accompanied=True) == ["edit 0", "edit 1", "make the box red"]
    assert suggest._chosen(texts, 3, accompanied=False) == ["edit 0", "edit 1", "edit 2"]
    assert suggest._chosen(texts, 5, accompanied=True) == list(texts)
    assert suggest._chosen({"edit": "colour"}, 3, accompanied=True) == ["edit"]


def test_details_say_what_stands_beside_it_in_words():
    page = details.details_html.facts(scene(1, companion=BOX))
    assert "<dt>companion</dt><dd>blue glass box, front</dd>" in page


def test_without_stated_attributes_titles_that_differ_in_a_word_suggest_it():
    here, there = (Candidate(candidate_id=t, content=Content(text="x"), title=t) for t in ("Red card", "Blue card"))
    assert suggest.difference(here, there) == ("title", "blue instead of red")


def test_suggestions_are_mined_for_a_catalogue_picture_without_asking_the_model(
    searchers, uploads, upload, searcher, monkeypatch
):
    image = upload("images/02.png")
    monkeypatch.setattr(type(searcher.encoder), "encode_queries", None)
    page = search.suggestions(searchers, uploads, image, "images", "unified")
    assert page.count("data-chip") == suggest.PER_ATTRIBUTE and "instead of yellow" in page and "nearest" not in page


def test_a_visitors_picture_gets_those_of_its_nearest_item_and_the_page_says_so(searchers, uploads, upload):
    page = search.suggestions(searchers, uploads, upload("queries/3.bmp"), "images", "unified")
    assert "From the nearest catalogue picture, “green card”" in page and "data-chip" in page


def test_what_the_next_nearest_pictures_have_is_not_suggested_for_a_visitors_own(searcher, monkeypatch):
    others = [scene(2, category="box"), scene(3, colour="blue"), scene(4, companion=BOX)]
    monkeypatch.setattr(suggest, "_neighbours", lambda searcher, item, kind: others)
    alone = suggest.suggest(searcher, scene(1), "image")
    assert alone == ["a box instead", "make it blue", "with a blue glass box in front of it"]
    for alike, left in (
        ([scene(5, category="box")], alone[1:]),
        ([scene(5, colour="blue", companion=BOX)], alone[:1]),
        ([scene(5, category="lamp", colour="green")], alone),
        ([scene(5, category="box"), scene(6, colour="blue"), scene(7, companion=BOX)], []),
    ):
        assert suggest.suggest(searcher, scene(1), "image", alike=alike) == left


@pytest.mark.parametrize("image", [None, {"path": "/etc/hostname"}, 3])
def test_no_picture_no_suggestions(searchers, uploads, image):
    assert search.suggestions(searchers, uploads, image, "images", "unified") == search_html.no_suggestions()


@pytest.mark.parametrize("suggestion", [None, "", "x" * 300, ["a"]])
def test_what_is_no_suggestion_is_refused(suggestion):
    with pytest.raises(ConfigError):
        search.take_suggestion(suggestion)


def test_a_results_words_are_added_to_the_text(searchers):
    assert search.add_words(searchers, "unified", "100:0", "") == "red card"
    assert search.add_words(searchers, "unified", "100:0", "two") == "two, red card"
    assert search.add_words(searchers, "unified", "100:20", "") == "This card is red."
    for wrong in ("100:99", None, ["100:0"]):
        with pytest.raises(UMRError):
            search.add_words(searchers, "unified", wrong, "")


# Examples


def test_a_stored_example_is_shown_without_a_model_and_only_for_the_encoder_that_made_it(
    searchers, searcher, benchmark, tmp_path, monkeypatch
):
    results = searcher.search(search.handlers.make_query(None, "red", "all"), 24).results
    row = {
        "image": "files/queries/1.bmp",
        "text": "red",
        "search_in": "all",
        "made_by": searcher.encoder.fingerprint,
        "results": [stored(result, benchmark) for result in results],
    }
    (tmp_path / "e.json").write_text(json.dumps([row, row | {"made_by": "another"}]))
    examples = read_examples(benchmark, tmp_path / "e.json")
    live = search.open_example(searchers, examples, "1", "unified", 24)
    monkeypatch.setattr(searchers, "get", None)
    image, text, search_in, *drawer, page, answered, _, trail, address = search.open_example(
        searchers, examples, "0", "unified", 24
    )
    assert (image, text, search_in) == (str(benchmark / "files/queries/1.bmp"), "red", "all") and drawer == [
        0,
        "",
        0,
        "",
        False,
    ]
    assert "saved" in page and "ms" in live[8] and parse_qs(address[1:])["ref"] == ["query:1.bmp"]
    assert [f'data-id="{r.hit.candidate_id}"' in page for r in results] == [True] * len(results)
    assert live[9] == answered == Answered(trail[-1], "unified") and live[11] == trail and live[12] == address


def test_a_stored_example_has_the_verdicts_of_the_file_without_a_model(searcher, benchmark):
    folder = judge_scores(searcher, strong=-1.0, weak=-1.0)
    searchers = Searchers({"unified": folder}, "unified", opener=no_model)
    results = tuple(searcher.search(search.handlers.make_query(None, "red", "all"), 3).results)
    example = Example(text="red", search_in="all", results=results, made_by=searcher.encoder.fingerprint)
    page = search.open_example(searchers, [example], "0", "unified", 3)[8]
    assert page.count("u-match-strong") == 3 and "saved" in page


@pytest.mark.parametrize("search_in", list(SEARCH_IN))
def test_a_stored_example_says_of_how_many_as_a_search_does_and_opens_no_model(
    searcher, searchers, benchmark, search_in
):
    found = searcher.search(search.handlers.make_query(None, "red", search_in), 1).results
    example = Example(text="red", search_in=search_in, results=tuple(found), made_by=searcher.encoder.fingerprint)
    closed = Searchers(searchers.folders, "unified", opener=no_model)
    heading = re.search("<h2>.*?</h2>", search.open_example(closed, [example], "0", "unified", len(found))[8])
    searchers.get("unified")
    live = re.search("<h2>.*?</h2>", search.open_example(searchers, [example], "0", "unified", len(found))[8])
    pool = searcher.collection.pool(SEARCH_IN[search_in])
    total = len(searcher.collection if pool is None else pool)
    assert heading[0] == live[0] and total > len(found) and heading[0].startswith(f"<h2>{len(found)} of {total} ")


def test_an_example_shows_its_first_results_on_its_card(searcher):
    results = tuple(searcher.search(search.handlers.make_query(None, "red", "images"), 6).results)
    page = render.examples([Example(text="red", search_in="images", results=results)])
    assert page.count("<img") == render.SHOWN_BY_EXAMPLE


# Details


def test_details_tell_the_source_and_every_part_of_the_explanation(searchers, uploads, upload):
    answered = found(searchers, uploads, image=upload("queries/3.bmp"), text="edit now")[1]
    assert "files/images/03.png" in details.facts(searchers, answered, "100:3")
    reasons = details.reasons(searchers, answered, "100:3")
    for words in (
        "Your query",
        "Picture alone",
        "Words alone",
        "Without the picture",
        "Without the words",
        "Which words carry it",
        ">edit<",
        ">now<",
        "rank 1",
    ):
        assert words in reasons
    assert ">unified</button></th><td>" in details.ranks(searchers, answered, "100:3")


def test_details_of_a_fine_tuned_search_say_what_is_with_it_and_what_is_not(searchers, uploads, upload):
    image = upload("queries/3.bmp")
    plain, tuned, cut = (
        found(searchers, uploads, image=image, text="edit now", **more)[1]
        for more in ({}, {"balance": 0.8, "less_of": "<b>red"}, {"cut": 0.5})
    )
    page = details.reasons(searchers, tuned, "100:3")
    assert ">Fine-tuned<" in page and "(balance 0.8, less of “&lt;b&gt;red”)" in page
    assert "Fine-tuned" not in details.reasons(searchers, plain, "100:3")
    assert "changes no rank" in details.reasons(searchers, cut, "100:3")
    assert "With the fine-tuning" in details.ranks(searchers, tuned, "100:3")
    assert "fine-tuning" not in details.ranks(searchers, cut, "100:3")


@pytest.mark.parametrize("candidate_id", ["100:99", None, ["100:1"], {"a": 1}])
def test_details_of_what_is_not_there_are_refused_in_words(searchers, candidate_id):
    answered = Answered(Turn(text="red"), "unified")
    pages = (
        details.facts(searchers, answered, candidate_id),
        details.ranks(searchers, answered, candidate_id),
        details.reasons(searchers, answered, candidate_id),
        details.reasons(searchers, None, "100:1"),
    )
    assert all('role="alert"' in page for page in pages)


# Named endpoints


def test_models_are_listed_without_opening_one(searchers, searcher, monkeypatch):
    monkeypatch.setattr(searchers, "get", None)
    (row,) = api.models(searchers)
    assert row == {
        "name": "unified",
        "default": True,
        "fingerprint": searcher.encoder.fingerprint,
        "dim": 32,
        "precision": "float32",
        "collection": "catalogue",
        "vectors": 24,
        "index": searcher.index.manifest.fingerprint,
        "reranker": None,
    }


def test_collections_are_listed_with_what_can_be_searched(searchers):
    (row,) = api.collections(searchers)
    assert row["kinds"] == {"images": 12, "passages": 6, "entries": 4, "clips": 2}
    assert (row["name"], row["count"], row["models"]) == ("catalogue", 24, ["unified"])
