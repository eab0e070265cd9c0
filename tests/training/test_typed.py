"""Short typed queries and typing errors: true of what they say and of nothing else, lower case, and never another word
of the world."""

import json

import numpy as np
import pytest

from training.catalogue import typed, typos
from training.catalogue.edits import is_possible
from training.catalogue.scene import CATEGORIES, COLOURS, CONVERSE_SIDES, SURFACES, Companion, Scene, random_scene
from training.catalogue.text import caption_and_said
from training.catalogue.typed import TypedQuery


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.mark.parametrize("form", typed.FORMS)
def test_a_query_is_true_of_its_scene_short_and_in_lower_case(form, rng):
    lines = set()
    for _ in range(60):
        scene = random_scene(rng, lambda scene: is_possible(scene) and form in typed.forms_of(scene), 0.6)
        query = typed.draw(rng, scene, form)
        line = typed.say(query, rng)
        assert query.form == form and query.matches(scene)
        assert line == line.lower() and len(line.split()) <= 14 and scene.category.split()[0] in line
        lines.add(line)
    assert len(lines) > 40


@pytest.mark.parametrize("form", typed.FORMS)
def test_a_query_is_read_back_from_a_benchmarks_files(form, rng):
    scene = random_scene(rng, lambda scene: form in typed.forms_of(scene), 0.6)
    query = typed.draw(rng, scene, form)
    assert TypedQuery.from_json(json.loads(json.dumps(query.to_json() | {"family": 3}))) == query


def test_a_query_is_true_of_exactly_the_scenes_that_have_what_its_words_name(rng):
    scenes = [random_scene(rng) for _ in range(3000)]
    for _ in range(40):
        query = typed.draw(rng, scenes[int(rng.integers(len(scenes)))])
        for scene in scenes[:600]:
            there = scene.companion
            plain = all(getattr(scene, name) == value for name, value in query.main)
            if query.company:
                one = (
                    plain
                    and there
                    and all(getattr(there, name) == value for name, value in query.company)
                    and there.side in query.sides
                )
                other = (
                    there
                    and all(getattr(there, name) == value for name, value in query.main)
                    and all(getattr(scene, name) == value for name, value in query.company)
                    and CONVERSE_SIDES[there.side] in query.sides
                )
                plain = bool(one or other)
            assert query.matches(scene) == plain


def test_next_to_and_behind_are_true_whichever_object_is_the_main_one():
    beside = TypedQuery(
        "company",
        (("colour", "red"), ("category", "lamp")),
        (("colour", "purple"), ("category", "cushion")),
        ("left", "right"),
    )
    assert beside.matches(Scene("lamp", "red", companion=Companion("cushion", "purple", "left")))
    assert beside.matches(Scene("cushion", "purple", companion=Companion("lamp", "red", "right", "glass")))
    assert not beside.matches(Scene("lamp", "red", companion=Companion("cushion", "purple", "behind")))
    assert not beside.matches(Scene("lamp", "red"))
    behind = TypedQuery("company", (("category", "lamp"),), (("category", "box"),), ("front",))  # lamp behind a box
    assert behind.matches(Scene("lamp", "red", companion=Companion("box", "blue", "front")))
    assert behind.matches(Scene("box", "blue", companion=Companion("lamp", "red", "behind")))
    assert not behind.matches(Scene("box", "blue", companion=Companion("lamp", "red", "front")))


def test_short_queries_and_full_captions_say_what_they_fix(rng):
    scene = Scene("mug", "red", "glossy", "striped", "sand", companion=Companion("vase", "blue", "left", "glass"))
    short = [typed.typed_and_said(scene, rng) for _ in range(200)]
    assert all(line == line.lower() for line, _ in short) and {"companion colour"} & set().union(
        *(said for _, said in short)
    )
    assert all("companion" not in said for _, said in short), "a short query never says all of a companion"
    full = [caption_and_said(scene, rng, full=True) for _ in range(20)]
    assert all({"finish", "surface", "companion"} <= said for _, said in full)
    noisy = [typos.typing_noise(line, rng, 0.5) for line, _ in full]
    assert sum(one != other for one, (other, _) in zip(noisy, full, strict=True)) > 15


def test_typing_noise_hits_its_share_of_the_words_and_keeps_their_first_letter(rng):
    text = "please make this object yellow standing outside another building"
    hit = words = 0
    for _ in range(300):
        for one, other in zip(text.split(), typos.typing_noise(text, rng, 0.3).split(), strict=True):
            hit += one != other
            words += 1
            assert one[0] == other[0] and abs(len(one) - len(other)) <= 1
    assert 0.25 < hit / words < 0.35
    assert typos.typing_noise(text, rng, 0.0) == text


def test_no_error_makes_another_word_of_the_world_or_one_of_the_tests(rng):
    vocabulary = {word for value in (*CATEGORIES, *COLOURS, *SURFACES) for word in value.split()} | {"back", "and"}
    tested = {wrong for ways in typos.MISSPELLINGS.values() for wrong in ways}
    for word in sorted(vocabulary | set(typos.MISSPELLINGS)):
        for _ in range(40):
            wrong = typos.typing_noise(word, rng, 1.0)
            assert wrong == word or wrong not in vocabulary | tested
    assert not tested & (vocabulary | set(typos.MISSPELLINGS))


def test_the_tests_errors_need_no_seed_and_leave_unknown_words_alone():
    line = "put it on marble with yellow stripes"
    assert typos.misspelt(line) == typos.misspelt(line) != line
    assert typos.misspelt("a mug") == "a mug"
