"""Mixers: a text and a picture embedding of one item -> its prototype for MCA's regularisation. Not used at inference.

Shapes: B items, D embedding; every mixer takes (text_BD, picture_BD) and returns (B, D) unit rows, float32 at least.
MCA (arXiv 2510.15543, Table 2) compares these three; its gate is not given there, so ours is written out below.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umr.errors import ConfigError


class Mixer(nn.Module):
    """Checks shapes and normalises; a subclass says in `mix` how the two embeddings become one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ConfigError(f"a mixer needs the embedding's dimension, a whole number from 1; got {dim}")
        self.dim = dim

    def mix(self, text_BD: Tensor, picture_BD: Tensor) -> Tensor:
        """(B, D) before normalisation; each subclass has its own."""
        raise NotImplementedError

    def forward(self, text_BD: Tensor, picture_BD: Tensor) -> Tensor:
        """The prototypes, (B, D) unit rows.

        Raises:
            ValueError: the two shapes differ or are not (B, dim).
        """
        for name, part in (("text_BD", text_BD), ("picture_BD", picture_BD)):
            if part.dim() != 2 or part.shape[1] != self.dim or len(part) != len(text_BD):
                raise ValueError(f"{name} is {tuple(part.shape)}: need ({len(text_BD)}, {self.dim})")
        return F.normalize(_wide(self.mix(_wide(text_BD), _wide(picture_BD))), dim=1)


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least: mixers keep float32 weights beside bf16 encoders, and a unit row in bf16 is off by 1 %."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class MeanMixer(Mixer):
    """p = (t + i) / 2; nothing to learn."""

    def mix(self, text_BD: Tensor, picture_BD: Tensor) -> Tensor:
        """(B, D), half of each."""
        return (text_BD + picture_BD) / 2


class GatedMixer(Mixer):
    """p = g * t + (1 - g) * i with g = sigmoid(W [t; i] + b) for each coordinate; starts as the mean (W = 0, b = 0)."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.gate = nn.Linear(2 * dim, dim)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def mix(self, text_BD: Tensor, picture_BD: Tensor) -> Tensor:
        """(B, D), each coordinate by its own gate."""
        gate_BD = torch.sigmoid(self.gate(torch.cat([text_BD, picture_BD], dim=1)))
        return gate_BD * text_BD + (1 - gate_BD) * picture_BD


class MFBMixer(Mixer):
    """Multimodal factorised bilinear pooling (Yu et al. 2017, arXiv 1708.01471, Eq. 3-5), then back to D.

    (U t) * (V i) summed over `factor` neighbours gives `rank` numbers; signed square root, L2, one linear map.
    """

    def __init__(self, dim: int, factor: int = 5, rank: int = 256) -> None:
        super().__init__(dim)
        if factor < 1 or rank < 1:
            raise ConfigError(f"MFB needs factor and rank from 1; got factor {factor}, rank {rank}")
        self.factor, self.rank = factor, rank
        self.text = nn.Linear(dim, rank * factor, bias=False)
        self.picture = nn.Linear(dim, rank * factor, bias=False)
        self.out = nn.Linear(rank, dim, bias=False)

    def mix(self, text_BD: Tensor, picture_BD: Tensor) -> Tensor:
        """(B, D) by the pooled products."""
        product_BP = self.text(text_BD) * self.picture(picture_BD)
        pooled_BR = product_BP.view(len(product_BP), self.rank, self.factor).sum(dim=2)
        # z / sqrt(|z| + eps) is the signed square root with a finite slope at 0.
        rooted_BR = pooled_BR * torch.rsqrt(pooled_BR.abs() + 1e-6)
        return self.out(F.normalize(rooted_BR, dim=1))


MIXERS: Mapping[str, type[Mixer]] = {"mean": MeanMixer, "gated": GatedMixer, "mfb": MFBMixer}


def build_mixer(name: str, dim: int) -> Mixer:
    """The mixer of that name for D = dim.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in MIXERS:
        raise ConfigError(f"mixer {name!r} is unknown: choose one of {', '.join(MIXERS)}")
    return MIXERS[name](dim)
