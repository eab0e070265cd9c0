"""Muon for the matrices of the network, AdamW for everything else, as one optimizer. Not the schedule (train.py).

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): the momentum of a matrix is orthogonalised before
the step, so that all its directions learn at one speed. Here with Nesterov momentum and steps scaled to AdamW's usual
size (Liu et al. 2025, arXiv 2502.16982, section 2.2). torch has it from 2.9 on; this class also runs on older ones,
keeps one state for checkpoints, and tests/training/test_optimizer.py holds both halves equal to torch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from training.precision import has_bf16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalised(matrix_RC: Tensor) -> Tensor:
    """About U V^T of the matrix's singular value decomposition, by five Newton-Schulz steps; (R, C).

    In bfloat16, as published, where the device has it, else in float32, which is closer and there far quicker.
    """
    a, b, c = COEFFICIENTS
    x = matrix_RC.to(torch.bfloat16 if has_bf16(matrix_RC.device.type) else torch.float32)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class MuonAdamW(Optimizer):
    """Groups with "muon": True take Muon's step (all parameters 2-D), the others AdamW's; both decay decoupled.

    Raises:
        ValueError: a group of Muon's holds what is no matrix.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        betas: tuple[float, float] = (0.9, 0.98),
        momentum: float = 0.95,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            list(groups),
            {"lr": 1e-3, "weight_decay": 0.0, "muon": False, "betas": betas, "momentum": momentum, "eps": eps},
        )
        for group in self.param_groups:
            flat = [tuple(p.shape) for p in group["params"] if p.ndim != 2]
            if group["muon"] and flat:
                raise ValueError(f"Muon steps matrices; {flat[0]} is none: put it into a group of AdamW")

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient.

        Args:
            closure: computes the gradients anew first, as torch's optimizers allow.

        Returns:
            What the closure gives, the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    update(parameter, parameter.grad, group)
        return loss

    def _muon(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, beta = self.state[parameter], group["momentum"]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - beta)
        direction = orthogonalised(gradient.lerp(state["momentum"], beta))
        # an orthogonal matrix's entries, brought to the size of AdamW's updates
        scale = 0.2 * max(parameter.shape) ** 0.5
        parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"] * scale)

    def _adamw(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        done = state["step"].item()
        root = (state["square"] / (1 - beta2**done)).sqrt_().add_(group["eps"])
        parameter.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - beta1**done))
