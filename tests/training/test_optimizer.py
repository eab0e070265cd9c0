"""Both halves of MuonAdamW take torch's own steps; Muon's direction is orthogonal."""

from __future__ import annotations

import pytest
import torch

from training.optimizer import MuonAdamW, orthogonalised


def steps(optimizer, parameter, count=4):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return parameter.detach()


def start(*shape):
    return torch.nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(0)))


def test_other_parameters_take_adamw_steps():
    mine, theirs = start(7), start(7)
    a = steps(MuonAdamW([{"params": [mine], "lr": 0.01, "weight_decay": 0.1}]), mine)
    b = steps(torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1, betas=(0.9, 0.98), eps=1e-8), theirs)
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (8, 8)])
def test_matrices_take_muon_steps(shape, monkeypatch):
    monkeypatch.setattr("training.optimizer.has_bf16", lambda kind: True)  # as torch's own computes
    if not hasattr(torch.optim, "Muon"):  # torch before 2.9: the formula is held by the test below
        return
    mine, theirs = start(*shape), start(*shape)
    a = steps(MuonAdamW([{"params": [mine], "lr": 0.02, "weight_decay": 0.1, "muon": True}]), mine)
    b = steps(
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"), theirs
    )
    torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-3)


def test_direction_has_singular_values_near_one_and_keeps_the_subspaces():
    matrix = torch.randn(12, 20, generator=torch.Generator().manual_seed(2))
    found = orthogonalised(matrix).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.97


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"\(7,\)"):
        MuonAdamW([{"params": [start(7)], "muon": True}])


def test_a_closure_computes_the_gradients_of_the_step_and_its_loss_comes_back():
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = MuonAdamW([{"params": [weight]}])

    def closure() -> float:
        loss = (weight**2).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 4.0 and weight.item() < 2.0
    assert optimizer.step() is None
