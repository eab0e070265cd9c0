"""The only code that builds a prompt: template, instruction, media and text to token ids. No backbone, no batches."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from umr.encoders.config import EncoderConfig
from umr.encoders.tokenizer import INSTRUCTION_END, INSTRUCTION_START, SpecialTokens, token_id
from umr.errors import ConfigError, MediaError
from umr.types import Content, Query

Role = Literal["query", "candidate"]
MediaKind = Literal["image", "video"]

#: The fields of a template; split() by it gives literals and fields in turns.
FIELD = re.compile(r"\{(media|instruction|text)\}")
_UNASKED = re.compile(r"\{instruction\} | ?\{instruction\}")  # the field with a space that parts it from another
_WORDS, _TEXT = -1, -2  # in place of how often a special token stands: words of the prompt, words of the text


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """How a backbone writes a picture or clip into a sequence: start, then `count` times pad, then end.

    Attributes:
        start: the token before; "" for none.
        pad: the token in whose place a vision token stands.
        end: the token after; "" for none.
        grid: (t, h, w) of the vision tokens, t * h * w = count.
        cell: (frames, px) of a side of what becomes one token; None where every item has the grid above.
        stamp: what is written before each of the t slices, with the seconds at its middle in {}, which then has start
            and end of its own; "" for one span.
        frame_s: seconds from one frame to the next where nobody says when they are shown.
    """

    start: str
    pad: str
    end: str
    grid: tuple[int, int, int]
    cell: tuple[int, int] | None = None
    stamp: str = ""
    frame_s: float = 0.0

    def grid_of(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(t, h, w) of the vision tokens of an item of so many frames of so many px."""
        if self.cell is None:
            return self.grid
        return max(1, -(-frames // self.cell[0])), height // self.cell[1], width // self.cell[1]

    @property
    def count(self) -> int:
        """How many vision tokens there are."""
        return self.grid[0] * self.grid[1] * self.grid[2]

    def runs(self, grid: tuple[int, int, int], seconds: Sequence[float] = ()) -> Iterator[tuple[str, int]]:
        """What is written before each start token, and how many pads stand behind it.

        Args:
            grid: (t, h, w) of the item.
            seconds: when each of its frames is shown; () where nobody says so.

        Raises:
            MediaError: it says so of other frames.
        """
        if not self.stamp:
            yield "", math.prod(grid)
            return
        frames = 1 if self.cell is None else self.cell[0]
        shown = seconds or [at * self.frame_s for at in range(grid[0] * frames)]
        if len(shown) != grid[0] * frames:
            raise MediaError("the clip was changed while it was read; ask again")
        for first in range(0, len(shown), frames):
            yield self.stamp.format((shown[first] + shown[first + frames - 1]) / 2), grid[1] * grid[2]


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


def query_instruction(config: EncoderConfig, query: Query) -> str | None:
    """The query's own task sentence, else the trained one; "" for a clip where none was trained, None for none at all.

    Raises:
        ConfigError: none was trained for a query without a clip.
    """
    if query.instruction != "" or is_uninstructed(config, query):
        return query.instruction
    return trained_instruction(config, _asked_modality(query.content), query.target_modality)


def is_uninstructed(config: EncoderConfig, query: Query) -> bool:
    """Whether a clip is asked without a task sentence, by an encoder trained with such, but with none for it."""
    clip = query.content.video is not None and query.instruction == ""
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


def sentence(instruction: str) -> str:
    """An instruction that ends in a mark of punctuation: where it has none, in a full stop."""
    ends = not instruction or unicodedata.category(instruction[-1]).startswith("P")
    return instruction if ends else f"{instruction}."


def build(
    text: str | None, instruction: str | None, role: Role, kind: MediaKind | None, config: EncoderConfig
) -> Prompt:
    """Fill the template of the role, or its own of what is shown; fields without content vanish.

    Without an instruction ("") the default one stands; None leaves that out too, and a space beside its field.
    """
    words, formatted, unasked = text or "", config.text_format == "mbeir", instruction is None
    if instruction is None:
        instruction = ""
    elif formatted and config.prompting != "marked":
        instruction = mbeir_text(instruction)
    if formatted:
        words = mbeir_text(words, bool(instruction)) if words.strip() or config.prompting == "marked" else ""
    if config.prompting != "marked":
        instruction = sentence(instruction) if config.prompting == "sentence" else instruction
        instruction = instruction or ("" if unasked else config.default_instruction)
    values = {"media": kind or "", "instruction": instruction, "text": words}
    pieces: list[tuple[str, str]] = []
    template = _template(role, kind, bool(words), config)
    for place, part in enumerate(FIELD.split(_UNASKED.sub("", template) if unasked else template)):
        kind_of_piece, value = ("literal", part) if place % 2 == 0 else (part, values[part])
        if value:
            pieces.append((kind_of_piece, value))
    return Prompt(tuple(pieces))


def _template(role: Role, kind: MediaKind | None, worded: bool, config: EncoderConfig) -> str:
    """Of a role, where there are words or none beside media of this kind."""
    shown = ",".join(filter(None, (kind, "text" if worded else None)))
    if role == "query":
        return config.query_templates.get(shown, config.query_template)
    return config.candidate_templates.get(shown, config.candidate_template)


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
        self._pads = {span.pad for span in media.values()}
        self._fixed = lru_cache(maxsize=512)(self._fixed_piece)

    def tokenise(
        self,
        text: str | None,
        instruction: str | None = "",
        role: Role = "query",
        kind: MediaKind | None = None,
        grid: tuple[int, int, int] | None = None,
        seconds: Sequence[float] = (),
    ) -> TokenRow:
        """One row; text and instruction are plain characters, even where they spell a special token.

        Args:
            text: the words, or None.
            instruction: the task sentence; "" for what stands where there is none, None for not even that.
            role: which template.
            kind: what stands at {media}, or None.
            grid: (t, h, w) of its vision tokens; None: those of the square.
            seconds: when each frame of a clip is shown; () where nobody says so.
        """
        grid = None if kind is None else grid or self._media[kind].grid
        prompt = build(text, instruction, role, kind, self.config)
        if self.config.prompting != "marked":
            return self._whole(prompt, grid, seconds)
        ids: list[int] = []
        pool: list[bool] = []
        media: list[bool] = []
        dropped = 0
        for piece, value in prompt.pieces:
            if piece == "text":
                words = self._words(value)
                dropped = max(0, len(words) - self.config.max_tokens)
                found: Sequence[int] = words[: self.config.max_tokens]
            elif piece == "media" and grid is not None:
                found, seen = self._shown(value, grid, seconds)
                media += seen
            else:
                found = self._fixed(piece, value)
            ids += found
            pool += [piece != "instruction" or not self.config.mask_instruction] * len(found)
            media += [False] * (len(ids) - len(media))
        return TokenRow(np.array(ids, np.int64), np.array(pool, bool), np.array(media, bool), grid, dropped)

    def _shown(self, kind: str, grid: tuple[int, int, int], seconds: Sequence[float]) -> tuple[list[int], list[bool]]:
        """The tokens of a picture or clip, and which of them are vision tokens."""
        start, pad, end = self._fixed("media", kind)
        ids: list[int] = []
        seen: list[bool] = []
        for stamp, count in self._media[kind].runs(grid, seconds):
            words = list(self._fixed("literal", stamp)) if stamp else []
            ids += [*words, start, *[pad] * count, end]
            seen += [*[False] * (len(words) + 1), *[True] * count, False]
        return ids, seen

    def _whole(self, prompt: Prompt, grid: tuple[int, int, int] | None, seconds: Sequence[float]) -> TokenRow:
        """A row whose words are tokenised as one text between the special tokens, whatever field they come from."""
        ids: list[int] = []
        media: list[bool] = []
        words, dropped = "", 0
        for part, count in self._segments(prompt, grid, seconds):
            if count < 0:  # words
                text, lost = self._cut(part) if count == _TEXT else (part, 0)
                words, dropped = words + text, dropped + lost
                continue
            found = [*self._words(words), *[token_id(self._tokenizer, part)] * count]
            ids, words = ids + found, ""
            media += [False] * (len(found) - count) + [part in self._pads] * count
        ids += self._words(words)
        media += [False] * (len(ids) - len(media))
        pool = np.ones(len(ids), bool)
        return TokenRow(np.array(ids, np.int64), pool, np.array(media, bool), grid, dropped)

    def _segments(
        self, prompt: Prompt, grid: tuple[int, int, int] | None, seconds: Sequence[float]
    ) -> Iterator[tuple[str, int]]:
        """The prompt in order: (special token, how often), (words, _WORDS), (words of the text, _TEXT)."""
        for piece, value in prompt.pieces:
            if piece == "media" and grid is not None:
                span = self._media[value]
                for stamp, count in span.runs(grid, seconds):
                    yield stamp, _WORDS
                    yield from ((token, n) for token, n in ((span.start, 1), (span.pad, count), (span.end, 1)) if token)
            elif piece == "literal":
                at = 0
                for match in self._special.finditer(value):
                    yield value[at : match.start()], _WORDS
                    yield match.group(), 1
                    at = match.end()
                yield value[at:], _WORDS
            else:
                yield value, _TEXT if piece == "text" else _WORDS

    def _cut(self, text: str) -> tuple[str, int]:
        """As much of a text as config.max_tokens allows, and how many tokens that drops."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        most = self.config.max_tokens
        if len(found.ids) <= most:
            return text, 0
        return text[: found.offsets[most - 1][1]], len(found.ids) - most

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
