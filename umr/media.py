"""Where bytes become pixels, and typed text becomes text. Not how (umr.pictures, umr.clips), not tensors or prompts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from umr.clips.decoder import CLIPS_OF_THIS_PROCESS
from umr.clips.limits import even_places
from umr.decode_budget import PICTURES
from umr.disk import file_sha256, replacing
from umr.errors import MediaError
from umr.moments import Span
from umr.pictures.decode import MAX_PIXELS, decoded, reading, strips
from umr.pictures.decoder import PictureDecoder

MAX_BYTES = 512 * 2**20  # of a picture's file: 64 megapixels of 8 bytes each
MAX_TEXT = 20_000  # characters
GREY = (127, 127, 127)
HEIC = (".heic", ".heif")  # how files of telephones end that browsers do not show
_apart: PictureDecoder | None = None  # see decoding_apart


def open_image(
    source: str | Path | bytes | Image.Image | np.ndarray,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
    own: bool = True,
) -> Image.Image:
    """Any picture as RGB: EXIF rotation applied, transparency over white, 16 bits scaled to 8, first frame of several.

    Args:
        source: a path, the bytes of a file, a PIL picture, or a uint8 array (H, W, 3).
        max_pixels: larger pictures are refused before they are decoded.
        name: what errors call it; by default the last part of its path, as a page must not say where on the server
            it lies.
        own: whether it is a picture of its own, without metadata; who only looks at its pixels saves a copy of them.

    Raises:
        MediaError: it cannot be read to its end, or has no pixels or more than max_pixels.
    """
    if isinstance(source, np.ndarray):
        return Image.fromarray(_checked(source, 3, "a picture", "(H, W, 3)"))
    name = name or _name(source)
    if isinstance(source, (str, Path)):
        source = existing(source, name)
    if _apart is not None and not isinstance(source, Image.Image):
        return _apart.picture(source, max_pixels, name)
    return decoded(source, max_pixels, name, PICTURES, own)


@contextmanager
def decoding_apart() -> Iterator[PictureDecoder]:
    """Within it, every picture's file is decoded in a process of its own, whichever thread of this process opens it.

    For a server that strangers send files to; whoever indexes files of their own decodes in threads of this process.
    The processes start with the first picture, or with `workers.warm()` of what this gives.
    """
    global _apart  # one for all threads, as Gradio's have no context in common
    before, _apart = _apart, PictureDecoder()
    try:
        yield _apart
    finally:
        _apart.workers.close()
        _apart = before


def browser_copy(path: Path) -> Path:
    """Where what browsers show of a picture lies: beside a HEIC, and for any other file the file itself."""
    return path.with_name(f"{path.name}.jpg") if path.suffix.lower() in HEIC else path


def shown_in_browsers(path: Path) -> Path:
    """`browser_copy` of a picture, written where it is a copy: a JPEG of full size.

    Raises:
        MediaError: it cannot be read.
    """
    copy = browser_copy(path)
    if copy == path:
        return path
    save_beside(path, open_image(path), copy, "JPEG", 92)
    return copy


def save_beside(source: Path, image: Image.Image, target: Path, kind: str, quality: int) -> None:
    """Writes a picture that was made of a file into that file's folder, which is not made again if it went meanwhile.

    Args:
        source: the file.
        image: what was made of it.
        target: where it goes.
        kind: Pillow's name of its format.
        quality: 1 to 100.

    Raises:
        MediaError: the folder is gone.
    """
    try:
        with replacing(target, make_folder=False) as draft:
            image.save(draft, kind, quality=quality)
    except FileNotFoundError as error:
        raise MediaError(f"{source.name} was removed while it was read; choose it again") from error


def letterbox(image: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """The whole picture in a square, aspect kept, grey around it; uint8 (size, size, 3).

    Pixels of a picture that fits stay untouched.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(_checked(image, 3, "a picture", "(H, W, 3)"))
    if image.size != (size, size):
        scale = size / max(image.size)
        width, height = (min(size, max(1, round(side * scale))) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
        image = Image.new("RGB", (size, size), GREY)
        image.paste(small, ((size - width) // 2, (size - height) // 2))
    return np.array(image, dtype=np.uint8)


def sample_frames(source: str | Path | np.ndarray, n: int, span: Span | None = None) -> np.ndarray:
    """N frames evenly spaced from the first to the last, uint8 (n, H, W, 3); short clips repeat frames.

    A file is decoded in a process of its own (umr.clips.decoder), which a stranger's file may end without harm; within
    its `stoppable` it can be cancelled.

    Args:
        source: a path, or uint8 frames (F, H, W, 3).
        n: how many.
        span: of a file only what lies between these two moments, in seconds; None: all of it.

    Returns:
        The frames; those of a file larger than full HD come smaller.

    Raises:
        MediaError: it cannot be read, has no frames, or too many or too large ones; frames in memory have no moments.
    """
    if isinstance(source, np.ndarray):
        if span is not None:
            raise MediaError("frames in memory have no moments, so no part of them can be told; give the clip's file")
        frames = _checked(source, 4, "a clip", "(F, H, W, 3)")
        return frames[even_places(len(frames), n, "the clip")]
    return CLIPS_OF_THIS_PROCESS.frames(existing(source), n, span=span)


def clip_seconds(source: str | Path) -> float:
    """How long a clip is shown, from its first frame to the end of its last one.

    Raises:
        MediaError: it cannot be read, or its frames have no times.
    """
    return CLIPS_OF_THIS_PROCESS.seconds(existing(source))


def clip_pace(source: str | Path, span: Span | None = None) -> tuple[int, Fraction]:
    """How many frames a clip's file has, and how many are shown a second; by its packets, without decoding it.

    Args:
        source: a path.
        span: only what lies between these two moments, in seconds; None: all of it.

    Raises:
        MediaError: it cannot be read, or does not say how many are shown a second.
    """
    return CLIPS_OF_THIS_PROCESS.pace(existing(source), span)


def thumbnail(image: Image.Image | np.ndarray, size: int) -> bytes:
    """The picture as WebP bytes, longer side at most `size` px."""
    small = open_image(image).copy()
    small.thumbnail((size, size), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82)
    return out.getvalue()


def content_hash(source: str | Path | bytes) -> str:
    """sha256 (hex) of a file's bytes.

    Raises:
        MediaError: the file is absent.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    return file_sha256(existing(source))


def file_bytes(source: str | Path) -> bytes:
    """The bytes of a file, read once: what is decoded of them and their hash belong together, whatever becomes of it.

    Raises:
        MediaError: the file is absent, or larger than any picture that is read.
    """
    path = existing(source)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise MediaError(
            f"{path.name} is too large: {size / 1e6:,.0f} MB, at most {MAX_BYTES / 1e6:,.0f} MB of a picture are read"
        )
    return path.read_bytes()


def picture_hash(source: str | Path | bytes | Image.Image | np.ndarray) -> str:
    """content_hash of a file or its bytes; for a picture in memory, sha256 of its RGB pixels and size.

    Raises:
        MediaError: the file is absent, or the picture cannot be read.
    """
    if isinstance(source, (str, Path, bytes)):
        return content_hash(source)
    image = open_image(source)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    for box in strips(image):
        digest.update(image.crop(box).tobytes())
    return digest.hexdigest()


def clean_text(text: str) -> str:
    """The text without surrounding space ("" if it was only space).

    Raises:
        MediaError: it has over 20,000 characters, a NUL, or half a surrogate pair (not encodable).
    """
    if len(text) > MAX_TEXT:
        raise MediaError(f"the text has {len(text):,} characters; at most {MAX_TEXT:,} are read, so shorten it")
    if "\0" in text:
        raise MediaError("the text contains a NUL character, so it is probably not text; remove it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MediaError("the text contains half a surrogate pair, so it was decoded wrongly; read it as UTF-8")
    return text.strip()


def _checked(array: np.ndarray, ndim: int, what: str, shape: str) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape[-3:]:
        raise MediaError(f"{what} must be a uint8 array {shape}, got {array.dtype} {array.shape}")
    return array


def existing(source: str | Path, name: str | None = None) -> Path:
    """The path of a file that is there.

    Raises:
        MediaError: it is not, or cannot be looked for; called by `name`, as open_image does.
    """
    path = Path(source)
    with reading(name or path.name):  # the system has words of its own for odd paths
        is_there = "\0" not in str(source) and path.is_file()
    if not is_there:
        raise MediaError(f"{name or path.name!r} is not a file that exists; check its path")
    return path


def _name(source: object) -> str:
    return Path(source).name if isinstance(source, (str, Path)) else "the picture"
