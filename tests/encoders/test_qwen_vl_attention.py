"""The fast forward passes equal transformers' own, values and gradients."""

from __future__ import annotations

import pytest
import torch

from umr.encoders.qwen_vl_attention import attention_bias


def rows_of(encoder):
    """Rows of different length and kind, the first three with pictures 2, 0, 1."""
    rows = [encoder.tokenise(text, "find it", "query", "image") for text in ("red", "two of them on marble", None)]
    rows += [encoder.tokenise("a small teal mug", role="candidate"), encoder.tokenise("mug")]
    return rows, [2, 0, 1, None, None]


@pytest.mark.parametrize("frames", ["stills", "clips"])
def test_vision_batch_equals_the_loop_of_the_class(encoder, frames, request):
    pixels = request.getfixturevalue(frames)
    fast = encoder.see(pixels)
    encoder.backbone.fast = False
    assert torch.allclose(encoder.see(pixels), fast, atol=1e-5)


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
@pytest.mark.parametrize("positions", ["sequential", "mrope"])
def test_decoder_equals_the_class(make, stills, padding, attention, positions):
    encoder = make(attention=attention, positions=positions)
    rows, index = rows_of(encoder)
    batch, seen = encoder.collate(rows, index, padding), encoder.see(stills).flatten(0, 1)
    fast = encoder.backbone.hidden_states(batch, seen)[batch.attention_mask_BT]
    encoder.backbone.fast = False
    assert torch.allclose(encoder.backbone.hidden_states(batch, seen)[batch.attention_mask_BT], fast, atol=1e-5)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_rows_too_long_to_hold_their_weights_have_the_same_states(make, stills, attention, monkeypatch):
    encoder = make(attention=attention)
    rows, index = rows_of(encoder)
    batch = encoder.collate(rows, index)
    with torch.no_grad():
        short = encoder.embed(batch, encoder.see(stills))
        monkeypatch.setattr("umr.encoders.qwen_vl_attention._LONG", 0)
        assert torch.allclose(encoder.embed(batch, encoder.see(stills)), short, atol=1e-5)


@pytest.mark.parametrize("frames", ["stills", "clips"])
@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_what_serves_equals_what_learns_and_writes_over_nothing_that_is_given(
    make, frames, padding, attention, request
):
    encoder, pixels = make(attention=attention), request.getfixturevalue(frames)
    rows, index = rows_of(encoder)
    batch = encoder.collate(rows, index, padding)
    learns = encoder.embed(batch, encoder.see(pixels)).detach()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.inference_mode():
        seen = encoder.see(pixels)
        kept = seen.clone()
        serves = encoder.embed(batch, seen)
        again = encoder.embed(batch, seen)
    assert torch.allclose(serves, learns, atol=1e-5) and torch.equal(serves, again) and torch.equal(seen, kept)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_unpadded_batch_equals_the_class(encoder):
    """U-MARVEL's release runs causally here: without padding its mask override returns nothing."""
    batch = encoder.collate([encoder.tokenise("a small teal mug")] * 2)
    fast = encoder.embed(batch)
    encoder.backbone.fast = False
    assert attention_bias(batch.attention_mask_BT, causal=False) is None
    assert torch.allclose(encoder.embed(batch), fast, atol=1e-5)


def test_gradients_equal_those_of_the_class(encoder, stills):
    rows, index = rows_of(encoder)
    batch = encoder.collate(rows, index)
    gradients = []
    for fast in (True, False):
        encoder.backbone.fast = fast
        encoder.zero_grad()
        e_BD = encoder.embed(batch, encoder.see(stills))
        (e_BD @ e_BD.T).tril(-1).exp().sum().backward()
        gradients.append({name: value.grad for name, value in encoder.named_parameters()})
    assert all(value is not None for value in gradients[0].values())
    for name, value in gradients[0].items():
        assert torch.allclose(value, gradients[1][name], atol=1e-5, rtol=1e-3), name


def test_autocast_agrees_with_float32(encoder, stills):
    rows, index = rows_of(encoder)
    batch = encoder.collate(rows, index)
    exact = encoder.embed(batch, encoder.see(stills))
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder.embed(batch, encoder.see(stills))
    assert rough.dtype == torch.float32 and (exact * rough).sum(1).min() > 0.995
