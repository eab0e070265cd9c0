"""The weighted sum of two vectors: what the arithmetic says."""

import numpy as np
import pytest

from umr.fusion import weighted_sum


def test_the_sum_is_between_its_parts_and_of_unit_length():
    picture, text = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[1:]
    assert weighted_sum(picture, text, 0.0).tolist() == picture.tolist()
    assert weighted_sum(picture, text, 1.0).tolist() == text.tolist()
    assert weighted_sum(picture, text, 0.75) == pytest.approx(np.array([[1, 3]]) / np.sqrt(10))
    assert weighted_sum(picture, -picture, 0.5).tolist() == picture.tolist()
    assert weighted_sum(picture, -picture, 0.75).tolist() == (-picture).tolist()
