"""The only code that builds a prompt: template, instruction, media and text to token ids. No backbone, no batches."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from umr.encoders.config import EncoderConfig
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START, SpecialTokens, token_id
from umr.errors import ConfigError
from umr.types import Content, Query

Role = Literal["query", "candidate"]
MediaKind = Literal["image", "video"]

#: The fields of a template; split() by it gives literals and fields in turns.
FIELD = re.compile(r"\{(media|instruction|text)\}")


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """How a backbone writes a picture or clip into a sequence: start, then `count` times pad, then end.

    Attributes:
        start: the token before.
        pad: the token in whose place a vision token stands.
        end: the token after.
        grid: (t, h, w) of the vision tokens, t * h * w = count.
        cell: (frames, px) of a side of what becomes one token; None where every item has the grid above.
    """

    start: str
    pad: str
    end: str
    grid: tuple[int, int, int]
    cell: tuple[int, int] | None = None

    def grid_of(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(t, h, w) of the vision tokens of an item of so many frames of so many px."""
        if self.cell is None:
            return self.grid
        return max(1, -(-frames // self.cell[0])), height // self.cell[1], width // self.cell[1]

    @property
    def count(self) -> int:
        """How many vision tokens there are."""
        return self.grid[0] * self.grid[1] * self.grid[2]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The pieces of a row before tokenisation, in order: ("literal" | "media" | "instruction" | "text", value)."""

    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class TokenRow:
    """One tokenised row.

    Attributes:
        ids: (T,) int64.
        pool: (T,) bool, False over the instruction span when it is masked.
        media: (T,) bool, True on the vision tokens.
        grid: (t, h, w) of these, or None.
        dropped: tokens cut from the text.
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

    Returns:
        The sentence; "" where the encoder knows no instructions at all.

    Raises:
        ConfigError: it knows some, but not this one.
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

    Raises:
        ConfigError: none was trained for a query without a clip.
    """
    if query.instruction or is_uninstructed(config, query):
        return query.instruction
    return trained_instruction(config, _asked_modality(query.content), query.target_modality)


def is_uninstructed(config: EncoderConfig, query: Query) -> bool:
    """Whether a clip is asked without a task sentence, by an encoder trained with such, but with none for it."""
    clip = query.content.video is not None and not query.instruction
    return clip and bool(config.instructions) and task_key(query) not in config.instructions


def task_key(query: Query) -> str:
    """What a query asks and searches, as encoders name their task sentences: "image,text->image"."""
    return f"{_asked_modality(query.content)}->{query.target_modality}"


def _asked_modality(content: Content) -> str:
    """The modality of what is there: text of only spaces beside media is none."""
    if content.text is not None and not content.text.strip() and media_kind(content) is not None:
        content = replace(content, text=None)
    return content.modality


def mbeir_text(text: str, instructed: bool = False) -> str:
    """A text as M-BEIR's readers hand it on (UniIR, format_string), with what they put behind an instruction.

    Args:
        text: the words, or "".
        instructed: an instruction stands before it. They join both first, so that a text behind one keeps its first
            letter and quote and the space before it, and one without words is ".".

    Returns:
        The words without outer space and quotes, the first letter large, with a full stop where they end in no mark.
    """
    if instructed:
        words = f" {text}".replace("\r", "").rstrip().rstrip('"')
    else:
        words = text.replace("\r", "").strip().strip('"')
        words = words[:1].upper() + words[1:]
    ends = words.endswith((".", "?", "!")) or not (words or instructed)
    return words if ends else f"{words}."


def build(text: str | None, instruction: str, role: Role, kind: MediaKind | None, config: EncoderConfig) -> Prompt:
    """Fill the template of the role; fields without content vanish."""
    template = config.query_template if role == "query" else config.candidate_template
    words = mbeir_text(text or "", bool(instruction)) if config.text_format == "mbeir" else text or ""
    values = {"media": kind or "", "instruction": instruction, "text": words}
    pieces: list[tuple[str, str]] = []
    for place, part in enumerate(FIELD.split(template)):
        kind_of_piece, value = ("literal", part) if place % 2 == 0 else (part, values[part])
        if value:
            pieces.append((kind_of_piece, value))
    return Prompt(tuple(pieces))


class Prompter:
    """Tokenises prompts for one encoder; literals and instructions are tokenised once.

    special: what stands for itself in a template.  media: how a picture and a clip are written.
    """

    def __init__(
        self, config: EncoderConfig, tokenizer: Tokenizer, special: SpecialTokens, media: Mapping[str, MediaSpan]
    ) -> None:
        self.config = config
        self._tokenizer = tokenizer
        self._special = re.compile("|".join(re.escape(token) for token in special.all))
        self._media = media
        self._fixed = lru_cache(maxsize=512)(self._fixed_piece)

    def tokenise(
        self,
        text: str | None,
        instruction: str = "",
        role: Role = "query",
        kind: MediaKind | None = None,
        grid: tuple[int, int, int] | None = None,
    ) -> TokenRow:
        """One row; text and instruction are plain characters, even where they spell a special token.

        Args:
            text: the words, or None.
            instruction: the task sentence; "" for none.
            role: which template.
            kind: what stands at {media}, or None.
            grid: (t, h, w) of its vision tokens; None: those of the square.
        """
        grid = None if kind is None else grid or self._media[kind].grid
        ids: list[int] = []
        pool: list[bool] = []
        media: list[bool] = []
        dropped = 0
        for piece, value in build(text, instruction, role, kind, self.config).pieces:
            if piece == "text":
                words = self._words(value)
                dropped = max(0, len(words) - self.config.max_tokens)
                found: Sequence[int] = words[: self.config.max_tokens]
            else:
                found = self._fixed(piece, value)
                if piece == "media" and grid is not None:
                    start, pad, end = found
                    found = [start, *[pad] * math.prod(grid), end]
            ids += found
            pool += [piece != "instruction" or not self.config.mask_instruction] * len(found)
            if piece == "media":
                media += [False, *[True] * (len(found) - 2), False]
            else:
                media += [False] * len(found)
        return TokenRow(np.array(ids, np.int64), np.array(pool, bool), np.array(media, bool), grid, dropped)

    def _fixed_piece(self, piece: str, value: str) -> Sequence[int]:
        if piece == "media":
            span = self._media[value]
            return [token_id(self._tokenizer, token) for token in (span.start, span.pad, span.end)]
        if piece == "instruction":
            start, end = (token_id(self._tokenizer, token) for token in (INSTRUCTION_START, INSTRUCTION_END))
            return [start, *self._words(value), end]
        ids: list[int] = []
        at = 0
        for match in self._special.finditer(value):
            ids += self._words(value[at : match.start()])
            ids.append(token_id(self._tokenizer, match.group()))
            at = match.end()
        return ids + self._words(value[at:])

    def _words(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids
