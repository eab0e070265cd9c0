"""The fake encoder has the real one's interface and gives the same vectors on every machine."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from umr.encoders.base import UnifiedEncoder
from umr.encoders.config import read_config
from umr.encoders.fake import FakeEncoder
from umr.errors import MediaError
from umr.types import Candidate, Content, Encoder, Query

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


MEMBERS = sorted(name for name in vars(Encoder) if not name.startswith("_"))


def test_an_encoder_is_declared_by_these_members():
    assert {"name", "fingerprint", "dim", "encode_queries", "encode_candidates", "notices"} <= set(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("kind", [UnifiedEncoder, FakeEncoder])
def test_what_is_declared_of_an_encoder_is_what_it_has(kind, member, encoder):
    declared, own = vars(Encoder)[member], getattr(kind, member)
    if isinstance(declared, property):
        made = encoder if kind is UnifiedEncoder else FakeEncoder()
        assert (
            isinstance(own, property)
            and type(getattr(made, member)).__name__ == declared.fget.__annotations__["return"]
        )
        return
    wanted, given = (dict(inspect.signature(one).parameters) for one in (declared, own))
    assert list(given)[: len(wanted)] == list(wanted)
    assert all(given[name].default is not inspect.Parameter.empty for name in list(given)[len(wanted) :])
    assert inspect.signature(own).return_annotation == inspect.signature(declared).return_annotation


def test_both_can_be_saved_and_have_settings(encoder, tmp_path):
    for at, made in enumerate((encoder, FakeEncoder())):
        assert made.save(tmp_path / str(at)) == made.config == read_config(tmp_path / str(at))
