"""What decodes clips within a process of its own (umr.apart.process). Not the side that asks (umr.clips.decoder).

It imports neither numpy nor torch.

PyAV is the reader. decord is kept for who asks for it by name, and is not the first one: it aborts on damaged clips
(`python -m umr.bench fuzz --only decord` counts them), cannot be told which formats and addresses to leave
alone, links an FFmpeg of 2020, and needs a pass of its own to see damage. Of sound clips both give the same bytes.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from umr.apart.line import FRAMES, LENGTH, PACE, Line, Spent
from umr.clips.frames import Shot, check_size, opened, shot, shown
from umr.clips.limits import ClipLimits, even_places
from umr.clips.parts import pace, read_part, seconds
from umr.errors import MediaError, reason

_BROKEN = (av.error.FFmpegError, OSError, ValueError, EOFError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class Packets:
    """What a clip holds, without decoding it.

    Attributes:
        count: of its frames.
        width: of a frame, px.
        height: of a frame, px.
        order: times of the frames as shown; empty where some have no time.
        keys: times of the key frames.
    """

    count: int
    width: int
    height: int
    order: list[int]
    keys: list[int]


def prepare() -> None:
    """Nothing: PyAV is imported with this module."""


def answer(asked: dict[str, Any], data: bytes, line: Line) -> None:  # noqa: ARG001  # a clip is read from its path
    """Send the frames of one clip, or of a part of it; where none are asked for, its length or its pace.

    Args:
        asked: "path" in hexadecimal, "n", "reader", "span", "paced" and "limits".
        data: none.
        line: where they go.

    Raises:
        MediaError: there are none; Spent for want of memory.
    """
    path, limits = Path(os.fsdecode(bytes.fromhex(asked["path"]))), ClipLimits(**asked["limits"])
    try:
        if asked["paced"]:
            span = asked["span"]
            frames = scan(path, limits).count if span is None else None
            return line.send(PACE, pace(path, frames, span, limits))
        if not asked["n"]:
            return line.send(LENGTH, (seconds(path, limits), 0, 0))
        shots = _asked(path, asked, limits)
    except (MemoryError, av.error.MemoryError, BlockingIOError) as error:  # the last: no room for a thread
        words = f"{path.name} needs more memory than a clip may use ({limits.memory_mb:,} MB); make it smaller first"
        raise Spent(words) from error
    except _BROKEN as error:
        words = f"{path.name} cannot be read: {reason(error)}; it may be damaged, choose another file"
        raise MediaError(words) from error
    first = shots[0]
    if {(shot.width, shot.height) for shot in shots} != {(first.width, first.height)}:
        raise MediaError(f"{path.name} has frames of more than one size; save it again in one")
    line.send(FRAMES, (len(shots), first.height, first.width), *(shot.pixels for shot in shots))


def _asked(path: Path, asked: dict[str, Any], limits: ClipLimits) -> list[Shot]:
    if asked["span"] is not None:
        start, end = asked["span"]
        return read_part(path, asked["n"], (start, end), limits)
    return (read_decord if asked["reader"] == "decord" else read)(path, asked["n"], limits)


def read(path: Path, n: int, limits: ClipLimits) -> list[Shot]:
    """N frames of a clip, evenly spaced, by one pass of decoding.

    Raises:
        MediaError: it cannot be read, or is over a limit.
    """
    found = scan(path, limits)
    places = even_places(found.count, n, path.name, limits.max_frames)
    if found.count * found.width * found.height > limits.max_decoded_pixels:
        return _reach(path, places, found, limits)
    kept, count = _pick(path, set(places), limits)
    if count != found.count:  # packets that show nothing, or that do not decode: the places are others
        places = even_places(count, n, path.name, limits.max_frames)
        kept, _ = _pick(path, set(places), limits)
    return [kept[place] for place in places]


def scan(path: Path, limits: ClipLimits) -> Packets:
    """Count the frames of a clip by its packets.

    Raises:
        MediaError: there are too many, or too large ones.
    """
    count, times, keys = 0, [], []
    with opened(path, limits) as (container, stream):
        size = stream.width, stream.height
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            count += 1
            if count > limits.max_frames:
                raise MediaError(f"{path.name} has more than {limits.max_frames:,} frames; cut it first")
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    timed = None not in times and len(set(times)) == len(times)
    return Packets(count, *size, sorted(times) if timed else [], sorted(keys) if timed else [])


def _pick(path: Path, wanted: set[int], limits: ClipLimits) -> tuple[dict[int, Shot], int]:
    """The frames at some places, and how many there are: all are decoded, in their order."""
    kept, count, work = {}, 0, 0
    with opened(path, limits) as (container, stream):
        for frame in container.decode(stream):
            work += frame.width * frame.height
            if count >= limits.max_frames or work > 2 * limits.max_decoded_pixels:
                raise MediaError(f"{path.name} has more frames than it says; cut it first")
            check_size(frame.width, frame.height, path.name, limits)
            if count in wanted:
                kept[count] = shot(frame, limits)
            count += 1
    return kept, count


def _reach(path: Path, places: Sequence[int], found: Packets, limits: ClipLimits) -> list[Shot]:
    """Frames of a clip too large to be decoded whole, each from the key frame before it.

    Where even that is too much, a frame may lie up to half the spacing away from its place.
    """
    targets = None
    for slack in (0, found.count // (2 * len(places))):
        targets = _targets(places, found, slack)
        if targets is not None and _cost(targets) * found.width * found.height <= limits.max_decoded_pixels:
            break
        targets = None
    if targets is None:
        raise MediaError(
            f"{path.name} is too much to decode: {found.count:,} frames of {found.width} x {found.height} px, most of "
            "which can only be reached through others; cut it or make it smaller first"
        )
    shots = []
    with opened(path, limits) as (container, stream):
        for key, target in targets:
            container.seek(found.order[key], stream=stream)
            shots.append(_forward(container, stream, found.order[target], target - key, path.name, limits))
    return shots


def _targets(places: Sequence[int], found: Packets, slack: int) -> list[tuple[int, int]] | None:
    """(place of a key frame, place to decode to) for each wanted place; None where times or key frames are missing."""
    if not found.order or not found.keys:
        return None
    keys = [bisect.bisect_left(found.order, time) for time in found.keys]
    targets = []
    for place in places:
        after = bisect.bisect_right(keys, place)
        if after < len(keys) and keys[after] - place <= slack:
            targets.append((keys[after], keys[after]))
        elif after:
            targets.append((keys[after - 1], max(keys[after - 1], place - slack)))
        else:
            return None
    return targets


def _cost(targets: Sequence[tuple[int, int]]) -> int:
    return sum(target - key + 1 for key, target in targets)


def _forward(container: Any, stream: Any, until: int, ahead: int, name: str, limits: ClipLimits) -> Shot:
    """The frame of that time, decoding on from where the container stands; a damaged clip may have only a near one."""
    frame = None
    for decoded, frame in enumerate(container.decode(stream)):
        check_size(frame.width, frame.height, name, limits)
        if (frame.pts is not None and frame.pts >= until) or decoded > ahead + 32:  # 32: those before an open key frame
            break
    if frame is None:
        raise MediaError(f"{name} cannot be read: a part of it does not decode; it may be damaged, choose another file")
    return shot(frame, limits)


def read_decord(path: Path, n: int, limits: ClipLimits) -> list[Shot]:
    """As read, by decord, after PyAV has looked at the packets; decord may end the process."""
    found = scan(path, limits)
    import decord  # heavy, and absent on some platforms

    width, height = shown(found.width, found.height, limits)
    try:
        reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
        places = even_places(len(reader), n, path.name, limits.max_frames)
        frames = reader.get_batch(places).asnumpy()
    except (decord.DECORDError, RuntimeError) as error:
        raise ValueError(reason(error)) from error
    return [Shot(frame.shape[1], frame.shape[0], frame.tobytes()) for frame in frames]
