"""What one training step is made of: roles to encode, contrasts between them, compositions. Not how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from training.truth import CandidateKeys, QueryKeys, false_negative_mask
from umr.encoders.batch import Batch


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One InfoNCE of B queries over the M rows of the candidate roles, one role after the other.

    Attributes:
        positive: (B,) int64, the column of each query's positive.
        queries: what would answer each of the B queries.
        found: what each of the M candidates is.
    """

    task: str
    query: str
    candidates: tuple[str, ...]
    positive: Tensor
    queries: QueryKeys
    found: CandidateKeys
    weight: float = 1.0
    symmetric: bool = False

    @property
    def ignore(self) -> Tensor:
        """(B, M) bool: the true answers of each query besides its positive, which are no negatives."""
        true_BM = false_negative_mask(self.queries, self.found)
        return true_BM.scatter(1, self.positive[:, None], False)

    def to(self, device: torch.device) -> Contrast:
        """The same contrast with its tensors on a device."""
        return replace(
            self, positive=self.positive.to(device), queries=self.queries.to(device), found=self.found.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class Composition:
    """B composed queries, or B entries, with their parts, rows aligned.

    Attributes:
        task: the queries' task, or "entry".
        roles: composed, picture alone, text alone.
        paired: role of what each is paired with: of a query its target, of an entry a query that it answers.
        positive: (B,) int64, the row of that in the role.
        same: (B, B) bool, off the diagonal, True where two mean the same.
    """

    task: str
    roles: tuple[str, str, str]
    paired: str
    positive: Tensor
    same: Tensor

    def to(self, device: torch.device) -> Composition:
        """The same composition with its tensors on a device."""
        return replace(self, positive=self.positive.to(device), same=self.same.to(device))


@dataclass(frozen=True, kw_only=True)
class LengthSorted:
    """The n rows of a role in parts of similar length, so that little padding is computed.

    Attributes:
        order: (n,) int64, part row -> role row.
    """

    parts: list[Batch]
    order: Tensor

    def to(self, device: torch.device) -> LengthSorted:
        """The same rows with their tensors on a device."""
        return replace(self, parts=[part.to(device) for part in self.parts], order=self.order.to(device))


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What is encoded together. In the flattened vision states the stills come first.

    Attributes:
        stills: (n, 1, H, W, 3) uint8, None where there are none.
        clips: (m, F, H, W, 3) uint8, None where there are none.
        mixed: uint8 (F, H, W, 3) each, stills and clips of several sizes, in place of both.
    """

    stills: np.ndarray | None
    clips: np.ndarray | None
    roles: dict[str, LengthSorted]
    mixed: tuple[np.ndarray, ...] = ()

    def to(self, device: torch.device) -> Chunk:
        """The same chunk with its tensors on a device.

        Its pixels are no tensors yet: the encoder takes them over when the chunk's turn has come, so that a device
        never holds those of all chunks.
        """
        return replace(self, roles={role: rows.to(device) for role, rows in self.roles.items()})


@dataclass(frozen=True, kw_only=True)
class CodeBook:
    """How the attribute codes of a source's batches are read, for the heads that learn them.

    Attributes:
        sizes: how many values each of the A attributes has.
        action: the attribute that says what moves in a clip.
    """

    sizes: tuple[int, ...]
    action: int


@dataclass(frozen=True, kw_only=True)
class TrainBatch:
    """One step.

    Attributes:
        codes: role -> (n, A) int64 attribute codes of the scene that each row shows or asks for; "vision": of all
            stills, "motion": of all clips.
        open_roles: roles whose rows do not fix every attribute (partial captions, parts of compositions).
        places: role -> (n,) int64, for each row its place among the role's rows in the order of the chunks; only of
            roles in which the two orders differ.
    """

    programme: str
    chunks: list[Chunk]
    contrasts: list[Contrast]
    compositions: list[Composition]
    codes: dict[str, Tensor]
    open_roles: frozenset[str]
    places: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> TrainBatch:
        """The same step with every tensor on a device: targets, masks, codes, tokens."""
        return replace(
            self,
            chunks=[chunk.to(device) for chunk in self.chunks],
            contrasts=[contrast.to(device) for contrast in self.contrasts],
            compositions=[composition.to(device) for composition in self.compositions],
            codes={role: codes.to(device) for role, codes in self.codes.items()},
            places={role: places.to(device) for role, places in self.places.items()},
        )

    def in_row_order(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Embeddings of the chunks one after the other -> in the order that columns, masks and codes count in."""
        return {role: rows[self.places[role]] if role in self.places else rows for role, rows in outputs.items()}
