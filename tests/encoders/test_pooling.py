"""Pooling on hand-made masks."""

from __future__ import annotations

import pytest
import torch

from umr.encoders.pooling import eos_token, last_token, mean_tokens

HIDDEN = torch.arange(24, dtype=torch.float32).view(2, 4, 3)
RIGHT = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
LEFT = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)


def test_mean_is_over_the_mask_only():
    assert torch.allclose(mean_tokens(HIDDEN, RIGHT)[0], HIDDEN[0, :3].mean(0))
    assert torch.allclose(mean_tokens(HIDDEN, LEFT)[0], HIDDEN[0, 1:].mean(0))
    assert torch.allclose(mean_tokens(HIDDEN, LEFT)[1], HIDDEN[1].mean(0))


def test_mean_of_half_precision_is_taken_in_float32_even_under_autocast():
    hidden = torch.full((1, 4096, 1), 1.0078125, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = mean_tokens(hidden, torch.ones(1, 4096, dtype=torch.bool))
    assert found.dtype == torch.float32 and abs(found.item() - 1.0078125) < 1e-5


def test_last_is_the_last_real_token_for_either_padding():
    assert torch.equal(last_token(HIDDEN, RIGHT)[0], HIDDEN[0, 2])
    assert torch.equal(last_token(HIDDEN, LEFT)[0], HIDDEN[0, 3])


def test_eos_is_the_last_end_token_that_is_not_padding():
    ids = torch.tensor([[5, 9, 7, 9], [9, 5, 5, 5]])
    assert torch.equal(eos_token(HIDDEN, RIGHT, ids, 9), torch.stack([HIDDEN[0, 1], HIDDEN[1, 0]]))


def test_row_without_a_token_is_refused():
    empty = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    for pool in (mean_tokens, last_token):
        with pytest.raises(ValueError, match="no token"):
            pool(HIDDEN, empty)
