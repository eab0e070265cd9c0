"""How large a picture is seen that keeps its shape: transformers' smart_resize. Not decoding, not media.letterbox.

Both sides become multiples of a cell, what becomes one vision token, and the pixels lie within two limits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from umr.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from umr.encoders.backbone import Backbone
    from umr.encoders.config import EncoderConfig

MOST_LONG = 200  # longer side to shorter, as smart_resize has it


def check_shape(height: int, width: int) -> None:
    """Refuse a strip, which a rule for its shorter side would make very large.

    Raises:
        MediaError: one side is over 200 times the other.
    """
    if max(height, width) > MOST_LONG * min(height, width):
        raise MediaError(
            f"a picture of {width} x {height} px is over {MOST_LONG} times as long as wide; cut a part of it out"
        )


def fitted_size(height: int, width: int, cell: int, low: int, high: int) -> tuple[int, int]:
    """The size at which a picture is seen.

    Args:
        height: of the picture, px.
        width: of the picture, px.
        cell: sides are multiples of it, px.
        low: pixels that it has at least.
        high: pixels that it has at most, where a strip of cells is not more already.

    Returns:
        (height, width), px.

    Raises:
        MediaError: one side is over 200 times the other.
    """
    check_shape(height, width)
    tall, wide = round(height / cell) * cell, round(width / cell) * cell
    if tall * wide > high:
        shrink = math.sqrt(height * width / high)
        tall, wide = (max(cell, math.floor(side / shrink / cell) * cell) for side in (height, width))
    elif tall * wide < low:
        grow = math.sqrt(low / (height * width))
        tall, wide = (math.ceil(side * grow / cell) * cell for side in (height, width))
    return tall, wide


def fitted(image: Image.Image | np.ndarray, cell: int, low: int, high: int) -> np.ndarray:
    """The whole picture at its fitted_size, uint8 (H, W, 3); Pillow's bicubic, as transformers' image processor.

    Args:
        image: RGB, or uint8 (H, W, 3).
        cell: see fitted_size.
        low: see fitted_size.
        high: see fitted_size.

    Raises:
        MediaError: one side is over 200 times the other.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    height, width = fitted_size(image.height, image.width, cell, low, high)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(image, dtype=np.uint8)


def cell_of(config: EncoderConfig, backbone: Backbone) -> int | None:
    """Px of a side of a vision token where pictures keep their shape; None where they become squares.

    Raises:
        ConfigError: they are to keep it, and the backbone sees squares alone.
    """
    if config.resize == "square":
        return None
    cells = {span.cell for span in backbone.media.values()}
    found = cells.pop()
    if cells or found is None:
        raise ConfigError(f"resize is 'dynamic', but the backbone {config.backbone} sees squares alone; legal: square")
    return found[1]
