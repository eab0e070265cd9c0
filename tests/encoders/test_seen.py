"""A remembered picture changes no bit of an answer, and is seen once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from umr.encoders.fake import FakeEncoder
from umr.encoders.seen import SeenPictures, remember_pictures
from umr.types import Candidate, Content, Query


@pytest.fixture
def seeing(encoder, monkeypatch):
    """An encoder that counts the items which its vision tower is given."""
    count: list[int] = []
    see = encoder.backbone.see

    def counted(pixels):
        count.append(len(pixels))
        return see(pixels)

    monkeypatch.setattr(encoder.backbone, "see", counted)
    return encoder, count


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def asked(number: int, text: str = "in red") -> list[Query]:
    content = Content(image=picture(number), text=text)
    return [Query(query_id="q", content=content, target_modality="image")]


def test_a_picture_is_seen_once_and_every_row_is_bit_for_bit_what_it_was(seeing):
    encoder, count = seeing
    alone = [Candidate(candidate_id="c", content=Content(image=picture(1)))]
    plain = [encoder.encode_candidates(alone).vectors, encoder.encode_queries(asked(1)).vectors]
    assert len(count) == 2
    remember_pictures(encoder)
    again = [encoder.encode_candidates(alone).vectors, encoder.encode_queries(asked(1)).vectors]
    other = encoder.encode_queries(asked(1, "in blue")).vectors
    assert len(count) == 3 and np.array_equal(plain, again) and not np.array_equal(other, again[1])
    assert not np.array_equal(encoder.encode_queries(asked(2)).vectors, plain[1]) and len(count) == 4


def test_several_pictures_at_once_and_an_encoder_in_training_remember_nothing(seeing):
    encoder, count = seeing
    remember_pictures(encoder)
    encoder.encode_queries([*asked(1), *asked(2)])
    encoder.encode_queries([*asked(1), *asked(2)])
    assert sum(count) == 4
    encoder.encode_queries(asked(1))
    assert sum(count) == 5
    encoder.train()
    encoder.vectors(encoder.prepare([asked(1)[0].content], ["Find it."], "query"))
    assert sum(count) == 6


def test_only_the_last_few_are_kept_and_others_shapes_are_others():
    seen, kept = [], SeenPictures(2)
    items = [np.zeros(shape, np.uint8) for shape in ((1, 2, 4, 3), (1, 4, 2, 3), (2, 2, 2, 3))]

    def see(item):
        seen.append(item.shape)
        return item.shape

    for place in (0, 1, 0, 2, 0, 1):
        assert kept.states(items[place], see) == items[place].shape
    assert seen == [items[place].shape for place in (0, 1, 2, 1)]


def test_an_encoder_without_a_vision_tower_of_its_own_stays_as_it_is():
    encoder = FakeEncoder(dim=8)
    before = dict(vars(encoder))
    remember_pictures(encoder)
    assert vars(encoder) == before
