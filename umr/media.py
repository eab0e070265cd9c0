"""Where bytes become pixels, and typed text becomes text: formats, caps, rotation. Not tensors, not prompts."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from umr.clips.decoder import CLIPS_OF_THIS_PROCESS
from umr.clips.limits import even_places
from umr.decode_budget import PICTURES
from umr.disk import file_sha256, replacing
from umr.errors import MediaError, reason

_ORIENTATION = 0x0112
#: EXIF 2.32, tag Orientation -> what brings the picture upright.
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}  # fmt: skip
MAX_PIXELS = 64_000_000  # larger pictures are refused before they are decoded (192 MB as RGB)
MAX_BYTES = 512 * 2**20  # of a picture's file: 64 megapixels of 8 bytes each
_STRIP = 2**20  # pixels that are converted at a time
_RGB = 4  # bytes that Pillow takes for a pixel of RGB
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # of a decoded pixel; others: 4
#: Bytes of a pixel that a decoder takes beside the decoded ones, measured; for JPEG2000 of each band.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 6, "HEIF": 6, "TIFF": 4, "JPEG2000": 6}
_PROGRESSIVE = 6  # of JPEG: coefficients of the whole picture
MAX_TEXT = 20_000  # characters
GREY = (127, 127, 127)
HEIC = (".heic", ".heif")  # how files of telephones end that browsers do not show
#: Formats that are read; EPS and others that run an interpreter are left out on purpose.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF", "ICO", "TGA", "JPEG2000")


def open_image(
    source: str | Path | bytes | Image.Image | np.ndarray, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Image.Image:
    """Any picture as RGB: EXIF rotation applied, transparency over white, 16 bits scaled to 8, first frame of several.

    Args:
        source: a path, the bytes of a file, a PIL picture, or a uint8 array (H, W, 3).
        max_pixels: larger pictures are refused before they are decoded.
        name: what errors call it; by default the last part of its path, as a page must not say where on the server
            it lies.

    Raises:
        MediaError: it cannot be read to its end, or has no pixels or more than max_pixels.
    """
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
        if _is_plain(image):
            return image
        with PICTURES.room(_cost(image), name) as share:
            image.load()
            if image.width * image.height > max_pixels:  # an icon may hold a larger picture than it says
                raise MediaError(_too_large(name, f"{image.width} x {image.height} px", max_pixels))
            image = _upright(image)  # by the same name, so that what was turned is freed
            found = _to_rgb(image, name)
            share.keep_for(found, _RGB * found.width * found.height)
            return found


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
    image = open_image(path)
    with replacing(copy) as draft:
        image.save(draft, "JPEG", quality=92)
    return copy


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


def sample_frames(source: str | Path | np.ndarray, n: int) -> np.ndarray:
    """N frames evenly spaced from the first to the last, uint8 (n, H, W, 3); short clips repeat frames.

    A file is decoded in a process of its own (umr.clips.decoder), which a stranger's file may end without harm; within
    its `stoppable` it can be cancelled.

    Args:
        source: a path, or uint8 frames (F, H, W, 3).
        n: how many.

    Returns:
        The frames; those of a file larger than full HD come smaller.

    Raises:
        MediaError: it cannot be read, has no frames, or too many or too large ones.
    """
    if isinstance(source, np.ndarray):
        frames = _checked(source, 4, "a clip", "(F, H, W, 3)")
        return frames[even_places(len(frames), n, "the clip")]
    return CLIPS_OF_THIS_PROCESS.frames(existing(source), n)


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
    for box in _strips(image):
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


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this machine reads: those of its Pillow, and HEIF where pi-heif is installed."""
    Image.init()
    if find_spec("pi_heif"):  # not on a machine that only trains
        import_module("pi_heif").register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. Not ImageOps.exif_transpose, which also rewrites the metadata and fails where it is odd."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, struct.error):  # metadata alone is broken: the pixels are as they are
        turn = None
    return image if turn is None else image.transpose(turn)


def _is_plain(image: Image.Image) -> bool:
    """Whether a picture is what open_image gives: decoded RGB that no metadata turns or makes transparent."""
    return type(image) is Image.Image and image.mode == "RGB" and not image.info


def _cost(image: Image.Image) -> int:
    """Bytes that a picture takes at its peak: what its decoder needs, or the decoded pixels beside their RGB copy."""
    mode = _MODE_BYTES.get(image.mode, 4)
    extra = _DECODER_BYTES.get(image.format or "", 0)
    if image.format == "JPEG2000":
        extra *= len(image.getbands())
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        extra = _PROGRESSIVE
    return image.width * image.height * (mode + max(extra, _RGB))


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """A new picture without metadata.

    What takes more than one conversion goes strip by strip, as whole copies add up.
    """
    deep = image.mode in ("I", "I;16", "I;16B", "I;16L", "F")
    clear = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if not deep and not clear:
        found = image.convert("RGB")
        found.info = {}  # what turned it must not turn it again
        return found
    scale = _scale(image, name) if deep else 0.0
    found = Image.new("RGB", image.size)
    for box in _strips(image):
        strip = image.crop(box)
        found.paste(_eight_bits(strip, scale) if deep else _over_white(strip), box[:2])
    return found


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of whole rows, about a megapixel each."""
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(image.height, top + rows)


def _scale(image: Image.Image, name: str) -> float:
    """What brings the values of a picture of more than eight bits to 0 to 255; others are a MediaError."""
    top = 0.0
    for box in _strips(image):
        values = np.asarray(image.crop(box))
        if not np.isfinite(values).all():
            raise MediaError(f"{name} contains values that are not numbers; choose another picture")
        top = max(top, float(values.max()))
    return 255.0 if image.mode == "F" and top <= 1.0 else 1 / 257 if image.mode != "F" or top > 255.0 else 1.0


def _eight_bits(strip: Image.Image, scale: float) -> Image.Image:
    values = np.asarray(strip, dtype=np.float64) * scale
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _over_white(strip: Image.Image) -> Image.Image:
    strip = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, (255, 255, 255, 255)), strip).convert("RGB")


def _checked(array: np.ndarray, ndim: int, what: str, shape: str) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3 or 0 in array.shape[-3:]:
        raise MediaError(f"{what} must be a uint8 array {shape}, got {array.dtype} {array.shape}")
    return array


@contextmanager
def _reading(name: str, max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Turn what decoders raise on bad bytes into one MediaError that names the file."""
    broken = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, MemoryError,
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
    """The path of a file that is there.

    Raises:
        MediaError: it is not; called by `name`, as open_image does.
    """
    path = Path(source)
    if "\0" in str(source) or not path.is_file():
        raise MediaError(f"{name or path.name!r} is not a file that exists; check its path")
    return path


def _name(source: object) -> str:
    return Path(source).name if isinstance(source, (str, Path)) else "the picture"
