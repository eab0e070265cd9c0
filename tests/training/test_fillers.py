"""Fillers: they add and never take, at their share, and none is a word of the unseen phrasings or of a value."""

import re

import numpy as np
import pytest

from tests.training.test_text import templates
from training.catalogue import edit_phrases_unseen, fillers, phrases, phrases_unseen
from training.catalogue.edit_phrases import TRAIN
from training.catalogue.scene import ACTIONS, CATEGORIES, COLOURS, FINISHES, PATTERNS, SIDES, SIZES, SURFACES
from training.catalogue.text import Dice


def words_of(tables):
    return {word for table in tables for way in templates(table) for word in re.findall(r"[a-z]+", way.lower())}


def test_a_filler_names_no_value():
    said = {word for values in (ACTIONS, CATEGORIES, COLOURS, FINISHES, PATTERNS, SIDES, SIZES, SURFACES)
            for value in values for word in str(value).split()}  # fmt: skip
    assert not said & set(fillers.FILLERS)


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_filler_is_no_word_that_only_the_unseen_phrasings_have(name):
    known = words_of([TRAIN, phrases.TRAIN])
    unseen = words_of([edit_phrases_unseen.EDIT_WORDS[name], phrases_unseen.WORDS[name]]) - known
    assert len(unseen) > 40
    assert not unseen & set(fillers.FILLERS)


def test_fillers_keep_the_words_and_their_order():
    rng = np.random.default_rng(0)
    text = "make it red and on grass"
    for _ in range(300):
        left = iter(re.findall(r"\w+", fillers.with_fillers(text, rng, 1.0)))
        assert all(word in left for word in text.split())


def test_fillers_come_at_their_share():
    rng = np.random.default_rng(0)
    changed = [fillers.with_fillers("on grass", rng, 0.3) != "on grass" for _ in range(4000)]
    assert 0.27 < np.mean(changed) < 0.33
    assert fillers.with_fillers("on grass", rng, 0.0) == "on grass"


def test_words_are_invented_without_end():
    dice = Dice(np.random.default_rng(0))
    assert len({fillers.invented(dice) for _ in range(2000)}) > 1500
