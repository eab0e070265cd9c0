"""Rows and pictures of one step, sorted into the chunks that are encoded together and padded. Not which rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from training.batch import Chunk, LengthSorted
from training.subwords import SubwordDropout
from umr.encoders.base import UnifiedEncoder
from umr.encoders.batch import Batch
from umr.encoders.templates import TokenRow
from umr.types import Content


@dataclass(frozen=True, kw_only=True)
class Tokenise:
    """What a batch takes of an encoder: words become a row of tokens, rows a padded batch.

    Attributes:
        row: words, instruction, role, kind of media, its grid and the times of its frames -> the tokens of a row.
        collate: rows, and which item of the media each shows -> a padded batch.
        grid: frames of a picture or clip -> (t, h, w) of its vision tokens.
        seconds: a content -> when the frames of its clip are shown.
        subwords: cuts some words of a row into smaller pieces.
    """

    row: Callable[..., TokenRow]
    collate: Callable[..., Batch]
    grid: Callable[[np.ndarray], tuple[int, int, int]]
    seconds: Callable[[Content], tuple[float, ...]]
    subwords: SubwordDropout

    @classmethod
    def of(cls, encoder: UnifiedEncoder) -> Tokenise:
        """As this encoder does it."""
        subwords = SubwordDropout(encoder.tokenizer)
        return cls(
            row=encoder.prompter.tokenise,
            collate=encoder.collate,
            grid=encoder.grid,
            seconds=encoder.seconds,
            subwords=subwords,
        )


@dataclass(eq=False)
class EncodedRows:
    """The rows of one role, in the order that columns and masks count in.

    Attributes:
        tokens: of each row.
        media: the number of each row's picture or clip, None without.
        chunk: in which each is encoded; of a row with a picture, the picture's.
    """

    tokens: list[TokenRow] = field(default_factory=list)
    media: list[int | None] = field(default_factory=list)
    chunk: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    def append(self, tokens: TokenRow, media: int | None, chunk: int) -> int:
        """One more row; returns its number."""
        self.tokens.append(tokens)
        self.media.append(media)
        self.chunk.append(chunk)
        return len(self.tokens) - 1


@dataclass(frozen=True, eq=False)
class Medium:
    """A picture (one frame) or a clip of a step: the chunk that it is seen in, and its frames (F, H, W, 3) uint8."""

    chunk: int
    frames: np.ndarray


def chunked(
    tokenise: Tokenise, media: Sequence[Medium], roles: Mapping[str, EncodedRows]
) -> tuple[list[Chunk], dict[str, torch.Tensor]]:
    """The chunks of a step in their order, and the places of roles whose rows come in another order (see TrainBatch).

    Args:
        tokenise: of the encoder.
        media: by number; within a chunk the stills come first, then the clips, each in the order of their numbers.
        roles: name -> rows.
    """
    used = {medium.chunk for medium in media} | {chunk for rows in roles.values() for chunk in rows.chunk}
    chunks = [_chunk(number, tokenise, media, roles) for number in sorted(used)]
    return chunks, {name: _places(rows.chunk) for name, rows in roles.items() if rows.chunk != sorted(rows.chunk)}


def _chunk(number: int, tokenise: Tokenise, media: Sequence[Medium], roles: Mapping[str, EncodedRows]) -> Chunk:
    """The media of a chunk and all rows that are encoded in it."""
    own = [m for m, medium in enumerate(media) if medium.chunk == number]
    stills = [m for m in own if len(media[m].frames) == 1]
    clips = [m for m in own if len(media[m].frames) > 1]
    place = {m: n for n, m in enumerate(stills + clips)}
    frames = [media[m].frames for m in place]
    tokens = [math.prod(tokenise.grid(one)) for one in frames]
    found = {}
    for name, rows in roles.items():
        mine = [n for n, chunk in enumerate(rows.chunk) if chunk == number]
        if mine:
            found[name] = _collated(rows, mine, place, tokens, tokenise)
    if len({one.shape[1:] for one in frames}) > 1:
        return Chunk(stills=None, clips=None, roles=found, mixed=tuple(frames))
    pixels = [np.stack(group) if group else None for group in (frames[: len(stills)], frames[len(stills) :])]
    return Chunk(stills=pixels[0], clips=pixels[1], roles=found)


def _collated(
    rows: EncodedRows, mine: list[int], place: dict[int, int], tokens: list[int], tokenise: Tokenise
) -> LengthSorted:
    """The rows `mine` of a role, in at most three parts by length."""
    order = np.array(sorted(range(len(mine)), key=lambda n: len(rows.tokens[mine[n]])))
    lengths = {len(rows.tokens[n]) for n in mine}
    parts = []
    for part in np.array_split(order, min(3, len(mine), len(lengths))):
        chosen = [mine[n] for n in part]
        shown = [None if (one := rows.media[n]) is None else place[one] for n in chosen]
        parts.append(tokenise.collate([rows.tokens[n] for n in chosen], shown, media_tokens=tokens))
    return LengthSorted(parts=parts, order=torch.from_numpy(order))


def _places(chunks: list[int]) -> torch.Tensor:
    """(n,) int64: where each row of a role lies once its rows follow each other chunk by chunk."""
    return torch.from_numpy(np.argsort(np.argsort(chunks, kind="stable")))
