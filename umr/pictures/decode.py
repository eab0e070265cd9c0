"""A picture's file to RGB pixels: formats, caps, rotation, transparency, depth. Not tensors, nor in which process.

It imports no numpy where no picture needs it: processes that only decode start with it (umr.pictures.reader).
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from umr.errors import MediaError, reason

_ORIENTATION = 0x0112
#: EXIF 2.32, tag Orientation -> what brings the picture upright.
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}  # fmt: skip
MAX_PIXELS = 64_000_000  # larger pictures are refused before they are decoded (192 MB as RGB)
STRIP = 2**20  # pixels that are converted at a time
RGB_BYTES = 4  # bytes that Pillow takes for a pixel of RGB
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # of a decoded pixel; others: 4
#: Bytes of a pixel that a decoder takes beside the decoded ones, measured; for JPEG2000 of each band.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 6, "HEIF": 6, "TIFF": 4, "JPEG2000": 6}
_PROGRESSIVE = 6  # of JPEG: coefficients of the whole picture
#: Formats that are read; EPS and others that run an interpreter are left out on purpose.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "HEIF", "ICO", "TGA", "JPEG2000")


class Share(Protocol):
    """What one decode has of a budget of memory (umr.decode_budget)."""

    def keep_for(self, result: object, size: int) -> None:
        """Gives back all but `size` bytes, and those as soon as `result` is gone."""


class Budget(Protocol):
    """Where a decode gets its memory from."""

    def room(self, size: int, name: str) -> AbstractContextManager[Share]:
        """Waits until so many bytes are free; raises MediaError where they never are."""


def decoded(
    source: Path | bytes | Image.Image, max_pixels: int, name: str, budget: Budget, own: bool = True
) -> Image.Image:
    """A picture as RGB: see `umr.media.open_image`.

    Args:
        source: a path, the bytes of a file, or a picture of Pillow's.
        max_pixels: larger ones are refused before they are decoded.
        name: what errors call it.
        budget: what it takes its memory from, before its first pixel is read.
        own: whether the result must be a picture of its own, without metadata; else it may be the one of the file.

    Raises:
        MediaError: it cannot be read to its end, or has no pixels or more than max_pixels.
    """
    with reading(name, max_pixels=max_pixels), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs, as the cap below is ours and lower, and of odd metadata
        if isinstance(source, Image.Image):
            image = source
        else:
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats())
        width, height = image.size
        if not width or not height:
            raise MediaError(f"{name} has no pixels ({width} x {height}); choose another picture")
        if width * height > max_pixels:
            raise MediaError(_too_large(name, f"{width} x {height} px", max_pixels))
        if is_plain(image):
            return image
        with budget.room(_cost(image), name) as share:
            image.load()
            if image.width * image.height > max_pixels:  # an icon may hold a larger picture than it says
                raise MediaError(_too_large(name, f"{image.width} x {image.height} px", max_pixels))
            image = _upright(image)  # by the same name, so that what was turned is freed
            found = image if not own and _is_rgb(image) else _to_rgb(image, name)
            share.keep_for(found, RGB_BYTES * found.width * found.height)
            return found


@cache
def formats() -> tuple[str, ...]:
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


def is_plain(image: Image.Image) -> bool:
    """Whether a picture is what open_image gives: decoded RGB that no metadata turns or makes transparent."""
    return type(image) is Image.Image and image.mode == "RGB" and not image.info


def _is_rgb(image: Image.Image) -> bool:
    """Whether the pixels are what they should be, whatever the metadata."""
    return image.mode == "RGB" and "transparency" not in image.info


def _cost(image: Image.Image) -> int:
    """Bytes that a picture takes at its peak: what its decoder needs, or the decoded pixels beside their RGB copy."""
    mode = _MODE_BYTES.get(image.mode, 4)
    extra = _DECODER_BYTES.get(image.format or "", 0)
    if image.format == "JPEG2000":
        extra *= len(image.getbands())
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        extra = _PROGRESSIVE
    return image.width * image.height * (mode + max(extra, RGB_BYTES))


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
    for box in strips(image):
        strip = image.crop(box)
        found.paste(_eight_bits(strip, scale) if deep else _over_white(strip), box[:2])
    return found


def strips(image: Image.Image, pixels: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of whole rows, from top to bottom.

    Args:
        image: what they lie in.
        pixels: of each box, about; None: a megapixel.
    """
    rows = max(1, (pixels or STRIP) // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(image.height, top + rows)


def _scale(image: Image.Image, name: str) -> float:
    """What brings the values of a picture of more than eight bits to 0 to 255; others are a MediaError."""
    import numpy as np  # rarely needed, and 15 MiB of each process that decodes

    top = 0.0
    for box in strips(image):
        values = np.asarray(image.crop(box))
        if not np.isfinite(values).all():
            raise MediaError(f"{name} contains values that are not numbers; choose another picture")
        top = max(top, float(values.max()))
    return 255.0 if image.mode == "F" and top <= 1.0 else 1 / 257 if image.mode != "F" or top > 255.0 else 1.0


def _eight_bits(strip: Image.Image, scale: float) -> Image.Image:
    import numpy as np  # as above

    values = np.asarray(strip, dtype=np.float64) * scale
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _over_white(strip: Image.Image) -> Image.Image:
    strip = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, (255, 255, 255, 255)), strip).convert("RGB")


@contextmanager
def reading(name: str, max_pixels: int = MAX_PIXELS) -> Iterator[None]:
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
        raise MediaError(f"{name} cannot be read: {_why(error)}; it may be damaged, choose another file") from error


def _why(error: Exception) -> str:
    """What is wrong with bytes: a file that was cut off in words, as it is the commonest; the rest as it is told."""
    told = str(error).lower()
    cut = isinstance(error, EOFError) or "truncated" in told or "decoder object" in told  # the last is WebP's
    return "it ends before its picture does" if cut else reason(error)


def _too_large(name: str, size: str, max_pixels: int) -> str:
    return f"{name} is too large: {size}, at most {max_pixels / 1e6:.0f} megapixels are read; make it smaller first"
