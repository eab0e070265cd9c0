"""Collects the rows of one step: tokens, pictures kept once, which candidates are true answers. Not which rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import torch

from training import attributes, views
from training.batch import Composition, Contrast, TrainBatch
from training.catalogue import shortcut
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import Scene
from training.catalogue.world import Item, World
from training.chunks import EncodedRows, Medium, Tokenise, chunked
from training.config import TrainConfig
from umr.encoders.templates import MediaKind, Role
from umr.errors import ConfigError

EVERYTHING_SAID = np.ones(len(attributes.COLUMNS), bool)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row to encode.

    Attributes:
        role: what it is encoded as.
        scene: what it shows or asks for.
        words: its text.
        media: the number of its picture or clip.
        target: the searched modality of a query, None for a candidate.
        facts: of an entry.
        part: a part of a composed query, which only some recipes have.
    """

    role: str
    scene: Scene
    words: str | None = None
    media: int | None = None
    target: str | None = None
    facts: object = None
    part: bool = False


@dataclass(eq=False)
class Rows(EncodedRows):
    """The rows of one role, in family order, with what was asked for."""

    rows: list[Row] = field(default_factory=list)

    @property
    def scenes(self) -> list[Scene]:
        """What each row shows or asks for."""
        return [row.scene for row in self.rows]

    @property
    def facts(self) -> list[object]:
        """The facts of each row, None where it has none."""
        return [row.facts for row in self.rows]

    def codes(self) -> np.ndarray:
        """(n, A) attribute codes of the scenes."""
        return np.stack([attributes.codes(scene) for scene in self.scenes])


@dataclass(eq=False)
class Asked:
    """Queries of one contrast: the wanted scene, its column, and what else would be a true answer."""

    positive: list[int] = field(default_factory=list)
    said: list[np.ndarray] = field(default_factory=list)
    accepts: list[Callable[[Scene], bool] | None] = field(default_factory=list)

    def add(
        self, column: int, said: np.ndarray = EVERYTHING_SAID, accepts: Callable[[Scene], bool] | None = None
    ) -> None:
        """The next query.

        Args:
            column: of its positive.
            said: (A,) bool, the attributes that its words fix.
            accepts: whether a scene satisfies it, besides by having those attributes.
        """
        self.positive.append(column)
        self.said.append(said)
        self.accepts.append(accepts)


def generator(seed: int, step: int, purpose: str = "") -> np.random.Generator:
    """The random stream of a step. A purpose has a stream of its own, so that drawing from it changes no other draw."""
    own = [int.from_bytes(sha256(purpose.encode()).digest()[:4], "big")] if purpose else []
    return np.random.default_rng([seed, step, *own])


