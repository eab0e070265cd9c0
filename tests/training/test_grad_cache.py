"""Cached backward against plain backward: loss, embeddings, every gradient, and the random stream afterwards."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from training.grad_cache import cached_backward
from training.losses import composition_regularisation, info_nce
from training.mixers import GatedMixer


class Setup(nn.Module):
    """A small encoder with dropout, a learned temperature and a mixer with a non-trivial gate."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 6))
        self.temperature = nn.Parameter(torch.tensor(0.1))
        self.mixer = GatedMixer(6)
        nn.init.normal_(self.mixer.gate.weight)
        self.to(dtype)
        self.embedded_rows: list[int] = []

    def embed(self, chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        self.embedded_rows.append(sum(len(rows) for rows in chunk.values()))
        return {role: nn.functional.normalize(self.encoder(rows), dim=1) for role, rows in chunk.items()}

    def loss(self, roles: dict[str, Tensor]) -> Tensor:
        own = torch.arange(len(roles["query"]))
        loss = info_nce(roles["query"], roles["candidate"], own, self.temperature)
        # Dropout here too: the loss draws from the same random stream, once.
        prototype = self.mixer(nn.functional.dropout(roles["text"], 0.2, self.training), roles["picture"])
        return loss + 0.3 * composition_regularisation(roles["query"][: len(prototype)], prototype, self.temperature)

    def gradients(self) -> dict[str, Tensor]:
        return {name: parameter.grad for name, parameter in self.named_parameters()}


def make_chunks(dtype: torch.dtype = torch.float64) -> list[dict[str, Tensor]]:
    """Three chunks with roles of different length; only two of them hold the parts of composed queries."""
    torch.manual_seed(1)

    def rows(count: int) -> Tensor:
        return torch.randn(count, 10, dtype=dtype)

    return [
        {"query": rows(4), "candidate": rows(7), "text": rows(2), "picture": rows(2)},
        {"query": rows(3), "candidate": rows(2)},
        {"candidate": rows(3), "picture": rows(1), "text": rows(1), "query": rows(2)},
    ]


def plain_backward(setup: Setup, chunks: list[dict[str, Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
    parts = [setup.embed(chunk) for chunk in chunks]
    joined = {role: torch.cat([part[role] for part in parts if role in part]) for role in parts[0]}
    value = setup.loss(joined)
    value.backward()
    return value.detach(), joined


@pytest.mark.parametrize("count", [1, 2, 3])
def test_loss_embeddings_and_all_gradients_equal_plain_backward_with_dropout(count):
    chunks = make_chunks()[:count]
    plain, cached = Setup(), Setup()
    torch.manual_seed(7)
    expected, expected_roles = plain_backward(plain, chunks)
    after_plain = torch.rand(3)
    torch.manual_seed(7)
    value, roles = cached_backward(cached.embed, chunks, cached.loss)
    after_cached = torch.rand(3)

    torch.testing.assert_close(value, expected, rtol=0, atol=1e-10)
    for role, rows in expected_roles.items():
        torch.testing.assert_close(roles[role], rows.detach(), rtol=0, atol=1e-10)
    for name, gradient in plain.gradients().items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(cached.gradients()[name], gradient, rtol=0, atol=1e-10)
    assert torch.equal(after_plain, after_cached)
    assert not value.requires_grad and not any(rows.requires_grad for rows in roles.values())


def test_dropout_matters_in_this_comparison():
    chunks, one, other = make_chunks(), Setup(), Setup()
    torch.manual_seed(7)
    first, _ = plain_backward(one, chunks)
    torch.manual_seed(8)
    second, _ = plain_backward(other, chunks)
    assert abs(first - second) > 1e-3


@pytest.mark.parametrize("outer", [True, False])
def test_equals_plain_backward_under_bf16_autocast(outer):
    """Autocast around the whole call, or only inside forward."""
    chunks = make_chunks(torch.float32)
    plain, cached = Setup(torch.float32), Setup(torch.float32)

    def autocast() -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16)

    def embed_inside(chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        with autocast():
            return cached.embed(chunk)

    torch.manual_seed(7)
    with autocast():
        expected, _ = plain_backward(plain, chunks)
    torch.manual_seed(7)
    with autocast() if outer else nullcontext():
        value, _ = cached_backward(cached.embed if outer else embed_inside, chunks, cached.loss)
    torch.testing.assert_close(value, expected, rtol=0.02, atol=0.02)
    for name, gradient in plain.gradients().items():
        found = cached.gradients()[name]
        assert found is not None, name
        assert (found - gradient).norm() <= 0.05 * gradient.norm(), name


def test_gradients_are_added_to_those_already_there():
    chunks, once, twice = make_chunks(), Setup().eval(), Setup().eval()
    cached_backward(once.embed, chunks, once.loss)
    for _ in range(2):
        cached_backward(twice.embed, chunks, twice.loss)
    for name, gradient in once.gradients().items():
        torch.testing.assert_close(twice.gradients()[name], 2 * gradient)


def test_one_chunk_is_embedded_once_and_several_twice():
    setup, chunks = Setup(), make_chunks()
    cached_backward(setup.embed, chunks[:1], setup.loss)
    assert setup.embedded_rows == [15]
    setup.embedded_rows.clear()
    cached_backward(setup.embed, chunks, setup.loss)
    assert setup.embedded_rows == [15, 5, 7] * 2


def test_only_one_chunk_has_a_graph_at_a_time():
    """Graphs alive after each forward, counted through the tensors that autograd still holds."""
    alive, most = [0], [0]

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(context, rows):
            return rows.clone()

        @staticmethod
        def backward(context, gradient):
            alive[0] -= 1
            return gradient

    setup = Setup()

    def embed(chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        embedded = setup.embed(chunk)
        if torch.is_grad_enabled():
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            embedded["query"] = Counted.apply(embedded["query"])
        return embedded

    cached_backward(embed, make_chunks(), setup.loss)
    assert most[0] == 1 and alive[0] == 0


def test_a_frozen_or_unused_role_is_left_out():
    setup, chunks = Setup(), make_chunks()
    reference = Setup()

    def embed(chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        roles = setup.embed(chunk)
        return {**roles, "candidate": roles["candidate"].detach(), "unused": roles["query"] * 2}

    def embed_plain(chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        roles = reference.embed(chunk)
        return {**roles, "candidate": roles["candidate"].detach()}

    torch.manual_seed(7)
    cached_backward(embed, chunks, setup.loss)
    torch.manual_seed(7)
    parts = [embed_plain(chunk) for chunk in chunks]
    joined = {role: torch.cat([part[role] for part in parts if role in part]) for role in parts[0]}
    reference.loss(joined).backward()
    for name, gradient in reference.gradients().items():
        torch.testing.assert_close(setup.gradients()[name], gradient, rtol=0, atol=1e-10)


def test_refusals_name_what_is_wrong():
    setup, chunks = Setup(), make_chunks()
    with pytest.raises(ValueError, match="chunks is empty"):
        cached_backward(setup.embed, [], setup.loss)
    with pytest.raises(ValueError, match="at least one role"):
        cached_backward(lambda chunk: {}, chunks, setup.loss)
    with pytest.raises(ValueError, match="need a scalar"):
        cached_backward(setup.embed, chunks, lambda roles: roles["query"].sum(dim=1))

    calls = []

    def unsteady(chunk: dict[str, Tensor]) -> dict[str, Tensor]:
        calls.append(chunk)
        roles = setup.embed(chunk)
        return {**roles, "query": roles["query"][:1]} if len(calls) > len(chunks) else roles

    with pytest.raises(ValueError, match=r"gave \(1, 6\) for 'query' the second time, \(4, 6\) the first"):
        cached_backward(unsteady, chunks, setup.loss)
