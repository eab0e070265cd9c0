"""Which sentences an encoder keeps of several data sets, and which data are what they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.catalogue.instructions import serving
from training.mixture import MixedBatches, Mixture, Part, load_mixture, sentences_of
from training.recipes import finetune
from training.sources.source import Example, Source
from umr.encoders.adopt import INSTRUCTIONS
from umr.errors import ConfigError
from umr.types import Content


def source(*instructions: str, name: str = "mine") -> Source:
    """Examples from words to words, with these sentences ("" for the encoder's own)."""
    examples = [
        Example(query=Content(text=str(n)), wanted="text", positives=("a",), instruction=key)
        for n, key in enumerate(instructions)
    ]
    return Source(
        kind="jsonl",
        name=name,
        examples=examples,
        candidates={"a": Content(text="a")},
        hashes={},
        instructions={key: (key, f"{key} (another way)") for key in instructions if key},
        refused=[],
        files={name: "0" * 64},
    )


def mixture(*sources: Source) -> Mixture:
    return Mixture(parts=tuple(Part(data=one, share=1.0) for one in sources))


def test_the_sentence_with_most_examples_is_served_and_others_stay_as_they_were():
    known = {"text->text": "old", "text->image": "kept"}
    data = mixture(source("a", "b", name="one"), source("b", name="two"))
    assert data.serving(known) == {"text->text": "b", "text->image": "kept"}


def test_without_sentences_those_of_the_encoder_stay():
    assert mixture(source("")).serving({"text->text": "old"}) == {"text->text": "old"}
    assert mixture(source("")).serving({}) == {}  # an encoder without any stays so


def test_a_task_that_an_encoder_with_sentences_has_none_for_gets_one():
    kept = mixture(source("")).serving({"text->image": "old"})
    assert kept == {"text->image": "old", "text->text": INSTRUCTIONS["text->text"]}


def test_a_world_brings_its_sentences_and_the_data_come_first(tiny_world):
    data = Mixture(parts=(Part(data=tiny_world, share=1.0), Part(data=source("a"), share=1.0)))
    assert data.serving({}) == serving() | {"text->text": "a"}
    assert data.worlds == [tiny_world] and data.record()[0]["world"] == tiny_world.manifest


def test_rows_are_trained_in_every_way_and_without_own_sentences_as_they_are_served(small_encoder):
    encoder = small_encoder()
    assert sentences_of(source("a"), encoder)["a"] == ("a", "a (another way)")
    assert sentences_of(source(""), encoder) == {"text->text": (encoder.config.instructions["text->text"],)}
    encoder.config = replace(encoder.config, instructions={})
    assert sentences_of(source(""), encoder) == {"text->text": ("",)}


def test_shares_decide_how_many_steps_each_data_set_gets():
    class One:
        def __init__(self, name):
            self.name = name

        def build(self, step):
            return self.name

    batches = MixedBatches([One("a"), One("b")], [3, 1], seed=0)
    made = [batches.build(step) for step in range(400)]
    assert 270 < made.count("a") < 330 and made == [batches.build(step) for step in range(400)]


def test_the_fingerprint_follows_data_and_shares(tiny_world):
    one, two = source("a", name="one"), source("b", "b", name="two")
    found = {mixture(one).fingerprint, mixture(one, two).fingerprint, mixture(two, one).fingerprint}
    found.add(Mixture(parts=(Part(data=one, share=2.0), Part(data=two, share=1.0))).fingerprint)
    assert len(found) == 4 and mixture(one).fingerprint == mixture(source("a", name="one")).fingerprint


def test_held_out_examples_that_are_trained_on_are_counted():
    assert mixture(source("", "")).trained_on(source("", "", "")) == 2  # the third asks something else
    assert mixture(source("")).trained_on(source("")) == 1


def test_losses_that_read_scenes_need_some(tiny_world):
    config = replace(finetune(), attribute_weight=0.1, motion_weight=0.1)
    with pytest.raises(ConfigError, match="attribute_weight, motion_weight reads the facts of rendered scenes"):
        mixture(source("a")).check(config)
    Mixture(parts=(Part(data=tiny_world, share=1.0), Part(data=source("a"), share=1.0))).check(config)
    with pytest.raises(ConfigError, match="name the data to train on"):
        load_mixture([], None)
