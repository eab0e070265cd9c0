"""Collects the rows of one step: tokens, pictures kept once, and which candidates are true answers. Not which rows (data.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from training import attributes, views
from training.batch import Chunk, Composition, Contrast, LengthSorted, TrainBatch
from training.catalogue import shortcut
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import Scene
from training.catalogue.world import Item
from umr.encoders.templates import MediaKind, TokenRow

if TYPE_CHECKING:
    from training.data import BatchBuilder

EVERYTHING_SAID = np.ones(len(attributes.COLUMNS), bool)


@dataclass(eq=False)
class Rows:
    """The rows of one role, in family order: tokens, picture, and the scene that each one shows or asks for."""

    tokens: list[TokenRow] = field(default_factory=list)
    media: list[int | None] = field(default_factory=list)
    chunk: list[int] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    facts: list[object] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(eq=False)
class Asked:
    """Queries of one contrast: the wanted scene, its column, and what else would be a true answer."""

    positive: list[int] = field(default_factory=list)
    said: list[np.ndarray] = field(default_factory=list)
    accepts: list[Callable[[Scene], bool] | None] = field(default_factory=list)

    def add(
        self, column: int, said: np.ndarray = EVERYTHING_SAID, accepts: Callable[[Scene], bool] | None = None
    ) -> None:
        """The next query: the column of its positive, the attributes its words fix, and what else satisfies it."""
        self.positive.append(column)
        self.said.append(said)
        self.accepts.append(accepts)


def jittered(frames_FSS3: np.ndarray, rng: np.random.Generator, shift: int, light: float) -> np.ndarray:
    """The same frames moved by up to `shift` pixels (edges repeated) and lightened or darkened by up to the share `light`.

    Both are nuisance in this world, so the description stays true; all frames of a clip move together."""
    if not shift and not light:
        return frames_FSS3
    side = frames_FSS3.shape[1]
    down, right = rng.integers(-shift, shift + 1, 2)
    rows = np.clip(np.arange(side) + down, 0, side - 1)
    columns = np.clip(np.arange(side) + right, 0, side - 1)
    moved = frames_FSS3[:, rows[:, None], columns[None, :]]
    table = np.clip(np.arange(256) * (1 + rng.uniform(-light, light)) + 0.5, 0, 255).astype(np.uint8)
    return table[moved]


class Draft:
    """Collects the rows of one step and turns them into a TrainBatch."""

    def __init__(self, builder: BatchBuilder, rng: np.random.Generator, parts_rng: np.random.Generator) -> None:
        self.builder, self.rng, self.parts_rng = builder, rng, parts_rng
        self.roles: dict[str, Rows] = {}
        self.pictures: dict[tuple, int] = {}  # (kind, row, mirrored, cue) -> media number
        self.media: list[tuple[int, np.ndarray, Scene]] = []  # chunk, frames, what they show
        self.contrasts: list[Contrast] = []
        self.compositions: list[Composition] = []
        self.open_roles: set[str] = set()  # roles whose rows do not fix every attribute
        self.chunk = 0  # where rows without a picture and new pictures go; a chunk that stays empty is none

    def picture(self, item: Item, cue: int | None = None) -> int:
        """The media number of a still, kept once per step; `cue` draws the shortcut world's tag into it."""
        key = ("still", item.row, item.mirrored, cue)
        if key not in self.pictures:
            pixels = views.frames_of(self.builder.world.pixels[item.row][None], item)
            self._keep(key, pixels if cue is None else shortcut.draw_cue(pixels, cue), item.scene)
        return self.pictures[key]

    def clip(self, item: Item) -> int:
        key = ("clip", item.row, item.mirrored, None)
        if key not in self.pictures:
            self._keep(key, views.frames_of(self.builder.world.clip_pixels[item.row], item), item.scene)
        return self.pictures[key]

    def _keep(self, key: tuple, frames: np.ndarray, scene: Scene) -> None:
        self.pictures[key] = len(self.media)
        self.media.append((self.chunk, jittered(frames, self.rng, self.builder.config.shift, self.builder.config.light), scene))

    def add(
        self,
        role: str,
        scene: Scene,
        *,
        words: str | None = None,
        media: int | None = None,
        target: str | None = None,
        facts: object = None,
        rng: np.random.Generator | None = None,
    ) -> int:
        """One row; target: the searched modality of a query, None for a candidate. Returns its number in the role.

        A row with a picture is encoded in the picture's chunk. rng: what the instruction is drawn from, if not the step's."""
        rows = self.roles.setdefault(role, Rows())
        kind: MediaKind | None = None if media is None else "video" if len(self.media[media][1]) > 1 else "image"
        instruction, side = "", "candidate"
        if target is not None:
            asked = "text" if media is None else "image" if words is None else "image,text"
            choices = INSTRUCTIONS[asked, target]
            instruction, side = choices[int((rng or self.rng).integers(len(choices)))], "query"
        rows.tokens.append(self.builder.tokenise(words, instruction, side, kind))
        rows.media.append(media)
        rows.chunk.append(self.chunk if media is None else self.media[media][0])
        rows.scenes.append(scene)
        rows.facts.append(facts)
        return len(rows) - 1

    def contrast(
        self,
        task: str,
        query: str,
        candidates: Sequence[str],
        asked: Asked,
        *,
        weight: float = 1.0,
        symmetric: bool = False,
    ) -> None:
        """Close a task: find the candidates that are true answers besides the positive, so that they are no negatives."""
        if not asked.positive:
            return
        rows, pool = self.roles[query], [self.roles[role] for role in candidates]
        wanted = np.stack([attributes.codes(scene) for scene in rows.scenes])
        found = np.concatenate([np.stack([attributes.codes(scene) for scene in part.scenes]) for part in pool])
        true_BM = attributes.same_meaning(wanted, np.stack(asked.said), found)
        facts = [value for part in pool for value in part.facts]
        if any(value is not None for value in rows.facts):
            true_BM &= np.array([[a is None or a == b for b in facts] for a in rows.facts])
        scenes = [scene for part in pool for scene in part.scenes]
        for b, accepts in enumerate(asked.accepts):
            if accepts is not None:
                true_BM[b] |= np.fromiter((accepts(scene) for scene in scenes), bool, len(scenes))
        positive = np.array(asked.positive)
        true_BM[np.arange(len(positive)), positive] = False
        self.contrasts.append(
            Contrast(
                task=task,
                query=query,
                candidates=tuple(candidates),
                positive=torch.from_numpy(positive),
                ignore=torch.from_numpy(true_BM),
                weight=weight,
                symmetric=symmetric,
            )
        )

    def finish(self, programme: str) -> TrainBatch:
        """Sort media and rows into chunks and collate them."""
        chunks, seen, moving = [], [], []
        used = {chunk for chunk, _, _ in self.media} | {chunk for rows in self.roles.values() for chunk in rows.chunk}
        for number in sorted(used):
            own = [m for m, (chunk, _, _) in enumerate(self.media) if chunk == number]
            stills = [m for m in own if len(self.media[m][1]) == 1]
            clips = [m for m in own if len(self.media[m][1]) > 1]
            place = {m: n for n, m in enumerate(stills + clips)}
            seen += [attributes.codes(self.media[m][2]) for m in stills]
            moving += [attributes.codes(self.media[m][2]) for m in clips]
            pixels = [np.stack([self.media[m][1] for m in group]) if group else None for group in (stills, clips)]
            spans = self.builder.encoder.backbone.media
            tokens = [spans["image"].count] * len(stills) + [spans["video"].count] * len(clips)
            roles = {}
            for name, rows in self.roles.items():
                mine = [n for n, chunk in enumerate(rows.chunk) if chunk == number]
                if mine:
                    roles[name] = self._collate(rows, mine, place, tokens)
            chunks.append(Chunk(stills=pixels[0], clips=pixels[1], roles=roles))
        codes = {
            name: torch.from_numpy(np.stack([attributes.codes(scene) for scene in rows.scenes]))
            for name, rows in self.roles.items()
        }
        if seen:
            codes["vision"] = torch.from_numpy(np.stack(seen))
        if moving:
            codes["motion"] = torch.from_numpy(np.stack(moving))
        return TrainBatch(
            programme=programme,
            chunks=chunks,
            contrasts=self.contrasts,
            compositions=self.compositions,
            codes=codes,
            open_roles=frozenset(self.open_roles),
            places={name: _places(rows.chunk) for name, rows in self.roles.items() if rows.chunk != sorted(rows.chunk)},
        )

    def _collate(self, rows: Rows, mine: list[int], place: dict[int, int], tokens: list[int]) -> LengthSorted:
        """The rows `mine` of a role, in at most three parts by length."""
        order = np.array(sorted(range(len(mine)), key=lambda n: len(rows.tokens[mine[n]])))
        lengths = {len(rows.tokens[n]) for n in mine}
        parts = []
        for part in np.array_split(order, min(3, len(mine), len(lengths))):
            chosen = [mine[n] for n in part]
            shown = [None if rows.media[n] is None else place[rows.media[n]] for n in chosen]
            parts.append(self.builder.encoder.collate([rows.tokens[n] for n in chosen], shown, media_tokens=tokens))
        return LengthSorted(parts=parts, order=torch.from_numpy(order))


def _places(chunks: list[int]) -> torch.Tensor:
    """(n,) int64: where each row of a role lies once its rows follow each other chunk by chunk."""
    return torch.from_numpy(np.argsort(np.argsort(chunks, kind="stable")))
