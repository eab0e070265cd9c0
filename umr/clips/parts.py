"""Parts of a clip by their moments: how long it is, and frames between two of them. Not whole clips (umr.clips.reader).

Nothing before the part is looked at but its key frame and the first packets of the file, so that the last part of an
hour costs what the first one does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from umr.apart.line import MOST_NUMBER
from umr.clips.frames import Shot, check_size, opened, shot
from umr.clips.limits import ClipLimits, even_places
from umr.errors import MediaError
from umr.moments import Span, told

_REORDERED = 32  # packets among which an earlier frame may follow a later one
_HALF = 0.0005  # moments are told to the millisecond


def seconds(path: Path, limits: ClipLimits) -> int:
    """Milliseconds from the first frame of a clip to the end of the last one, by its packets.

    Raises:
        MediaError: they have no times.
    """
    last = -math.inf
    with opened(path, limits) as (container, stream):
        first = _first(container, stream)
        for packet in _shown(container, stream):
            last = max(last, packet.pts + (packet.duration or 0))
        length = round(float((last - first) * stream.time_base) * 1000) if last > first else 0
    if not 0 < length <= MOST_NUMBER:
        raise MediaError(f"{path.name} does not say when its frames are shown, so it has no parts; save it as .mp4")
    return length


def pace(path: Path, frames: int | None, span: Span | None, limits: ClipLimits) -> tuple[int, int, int]:
    """Frames of a clip or a part of it, and how many are shown a second, as numerator and denominator.

    Args:
        path: the clip's.
        frames: that it has; None: those of the part are counted.
        span: of the part.
        limits: of each clip.

    Raises:
        MediaError: it cannot be read, shows no frame, or does not say how many a second.
    """
    if frames is None and span is not None:
        frames = len(_times(path, span, limits))
    if not frames:
        where = f"no frame from {told(span)}" if span else "no frames"
        raise MediaError(f"{path.name} shows {where}; it may be damaged, choose another file")
    with opened(path, limits) as (_, stream):
        a_second = stream.average_rate or stream.guessed_rate
    if not a_second:
        raise MediaError(f"{path.name} does not say how many frames it shows a second; save it as .mp4")
    return frames, a_second.numerator, a_second.denominator


def read_part(path: Path, n: int, span: Span, limits: ClipLimits) -> list[Shot]:
    """N frames of a part of a clip, evenly spaced from its first to its last one.

    Decoding begins at the key frame before the part, and ends with it: the limits are those of what is decoded.

    Raises:
        MediaError: it cannot be read, no frame is shown within it, or it is over a limit.
    """
    times = _times(path, span, limits)
    if not times:
        raise MediaError(f"{path.name} shows no frame from {told(span)}; it may be damaged, choose another file")
    wanted = [times[place] for place in even_places(len(times), n, path.name, limits.max_frames)]
    kept: dict[int, Shot] = {}
    work = 0
    with opened(path, limits) as (container, stream):
        container.seek(times[0], stream=stream)
        for frame in container.decode(stream):
            work += frame.width * frame.height
            check_size(frame.width, frame.height, path.name, limits)
            if work > limits.max_decoded_pixels:
                raise MediaError(f"{path.name} is too much to decode from {told(span)}; make it smaller first")
            if frame.pts in wanted:
                kept[frame.pts] = shot(frame, limits)
            if frame.pts is not None and frame.pts >= wanted[-1]:
                break
    if not kept:
        raise MediaError(f"{path.name} cannot be read from {told(span)}; it may be damaged, choose another file")
    return [kept[min(kept, key=lambda time: abs(time - one))] for one in wanted]  # what does not decode has no frame


def _times(path: Path, span: Span, limits: ClipLimits) -> list[int]:
    """When the frames of a part are shown, in the stream's own unit, ascending."""
    times, behind = list[int](), 0
    with opened(path, limits) as (container, stream):
        first = _first(container, stream)
        start, end = (first + (moment - _HALF) / stream.time_base for moment in span)
        container.seek(math.ceil(max(first, start)), stream=stream)
        for packet in _shown(container, stream):
            behind = behind + 1 if packet.pts >= end else 0
            if behind > _REORDERED:
                break
            if start <= packet.pts < end:
                times.append(packet.pts)
            if len(times) > limits.max_frames:
                raise MediaError(f"{path.name} has more than {limits.max_frames:,} frames from {told(span)}; cut it")
    return sorted(times)


def _first(container: Any, stream: Any) -> int:
    """When the first frame is shown; the container stands behind it then, and must be sought where more is read."""
    times = [packet.pts for packet in islice(_shown(container, stream), _REORDERED)]
    if not times:
        raise ValueError("its frames have no times")
    container.seek(min(times), stream=stream)
    return min(times)


def _shown(container: Any, stream: Any) -> Iterator[Any]:
    """The packets that show a frame and say when."""
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard and packet.pts is not None:
            yield packet
