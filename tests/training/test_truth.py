"""True answers from integer keys, against closed forms, and unchanged by the order in which batches are joined."""

from __future__ import annotations

import pytest
import torch

from training.truth import (
    ANY_KIND,
    KIND_BITS,
    CandidateKeys,
    QueryKeys,
    false_negative_mask,
    joined,
    key_of,
    key_of_hash,
    kind_bits,
)
from umr.errors import MismatchError
from umr.media import content_hash

IMAGE, TEXT = KIND_BITS["image"], KIND_BITS["text"]


def queries(positives, kinds=None, allowed=None, facts=None) -> QueryKeys:
    count = len(positives)
    return QueryKeys(
        kinds=torch.tensor(kinds or [IMAGE] * count),
        positives=torch.tensor(positives, dtype=torch.int64).reshape(count, -1, 3),
        allowed=torch.tensor(allowed, dtype=torch.int64) if allowed else torch.zeros((count, 0, 0), dtype=torch.int64),
        facts=torch.tensor(facts or [0] * count),
    )


def candidates(identity, kind=None, values=None, facts=None) -> CandidateKeys:
    count = len(identity)
    return CandidateKeys(
        kind=torch.tensor(kind or [IMAGE] * count),
        identity=torch.tensor(identity, dtype=torch.int64).reshape(count, 3),
        values=torch.tensor(values, dtype=torch.int64) if values else torch.zeros((count, 0), dtype=torch.int64),
        facts=torch.tensor(facts or [0] * count),
    )


def test_an_answer_has_the_id_or_the_picture_and_the_words_of_a_known_one():
    asked = queries([[(1, 70, 0)], [(2, 71, 9)]])
    found = candidates([(1, 5, 5), (3, 70, 0), (4, 70, 8), (5, 71, 9), (6, 71, 0), (0, 0, 0)])
    assert false_negative_mask(asked, found).tolist() == [
        [
            True,
            True,
            False,
            False,
            False,
            False,
        ],  # its id, a copy; beside other words it is another entry
        [False, False, False, True, False, False],
    ]


def test_keys_that_are_not_there_match_nothing():
    assert not false_negative_mask(queries([[(0, 0, 0)]]), candidates([(0, 0, 0)])).any()
    assert not false_negative_mask(queries([[(7, 0, 0)]]), candidates([(8, 0, 0)])).any()


def test_every_known_answer_counts():
    asked = queries([[(1, 0, 0), (2, 0, 0), (3, 0, 0)]])
    assert false_negative_mask(asked, candidates([(3, 0, 0), (4, 0, 0), (1, 0, 0)])).tolist() == [[True, False, True]]


def test_the_right_thing_in_a_kind_that_is_not_asked_for_is_wrong():
    asked = queries([[(1, 0, 0)]] * 3, kinds=[IMAGE, TEXT, ANY_KIND])
    found = candidates([(1, 0, 0), (1, 0, 0)], kind=[IMAGE, TEXT])
    assert false_negative_mask(asked, found).tolist() == [[True, False], [False, True], [True, True]]
    assert kind_bits("all") == ANY_KIND == sum(KIND_BITS.values()) and kind_bits("text") == TEXT


def test_a_scene_fits_where_every_attribute_has_an_allowed_value():
    asked = queries([[], []], allowed=[[[0b011, 0b100]], [[-1, 0b001]]])
    found = candidates([(0, 0, 0)] * 3, values=[[0b001, 0b100], [0b100, 0b100], [0b010, 0b001]])
    assert false_negative_mask(asked, found).tolist() == [[True, False, False], [False, False, True]]


def test_a_scene_that_fits_in_one_of_several_ways_fits_and_a_way_that_allows_nothing_never():
    asked = queries([[]], allowed=[[[1, 1], [2, 2], [0, 0]]])
    found = candidates([(0, 0, 0)] * 3, values=[[1, 1], [2, 2], [1, 2]])
    assert false_negative_mask(asked, found).tolist() == [[True, True, False]]


def test_a_scene_with_other_facts_does_not_fit_a_query_that_says_some():
    asked = queries([[], []], allowed=[[[1]], [[1]]], facts=[5, 0])
    found = candidates([(0, 0, 0)] * 3, values=[[1]] * 3, facts=[5, 6, 0])
    assert false_negative_mask(asked, found).tolist() == [[True, False, False], [True, True, True]]


def test_the_mask_of_joined_batches_holds_those_of_each():
    """A rendered batch and one of triplets, of other numbers of answers, ways and attributes."""
    world = queries([[]], allowed=[[[1, 1], [2, 2]]]), candidates([(0, 0, 0)] * 2, values=[[1, 1], [1, 2]])
    triplets = queries([[(1, 8, 0), (2, 9, 0)]]), candidates([(2, 9, 0), (3, 8, 0), (4, 4, 0)])
    for parts in ((world, triplets), (triplets, world)):
        (one, its), (other, others) = parts
        whole = false_negative_mask(joined([one, other]), joined([its, others]))
        width = len(its)
        assert torch.equal(whole[:1, :width], false_negative_mask(one, its))
        assert torch.equal(whole[1:, width:], false_negative_mask(other, others))
        assert not whole[:1, width:].any() and not whole[1:, :width].any()


def test_scenes_by_other_attributes_are_refused_until_they_are_joined():
    with pytest.raises(MismatchError, match="2 attributes, candidates have 1: join"):
        false_negative_mask(queries([[]], allowed=[[[1, 1]]]), candidates([(0, 0, 0)], values=[[1]]))


def test_a_key_is_the_beginning_of_the_hash_and_never_the_nothing_of_zero(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    assert key_of(b"picture") == key_of_hash(content_hash(tmp_path / "a.png")) == key_of("picture")
    assert key_of(None) == key_of_hash("") == 0 and key_of("") != 0 and key_of_hash("0" * 64) == 1
    assert torch.tensor([key_of(str(n)) for n in range(99)]).unique().numel() == 99
