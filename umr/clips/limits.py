"""What the two sides of reading a clip agree on: its limits, and which frames are taken.

Not the reading (umr.clips.reader), nor the asking (umr.clips.decoder).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from umr.errors import MediaError

Reader = Literal["pyav", "decord"]
MAX_FRAMES = 36_000  # 20 minutes at 30 frames a second
MAX_FRAME_PIXELS = 3840 * 2160  # of one frame of a clip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLimits:
    """The limits of one clip.

    Attributes:
        max_frames: that a clip has.
        max_frame_pixels: of one frame.
        max_decoded_pixels: over all frames that are decoded; more and only some are reached.
        max_shown_pixels: larger frames come back smaller.
        memory_mb: beyond what the worker takes when it starts.
        processor_s: of computing.
        wall_s: on the clock, which a busy machine lets run for longer.
    """

    max_frames: int = MAX_FRAMES
    max_frame_pixels: int = MAX_FRAME_PIXELS
    max_decoded_pixels: int = 4_000_000_000  # 480 frames of 4K, 1,900 of full HD; all that is allowed of small ones
    max_shown_pixels: int = 1920 * 1088
    memory_mb: int = 1024
    processor_s: float = 20.0
    wall_s: float = 60.0


def even_places(count: int, n: int, name: str, max_frames: int = MAX_FRAMES) -> list[int]:
    """Places of n frames of `count`, evenly spaced from the first to the last.

    Args:
        count: frames that there are.
        n: frames that are wanted; places repeat where there are fewer.
        name: what errors call the clip.
        max_frames: that a clip may have.

    Raises:
        MediaError: there is none, or there are too many.
    """
    if count < 1:
        raise MediaError(f"{name} has no frames; choose another clip")
    if count > max_frames:
        raise MediaError(f"{name} has {count:,} frames; at most {max_frames:,} are read, so cut it first")
    step = (count - 1) / (n - 1) if n > 1 else 0.0
    return [round(at * step) for at in range(n)]
