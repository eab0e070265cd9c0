"""Allowed values as bits, against the definition of relevance that the catalogue has."""

from __future__ import annotations

import numpy as np
import torch

from training.catalogue import edits, typed
from training.catalogue.scene import random_scene
from training.truth import CandidateKeys, QueryKeys, false_negative_mask
from training.world_source import attributes
from training.world_source.programmes import _ways_of_edit, _ways_of_typed


def fitting(ways, scenes) -> list[bool]:
    """Which scenes fit in one of the ways."""
    values = np.stack([attributes.bits(attributes.codes(scene)) for scene in scenes])
    nothing = torch.zeros((1, 0, 3), dtype=torch.int64)
    asked = QueryKeys(
        kinds=torch.tensor([1]),
        positives=nothing,
        allowed=torch.from_numpy(np.stack(ways))[None],
        facts=torch.tensor([0]),
    )
    found = CandidateKeys(
        kind=torch.ones(len(scenes), dtype=torch.int64),
        identity=torch.zeros((len(scenes), 3), dtype=torch.int64),
        values=torch.from_numpy(values),
        facts=torch.zeros(len(scenes), dtype=torch.int64),
    )
    return false_negative_mask(asked, found)[0].tolist()


def test_the_bits_of_an_open_edit_allow_exactly_what_satisfies_it():
    rng = np.random.default_rng(0)
    right = 0
    for number in range(60):
        reference = random_scene(rng)
        edit = edits.propose(rng, reference, edits.OPEN_KINDS[number % len(edits.OPEN_KINDS)])
        scenes = [reference, *edits.targets(reference, edit), *(random_scene(rng) for _ in range(5))]
        expected = [edit.matches(reference, scene) for scene in scenes]
        assert fitting(_ways_of_edit(edit, reference), scenes) == expected
        right += sum(expected)
    assert right > 60


def test_an_edit_with_one_target_needs_no_further_way():
    rng = np.random.default_rng(1)
    reference = random_scene(rng)
    assert _ways_of_edit(edits.propose(rng, reference, "colour"), reference) == []


def test_the_bits_of_a_typed_query_of_two_objects_allow_either_as_the_main_one():
    rng = np.random.default_rng(2)
    scenes = [random_scene(rng) for _ in range(400)]
    asked = [typed.draw(rng, scene, "company") for scene in scenes if scene.companion][:40]
    assert len(asked) == 40
    for query in asked:
        assert fitting(_ways_of_typed(query), scenes) == [query.matches(scene) for scene in scenes]


def test_every_value_has_a_bit_that_fits_into_the_key():
    assert max(attributes.CARDINALITIES) < 63
