"""Parts of a clip: where it is cut, how they are called, and which of their lengths are refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from umr.errors import ConfigError
from umr.moments import check_length, clock, cut, fragment, told
from umr.types import Content


@pytest.mark.parametrize(
    ("duration", "expected"),
    [(9.0, []), (10.0, []), (12.0, []), (12.5, [(0, 10), (10, 12.5)]), (20.1, [(0, 10), (10, 20.1)]),
     (33.1234, [(0, 10), (10, 20), (20, 30), (30, 33.123)])],
)  # fmt: skip
def test_a_clip_is_cut_without_gaps_and_a_short_rest_belongs_to_the_last_part(duration, expected):
    assert cut(duration, 10) == expected
    assert cut(duration, 0) == []


@pytest.mark.parametrize("seconds", [0.5, 0.7, 3.3, 10.0])
def test_parts_follow_each_other_to_the_end(seconds):
    for duration in (0.1, 7.77, 61.0, 3601.25):
        parts = cut(duration, seconds)
        if not parts:
            assert duration < 1.25 * seconds + 1e-9
            continue
        assert parts[0][0] == 0 and parts[-1][1] == duration
        assert all(one[1] == other[0] for one, other in pairwise(parts))
        assert all(0.249 * seconds <= end - start <= 1.251 * seconds for start, end in parts)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0:00"), (42, "0:42"), (59.96, "1:00"), (60, "1:00"), (7.5, "0:07.5"), (3723, "1:02:03"), (599.9, "9:59.9")],
)
def test_a_moment_is_said_as_a_player_says_it(seconds, said):
    assert clock(seconds) == said


def test_a_part_is_said_in_words_and_as_a_media_fragment():
    assert told((40.0, 50.0)) == "0:40 to 0:50" and told((59.5, 3600.0)) == "0:59.5 to 1:00:00"
    assert fragment((40.0, 50.0)) == "#t=40,50" and fragment((0.0, 3.125)) == "#t=0,3.125" and fragment(None) == ""


@pytest.mark.parametrize("seconds", [-1, 0.1, math.inf, math.nan])
def test_a_length_that_is_none_is_refused(seconds):
    with pytest.raises(ConfigError, match=r"cannot be cut; at least 0\.5 s"):
        check_length(seconds)
    assert check_length(0) == 0 and check_length(0.5) == 0.5


@pytest.mark.parametrize("span", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_content_has_no_part_that_a_clip_cannot_have(span):
    with pytest.raises(ConfigError, match="is no part of a clip"):
        Content(video="a.mp4", span=span)
    with pytest.raises(ConfigError, match="is no part of a clip"):
        Content(image="a.png", span=(0.0, 1.0))
