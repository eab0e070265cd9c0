"""The only code that builds a prompt: template, instruction, media and text to token ids. Not the backbone, not batching."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from umr.encoders.config import EncoderConfig
from umr.encoders.tokenizer import SPECIAL_TOKENS
from umr.errors import ConfigError
from umr.types import Content, Query

Role = Literal["query", "candidate"]
MediaKind = Literal["image", "video"]

_FIELD = re.compile(r"\{(media|instruction|text)\}")
_SPECIAL = re.compile("|".join(re.escape(token) for token in SPECIAL_TOKENS))


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """How a backbone writes a picture or clip into a sequence: start, then `count` times pad, then end.

    grid: (t, h, w) of the vision tokens, t * h * w = count.
    """

    start: str
    pad: str
    end: str
    grid: tuple[int, int, int]

    @property
    def count(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The pieces of a row before tokenisation, in order: ("literal" | "media" | "instruction" | "text", value)."""

    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class TokenRow:
    """One tokenised row. ids: (T,) int64; pool: (T,) bool, False over the instruction span when it is masked;
    media: (T,) bool, True on the vision tokens; grid: (t, h, w) of these or None; dropped: tokens cut from the text.
    """

    ids: np.ndarray
    pool: np.ndarray
    media: np.ndarray
    grid: tuple[int, int, int] | None = None
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def media_kind(content: Content) -> MediaKind | None:
    """What of the content goes through the vision tower."""
    return "video" if content.video is not None else "image" if content.image is not None else None


def trained_instruction(config: EncoderConfig, modality: str, target: str) -> str:
    """The task sentence this encoder was trained with for (query modality, searched modality).

    "" where the encoder knows no instructions at all; ConfigError where it knows some, but not this one.
    """
    if not config.instructions:
        return ""
    key = f"{modality}->{target}"
    if key not in config.instructions:
        known = ", ".join(sorted(config.instructions))
        raise ConfigError(
            f"{config.name} was not trained for {key} (it knows {known}); give an instruction of your own"
        )
    return config.instructions[key]


def query_instruction(config: EncoderConfig, query: Query) -> str:
    """The query's own task sentence, else the trained one; "" for a clip where none was trained.

    Raises ConfigError where none was trained for a query without a clip.
    """
    if query.instruction or is_uninstructed(config, query):
        return query.instruction
    return trained_instruction(config, _asked_modality(query.content), query.target_modality)


def is_uninstructed(config: EncoderConfig, query: Query) -> bool:
    """Whether a clip is asked without a task sentence, by an encoder that was trained with them, but with none for it."""
    key = f"{_asked_modality(query.content)}->{query.target_modality}"
    clip = query.content.video is not None and not query.instruction
    return clip and bool(config.instructions) and key not in config.instructions


def _asked_modality(content: Content) -> str:
    """The modality of what is there: text of only spaces beside media is none."""
    if content.text is not None and not content.text.strip() and media_kind(content) is not None:
        content = replace(content, text=None)
    return content.modality


def build(text: str | None, instruction: str, role: Role, kind: MediaKind | None, config: EncoderConfig) -> Prompt:
    """Fill the template of the role; fields without content vanish."""
    template = config.query_template if role == "query" else config.candidate_template
    values = {"media": kind or "", "instruction": instruction, "text": text or ""}
    pieces: list[tuple[str, str]] = []
    for place, part in enumerate(_FIELD.split(template)):
        kind_of_piece, value = ("literal", part) if place % 2 == 0 else (part, values[part])
        if value:
            pieces.append((kind_of_piece, value))
    return Prompt(tuple(pieces))


class Prompter:
    """Tokenises prompts for one encoder; literals and instructions are tokenised once."""

    def __init__(self, config: EncoderConfig, tokenizer: Tokenizer, media: Mapping[str, MediaSpan]) -> None:
        self.config = config
        self._tokenizer = tokenizer
        self._media = media
        self._fixed = lru_cache(maxsize=512)(self._fixed_piece)

    def tokenise(
        self, text: str | None, instruction: str = "", role: Role = "query", kind: MediaKind | None = None
    ) -> TokenRow:
        """One row; text and instruction are plain characters, even where they spell a special token."""
        ids: list[int] = []
        pool: list[bool] = []
        media: list[bool] = []
        dropped = 0
        for piece, value in build(text, instruction, role, kind, self.config).pieces:
            if piece == "text":
                found = self._tokenizer.encode(value, add_special_tokens=False).ids
                dropped = max(0, len(found) - self.config.max_tokens)
                found = found[: self.config.max_tokens]
            else:
                found = self._fixed(piece, value)
            ids += found
            pool += [piece != "instruction" or not self.config.mask_instruction] * len(found)
            if piece == "media":
                media += [False, *[True] * (len(found) - 2), False]
            else:
                media += [False] * len(found)
        grid = self._media[kind].grid if kind is not None else None
        return TokenRow(np.array(ids, np.int64), np.array(pool, bool), np.array(media, bool), grid, dropped)

    def _fixed_piece(self, piece: str, value: str) -> Sequence[int]:
        if piece == "media":
            span = self._media[value]
            return [self._id(span.start), *[self._id(span.pad)] * span.count, self._id(span.end)]
        if piece == "instruction":
            words = self._tokenizer.encode(value, add_special_tokens=False).ids
            return [self._id("<instruction_start>"), *words, self._id("<instruction_end>")]
        ids: list[int] = []
        at = 0
        for match in _SPECIAL.finditer(value):
            ids += self._tokenizer.encode(value[at : match.start()], add_special_tokens=False).ids
            ids.append(self._id(match.group()))
            at = match.end()
        return ids + self._tokenizer.encode(value[at:], add_special_tokens=False).ids

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ConfigError(f"the tokenizer of {self.config.name} has no token {token}")
        return found
