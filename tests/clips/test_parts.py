"""Frames of a part of a clip are those between its two moments, at the cost of the part."""

from __future__ import annotations

import time
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clips.test_decoder import repeat_packet, write_clip
from umr.clips.decoder import ClipDecoder
from umr.clips.limits import ClipLimits
from umr.errors import MediaError

RATE = 12
SECONDS = 6
#: The grey of each frame tells its number.
COUNTED = np.stack([np.full((48, 64, 3), 20 + 3 * at, np.uint8) for at in range(RATE * SECONDS)])


@pytest.fixture(scope="module")
def decoder():
    decoder = ClipDecoder()
    yield decoder
    decoder.workers.close()


def decoded(path: Path, start: float, end: float, n: int) -> np.ndarray:
    """The same by decoding all frames in this process."""
    with av.open(str(path)) as container:
        frames = [(float(one.pts * one.time_base), one.to_ndarray(format="rgb24")) for one in container.decode(video=0)]
    first = frames[0][0]
    part = [pixels for moment, pixels in frames if start - 1e-3 <= moment - first < end - 1e-3]
    return np.stack([part[place] for place in np.linspace(0, len(part) - 1, n).round().astype(int)])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"),
                                             ("a.mkv", "h264"), ("a.mov", "mpeg4")])  # fmt: skip
def test_every_format_gives_the_frames_between_two_moments(decoder, tmp_path, name, codec):
    path = write_clip(tmp_path / name, codec, COUNTED)
    assert decoder.seconds(path) == pytest.approx(SECONDS, abs=0.1)
    for start, end in ((0.0, 2.0), (2.0, 4.0), (3.3, 3.9), (4.0, 6.0)):
        assert np.array_equal(decoder.frames(path, 8, span=(start, end)), decoded(path, start, end, 8)), (start, end)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"),
                                             ("a.mkv", "h264"), ("a.gif", "gif")])  # fmt: skip
def test_every_format_tells_its_frames_and_how_many_are_shown_a_second(decoder, tmp_path, name, codec):
    path = write_clip(tmp_path / name, codec, COUNTED)
    frames, a_second = decoder.pace(path)
    assert frames == len(COUNTED) and float(a_second) == pytest.approx(RATE, rel=0.05)
    assert decoder.pace(path, (2.0, 4.0)) == (pytest.approx(2 * RATE, abs=1), a_second)
    with pytest.raises(MediaError, match=r"shows no frame from 0:09 to 0:10"):
        decoder.pace(path, (9.0, 10.0))


def test_a_part_holds_no_frame_of_the_next_one(decoder, tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=COUNTED)
    parts = [decoder.frames(path, 4, span=(at, at + 2.0))[:, 0, 0, 0].astype(int) for at in (0.0, 2.0, 4.0)]
    for place, greys in enumerate(parts):
        first, last = 20 + 3 * 2 * RATE * place, 20 + 3 * (2 * RATE * (place + 1) - 1)
        assert abs(greys[0] - first) <= 2 and abs(greys[-1] - last) <= 2, greys


def test_the_last_part_of_half_an_hour_is_read_at_once_though_the_whole_is_too_long(decoder, tmp_path):
    path = repeat_packet(tmp_path / "long.mp4", 64, 48, 54_000, keys=30)
    with pytest.raises(MediaError, match="more than 36,000 frames"):
        decoder.frames(path, 8)
    assert decoder.seconds(path) == pytest.approx(1800, abs=0.1)
    decoder.frames(path, 8, span=(0.0, 10.0))
    began = time.perf_counter()
    assert decoder.frames(path, 8, span=(1790.0, 1800.0)).shape == (8, 48, 64, 3)
    assert time.perf_counter() - began < 1.0


def test_a_part_that_is_not_there_or_too_much_is_refused_in_words(decoder, tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=COUNTED)
    with pytest.raises(MediaError, match=r"a\.mp4 shows no frame from 0:09 to 0:10"):
        decoder.frames(path, 8, span=(9.0, 10.0))
    with pytest.raises(MediaError, match="too much to decode from 0:00 to 0:02"):
        decoder.frames(path, 8, ClipLimits(max_decoded_pixels=20 * 48 * 64), span=(0.0, 2.0))
    with pytest.raises(MediaError, match="more than 20 frames from 0:00 to 0:02"):
        decoder.frames(path, 8, ClipLimits(max_frames=20), span=(0.0, 2.0))
    (tmp_path / "broken.mp4").write_bytes(path.read_bytes()[:400])
    with pytest.raises(MediaError, match=r"broken\.mp4 cannot be read"):
        decoder.seconds(tmp_path / "broken.mp4")


def test_a_clip_whose_frames_have_no_times_says_so(decoder, tmp_path):
    path = write_clip(tmp_path / "a.h264", frames=COUNTED)
    with pytest.raises(MediaError, match=r"no times|does not say when"):
        decoder.seconds(path)
