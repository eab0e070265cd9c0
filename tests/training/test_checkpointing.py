"""Gradient checkpointing: equal loss and gradients on both paths, layers computed twice, little held in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training.config import TrainConfig
from training.train import hold_no_activations, new_encoder
from umr.encoders.base import UnifiedEncoder

SIZES = {"hidden": 48, "layers": 3, "heads": 3, "shared_heads": 1, "inner": 64,
         "vision_width": 32, "vision_layers": 3, "vision_heads": 2}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> UnifiedEncoder:
    return new_encoder("small", 0, 56, **SIZES)


def step(encoder: UnifiedEncoder, fast: bool, autocast: bool = False):
    """Loss, gradients by name, calls of the last MLPs of both towers, and bytes held for the backward pass."""
    encoder.backbone.fast = fast
    model, calls, held = encoder.backbone.model, [0, 0], {}
    layers = model.language_model.layers[-1].mlp.up_proj, model.visual.blocks[-1].mlp.fc1

    def count(place: int):
        def counted(*_) -> None:
            calls[place] += 1

        return counted

    hooks = [layer.register_forward_hook(count(place)) for place, layer in enumerate(layers)]
    own = {value.data_ptr() for value in encoder.parameters()}

    def kept(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 255, (4, 1, 56, 56, 3), dtype=torch.uint8, generator=draw)
    rows = [encoder.tokenise(words, "find it", "query", "image") for words in ("red", "a mug", None, "of glass")]
    encoder.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found = encoder.embed(encoder.collate(rows, [0, 1, 2, 3]), encoder.see(pixels).flatten(0, 1))
        loss = (found.float() * torch.randn(found.shape, generator=draw)).sum()
    loss.backward()
    for hook in hooks:
        hook.remove()
    gradients = {name: value.grad.clone() for name, value in encoder.named_parameters() if value.grad is not None}
    return loss.detach(), gradients, calls, sum(held.values())


@pytest.mark.parametrize(("fast", "autocast"), [(True, False), (False, False), (True, True)])
def test_loss_and_gradients_are_equal_and_the_layers_are_computed_again(small_pair, fast, autocast):
    plain, again = (step(encoder, fast, autocast) for encoder in small_pair)
    torch.testing.assert_close(again[0], plain[0], rtol=0, atol=0)
    assert set(again[1]) == set(plain[1]) and len(plain[1]) > 50
    for name, gradient in plain[1].items():
        torch.testing.assert_close(again[1][name], gradient, rtol=1e-6, atol=1e-7, msg=name)
    assert plain[2] == [1, 1] and again[2] == [2, 2]
    assert again[3] < plain[3] / 2


@pytest.fixture(scope="module")
def small_pair(made):
    other = new_encoder("small", 0, 56, **SIZES)
    hold_no_activations(other)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), other.parameters(), strict=True))
    return made.train(), other.train()


def test_nothing_is_computed_again_where_no_gradient_is_asked_for(small_pair):
    with torch.no_grad():
        rows = small_pair[1].collate([small_pair[1].tokenise("a mug", role="candidate")], [None])
        torch.testing.assert_close(small_pair[1].embed(rows, None), small_pair[0].embed(rows, None))


def test_it_is_a_setting_of_a_stage():
    assert not TrainConfig(name="x").checkpointing and replace(TrainConfig(name="x"), checkpointing=True).checkpointing
