"""Every encoder that reads clips reads of a part of one its own frames, also beside the other parts in a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clips.test_decoder import write_clip
from umr import media
from umr.encoders.encoding import shown_in
from umr.rerank.seen import SeenMedia
from umr.types import Candidate, Content

SPANS = ((0.0, 2.0), (2.0, 4.0), (4.0, 6.0))


@pytest.fixture
def film(tmp_path) -> Path:
    """Six seconds of noise, so that no two parts look alike."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 6, 8, 3), dtype=np.uint8)
    return write_clip(tmp_path / "film.mp4", frames=noise.repeat(12, 0).repeat(8, 1).repeat(8, 2))


def test_parts_in_one_batch_have_the_vectors_that_they_have_alone(encoder, film):
    parts = [Candidate(candidate_id=str(span), content=Content(video=film, span=span)) for span in SPANS]
    parts.append(Candidate(candidate_id="whole", content=Content(video=film)))
    together = encoder.encode_candidates(parts).vectors
    for row, one in enumerate(parts):
        frames = media.sample_frames(film, encoder.config.max_frames, one.content.span)
        alone = encoder.encode_candidates([Candidate(candidate_id="x", content=Content(video=frames))]).vectors[0]
        assert np.abs(together[row] - alone).max() < 1e-5, one.candidate_id
    assert all(float(together[0] @ other) < 0.99999 for other in together[1:])


def test_dual_encoders_are_shown_the_frames_of_the_part(encoder, film):
    shown = [np.stack(shown_in(Content(video=film, span=span), encoder.config)) for span in SPANS]
    for span, frames in zip(SPANS, shown, strict=True):
        assert np.array_equal(frames, media.sample_frames(film, encoder.config.max_frames, span))
    assert not np.array_equal(shown[0], shown[1])


def test_a_reranker_keeps_the_states_of_each_part(encoder, film):
    seen = SeenMedia(encoder)
    first, second, again = (seen([Content(video=film, span=span)], ["x"])[0] for span in (*SPANS[:2], SPANS[0]))
    assert not np.allclose(first.states.detach().numpy(), second.states.detach().numpy())
    assert np.array_equal(first.states.detach().numpy(), again.states.detach().numpy())
