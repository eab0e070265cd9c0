"""The one place where bytes become pixels, and typed text becomes text: formats, caps, rotation. Not tensors, not prompts."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from umr.errors import MediaError, reason

log = logging.getLogger(__name__)

_ORIENTATION = 0x0112
#: EXIF 2.32, tag Orientation -> what brings the picture upright.
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}  # fmt: skip
MAX_PIXELS = 64_000_000  # larger pictures are refused before they are decoded (192 MB as RGB)
MAX_FRAMES = 36_000  # 20 minutes at 30 frames a second
MAX_FRAME_PIXELS = 3840 * 2160  # of one frame of a clip; eight of them are 200 MB as RGB
MAX_TEXT = 20_000  # characters
GREY = (127, 127, 127)
#: Formats that are read; EPS and others that run an interpreter are left out on purpose.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "ICO", "TGA", "JPEG2000")


def open_image(
    source: str | Path | bytes | Image.Image | np.ndarray, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Image.Image:
    """Any picture as RGB: EXIF rotation applied, transparency over white, 16 bits scaled to 8, first frame of several.

    source: a path, the bytes of a file, a PIL picture, or a uint8 array (H, W, 3).
    name: what errors call it; by default the last part of its path, as a page must not say where on the server it lies.
    Raises MediaError if it cannot be read to its end, or has no pixels or more than max_pixels."""
    if isinstance(source, np.ndarray):
        return Image.fromarray(_checked(source, 3, "a picture", "(H, W, 3)"))
    name = name or _name(source)
    with _reading(name, max_pixels=max_pixels), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs, as the cap below is ours and lower, and of odd metadata
        if isinstance(source, Image.Image):
            image = source
        elif isinstance(source, bytes):
            image = Image.open(io.BytesIO(source), formats=_formats())
        else:
            image = Image.open(existing(source, name), formats=_formats())
        width, height = image.size
        if not width or not height:
            raise MediaError(f"{name} has no pixels ({width} x {height}); choose another picture")
        if width * height > max_pixels:
            raise MediaError(_too_large(name, f"{width} x {height} px", max_pixels))
        image.load()
        return _to_rgb(_upright(image), name)


def letterbox(image: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """The whole picture in a square, aspect kept, grey around it; uint8 (size, size, 3). Fitting pixels stay untouched."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(_checked(image, 3, "a picture", "(H, W, 3)"))
    if image.size != (size, size):
        scale = size / max(image.size)
        fitted = tuple(min(size, max(1, round(side * scale))) for side in image.size)
        small = image.resize(fitted, Image.Resampling.BICUBIC, reducing_gap=3.0)
        image = Image.new("RGB", (size, size), GREY)
        image.paste(small, ((size - fitted[0]) // 2, (size - fitted[1]) // 2))
    return np.array(image, dtype=np.uint8)


def sample_frames(source: str | Path | np.ndarray, n: int) -> np.ndarray:
    """n frames evenly spaced from the first to the last, uint8 (n, H, W, 3); short clips repeat frames.

    source: a path, or uint8 frames (F, H, W, 3). decord reads it with one thread (VP9 fails with more), PyAV where decord
    cannot, and where a clip is damaged: decord ends the whole process on some of these.
    Raises MediaError if it cannot be read, has no frames, or too many or too large ones."""
    if isinstance(source, np.ndarray):
        frames = _checked(source, 4, "a clip", "(F, H, W, 3)")
        return frames[_places(len(frames), n, "the clip")]
    path = existing(source)
    if path.suffix.lower() != ".gif" and _is_sound(path):
        frames = _decord_frames(path, n)
        if frames is not None:
            return frames
    return _av_frames(path, n)


def thumbnail(image: Image.Image | np.ndarray, size: int) -> bytes:
    """The picture as WebP bytes, longer side at most `size` px."""
    small = open_image(image).copy()
    small.thumbnail((size, size), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82)
    return out.getvalue()


def content_hash(source: str | Path | bytes) -> str:
    """sha256 (hex) of a file's bytes. Raises MediaError if the file is absent."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with existing(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def picture_hash(source: str | Path | bytes | Image.Image | np.ndarray) -> str:
    """content_hash of a file or its bytes; for a picture in memory, that has no file, sha256 of its RGB pixels and size."""
    if isinstance(source, (str, Path, bytes)):
        return content_hash(source)
    image = open_image(source)
    return hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()


def clean_text(text: str) -> str:
    """The text without surrounding space ("" if it was only space).

    Raises MediaError over 20,000 characters, with a NUL, or with half a surrogate pair (not encodable)."""
    if len(text) > MAX_TEXT:
        raise MediaError(f"the text has {len(text):,} characters; at most {MAX_TEXT:,} are read, so shorten it")
    if "\0" in text:
        raise MediaError("the text contains a NUL character, so it is probably not text; remove it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MediaError("the text contains half a surrogate pair, so it was decoded wrongly; read it as UTF-8")
    return text.strip()


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this build of Pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. Not ImageOps.exif_transpose, which also rewrites the metadata and fails where it is odd."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
    except (OSError, SyntaxError, ValueError, struct.error):  # metadata alone is broken: the pixels are as they are
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise MediaError(f"{name} contains values that are not numbers; choose another picture")
        top = values.max(initial=0.0)
        scale = 255.0 if image.mode == "F" and top <= 1.0 else 1 / 257 if image.mode != "F" or top > 255.0 else 1.0
        return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _checked(array: np.ndarray, ndim: int, what: str, shape: str) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape[-3:]:
        raise MediaError(f"{what} must be a uint8 array {shape}, got {array.dtype} {array.shape}")
    return array


def _places(count: int, n: int, name: str) -> np.ndarray:
    if count < 1:
        raise MediaError(f"{name} has no frames; choose another clip")
    if count > MAX_FRAMES:
        raise MediaError(f"{name} has {count:,} frames; at most {MAX_FRAMES:,} are read, so cut it first")
    return np.linspace(0, count - 1, n).round().astype(int)


def _decord_frames(path: Path, n: int) -> np.ndarray | None:
    """None where decord cannot read the file: PyAV, which reads more formats, then gives the verdict."""
    try:
        import decord  # heavy, and absent on some platforms
    except ImportError:
        return None
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        places = _places(len(reader), n, path.name)
        return reader.get_batch(places.tolist()).asnumpy()
    except (decord.DECORDError, RuntimeError, OSError, ValueError, IndexError) as error:
        log.debug("decord cannot read %s: %s", path.name, error)
        return None


def _is_sound(path: Path) -> bool:
    """Whether every frame decodes without an error, into one size and format. A clip that is none raises MediaError."""
    import av

    try:
        forms = {(frame.width, frame.height, frame.format.name) for frame in _decoded(path, strict=True)}
    except (av.error.FFmpegError, OSError, ValueError) as error:
        log.debug("%s is damaged: %s", path.name, error)
        return False
    return len(forms) == 1


def _av_frames(path: Path, n: int) -> np.ndarray:
    """Two passes, count then pick, so that memory holds n frames whatever the container claims about their number."""
    import av  # heavy

    with _reading(path.name, (av.error.FFmpegError, OSError, ValueError)):
        places = _places(sum(1 for _ in _decoded(path)), n, path.name)
        wanted = set(places.tolist())
        kept = {at: frame.to_ndarray(format="rgb24") for at, frame in enumerate(_decoded(path)) if at in wanted}
        return np.stack([kept[at] for at in places.tolist()])


def _decoded(path: Path, strict: bool = False) -> Iterator:
    """Frames in their order. strict: the first damaged one raises av.error.FFmpegError, instead of being patched up."""
    import av

    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.video:
            raise MediaError(f"{path.name} has no pictures in it; choose another clip")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise MediaError(f"{path.name} is in a format that cannot be decoded; save it as H.264 (.mp4)")
        _check_size(stream.width, stream.height, path.name)
        if strict:
            stream.codec_context.options = {"err_detect": "explode+crccheck+bitstream+buffer"}
        for at, frame in enumerate(container.decode(stream)):
            if at >= MAX_FRAMES:
                raise MediaError(f"{path.name} has more than {MAX_FRAMES:,} frames; cut it first")
            _check_size(frame.width, frame.height, path.name)
            yield frame


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise MediaError(
            f"{name} has frames of {width} x {height} px; at most {MAX_FRAME_PIXELS / 1e6:.0f} megapixels are read, "
            "so make it smaller first"
        )


@contextmanager
def _reading(name: str, errors: tuple[type[Exception], ...] = (), max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Turn what decoders raise on bad bytes into one MediaError that names the file."""
    broken = errors or (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, MemoryError,
                        OverflowError, RuntimeError, struct.error)  # fmt: skip
    try:
        yield
    except MediaError:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own cap is higher; it says the number of pixels
        pixels = re.search(r"\d+", str(error))
        size = f"{int(pixels[0]) / 1e6:,.0f} megapixels" if pixels else "more than can be counted safely"
        raise MediaError(_too_large(name, size, max_pixels)) from error
    except UnidentifiedImageError as error:
        raise MediaError(f"{name} is not a picture that can be read (JPEG, PNG, WebP, GIF, BMP, TIFF)") from error
    except broken as error:
        raise MediaError(f"{name} cannot be read: {reason(error)}; it may be damaged, choose another file") from error


def _too_large(name: str, size: str, max_pixels: int) -> str:
    return f"{name} is too large: {size}, at most {max_pixels / 1e6:.0f} megapixels are read; make it smaller first"


def existing(source: str | Path, name: str | None = None) -> Path:
    """The path of a file that is there. Raises MediaError by `name`, as open_image does."""
    path = Path(source)
    if "\0" in str(source) or not path.is_file():
        raise MediaError(f"{name or path.name!r} is not a file that exists; check its path")
    return path


def _name(source: object) -> str:
    return Path(source).name if isinstance(source, (str, Path)) else "the picture"
