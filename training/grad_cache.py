"""Gradients of one large contrastive batch in the memory of one chunk. Not a loss, not a training loop.

Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup" (arXiv 2101.06983),
section 3: embed all chunks without a graph, take the loss gradient at the embeddings, embed each chunk again and push
it through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Chunk = TypeVar("Chunk")
Roles = dict[str, Tensor]


def cached_backward(
    forward: Callable[[Chunk], Roles], chunks: Sequence[Chunk], loss: Callable[[Roles], Tensor]
) -> tuple[Tensor, Roles]:
    """Add the gradients of loss(forward over all chunks) to every parameter, holding one chunk's activations at a time.

    Equal to concatenating forward(chunk) of all chunks and calling backward, dropout included: the torch random state
    of each chunk is replayed, and left as the plain run would leave it. forward runs twice for each chunk, so its only
    randomness may be torch's, and it must not count its calls (batch norm does). loss runs once.

    Args:
        forward: chunk -> {role: (n, D)}; n may differ between roles and chunks, and a role may be missing.
        chunks: at least one; a single one runs plain, without the second forward.
        loss: {role: (sum of n, D)} -> scalar; its own parameters (temperature, mixer) get their gradients too.

    Returns:
        The loss value and the embeddings of each role in chunk order, both detached.

    Raises:
        ValueError: there is no chunk, forward returns no embeddings, the loss is no scalar, or a chunk gives another
            shape the second time.
    """
    if len(chunks) == 0:
        raise ValueError("chunks is empty: give at least one")
    if len(chunks) == 1:
        embeddings = _checked(forward(chunks[0]))
        value = _scalar(loss(embeddings))
        value.backward()
        return value.detach(), {role: rows.detach() for role, rows in embeddings.items()}

    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_RandomState.now())
            parts.append(_checked(forward(chunk)))
    # In older torch a caller's autocast keeps the low-precision weights that were made here without a graph, and the
    # second forward would give them no gradient (pytorch issue 112583).
    torch.clear_autocast_cache()

    leaves = {role: rows.requires_grad_() for role, rows in joined(parts).items()}
    value = _scalar(loss(leaves))
    value.backward()

    after_loss = _RandomState.now()
    begin = dict.fromkeys(leaves, 0)
    for chunk, state, part in zip(chunks, states, parts, strict=True):
        cached = {}
        for role, rows in part.items():
            gradient = leaves[role].grad
            if gradient is not None:
                cached[role] = gradient[begin[role] : begin[role] + len(rows)]
            begin[role] += len(rows)
        state.restore()
        _push_through(forward(chunk), cached)
    after_loss.restore()
    return value.detach(), {role: leaf.detach() for role, leaf in leaves.items()}


def joined(parts: Sequence[Roles]) -> Roles:
    """The rows of each role in the order of the parts, which need not all have it."""
    roles = dict.fromkeys(role for part in parts for role in part)
    return {role: torch.cat([part[role] for part in parts if role in part]) for role in roles}


@dataclass(frozen=True, slots=True)
class _RandomState:
    """torch's random states, of the CPU and of every CUDA device."""

    cpu: Tensor
    cuda: list[Tensor]

    @classmethod
    def now(cls) -> _RandomState:
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)


def _push_through(embeddings: Roles, cached: Roles) -> None:
    """Backward of the surrogate sum(embedding * cached gradient); a role that needs no gradient is left out."""
    roots, gradients = [], []
    for role, gradient in cached.items():
        rows = embeddings.get(role)
        if rows is None or rows.shape != gradient.shape:
            got = "nothing" if rows is None else tuple(rows.shape)
            raise ValueError(f"forward gave {got} for {role!r} the second time, {tuple(gradient.shape)} the first time")
        if rows.requires_grad:
            roots.append(rows)
            gradients.append(gradient)
    if roots:
        torch.autograd.backward(roots, gradients)


def _checked(embeddings: Roles) -> Roles:
    if not embeddings or any(rows.dim() != 2 for rows in embeddings.values()):
        shapes = {role: tuple(rows.shape) for role, rows in embeddings.items()}
        raise ValueError(f"forward returned {shapes}: need at least one role, each (n, D)")
    return embeddings


def _scalar(value: Tensor) -> Tensor:
    if value.dim() != 0:
        raise ValueError(f"loss returned a tensor {tuple(value.shape)}: need a scalar")
    return value