def jittered(frames_FSS3: np.ndarray, rng: np.random.Generator, shift: int, light: float) -> np.ndarray:
    """The same frames, moved and in other light: nuisance in this world, so that the description stays true.

    Args:
        frames_FSS3: (F, S, S, 3) uint8; all frames of a clip move together.
        rng: decides how far.
        shift: px, at most, down and right or up and left; edges are repeated.
        light: the share by which they are lightened or darkened, at most.

    Returns:
        (F, S, S, 3) uint8.
    """
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
    """Collects the rows of one step and turns them into a TrainBatch.

    Attributes:
        rng: the step's stream.
        chunk: where new pictures, and rows without one, go; a chunk that stays empty is none.
    """

    def __init__(self, tokenise: Tokenise, world: World, config: TrainConfig, step: int) -> None:
        self.tokenise, self.world, self.config = tokenise, world, config
        self.rng, self._parts_rng = generator(config.seed, step), generator(config.seed, step, "parts")
        self.roles: dict[str, Rows] = {}
        self.pictures: dict[tuple, int] = {}  # (kind, row, mirrored, cue) -> media number
        self.media: list[Medium] = []
        self.shows: list[Scene] = []  # what each of them shows
        self.contrasts: list[Contrast] = []
        self.compositions: list[Composition] = []
        self.open_roles: set[str] = set()  # roles whose rows do not fix every attribute
        self.chunk = 0

    def picture(self, item: Item, cue: int | None = None) -> int:
        """The media number of a still, kept once per step; `cue` draws the shortcut world's tag into it."""
        key = ("still", item.row, item.mirrored, cue)
        if key not in self.pictures:
            pixels = views.frames_of(self.world.pixels[item.row][None], item)
            self._keep(key, pixels if cue is None else shortcut.draw_cue(pixels, cue), item.scene)
        return self.pictures[key]

    def clip(self, item: Item) -> int:
        """The media number of a clip, kept once per step.

        Raises:
            ConfigError: the world has no clips.
        """
        pixels = self.world.clip_pixels
        if pixels is None:
            raise ConfigError("this world has no clips: render one with --clip-families, or train without clips")
        key = ("clip", item.row, item.mirrored, None)
        if key not in self.pictures:
            self._keep(key, views.frames_of(pixels[item.row], item), item.scene)
        return self.pictures[key]

    def _keep(self, key: tuple, frames: np.ndarray, scene: Scene) -> None:
        self.pictures[key] = len(self.media)
        self.media.append(Medium(self.chunk, jittered(frames, self.rng, self.config.shift, self.config.light)))
        self.shows.append(scene)

    def add(self, row: Row) -> int:
        """One row; returns its number in the role. A row with a picture is encoded in the picture's chunk."""
        rows, media = self.roles.setdefault(row.role, Rows()), row.media
        kind: MediaKind | None = None if media is None else "video" if len(self.media[media].frames) > 1 else "image"
        instruction = ""
        side: Role = "candidate"
        if row.target is not None:
            asked = "text" if media is None else "image" if row.words is None else "image,text"
            choices = INSTRUCTIONS[asked, row.target]
            # from a stream of their own: a recipe without parts draws everything else alike
            rng = self._parts_rng if row.part else self.rng
            instruction, side = choices[int(rng.integers(len(choices)))], "query"
        rows.rows.append(row)
        tokens = self.tokenise.row(row.words, instruction, side, kind)
        return rows.append(tokens, media, self.chunk if media is None else self.media[media].chunk)

    def contrast(
        self,
        task: str,
        candidates: Sequence[str],
        asked: Asked,
        *,
        others: Sequence[str] = (),
        weight: float = 1.0,
        symmetric: bool = False,
    ) -> None:
        """Close a task: find the candidates that are true answers besides the positive, so that they are no negatives.

        Args:
            task: its name, which is the role of its queries too.
            candidates: the roles that are searched.
            asked: what each query asks for; without any there is no contrast.
            others: roles of a kind that is not asked for: all their rows are negatives, the right scene too.
            weight: of the task in the step's loss.
            symmetric: candidates search their queries as well.
        """
        if not asked.positive:
            return
        positive = np.array(asked.positive)
        true_BM = self._true_answers(self.roles[task], [self.roles[role] for role in candidates], asked)
        true_BM[np.arange(len(positive)), positive] = False
        wrong = [role for role in others if role in self.roles]
        never = np.zeros((len(positive), sum(len(self.roles[role]) for role in wrong)), bool)
        self.contrasts.append(
            Contrast(
                task=task,
                query=task,
                candidates=(*candidates, *wrong),
                positive=torch.from_numpy(positive),
                ignore=torch.from_numpy(np.concatenate([true_BM, never], axis=1)),
                weight=weight,
                symmetric=symmetric,
            )
        )

    @staticmethod
    def _true_answers(rows: Rows, pool: list[Rows], asked: Asked) -> np.ndarray:
        """(B, M) bool: the candidates that are what each query asks for."""
        found = np.concatenate([part.codes() for part in pool])
        true_BM = attributes.same_meaning(rows.codes(), np.stack(asked.said), found)
        facts = [value for part in pool for value in part.facts]
        if any(value is not None for value in rows.facts):
            true_BM &= np.array([[a is None or a == b for b in facts] for a in rows.facts])
        scenes = [scene for part in pool for scene in part.scenes]
        for b, accepts in enumerate(asked.accepts):
            if accepts is not None:
                true_BM[b] |= np.fromiter((accepts(scene) for scene in scenes), bool, len(scenes))
        return true_BM

    def finish(self, programme: str) -> TrainBatch:
        """Sort media and rows into chunks and collate them."""
        chunks, places = chunked(self.tokenise, self.media, self.roles)
        codes = {name: rows.codes() for name, rows in self.roles.items()}
        shown = sorted(zip(self.media, self.shows, strict=True), key=lambda pair: pair[0].chunk)
        for what, is_seen in (("vision", lambda frames: len(frames) == 1), ("motion", lambda frames: len(frames) > 1)):
            seen = [attributes.codes(scene) for medium, scene in shown if is_seen(medium.frames)]
            codes |= {what: np.stack(seen)} if seen else {}
        return TrainBatch(
            programme=programme,
            chunks=chunks,
            contrasts=self.contrasts,
            compositions=self.compositions,
            codes={name: torch.from_numpy(found) for name, found in codes.items()},
            open_roles=frozenset(self.open_roles),
            places=places,
        )
