"""A clip's file opened safely, and a decoded frame of it as bytes. Not which frames (umr.clips.reader, .parts).

It imports neither numpy nor torch, as the process that decodes does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from umr.clips.limits import ClipLimits
from umr.errors import MediaError

#: Demuxers that read the bytes of one file and nothing else: no playlists, no lists of files, no devices.
FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "gif", "mpegts", "mpeg", "mpegvideo", "flv", "ogg", "asf",
           "ivf", "apng", "h264", "hevc", "m4v", "mjpeg", "gif_pipe", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe",
           "tiff_pipe")  # fmt: skip
THREADS = 2  # of a decoder; each takes 8 MB of the address space


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame as RGB bytes, width and height in px."""

    width: int
    height: int
    pixels: bytes


@contextmanager
def opened(path: Path, limits: ClipLimits) -> Iterator[tuple[Any, Any]]:
    """Container and video stream of a file. It is read through Python, so that FFmpeg opens nothing by its name."""
    with path.open("rb") as file:
        options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
        with av.open(file, container_options=options, metadata_errors="replace") as container:
            if not container.streams.video:
                raise MediaError(f"{path.name} has no pictures in it; choose another clip")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise MediaError(f"{path.name} is in a format that cannot be decoded; save it as H.264 (.mp4)")
            check_size(stream.width, stream.height, path.name, limits)
            stream.codec_context.thread_count = THREADS
            stream.codec_context.options = {"max_pixels": str(2 * limits.max_frame_pixels)}  # it counts padding too
            yield container, stream


def check_size(width: int, height: int, name: str, limits: ClipLimits) -> None:
    """Whether frames may be that large.

    Raises:
        MediaError: they may not.
    """
    if width * height > limits.max_frame_pixels:
        raise MediaError(
            f"{name} has frames of {width} x {height} px; at most {limits.max_frame_pixels / 1e6:.0f} megapixels are "
            "read, so make it smaller first"
        )


def shown(width: int, height: int, limits: ClipLimits) -> tuple[int, int]:
    """The size in which a frame goes back: its own, unless that is more than anyone looks at."""
    scale = min(1.0, (limits.max_shown_pixels / max(1, width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def shot(frame: Any, limits: ClipLimits) -> Shot:
    """A decoded frame as RGB bytes, in the size in which it is shown."""
    width, height = shown(frame.width, frame.height, limits)
    shrunk = {} if (width, height) == (frame.width, frame.height) else {"interpolation": "AREA"}
    data: bytes | memoryview
    plane = frame.reformat(width=width, height=height, format="rgb24", **shrunk).planes[0]
    data, row = memoryview(plane), 3 * width
    if plane.line_size != row:  # rows end with padding
        data = b"".join(data[at : at + row] for at in range(0, plane.line_size * height, plane.line_size))
    return Shot(width, height, bytes(data[: row * height]))
