"""Which candidates are true answers of which queries, from integer keys alone. Not scenes, not files, not the loss.

Keys are plain int64 tensors, one row per query or candidate, so that batches of several sources or processes can be
joined first and compared afterwards. B queries, M candidates, P answers known of a query, A attributes, K ways to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import TypeVar

import torch
from torch import Tensor

from umr.errors import MismatchError
from umr.types import KINDS

#: Modality of a candidate -> its bit; a query allows one of them, or several.
KIND_BITS: dict[str, int] = {kind.modality: 1 << place for place, kind in enumerate(KINDS)}
ANY_KIND = sum(KIND_BITS.values())
#: What one candidate is known by: its id, the hash of its picture or clip, the hash of its text; 0: it has none.
IDENTITY = 3
ID, CONTENT, TEXT = range(IDENTITY)


def key_of(value: str | bytes | None) -> int:
    """The first 8 bytes of the sha256 of a text or of bytes, as a signed 64-bit number other than 0; None: 0."""
    if value is None:
        return 0
    data = value.encode("utf-8") if isinstance(value, str) else value
    return key_of_hash(sha256(data).hexdigest())


def key_of_hash(digest: str) -> int:
    """The same of a sha256 that is known already, in hex; "" (nothing was hashed): 0."""
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True) or 1 if digest else 0


def kind_bits(wanted: str) -> int:
    """The bits of the kinds that a search for `wanted` allows."""
    return ANY_KIND if wanted == "all" else KIND_BITS[wanted]


@dataclass(frozen=True, kw_only=True)
class QueryKeys:
    """What would answer each of B queries.

    Attributes:
        kinds: (B,) int64, bits of the kinds of candidates that are asked for.
        positives: (B, P, 3) int64, id, content hash and text hash of each answer that is known; zeros fill up.
        allowed: (B, K, A) int64, of a described scene, bits of the values that each attribute may have, in each of K
            ways to fit; zeros fill up; A = 0 without.
        facts: (B,) int64, the key of what the words of an entry must say besides; 0: nothing.
    """

    kinds: Tensor
    positives: Tensor
    allowed: Tensor
    facts: Tensor

    def __len__(self) -> int:
        return len(self.kinds)

    def to(self, device: torch.device) -> QueryKeys:
        """The same keys on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class CandidateKeys:
    """What each of M candidates is.

    Attributes:
        kind: (M,) int64, one bit of KIND_BITS.
        identity: (M, 3) int64: id, content hash, text hash; 0 where it has none.
        values: (M, A) int64, of a rendered scene, the bit of each attribute's value.
        facts: (M,) int64, the key of what an entry says besides; 0: nothing.
    """

    kind: Tensor
    identity: Tensor
    values: Tensor
    facts: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def to(self, device: torch.device) -> CandidateKeys:
        """The same keys on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


Keys = TypeVar("Keys", QueryKeys, CandidateKeys)


def joined(parts: Sequence[Keys]) -> Keys:
    """The rows of several batches, one after the other; what one knows more of than another is filled up with zeros."""
    columns: dict[str, Tensor] = {}
    for f in fields(parts[0]):
        tensors = [getattr(part, f.name) for part in parts]
        shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
        columns[f.name] = torch.cat([_filled(tensor, shape) for tensor in tensors])
    return replace(parts[0], **columns)


def _filled(tensor: Tensor, shape: list[int]) -> Tensor:
    """(n, *shape), with zeros behind what the tensor has in each axis but the first."""
    full = tensor.new_zeros((len(tensor), *shape))
    full[tuple(slice(size) for size in tensor.shape)] = tensor
    return full


def false_negative_mask(queries: QueryKeys, candidates: CandidateKeys) -> Tensor:
    """Which candidates are true answers, and hence no negatives: (B, M) bool.

    An answer is of a kind that is asked for, and either one that is known (the same id, or the same picture and the
    same words as a known one), or it shows a scene that the query describes and says the facts that it asks for.

    Args:
        queries: of B queries.
        candidates: of M candidates.

    Raises:
        MismatchError: they describe scenes by different numbers of attributes.
    """
    known_BM = _is_known(queries.positives, candidates.identity)
    fitting_BM = _fits(queries, candidates)
    asked_BM = (queries.kinds[:, None] & candidates.kind[None, :]) != 0
    return asked_BM & (known_BM | fitting_BM)


def _is_known(positives_BP3: Tensor, identity_M3: Tensor) -> Tensor:
    """(B, M) bool: the candidate has the id, or picture and words, of one of the query's answers."""
    found_BM = torch.zeros(len(positives_BP3), len(identity_M3), dtype=torch.bool, device=identity_M3.device)
    for p in range(positives_BP3.shape[1]):  # answer by answer: (B, P, M) would be large
        same_BM3 = positives_BP3[:, p, None, :] == identity_M3[None, :, :]
        own_B3 = positives_BP3[:, p, :] != 0
        found_BM |= same_BM3[:, :, ID] & own_B3[:, None, ID]
        anything_B = own_B3[:, CONTENT] | own_B3[:, TEXT]
        found_BM |= same_BM3[:, :, CONTENT] & same_BM3[:, :, TEXT] & anything_B[:, None]
    return found_BM


def _fits(queries: QueryKeys, candidates: CandidateKeys) -> Tensor:
    """(B, M) bool: every attribute of the candidate's scene has a value that the query allows, and the facts agree."""
    allowed_BKA, values_MA = queries.allowed, candidates.values
    attributes = allowed_BKA.shape[2]
    if attributes != values_MA.shape[1]:
        raise MismatchError(
            f"queries allow values of {attributes} attributes, candidates have {values_MA.shape[1]}: join them first"
        )
    found_BM = torch.zeros(len(queries), len(candidates), dtype=torch.bool, device=values_MA.device)
    if not attributes:
        return found_BM
    for k in range(allowed_BKA.shape[1]):  # way by way and attribute by attribute: (B, K, M, A) would be large
        way_BM = torch.ones_like(found_BM)
        for a in range(attributes):
            way_BM &= (allowed_BKA[:, k, a, None] & values_MA[None, :, a]) != 0
        found_BM |= way_BM
    agree_BM = (queries.facts[:, None] == 0) | (queries.facts[:, None] == candidates.facts[None, :])
    return found_BM & agree_BM
