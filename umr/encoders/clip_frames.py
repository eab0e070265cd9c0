"""Which frames of a clip an encoder sees, when each is shown, and how large it may be. Not the decoding (umr.media).

As many of every clip, evenly spaced; or by rate: so many a second, in whole pairs within two limits, evenly spaced from
the first to the last, and the fewer pixels a frame the more there are.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from umr import media
from umr.clips.limits import even_places

if TYPE_CHECKING:
    from umr.encoders.config import EncoderConfig
    from umr.types import Content


def taken(content: Content, config: EncoderConfig, pair: int) -> np.ndarray:
    """The frames of a clip, uint8 (F, H, W, 3).

    Frames in memory, which have no times, are all taken where a rate is asked for, or as many as are at most.

    Args:
        content: shows a clip.
        config: says how many.
        pair: frames of what becomes one vision token.

    Raises:
        MediaError: it cannot be read.
    """
    if content.video is None:
        raise ValueError("this content shows no clip")
    return media.sample_frames(content.video, _count(content, config, pair), content.span)


def times(content: Content, config: EncoderConfig, pair: int) -> tuple[float, ...]:
    """When the frames that `taken` gives are shown, in seconds from the clip's first one; () without a rate.

    Raises:
        MediaError: it cannot be read, or does not say how many frames it shows a second.
    """
    if not config.frame_rate or content.video is None or isinstance(content.video, np.ndarray):
        return ()
    frames, a_second = media.clip_pace(content.video, content.span)
    places = even_places(frames, counted(frames, a_second, config, pair), "the clip", frames)
    return tuple(float(place / a_second) for place in places)


def counted(frames: int, a_second: Fraction, config: EncoderConfig, pair: int) -> int:
    """How many frames are taken by rate of a clip that shows so many, so many a second."""
    least, most = math.ceil(config.min_frames / pair) * pair, config.max_frames // pair * pair
    wanted = frames / float(a_second) * config.frame_rate
    return max(pair, int(min(max(wanted, least), most, frames) // pair) * pair)


def limits(config: EncoderConfig, frames: int, pair: int) -> tuple[int, int]:
    """Pixels that each of so many frames has at least and at most, where they keep their shape."""
    if not config.clip_resize:
        return config.resize_min_pixels, config.resize_max_pixels
    least, most, all_of_them = config.clip_resize
    pairs = -(-frames // pair)
    return least, max(min(most, all_of_them // pairs), int(least * 1.05))


def _count(content: Content, config: EncoderConfig, pair: int) -> int:
    if not config.frame_rate or content.video is None:
        return config.max_frames
    if isinstance(content.video, np.ndarray):
        return max(pair, min(len(np.atleast_1d(content.video)), config.max_frames))
    return counted(*media.clip_pace(content.video, content.span), config, pair)
