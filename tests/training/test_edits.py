"""Edits: relevance against brute force over a small world, and phrases that name only the change."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from training.catalogue import edit_text, edits
from training.catalogue.edits import Edit
from training.catalogue.scene import LIGHTNESS, Action, Companion, Scene, is_fair, random_scene, with_action


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def small_world():
    """Every scene over a few values of each attribute, companions and actions included."""
    companions = (
        None,
        Companion("vase", "blue", "left"),
        Companion("vase", "blue", "behind"),
        Companion("lamp", "blue", "left"),
        Companion("vase", "green", "left"),
        Companion("vase", "red", "left"),
        Companion("vase", "blue", "left", "glass"),
    )
    return [
        Scene(*values)
        for values in product(
            ("mug", "bowl"),
            ("red", "green", "blue"),
            ("matte", "glass"),
            ("plain", "striped"),
            ("wood", "slate"),
            ("small", "large"),
            (1, 2),
            companions,
            (None, Action("spins"), Action("grows")),
        )
    ]


def expected(reference, edit, candidate):
    """Relevance spelt out by hand, kind by kind, without the tables of edits.py."""

    def same_but(*names):
        return all(
            getattr(candidate, name) == getattr(reference, name)
            for name in ("category", "colour", "finish", "pattern", "surface", "size", "count", "companion", "action")
            if name not in names
        )

    if edit.parts:
        return replace(reference, **{part.kind: part.value for part in edit.parts}) == candidate
    here, there = reference.companion, candidate.companion
    if edit.kind.startswith("companion "):
        changed = edit.kind.removeprefix("companion ")
        kept = {"category", "colour", "side", "finish"} - {changed}
        return (
            same_but("companion")
            and None not in (here, there)
            and getattr(there, changed) == edit.value != getattr(here, changed)
            and all(getattr(here, name) == getattr(there, name) for name in kept)
        )
    if edit.kind == "swap":
        return (
            same_but("companion", edit.attribute)
            and None not in (here, there)
            and (there.category, there.side) == (here.category, here.side)
            and getattr(candidate, edit.attribute)
            == getattr(here, edit.attribute)
            != getattr(reference, edit.attribute)
            and getattr(there, edit.attribute) == getattr(reference, edit.attribute)
            and all(
                getattr(there, name) == getattr(here, name) for name in ("colour", "finish") if name != edit.attribute
            )
        )
    if edit.kind == "add":
        return same_but("companion") and reference.companion is None and candidate.companion == edit.value
    if edit.kind == "remove":
        return same_but("companion") and reference.companion is not None and candidate.companion is None
    if edit.kind == "relation":
        return (
            same_but("companion")
            and None not in (candidate.companion, reference.companion)
            and candidate.companion.side == edit.value != reference.companion.side
            and replace(candidate.companion, side=reference.companion.side) == reference.companion
        )
    if edit.kind == "negation":
        return same_but(edit.attribute) and getattr(candidate, edit.attribute) != edit.value
    if edit.kind == "relative":
        if edit.attribute == "colour":
            there = LIGHTNESS.index(candidate.colour) - LIGHTNESS.index(reference.colour)
        elif edit.attribute == "size":
            there = (candidate.size == "large") - (reference.size == "large")
        else:
            there = candidate.count - reference.count
            return same_but("count") and there == edit.value
        return same_but(edit.attribute) and there * edit.value > 0
    return same_but(edit.kind) and getattr(candidate, edit.kind) == edit.value


ALL = [
    Edit("colour", "green"),
    Edit("pattern", "plain"),
    Edit("finish", "glass"),
    Edit("category", "bowl"),
    Edit("surface", "slate"),
    Edit("size", "small"),
    Edit("count", 2),
    Edit("add", Companion("vase", "blue", "left")),
    Edit("remove"),
    Edit("relation", "behind"),
    Edit("action", Action("spins")),
    Edit("two", parts=(Edit("colour", "green"), Edit("finish", "glass"))),
    Edit("three", parts=(Edit("colour", "green"), Edit("finish", "glass"), Edit("surface", "slate"))),
    Edit("companion colour", "green"),
    Edit("companion finish", "glass"),
    Edit("companion category", "lamp"),
    Edit("swap", attribute="colour"),
    Edit("swap", attribute="finish"),
    Edit("negation", "red", "colour"),
    Edit("negation", "striped", "pattern"),
    Edit("relative", -1, "colour"),
    Edit("relative", 1, "colour"),
    Edit("relative", -1, "size"),
    Edit("relative", 1, "count"),
]


@pytest.mark.parametrize("edit", ALL, ids=lambda edit: f"{edit.kind}-{edit.attribute}")
def test_relevant_sets_equal_brute_force(edit, rng):
    world = small_world()
    found = 0
    for row in rng.choice(len(world), 25, replace=False):
        reference = world[row]
        if edit.kind in ("negation",) and getattr(reference, edit.attribute) != edit.value:
            continue
        if edit.kind in edits.SIMPLE and getattr(reference, edit.kind) == edit.value:
            continue
        if edit.parts and any(getattr(reference, part.kind) == part.value for part in edit.parts):
            continue
        if edit.kind == "action" and reference.action == edit.value:
            continue
        brute = [i for i, candidate in enumerate(world) if expected(reference, edit, candidate)]
        assert edits.relevant(reference, edit, world) == brute
        assert brute == [i for i, candidate in enumerate(world) if edit.matches(reference, candidate)]
        found += len(brute)
    assert found


COMPANY = ("remove", "relation", "swap", *edits.COMPANION_KINDS)


def swappable(reference):
    """Whether some swap leads to a scene that the world holds."""
    swaps = [Edit("swap", attribute=name) for name in edits.SWAPPABLE]
    return any(edits.is_possible(scene) for swap in swaps for scene in edits.targets(reference, swap))


@pytest.mark.parametrize("kind", [kind for kind in edits.KINDS])
def test_proposed_edits_can_be_satisfied_and_never_by_the_reference(kind, rng):
    done = 0
    while done < 25:
        reference = random_scene(rng)
        if (kind in COMPANY and not reference.companion) or (
            kind == "add" and (reference.companion or reference.count == 3)
        ):
            continue
        if kind == "swap" and not swappable(reference):
            continue
        if kind in ("size", "relative") and reference.companion and reference.companion.side == "front":
            continue  # there only a single large object has room
        edit = edits.propose(rng, reference, kind)
        target = edits.apply(reference, edit, rng)
        assert edit.kind == kind and edit.matches(reference, target) and not edit.matches(reference, reference)
        assert is_fair(target) and edits.is_possible(target)
        assert Edit.from_json(edit.to_json()) == edit
        done += 1


def test_a_colour_that_a_clip_changes_to_is_fair():
    rng = np.random.default_rng(0)
    drawn = [edits.random_action(rng, Scene("mug", "red", finish="metal")) for _ in range(600)]
    assert {action.colour for action in drawn if action.colour} == set(LIGHTNESS) - {"red", "white"}


def test_an_impossible_edit_is_refused(rng):
    with pytest.raises(ValueError, match="remove"):
        edits.propose(rng, Scene("mug", "red"), "remove")
    with pytest.raises(ValueError, match="legal"):
        edits.propose(rng, Scene("mug", "red"), "shape")


def test_between_finds_an_edit_that_the_target_satisfies(rng):
    for _ in range(300):
        reference = random_scene(rng)
        target = edits.apply(reference, edits.propose(rng, reference), rng)
        for edit in (edits.between(reference, target), edits.between(reference, target, rng)):
            assert edit is not None and edit.matches(reference, target)


def test_between_gives_none_for_equal_distant_and_unsayable_pairs():
    scene = Scene("mug", "red")
    assert edits.between(scene, scene) is None
    assert edits.between(scene, Scene("bowl", "green", "glass", "dotted")) is None
    one, other = (replace(scene, companion=Companion(*words, "left")) for words in (("vase", "blue"), ("lamp", "pink")))
    assert edits.between(one, other) is None
    assert edits.between(with_action(scene, Action("spins")), scene) is None


def test_colour_edits_keep_clear_of_the_companions_colour(rng):
    reference = Scene("mug", "red", companion=Companion("vase", "blue", "left"))
    assert all(edits.propose(rng, reference, "colour").value != "blue" for _ in range(100))


def test_an_exchange_is_found_as_a_swap_and_undoes_itself():
    one = Scene("mug", "red", "glass", companion=Companion("vase", "blue", "left", "metal"))
    colours = Scene("mug", "blue", "glass", companion=Companion("vase", "red", "left", "metal"))
    finishes = Scene("mug", "red", "metal", companion=Companion("vase", "blue", "left", "glass"))
    for other, name in ((colours, "colour"), (finishes, "finish")):
        assert edits.between(one, other) == edits.between(other, one) == Edit("swap", attribute=name)


def test_an_edit_of_older_files_is_read_with_its_empty_entries():
    row = {"kind": "colour", "value": "red", "attribute": None, "parts": []}
    assert Edit.from_json(row) == Edit("colour", "red") and Edit("colour", "red").to_json() == {
        "kind": "colour",
        "value": "red",
    }


@pytest.mark.parametrize("phrasing", ["train", "validation", "test"])
def test_phrases_name_only_the_change(phrasing, rng):
    for _ in range(400):
        reference = random_scene(rng)
        edit = edits.propose(rng, reference)
        for line in (
            edit_text.phrase(edit, reference, rng, phrasing),
            edit_text.question(edit, reference, rng, phrasing),
        ):
            assert "{" not in line and "[" not in line and "None" not in line
            if edit.kind in ("pattern", "surface", "size", "count"):
                assert reference.colour not in line.split() and reference.category not in line.split()


@pytest.mark.parametrize("kind", edits.KINDS)
def test_each_kind_has_many_phrasings(kind, rng):
    reference = Scene("mug", "red", companion=None if kind == "add" else Companion("vase", "blue", "left", "glass"))
    edit = edits.propose(rng, reference, kind)
    assert len({edit_text.phrase(edit, reference, rng) for _ in range(400)}) >= 10


def test_it_never_means_the_companion(rng):
    """In several edits at once, the one that names the companion is said last: "make it blue and the chair red"."""
    reference = Scene("mug", "red", companion=Companion("chair", "blue", "left"))
    edit = Edit("two", parts=(Edit("companion colour", "green"), Edit("finish", "glass")))
    for say in (edit_text.phrase, edit_text.question):
        lines = [say(edit, reference, rng).lower() for _ in range(100)]
        assert all(line.index("glass") < line.index("green") for line in lines)


def test_an_edit_that_lacks_its_attribute_or_its_companion_is_refused(rng):
    alone = Scene("mug", "red")
    with pytest.raises(ValueError, match="kind 'negation' names no attribute"):
        Edit("negation", "red").allowed(alone)
    with pytest.raises(ValueError, match="has no companion to edit"):
        edit_text.phrase(Edit("remove"), alone, rng)
