"""Late fusion: the vectors of a picture and of a text, encoded apart, as one. Not the choice of their weights.

A baseline of encoders that compose in their network (umr.eval.vector_sum), and all that an encoder of two towers has
(umr.encoders.dual); and of the frames of a clip. N rows, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def unit_means(vectors_ND: np.ndarray, groups: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The unit mean of each group of vectors (CLIP4Clip, Luo et al., 2021, "mean pooling", of a clip's frames).

    Args:
        vectors_ND: (N, D) unit vectors.
        groups: (N,) which group each belongs to.

    Returns:
        The groups (K,), sorted, and their vectors (K, D) float32; a group that cancels keeps length 0.
    """
    known_K, places_N = np.unique(np.asarray(groups, np.int64), return_inverse=True)
    total_KD = np.zeros((len(known_K), vectors_ND.shape[1]), np.float32)
    np.add.at(total_KD, places_N, vectors_ND)
    return known_K, total_KD / np.maximum(np.linalg.norm(total_KD, axis=1, keepdims=True), 1e-12)
