"""Content to unit vectors, for any backbone: tokens, pixels, pooling, normalising, saving. Not prompts, no network.

N media items, F frames, S side in px, V vision tokens of an item, R vision tokens of a batch, B rows, T tokens,
H hidden, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from umr import media
from umr.encoders import clip_frames
from umr.encoders.backbone import Backbone
from umr.encoders.batch import Batch
from umr.encoders.config import EncoderConfig
from umr.encoders.encoding import Encoding
from umr.encoders.pooling import eos_token, last_token, mean_tokens
from umr.encoders.resize import cell_of, fitted
from umr.encoders.seen import SeenPictures
from umr.encoders.store import save_encoder
from umr.encoders.templates import (
    MediaKind,
    Prompter,
    Role,
    TokenRow,
    is_uninstructed,
    media_kind,
    query_instruction,
)
from umr.encoders.tokenizer import plain_tokenizer, token_id
from umr.errors import ConfigError, MediaError
from umr.types import Content, Query

if TYPE_CHECKING:
    from umr.types import Encoder

Padding = Literal["left", "right"]


class UnifiedEncoder(Encoding):
    """Text, pictures, clips and compositions of them into one space, through one backbone and one template.

    backbone: a torch module (see umr.encoders.backbone), whose weights are this module's.
    cell: px of a side of a vision token where pictures keep their shape; None where they become squares.
    seen_pictures: what it remembers of its last pictures (see `remember_pictures`); None: nothing.
    """

    config: EncoderConfig

    def __init__(self, config: EncoderConfig, backbone: Backbone, tokenizer: Tokenizer) -> None:
        super().__init__()
        if backbone.hidden_size != config.dim:
            raise ConfigError(
                f"dim is {config.dim}, but the backbone gives {backbone.hidden_size} numbers; make them equal"
            )
        self.config = config
        self.backbone = backbone
        self.tokenizer = plain_tokenizer(tokenizer, backbone.special)
        self.prompter = Prompter(config, self.tokenizer, backbone.special, backbone.media)
        self.cell = cell_of(config, backbone)
        cell = backbone.media["video"].cell
        self._pair = 1 if cell is None else cell[0]
        self._pad_id = token_id(self.tokenizer, backbone.special.pad)
        self._end_id = token_id(self.tokenizer, backbone.special.end)
        self.seen_pictures: SeenPictures | None = None

    def train(self, mode: bool = True) -> UnifiedEncoder:
        """Training changes the weights, so an encoder in training mode gives up the identity of its files."""
        if mode and self.config.files:
            self.config = self.config.with_files({})
        super().train(mode)
        return self

    # From here on: what training uses.

    def tokenise(
        self,
        text: str | None,
        instruction: str | None = "",
        role: Role = "query",
        kind: MediaKind | None = None,
        grid: tuple[int, int, int] | None = None,
        seconds: Sequence[float] = (),
    ) -> TokenRow:
        """One row of tokens; text is cleaned first.

        Args:
            text: the words, or None.
            instruction: the task sentence; "" for what stands where there is none, None for not even that.
            role: whose template.
            kind: what stands at {media}, "image", "video" or None.
            grid: (t, h, w) of its vision tokens (see `grid`); None: those of the square.
            seconds: when each frame of a clip is shown (see `seconds`).

        Raises:
            MediaError: there is neither media nor a word, or the text cannot be read safely.
        """
        words = media.clean_text(text) if text is not None else ""
        if kind is None and not words:
            raise MediaError("there is neither a picture nor a clip, and the text is empty; give one of them")
        asked = None if instruction is None else media.clean_text(instruction)
        return self.prompter.tokenise(words, asked, role, kind, grid, seconds)

    def collate(
        self,
        token_rows: Sequence[TokenRow],
        media_index: Sequence[int | None] | None = None,
        padding: Padding = "right",
        media_tokens: Sequence[int] | None = None,
    ) -> Batch:
        """Pad rows to a batch.

        Args:
            token_rows: rows of tokens.
            media_index: which item of the seen states a row shows (None: no media).
            padding: the side that is filled up.
            media_tokens: vision tokens of each item; without it all items have as many as the rows that show them.

        Raises:
            ConfigError: a row and media_index disagree on whether it shows media.
        """
        rows, width = len(token_rows), max(len(row) for row in token_rows)
        media_index = media_index if media_index is not None else [None] * rows
        ids = np.full((rows, width), self._pad_id, np.int64)
        real, pool = np.zeros((rows, width), bool), np.zeros((rows, width), bool)
        grids = np.zeros((rows, 3), np.int64)
        starts = None if media_tokens is None else np.concatenate([[0], np.cumsum(media_tokens)])
        seen_at, seen_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for place, (row, item) in enumerate(zip(token_rows, media_index, strict=True)):
            if (row.grid is None) != (item is None):
                raise ConfigError(f"row {place}: the prompt and media_index disagree on whether it shows media")
            begin = 0 if padding == "right" else width - len(row)
            span = slice(begin, begin + len(row))
            ids[place, span], real[place, span], pool[place, span] = row.ids, True, row.pool
            if item is not None and row.grid is not None:
                grids[place] = row.grid
                count = int(np.prod(row.grid))
                first = item * count if starts is None else int(starts[item])
                seen_at.append(place * width + begin + np.flatnonzero(row.media))
                seen_rows.append(np.arange(first, first + count))
        return Batch(
            input_ids_BT=torch.from_numpy(ids),
            attention_mask_BT=torch.from_numpy(real),
            pool_mask_BT=torch.from_numpy(pool),
            grids_B3=torch.from_numpy(grids),
            seen_at=torch.from_numpy(np.concatenate(seen_at)),
            seen_rows=torch.from_numpy(np.concatenate(seen_rows)),
        )

    def see(self, pixels_NFSS3: Tensor | np.ndarray) -> Tensor:
        """Vision states of N equal-shaped items.

        Args:
            pixels_NFSS3: uint8 (N, F, S, S, 3), S = config.image_size, F = 1 or config.max_frames (by a frame rate
                up to that); with the resize "dynamic" (N, F, H, W, 3), both sides multiples of the backbone's cell.

        Returns:
            (N, V, H), or wider (see Backbone.see).

        Raises:
            MediaError: another dtype or shape: such an array is never embedded.
        """
        pixels = torch.as_tensor(pixels_NFSS3)
        sides = tuple(pixels.shape[2:4])
        if self.cell is None:
            fits, asked = sides == (self.config.image_size,) * 2, f"{self.config.image_size}, {self.config.image_size}"
        else:
            fits, asked = all(side and side % self.cell == 0 for side in sides), f"H, W: multiples of {self.cell}"
        if pixels.dtype != torch.uint8 or pixels.ndim != 5 or pixels.shape[4] != 3 or not fits:
            asked = f"uint8 (N, F, {asked}, 3)"
            raise MediaError(f"pixels are {pixels.dtype} {tuple(pixels.shape)}; {self.name} needs {asked}")
        frames, most = pixels.shape[1], self.config.max_frames
        if frames not in (1, most) and not (self.config.frame_rate and 0 < frames < most):
            raise MediaError(f"an item has {frames} frames; 1 (picture) or {most} are needed")
        return self.backbone.see(pixels.to(self.device))

    def embed(self, batch: Batch, seen: Tensor | None = None) -> Tensor:
        """Unit rows, with gradients.

        Args:
            batch: rows of tokens.
            seen: states from see(), any shape (..., H); None: those of batch.media.

        Returns:
            (B, D) float32.
        """
        batch = batch.to(self.device)
        if seen is None and batch.media:
            seen = self.see_all(batch.media)
        seen_RH = seen.reshape(-1, seen.shape[-1]) if seen is not None else None
        hidden_BTH = self.backbone.hidden_states(batch, seen_RH)
        if self.config.pooling == "mean":
            pooled_BD = mean_tokens(hidden_BTH, batch.pool_mask_BT)
        elif self.config.pooling == "last":
            pooled_BD = last_token(hidden_BTH, batch.attention_mask_BT)
        else:
            pooled_BD = eos_token(hidden_BTH, batch.attention_mask_BT, batch.input_ids_BT, self._end_id)
        return F.normalize(pooled_BD, dim=-1) if self.config.normalise else pooled_BD

    def see_all(self, items: Sequence[np.ndarray]) -> Tensor:
        """Flattened states (R, H) of items of mixed length and size, in their order; equal ones go together."""
        states: dict[int, Tensor] = {}
        for shape in sorted({item.shape for item in items}):
            places = [place for place, item in enumerate(items) if item.shape == shape]
            seen = self.see(np.stack([items[place] for place in places]))
            states |= zip(places, seen, strict=True)
        return torch.cat([states[place] for place in range(len(items))])

    # From here on: what serving uses.

    def pixels(self, content: Content) -> np.ndarray | None:
        """What the encoder sees of the content, uint8.

        Returns:
            The picture (1, S, S, 3) or the clip (F, S, S, 3), with the resize "dynamic" (..., H, W, 3); None without
            media.

        Raises:
            MediaError: it cannot be read safely.
        """
        if content.video is not None:
            frames = clip_frames.taken(content, self.config, self._pair)
            sizes = clip_frames.limits(self.config, len(frames), self._pair)
            return np.stack([self._fitted(frame, sizes) for frame in frames])
        if content.image is not None:
            return self._fitted(media.open_image(content.image, self.config.max_pixels, own=False))[None]
        return None

    def seconds(self, content: Content) -> tuple[float, ...]:
        """When the frames are shown that `pixels` gives of a clip's file; () where they are not taken by rate.

        Raises:
            MediaError: it cannot be read safely.
        """
        return clip_frames.times(content, self.config, self._pair)

    def shrunk(self, image: Image.Image) -> np.ndarray | None:
        """The square that a picture is seen as, which is encoded as the picture is (umr.shrunk); None for any other.

        Args:
            image: RGB.
        """
        if self.cell is not None or image.width * image.height > self.config.max_pixels:
            return None
        return self._fitted(image)

    def _fitted(self, image: Image.Image | np.ndarray, limits: tuple[int, int] | None = None) -> np.ndarray:
        """A picture, or a frame within these limits of its pixels, at the size at which it is seen."""
        if self.cell is None:
            return media.letterbox(image, self.config.image_size)
        if self.config.first_resize:
            image = fitted(image, *self.config.first_resize)
        return fitted(image, self.cell, *(limits or (self.config.resize_min_pixels, self.config.resize_max_pixels)))

    def grid(self, item: np.ndarray) -> tuple[int, int, int]:
        """(t, h, w) of the vision tokens of what `pixels` gave."""
        span = self.backbone.media["image" if len(item) == 1 else "video"]
        return span.grid_of(*item.shape[:3]) if self.cell is not None or self.config.frame_rate else span.grid

    def prepare(
        self,
        contents: Sequence[Content],
        instructions: Sequence[str | None],
        role: Role = "query",
        padding: Padding = "right",
    ) -> Batch:
        """Contents to a batch; the same array or path given twice is decoded and seen once.

        Raises:
            MediaError: a content cannot be read safely.
        """
        items: list[np.ndarray] = []
        times: list[tuple[float, ...]] = []
        known: dict[object, int | None] = {}
        for content in contents:
            key = _media_key(content)
            if key not in known:
                item = self.pixels(content)
                known[key] = None if item is None else len(items)
                items += [] if item is None else [item]
                times += [] if item is None else [self.seconds(content)]
        places, grids = [known[_media_key(content)] for content in contents], [self.grid(item) for item in items]
        rows = [
            self.tokenise(
                content.text, instruction, role, media_kind(content), *(() if at is None else (grids[at], times[at]))
            )
            for content, instruction, at in zip(contents, instructions, places, strict=True)
        ]
        batch = self.collate(rows, places, padding, [int(np.prod(grid)) for grid in grids])
        batch.media = items
        return batch

    def instruction(self, query: Query) -> str | None:
        """The query's own task sentence, else the trained one (see query_instruction)."""
        return query_instruction(self.config, query)

    def uninstructed(self, query: Query) -> bool:
        """Whether the query is asked without a task sentence for want of a trained one (see is_uninstructed)."""
        return is_uninstructed(self.config, query)

    def dropped_tokens(self, content: Content) -> int:
        """How many tokens of the text are not read, as they lie beyond config.max_tokens."""
        words = media.clean_text(content.text or "")
        return self.tokenise(words, kind=media_kind(content)).dropped if words else 0

    def is_large(self, kind: str) -> bool:
        """Clips, and pictures that keep their shape."""
        return super().is_large(kind) or (bool(kind) and self.cell is not None)

    @torch.inference_mode()
    def vectors(self, batch: Batch) -> np.ndarray:
        """Unit rows of a batch, (B, D) float32 on the CPU, without gradients."""
        seen = None
        if self.seen_pictures is not None and len(batch.media) == 1 and not self.training:
            seen = self.seen_pictures.states(batch.media[0], lambda item: self.see_all([item])).to(self.device)
        found: np.ndarray = self.embed(batch, seen).float().cpu().numpy()
        return found

    def save(self, folder: str | Path, extra: Mapping[str, str] | None = None) -> EncoderConfig:
        """Write a folder that load_encoder reads; from then on this encoder has the folder's identity.

        Args:
            folder: where to; an encoder that is there is replaced.
            extra: {file name: text} kept and hashed beside the weights (how it was trained).

        Returns:
            The settings written, with the hashes of the files.

        Raises:
            ConfigError: the folder holds something else.
        """
        config = replace(self.config, marker_rows="checkpoint")  # what was made of them is what is written
        self.config = save_encoder(config, self.backbone, self.tokenizer, folder, extra)
        return self.config


def _media_key(content: Content) -> object:
    """Equal for contents that show the same array, file or part of one; None for all without media."""
    source = content.media
    if source is None:
        return None
    return media_kind(content), str(source) if isinstance(source, (str, Path)) else id(source), content.span


if TYPE_CHECKING:
    _DECLARED: type[Encoder] = UnifiedEncoder
