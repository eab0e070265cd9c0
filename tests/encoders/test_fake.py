"""The fake encoder has the real one's interface and gives the same vectors on every machine."""

from __future__ import annotations

import numpy as np
import pytest

from umr.encoders.base import UnifiedEncoder
from umr.encoders.fake import FakeEncoder
from umr.errors import MediaError
from umr.types import Candidate, Content, Query

PICTURE = np.full((8, 8, 3), 40, np.uint8)


def vector(**parts) -> np.ndarray:
    return FakeEncoder(16).encode_candidates([Candidate(candidate_id="a", content=Content(**parts))]).vectors[0]


def test_equal_content_gives_equal_vectors_as_query_and_candidate():
    fake = FakeEncoder(16)
    query = fake.encode_queries([Query(query_id="q", content=Content(text="a Mug "))])
    assert np.array_equal(query.vectors[0], vector(text="a mug")) and query.encoder == fake.fingerprint


def test_composed_content_lies_between_its_parts():
    both, picture, text = vector(text="red", image=PICTURE), vector(image=PICTURE), vector(text="red")
    assert both @ picture > 0.5 and both @ text > 0.5 and abs(np.linalg.norm(both) - 1) < 1e-6


def test_vectors_do_not_change_between_machines():
    assert np.allclose(vector(text="a mug")[:3], FIRST, atol=1e-6)


FIRST = [0.039169, 0.3948162, -0.0293934]


def test_bad_content_is_refused_like_the_real_one():
    for parts in ({"text": "  "}, {"text": "a\0"}, {"image": np.zeros((2, 2, 3))}):
        with pytest.raises(MediaError):
            vector(**parts)


@pytest.mark.parametrize(
    "name", ["config", "fingerprint", "name", "dim", "encode_queries", "encode_candidates", "save", "notices"]
)
def test_fake_has_what_the_real_encoder_has(name, encoder):
    assert hasattr(FakeEncoder(), name) and hasattr(encoder, name) and isinstance(encoder, UnifiedEncoder)
