"""Every mixer keeps one contract; each one computes its own formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from training.mixers import MIXERS, GatedMixer, MFBMixer, build_mixer
from umr.errors import ConfigError


def parts(count: int = 5, dim: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    text, picture = torch.randn(2, count, dim, generator=generator)
    return F.normalize(text, dim=1), F.normalize(picture, dim=1)


@pytest.mark.parametrize("name", MIXERS)
def test_rows_are_unit_and_do_not_depend_on_the_batch(name):
    text, picture = parts()
    mixer = build_mixer(name, 8)
    mixed = mixer(text, picture)
    assert mixed.shape == (5, 8)
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(mixer(text[2:3], picture[2:3]), mixed[2:3])


@pytest.mark.parametrize("name", MIXERS)
def test_gradient_reaches_both_parts_and_every_weight(name):
    text, picture = (part.requires_grad_() for part in parts())
    mixer = build_mixer(name, 8)
    mixer(text, picture)[:, 0].sum().backward()
    for tensor in (text, picture, *mixer.parameters()):
        assert tensor.grad.isfinite().all() and tensor.grad.abs().max() > 0


@pytest.mark.parametrize("name", MIXERS)
def test_rows_are_unit_under_bf16_autocast(name):
    mixer = build_mixer(name, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = mixer(*(part.bfloat16() for part in parts()))
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(5))


def test_mean_is_the_middle():
    mixed = build_mixer("mean", 2)(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(mixed, torch.full((1, 2), 0.5**0.5))


def test_gate_starts_as_the_mean_and_follows_its_bias():
    text, picture = parts()
    mixer = GatedMixer(8)
    torch.testing.assert_close(mixer(text, picture), build_mixer("mean", 8)(text, picture))
    with torch.no_grad():
        mixer.gate.bias.fill_(50.0)
    torch.testing.assert_close(mixer(text, picture), text)
    with torch.no_grad():
        mixer.gate.bias.fill_(-50.0)
    torch.testing.assert_close(mixer(text, picture), picture)


def test_gate_works_on_each_coordinate_by_itself():
    mixer = GatedMixer(2)
    with torch.no_grad():
        mixer.gate.bias.copy_(torch.tensor([50.0, -50.0]))
    mixed = mixer(torch.tensor([[0.6, 0.8]]), torch.tensor([[0.8, 0.6]]))
    torch.testing.assert_close(mixed, F.normalize(torch.tensor([[0.6, 0.6]]), dim=1))


def test_mfb_by_hand():
    mixer = MFBMixer(2, factor=2, rank=2)
    with torch.no_grad():
        mixer.text.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]]))
        mixer.picture.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]]))
        mixer.out.weight.copy_(torch.eye(2))
    # text (2, 3), picture (4, 1): products (8, 3 | -20, 0), sums (11, -20), roots (sqrt 11, -sqrt 20), then L2.
    mixed = mixer(torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 1.0]]))
    torch.testing.assert_close(mixed, torch.tensor([[11**0.5, -(20**0.5)]]) / 31**0.5)


def test_mfb_without_any_product_has_a_finite_gradient():
    text = torch.zeros(1, 4, requires_grad=True)
    MFBMixer(4)(text, torch.ones(1, 4)).sum().backward()
    assert text.grad.isfinite().all()


def test_refusals_name_the_choices_and_shapes():
    with pytest.raises(ConfigError, match="'median' is unknown: choose one of mean, gated, mfb"):
        build_mixer("median", 8)
    with pytest.raises(ConfigError, match="got 0"):
        build_mixer("gated", 0)
    with pytest.raises(ConfigError, match="factor 0"):
        MFBMixer(8, factor=0)
    text, picture = parts()
    with pytest.raises(ValueError, match=r"picture_BD is \(4, 8\)"):
        build_mixer("mean", 8)(text, picture[:4])
    with pytest.raises(ValueError, match=r"text_BD is \(5, 8\): need \(5, 9\)"):
        build_mixer("gated", 9)(text, picture)
