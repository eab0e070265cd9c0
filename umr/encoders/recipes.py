"""How released checkpoints of several families are asked alike. What is of one family stands in its own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: U-MARVEL's evaluation as published: its collators' pixels, its model's positions, dataset/datasets_mbeir.py's texts,
#: its loader's marker rows.
UMARVEL: Mapping[str, Any] = {
    "resize_min_pixels": 4 * 28 * 28,
    "resize_max_pixels": 300 * 28 * 28,
    "positions": "sequential",
    "text_format": "mbeir",
    "marker_rows": "mean",
}
