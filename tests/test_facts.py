"""What a query asks for, read by rules from its words and its picture's facts, and whether a collection has it."""

from __future__ import annotations

import json

import pytest

from umr.facts import NOTHING, FactTable, Wanted, differences, facts_of, nothing_fits, wanted_by_edit, wanted_by_words
from umr.types import Candidate, Content

MUG = {
    "category": "mug",
    "colour": "red",
    "finish": "matte",
    "pattern": "plain",
    "surface": "wood",
    "size": "large",
    "count": 1,
    "companion": None,
    "action": None,
}
BESIDE = {"category": "chair", "colour": "blue", "side": "behind", "finish": "glass"}
SCENES = (
    MUG,
    MUG | {"colour": "green", "companion": BESIDE},
    MUG | {"category": "plant pot", "surface": "grass", "count": 2},
    MUG | {"category": "box", "pattern": "striped", "size": "small", "finish": "glossy"},
)


def item(number: int, scene: dict | None, modality: str = "image") -> Candidate:
    content = Content(image="a.png") if modality == "image" else Content(text="a passage")
    source = "" if scene is None else json.dumps({"scene": scene})
    return Candidate(candidate_id=f"{number}", content=content, source=source)


@pytest.fixture
def table() -> FactTable:
    return FactTable([*(item(n, scene) for n, scene in enumerate(SCENES)), item(8, None), item(9, MUG, "text")])


@pytest.mark.parametrize("source", ["", "{", "[]", "3", "free words", '{"scene": 3}', "{" * 100_000])
def test_a_source_without_facts_states_none(source):
    assert facts_of(Candidate(candidate_id="x", content=Content(text="x"), source=source)) == {}


def test_candidates_without_facts_are_left_out(table):
    assert len(table) == 5 and table.facts("8") == {} and table.facts("1")["companion"] == BESIDE


@pytest.mark.parametrize(
    ("text", "main", "company"),
    [
        ("purple mug", {"category": "mug"}, None),  # no word of this collection: what is known is a mug
        ("red mug", {"colour": "red", "category": "mug"}, None),
        ("Two little plant pots on the grass.", {"count": 2, "size": "small", "category": "plant pot"}, None),
        ("mug, red, shiny", {"category": "mug", "colour": "red", "finish": "glossy"}, None),
        ("a box with stripes", {"category": "box", "pattern": "striped"}, None),
        ("red mug by a blue chair", {"colour": "red", "category": "mug"}, {"colour": "blue", "category": "chair"}),
        ("a glass chair behind two boxes", {"category": "chair", "finish": "glass"}, {"count": 2, "category": "box"}),
    ],
)
def test_words_before_a_thing_are_said_of_it_and_others_of_the_only_one(table, text, main, company):
    ground = {"surface": "grass"} if "grass" in text else {}
    assert wanted_by_words(table, text) == Wanted(main | ground, company)


@pytest.mark.parametrize(
    "text",
    [
        "red",  # no thing
        "a mug, not red",
        "a non-glossy mug",
        "a red or green mug",
        "a red green mug",
        "a box, a mug and a chair",
        "a mug beside a chair, in red",  # which of the two?
        "a mug near a mug",
        "a mug that costs 2 euros",
        "a mug with the two colours",
        "",
    ],
)
def test_what_the_rules_cannot_read_for_sure_is_not_claimed(table, text):
    assert wanted_by_words(table, text) is None


def test_a_collection_fits_where_one_picture_has_everything(table):
    def fits(text: str, target: str = "image", excluded: tuple[str, ...] = ()) -> bool:
        return table.any_fits(wanted_by_words(table, text), target, excluded)

    assert fits("red mug on wood") and not fits("red mug on grass") and fits("two plant pots on grass")
    assert fits("red mug on wood", "text") and not fits("striped box", "text") and not fits("red mug", "video")
    assert fits("striped box", "all") and not fits("striped box", "all", excluded=("3", "unknown"))


def test_of_two_things_either_may_be_the_main_one_and_one_alone_may_stand_beside(table):
    for text, fit in (
        ("green mug and blue chair", True),
        ("blue chair and green mug", True),
        ("blue mug and green chair", False),
        ("blue glass chair", True),  # beside the mug
        ("striped chair", False),
    ):
        assert table.any_fits(wanted_by_words(table, text), "image") is fit


@pytest.mark.parametrize(
    ("text", "change", "beside"),
    [
        ("make it red", {"colour": "red"}, {}),
        ("but on grass", {"surface": "grass"}, {}),
        ("just in glass", {"finish": "glass"}, {}),
        ("a box instead", {"category": "box"}, {}),
        ("the mug in red", {"colour": "red"}, {}),
        ("two of them", {"count": 2}, {}),
        ("make the chair behind it red", {}, {"colour": "red"}),
        ("the chair in matte", {}, {"finish": "matte"}),
    ],
)
def test_an_edit_keeps_what_it_does_not_name(table, text, change, beside):
    shown = SCENES[1]
    main = {name: shown[name] for name in shown if name not in ("companion", "action")} | change
    company = {"category": "chair", "colour": "blue", "finish": "glass"} | beside
    assert wanted_by_edit(table, shown, text) == Wanted(main, company)


@pytest.mark.parametrize(
    "text",
    [
        "darker",
        "without the chair",
        "a box on the left",
        "a box on the left instead",
        "only the mug in red",
        "red, and the chair too",
        "make it red and hide the chair",
        "make it as red as the chair",
        "with the colours of mug and chair swapped",
        "the two colours the other way round",
        "with a box instead of the chair",
        "a box",
        "what a view",
    ],
)
def test_an_edit_that_may_mean_something_else_is_not_read(table, text):
    assert wanted_by_edit(table, SCENES[1], text) is None


def test_the_edit_of_a_lonely_thing_wants_it_lonely(table):
    green = wanted_by_edit(table, MUG, "make it green")
    assert green.alone and not table.any_fits(green, "image")  # the green mug has a chair behind it
    assert nothing_fits(green, SCENES[1]) == f"{NOTHING}: the first result differs in what stands beside it."


def test_the_notice_names_in_what_the_first_result_differs(table):
    wanted = wanted_by_edit(table, MUG, "in glass on grass")
    assert differences(wanted, MUG) == ["finish", "surface"]
    assert nothing_fits(wanted, MUG) == f"{NOTHING}: the first result differs in finish and surface."
    assert nothing_fits(wanted, SCENES[2]) == f"{NOTHING}: the first result differs in object, finish and count."
    assert nothing_fits(wanted, {}) == f"{NOTHING}."
    chair = wanted_by_words(table, "red glass chair")
    assert differences(chair, SCENES[1]) == ["colour"]  # of the chair beside the mug
