"""Frames of clips by rate: which, when and how large, as qwen-vl-utils and transformers' video processor take them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor, smart_resize

from tests.encoders.conftest import SIZES
from tests.encoders.published_qwen3 import CELL, Qwen3Reference, publish3
from tests.encoders.test_published import ASKED, smooth
from tests.encoders.test_published_qwen3 import DEFAULT, EMBEDDER
from tests.test_media import write_clip
from umr import media
from umr.clips.limits import even_places
from umr.encoders import load_encoder
from umr.encoders.adopt import adopt
from umr.encoders.clip_frames import counted, limits
from umr.encoders.config import EncoderConfig
from umr.encoders.qwen2_5_vl import Qwen25VLBackbone
from umr.encoders.resize import fitted_size
from umr.errors import ConfigError, MediaError
from umr.types import Candidate, Content, Query

BY_RATE = EncoderConfig(name="by rate", frame_rate=1.0, max_frames=64)
FPS, FRAMES = 4, 34


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Eight and a half seconds, in which a light square travels."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    frames = np.stack([np.roll(smooth(48, 80), 9 * at, 1) for at in range(FRAMES)])
    write_clip(path, frames, fps=FPS)
    return path


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """Qwen3-VL-Embedding in small, and its own code."""
    root = tmp_path_factory.mktemp("by-rate")
    publish3(root / "tiny")
    adopt(root / "tiny", root / "encoder", recipe=EMBEDDER, max_frames=7)
    return load_encoder(root / "encoder", device="cpu"), Qwen3Reference(root / "tiny")


@pytest.mark.parametrize("a_second", [Fraction(4), Fraction(12), Fraction(30000, 1001), Fraction(1, 2)])
@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_as_many_frames_are_taken_as_the_class_takes_in_whole_pairs(a_second, rate):
    config, processor = replace(BY_RATE, frame_rate=rate), SimpleNamespace(fps=2, min_frames=4, max_frames=64)
    counts = set()
    for frames in (2, 3, 5, 24, 77, 300, 3001):
        told = SimpleNamespace(total_num_frames=frames, fps=float(a_second))
        theirs = Qwen3VLVideoProcessor.sample_frames(processor, told, fps=rate)
        ours = counted(frames, a_second, config, 2)
        assert ours == max(2, len(theirs) // 2 * 2)  # qwen-vl-utils: floor_by_factor
        if ours == len(theirs):
            assert even_places(frames, ours, "it") == theirs.tolist()
        counts.add(ours)
    assert len(counts) > 1 and counted(1, a_second, config, 2) == 2  # one frame is shown twice


@pytest.mark.parametrize("frames", [2, 10, 20, 40, 64])
def test_frames_are_as_large_as_the_class_makes_them_with_the_budget_of_all(frames):
    config = replace(BY_RATE, resize="dynamic", clip_resize=(128 * CELL, 768 * CELL, 7680 * CELL))
    least, most = limits(config, frames, 2)
    assert most == max(min(768 * CELL, 2 * 7680 * CELL // frames), int(1.05 * least))
    for height, width in ((480, 640), (1080, 1920), (200, 150), (720, 406)):
        theirs = smart_resize(frames, height, width, 2, 32, least * frames, most * frames)
        assert fitted_size(height, width, 32, least, most) == theirs
    picture = replace(config, clip_resize=())
    assert limits(picture, frames, 2) == (config.resize_min_pixels, config.resize_max_pixels)


def test_a_clips_vector_is_that_of_its_own_code_with_the_times_of_its_frames(clip, embedder):
    """Of 34 frames, four a second, 8.5 are one a second: six within what was asked for; alone and beside others."""
    encoder, reference = embedder
    assert (encoder.config.frame_rate, encoder.config.min_frames, encoder.config.max_frames) == (1.0, 4, 7)
    whole, places = media.sample_frames(clip, FRAMES), np.linspace(0, FRAMES - 1, 6).round().astype(int).tolist()
    told = {"video": whole[places], "times": (places, float(FPS))}
    contents = [Content(video=clip), Content(video=clip, text="in red"), Content(text="in red")]
    assert encoder.seconds(contents[0]) == tuple(place / FPS for place in places)
    assert encoder.pixels(contents[0]).shape[0] == 6
    found = encoder.encode_candidates(Candidate(candidate_id=str(at), content=one) for at, one in enumerate(contents))
    expected = [reference.embedder(DEFAULT, **told), reference.embedder(DEFAULT, text="in red", **told),
                reference.embedder(DEFAULT, text="in red")]  # fmt: skip
    assert (found.vectors * np.stack(expected)).sum(1).min() >= 0.9999
    alone = encoder.encode_queries([Query(query_id="q", content=contents[1], instruction=ASKED)]).vectors[0]
    assert float(alone @ reference.embedder(ASKED, text="in red", **told)) >= 0.9999
    without = reference.embedder(DEFAULT, video=told["video"])
    assert float(expected[0] @ without) < 0.99999  # so that the times are felt


def test_a_part_of_a_clip_is_sampled_by_its_own_length_and_its_times_begin_with_it(clip, embedder):
    encoder = embedder[0]
    part = Content(video=clip, span=(2.0, 7.0))
    assert media.clip_pace(clip) == (FRAMES, FPS) and media.clip_pace(clip, part.span) == (5 * FPS, FPS)
    places = even_places(5 * FPS, 4, "it")
    assert encoder.seconds(part) == tuple(place / FPS for place in places)
    whole = media.sample_frames(clip, FRAMES)
    sizes = limits(encoder.config, 4, 2)
    assert encoder.pixels(part).shape == (4, *fitted_size(*whole.shape[1:3], 32, *sizes), 3)
    batch = encoder.prepare([part], [""], "candidate")
    words = encoder.tokenizer.decode(batch.input_ids_BT[0].tolist(), skip_special_tokens=True)
    middles = [(places[at] + places[at + 1]) / 2 / FPS for at in (0, 2)]
    assert [f"<{one:.1f} seconds>" in words for one in middles] == [True, True]


def test_times_of_other_frames_are_refused(embedder):
    with pytest.raises(MediaError, match="the clip was changed while it was read"):
        embedder[0].tokenise("a", kind="video", grid=(2, 1, 1), seconds=(0.0, 1.0))


def test_frames_in_memory_have_no_times_and_are_taken_as_they_are(embedder):
    encoder, frames = embedder[0], np.stack([smooth(40, 64)] * 9)
    counts = [len(encoder.pixels(Content(video=frames[:n]))) for n in (1, 2, 3, 7, 9)]
    assert counts == [2, 2, 3, 7, 7] and encoder.seconds(Content(video=frames)) == ()
    assert encoder.seconds(Content(text="a")) == encoder.seconds(Content(image=frames[0])) == ()


def test_clips_of_unequal_length_go_through_a_network_of_squares_too(make, clip, tmp_path):
    """Qwen2-VL, whose positions know no time: vectors in a batch are those alone."""
    encoder = make(frame_rate=1.0, max_frames=8)
    write_clip(tmp_path / "short.mp4", media.sample_frames(clip, FRAMES)[:9], fps=FPS)
    items = [Candidate(candidate_id=str(at), content=Content(video=path))
             for at, path in enumerate((clip, tmp_path / "short.mp4"))]  # fmt: skip
    assert [len(encoder.pixels(one.content)) for one in items] == [8, 4]
    alone = np.concatenate([encoder.encode_candidates([one]).vectors for one in items])
    assert np.allclose(encoder.encode_candidates(items).vectors, alone, atol=1e-5)
    with pytest.raises(MediaError, match="an item has 9 frames; 1"):
        encoder.see(np.zeros((1, 9, 56, 56, 3), np.uint8))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"frame_rate": -1}, "frame_rate is -1; a number of frames a second"),
        ({"frame_rate": math.inf}, "frame_rate is inf"),
        ({"frame_rate": True}, "frame_rate is True"),
        ({"frame_rate": 1, "max_frames": 3}, "min_frames is 4; 2 to max_frames, 3, are legal"),
        ({"clip_resize": (9, 3, 9)}, r"clip_resize is \(9, 3, 9\); least, most and all pixels"),
        ({"clip_resize": (1, 2)}, r"clip_resize is \(1, 2\)"),
    ],
)
def test_settings_that_take_no_frames_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        EncoderConfig(name="x", **wrong)


def test_a_rate_is_part_of_the_identity_and_where_positions_count_seconds_it_is_refused(tokenizer):
    usual = EncoderConfig(name="x")
    assert (
        usual.fingerprint() == replace(usual, frame_rate=0).fingerprint() != replace(usual, frame_rate=1).fingerprint()
    )
    assert (usual.clips, replace(usual, frame_rate=0.5).clips) == ("8 frames", "up to 8 frames, 0.5 a second")
    assert not {"frame_rate", "min_frames", "clip_resize"} & set(usual.written())
    with pytest.raises(ConfigError, match="frame_rate is 1; 0 alone is legal here"):
        Qwen25VLBackbone.for_tokenizer(replace(Qwen25VLBackbone.tiny()[0], frame_rate=1), tokenizer, **SIZES)
