"""What one training step is made of: roles to encode, contrasts between them, compositions. Not how they are drawn (data.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from umr.encoders.base import Batch


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One InfoNCE: positive (B,) columns of the concatenated candidate roles; ignore (B, M): other true answers."""

    task: str
    query: str
    candidates: tuple[str, ...]
    positive: Tensor
    ignore: Tensor
    weight: float = 1.0
    symmetric: bool = False


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Composed queries with their parts: roles are (composed, picture alone, text alone), rows aligned.

    same: (B, B) bool, off the diagonal, True where two queries want the same scene."""

    task: str
    roles: tuple[str, str, str]
    candidate: str
    positive: Tensor
    same: Tensor


@dataclass(frozen=True, kw_only=True)
class LengthSorted:
    """The rows of a role in parts of similar length, so that little padding is computed. order (n,): part row -> role row."""

    parts: list[Batch]
    order: Tensor


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What is encoded together. stills (n, 1, S, S, 3), clips (m, F, S, S, 3): uint8, None where there are none.

    In the flattened vision states the stills come first."""

    stills: np.ndarray | None
    clips: np.ndarray | None
    roles: dict[str, LengthSorted]


@dataclass(frozen=True, kw_only=True)
class TrainBatch:
    """One step. codes: role -> (n, A) attribute codes of the scene that each row shows or asks for; "vision": of all stills, "motion": of all clips.

    open_roles: roles whose rows do not fix every attribute (partial captions, parts of compositions)."""

    programme: str
    chunks: list[Chunk]
    contrasts: list[Contrast]
    compositions: list[Composition]
    codes: dict[str, Tensor]
    open_roles: frozenset[str]
