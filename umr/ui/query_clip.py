"""A clip as a query's picture: the strip of its frames that stands for it in the bar. Not how a clip is decoded.

The strip lies beside the clip, in the same folder of an upload, and is known by that: a strip without its clip is a
picture like any other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from umr.errors import MediaError
from umr.ingest import CLIPS
from umr.media import letterbox, sample_frames, save_beside
from umr.moments import Span, told
from umr.types import Content
from umr.ui.kinds import picture_file

STRIP = ".frames.webp"
SHOWN_FRAMES = 8  # on a strip, as many as the bundled encoders read
COLUMNS, CELL = 4, 160  # frames in a row, px of one
MAX_BYTES = 20_000_000  # of a clip; also of any one file among a visitor's own (umr.ui.files.uploads)


def is_clip(path: Path) -> bool:
    """Whether a file is one by its name."""
    return path.suffix.lower() in CLIPS


def clip_of(picture: object) -> Path | None:
    """The clip that a bar's picture is, or stands for; None for a picture."""
    if not isinstance(picture, Path):
        return None
    if is_clip(picture):
        return picture
    clip = picture.with_name(picture.name.removesuffix(STRIP))
    return clip if clip != picture and is_clip(clip) and clip.is_file() else None


def query_content(picture: Path | Image.Image | None, text: str | None) -> Content:
    """What a bar asks with: its picture, or the clip that it stands for, and its words.

    Raises:
        ConfigError: there is neither.
        MediaError: the clip has too many bytes.
    """
    clip = clip_of(picture)
    if clip is None:
        return Content(text=text, image=picture)
    check_size(clip)
    return Content(text=text, video=clip)


def shown_file(content: Content) -> Path | None:
    """The file that a bar holds of a content's picture or clip; None where there is none."""
    if not isinstance(content.video, Path):
        return picture_file(content)
    strip = strip_of(content.video)
    return strip if strip.is_file() else content.video


def strip_of(clip: Path) -> Path:
    """Where the strip of a clip's frames lies."""
    return clip.with_name(clip.name + STRIP)


def frames_said(count: int, span: Span | None = None) -> str:
    """Which frames of a clip are read, as a sentence.

    Args:
        count: frames that the model reads.
        span: the part of it that is a result; None: all of it.
    """
    where = "the clip" if span is None else f"this part of the clip ({told(span)})"
    return f"{count} frames of {where} are read, evenly spaced from the first to the last."


def check_size(clip: Path) -> None:
    """Whether a clip may be a query.

    Raises:
        MediaError: it has too many bytes.
    """
    if clip.is_file() and clip.stat().st_size > MAX_BYTES:
        size = clip.stat().st_size / 1e6
        raise MediaError(f"{clip.name} has {size:.0f} MB; a clip may have {MAX_BYTES / 1e6:.0f} MB, so cut it first")


def filmstrip(clip: Path) -> Path:
    """The strip of a clip's frames, evenly spaced from the first to the last, written beside it.

    Raises:
        MediaError: the clip cannot be read, or is over a limit.
    """
    check_size(clip)
    frames = sample_frames(clip, SHOWN_FRAMES)
    cells = [letterbox(frame, CELL) for frame in frames]
    rows = [np.concatenate(cells[at : at + COLUMNS], axis=1) for at in range(0, len(cells), COLUMNS)]
    strip = strip_of(clip)
    save_beside(clip, Image.fromarray(np.concatenate(rows)), strip, "WEBP", 85)
    return strip
