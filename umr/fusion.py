"""Late fusion: the vectors of a picture and of a text, encoded apart, as one. Not the choice of their weights.

A baseline of encoders that compose in their network (umr.eval.vector_sum), and all that an encoder of two towers has
(umr.encoders.dual). N rows, D embedding.
"""

from __future__ import annotations

import numpy as np

EVEN = 0.5  # weight of the text in the plain sum


def weighted_sum(picture_ND: np.ndarray, text_ND: np.ndarray, weight: float) -> np.ndarray:
    """Unit vectors of (1 - weight) * picture + weight * text; the picture's where the two cancel, as there is no sum.

    Args:
        picture_ND: (N, D) unit vectors of the pictures.
        text_ND: (N, D) unit vectors of the texts.
        weight: of the text, from 0 (the picture alone) to 1 (the text alone).

    Returns:
        (N, D) float32.
    """
    total_ND = (1 - weight) * picture_ND + weight * text_ND
    length_N1 = np.linalg.norm(total_ND, axis=1, keepdims=True)
    return np.where(length_N1 > 5e-7, total_ND / np.maximum(length_N1, 5e-7), picture_ND).astype(np.float32)
