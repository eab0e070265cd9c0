"""Captions, passages and entries: true, complete where they claim it, and the two ways of speaking apart."""

import dataclasses

import numpy as np
import pytest

from training.catalogue import edit_phrases, phrases, text
from training.catalogue.edit_phrases_unseen import EDIT_WORDS
from training.catalogue.phrases_unseen import WORDS
from training.catalogue.scene import Action, random_scene, with_action


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def scenes(rng, n=200):
    drawn = [random_scene(rng) for _ in range(n)]
    return drawn + [with_action(scene, Action("spins")) for scene in drawn[:20]]


def says(line, table, value):
    line = line.lower()
    return any(words.split(" {")[0].replace("{them}", "").strip() in line for words in table[value])


def spoken(scene):
    """Per attribute of the scene, every way in which the training table says its value."""
    words = phrases.TRAIN
    ways = {
        name: words.adjectives[name][getattr(scene, name)] + words.after.get(name, {}).get(getattr(scene, name), ())
        for name in ("colour", "finish", "pattern", "size")
    }
    ways["finish"] += tuple(detail.split()[-1] for detail in words.details[f"finish:{scene.finish}"])
    ways["pattern"] += tuple(
        detail.split(" ", 1)[1].replace("{has} ", "") for detail in words.details[f"pattern:{scene.pattern}"]
    )
    ways["size"] += (scene.size,)
    ways["surface"] = words.surfaces[scene.surface]
    ways["category"] = (scene.category,)
    there = scene.companion
    ways["company"] = (
        tuple(f"{there.colour} {finish} {there.category}" for finish in words.adjectives["finish"][there.finish])
        if there
        else ("alone", "nothing else", "own", "by itself", "by themselves")
    )
    return ways


@pytest.mark.parametrize(
    "say", [lambda scene, rng: text.caption(scene, rng, full=True), text.passage], ids=["caption", "passage"]
)
def test_full_texts_say_every_attribute(rng, say):
    for scene in scenes(rng):
        line = say(scene, rng).lower()
        for attribute, ways in spoken(scene).items():
            assert any(way.lower() in line for way in ways), (attribute, scene, line)
        if scene.action:
            assert "spin" in line or "turn" in line


def test_captions_never_name_a_value_that_the_scene_lacks(rng):
    for scene in scenes(rng):
        words = set(text.caption(scene, rng).lower().replace(".", " ").replace(",", " ").split())
        others = {
            "red",
            "orange",
            "yellow",
            "green",
            "teal",
            "blue",
            "purple",
            "pink",
            "brown",
            "black",
            "white",
            "grey",
        }
        others -= {scene.colour, scene.companion.colour if scene.companion else ""}
        assert not words & others
        assert not words & ({"striped", "dotted", "checked", "zigzag", "plain"} - {scene.pattern})


def test_partial_captions_leave_things_out(rng):
    scene = random_scene(rng)
    lengths = {len(text.caption(scene, rng)) for _ in range(40)}
    assert min(lengths) < 40 < max(lengths)


def test_passages_have_two_to_four_sentences(rng):
    for scene in scenes(rng):
        assert 2 <= text.passage(scene, rng).count(".") <= 4


def test_equal_generators_say_equal_texts(rng):
    for scene in scenes(rng, 10):
        assert text.passage(scene, np.random.default_rng(3)) == text.passage(scene, np.random.default_rng(3))


def templates(words):
    """Every template of a table that is a sentence of its own; words of values may be shared, the language has one."""
    for field in dataclasses.fields(words):
        value = getattr(words, field.name)
        if field.name in ("values", "attributes", "counts"):
            continue
        if field.name == "kinds":
            for kind in value.values():
                yield from kind.commands + kind.remarks
                yield from (fragment for fragment in kind.fragments if fragment.count("{") != 1 or " " in fragment)
        elif isinstance(value, tuple):
            yield from value
        elif isinstance(value, dict):
            for inner in value.values():
                if isinstance(inner, dict):
                    yield from (way for ways in inner.values() for way in ways)
                else:
                    yield from (part for way in inner for part in (way if isinstance(way, tuple) else (way,)))


@pytest.mark.parametrize("tables", [WORDS, EDIT_WORDS], ids=["captions", "edits"])
@pytest.mark.parametrize("pair", [("train", "validation"), ("train", "test"), ("validation", "test")], ids="-".join)
def test_no_two_phrasings_share_a_template(tables, pair):
    one, other = ({" ".join(way.lower().strip(" .,;?!").split()) for way in templates(tables[name])} for name in pair)
    placeholders = {"{command}", "{doing}", "{finish}", "{on}", "{any_but}", "{rel_fragment}"}
    assert one & other <= placeholders
    assert len(one) > 50 and len(other) > 50


def test_training_has_many_ways_of_asking_for_each_edit():
    kinds = edit_phrases.TRAIN.kinds
    counts = {kind: len(words.fragments) + len(words.commands) + len(words.remarks) for kind, words in kinds.items()}
    assert sum(counts.values()) > 3 * 120 and min(counts.values()) >= 12, counts
    removal = " ".join(kinds["remove"].fragments + kinds["remove"].commands + kinds["remove"].remarks)
    assert all(word in removal for word in ("only", "without", "remove", "leave", "just")) and "along with" in " ".join(
        kinds["add"].fragments
    )


def test_there_are_enough_caption_frames():
    assert len(phrases.TRAIN.captions + phrases.TRAIN.placed_captions) >= 12


def test_entries_say_their_facts_and_nothing_that_the_picture_shows(rng):
    for scene in scenes(rng, 50):
        facts = text.random_facts(rng)
        line = text.entry(facts, rng).lower()
        assert facts.origin.lower() in line and str(facts.price) in line and facts.extra in line
        assert scene.category not in line and scene.colour not in line.split()


def test_title_reads_well():
    scene = random_scene(np.random.default_rng(0), lambda scene: scene.count == 2 and scene.pattern == "striped")
    assert text.title(scene).startswith("Two ") and text.title(scene).endswith("s")


def test_facts_are_single_sentences_with_the_scenes_values(rng):
    for scene in scenes(rng, 50):
        joined = " ".join(text.facts(scene))
        assert scene.colour in joined and scene.size in joined and scene.category in joined
        assert all(sentence.count(".") == 1 and sentence[0].isupper() for sentence in text.facts(scene))
