"""Collects the rows of one step: tokens, pictures kept once, which candidates are true answers. Not which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from training.batch import Composition, Contrast, TrainBatch
from training.catalogue import shortcut
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import Scene
from training.catalogue.world import Item, World
from training.chunks import EncodedRows, Medium, Tokenise, chunked
from training.config import TrainConfig
from training.draws import generator, jittered
from training.parallel import Group
from training.truth import IDENTITY, KIND_BITS, CandidateKeys, QueryKeys, joined, key_of, kind_bits
from training.world_source import attributes, views
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
        sentence: the task sentence of a query; None: one of those for what it holds is drawn.
    """

    role: str
    scene: Scene
    words: str | None = None
    media: int | None = None
    target: str | None = None
    facts: object = None
    part: bool = False
    sentence: str | None = None


@dataclass(eq=False)
class Rows(EncodedRows):
    """The rows of one role, in family order, with what was asked for, the modality and the task sentence of each."""

    rows: list[Row] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    @property
    def scenes(self) -> list[Scene]:
        """What each row shows or asks for."""
        return [row.scene for row in self.rows]

    def codes(self) -> np.ndarray:
        """(n, A) attribute codes of the scenes."""
        return np.stack([attributes.codes(scene) for scene in self.scenes])


@dataclass(eq=False)
class Asked:
    """Queries of one contrast: the wanted scene's column, what its words fix, and what else would be a true answer."""

    positive: list[int] = field(default_factory=list)
    said: list[np.ndarray] = field(default_factory=list)
    ways: list[Sequence[np.ndarray]] = field(default_factory=list)

    def add(self, column: int, said: np.ndarray = EVERYTHING_SAID, ways: Sequence[np.ndarray] = ()) -> None:
        """The next query.

        Args:
            column: of its positive.
            said: (A,) bool, the attributes that its words fix.
            ways: (A,) int64 each, bits of the values that satisfy it, besides those of the wanted scene.
        """
        self.positive.append(column)
        self.said.append(said)
        self.ways.append(ways)


class Draft:
    """Collects the rows of one step and turns them into a TrainBatch.

    Attributes:
        rng: the step's stream.
        group: the processes that share the step.
        chunk: where new pictures, and rows without one, go; a chunk that stays empty is none.
    """

    def __init__(
        self, tokenise: Tokenise, world: World, config: TrainConfig, step: int, group: Group | None = None
    ) -> None:
        self.tokenise, self.world, self.config, self.group = tokenise, world, config, group or Group()
        self.rng, self._parts_rng = generator(config.seed, step), generator(config.seed, step, "parts")
        self._subword_rng = generator(config.seed, step, "subwords")
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
        config = self.config
        pixels = jittered(frames, self.rng, config.shift, config.light, config.tint)
        self.media.append(Medium(self.chunk, pixels))
        self.shows.append(scene)

    def add(self, row: Row) -> int:
        """One row; returns its number in the role. A row with a picture is encoded in the picture's chunk."""
        rows, media = self.roles.setdefault(row.role, Rows()), row.media
        kind: MediaKind | None = None if media is None else "video" if len(self.media[media].frames) > 1 else "image"
        instruction = row.sentence or ""
        side: Role = "candidate" if row.target is None else "query"
        if row.target is not None and row.sentence is None:
            asked = "text" if media is None else "image" if row.words is None else "image,text"
            choices = INSTRUCTIONS[asked, row.target]
            # from a stream of their own: a recipe without parts draws everything else alike
            rng = self._parts_rng if row.part else self.rng
            instruction = choices[int(rng.integers(len(choices)))]
        rows.rows.append(row)
        rows.sentences.append(instruction)
        rows.kinds.append(kind or "text" if kind is None or row.words is None else "image,text")
        grid = None if media is None else self.tokenise.grid(self.media[media].frames)
        tokens = self.tokenise.row(row.words, instruction, side, kind, grid)
        if self.config.subword_dropout and side == "query" and row.words:
            tokens = self.tokenise.subwords(tokens, self.config.subword_dropout, self._subword_rng)
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
        """Close a task: say what would answer its queries, so that no true answer is a negative.

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
        searched = (*candidates, *(role for role in others if role in self.roles))
        self.contrasts.append(
            Contrast(
                task=task,
                query=task,
                candidates=searched,
                positive=torch.tensor(asked.positive),
                queries=_query_keys(self.roles[task], asked),
                found=joined([_candidate_keys(self.roles[role]) for role in searched]),
                weight=weight,
                symmetric=symmetric,
            )
        )

    def finish(self, programme: str) -> TrainBatch:
        """Sort media and rows into chunks and collate them."""
        chunks, places = chunked(self.tokenise, self.media, self.roles)
        codes = {name: rows.codes() for name, rows in self.roles.items()}
        shown = sorted(zip(self.media, self.shows, strict=True), key=lambda pair: pair[0].chunk)
        for what, moving in (("vision", False), ("motion", True)):
            seen = [attributes.codes(scene) for medium, scene in shown if (len(medium.frames) > 1) == moving]
            if seen:
                codes[what] = np.stack(seen)
        return TrainBatch(
            programme=programme,
            chunks=chunks,
            contrasts=self.contrasts,
            compositions=self.compositions,
            codes={name: torch.from_numpy(found) for name, found in codes.items()},
            open_roles=frozenset(self.open_roles),
            places=places,
        )


def _query_keys(rows: Rows, asked: Asked) -> QueryKeys:
    """What would answer each query: a scene with the values that its words fix, or one of the other ways."""
    exact_BA = np.where(np.stack(asked.said), attributes.bits(rows.codes()), attributes.ANYTHING)
    count = 1 + max(map(len, asked.ways))
    allowed = np.zeros((len(exact_BA), count, exact_BA.shape[1]), np.int64)
    allowed[:, 0] = exact_BA
    for row, ways in enumerate(asked.ways):
        for place, way in enumerate(ways, 1):
            allowed[row, place] = way
    return QueryKeys(
        kinds=torch.tensor([kind_bits(row.target or "all") for row in rows.rows]),
        positives=torch.zeros((len(allowed), 0, IDENTITY), dtype=torch.int64),
        allowed=torch.from_numpy(allowed),
        facts=torch.tensor([facts_key(row) for row in rows.rows]),
    )


def _candidate_keys(rows: Rows) -> CandidateKeys:
    """What each candidate shows, in which kind, and the facts that it says."""
    return CandidateKeys(
        kind=torch.tensor([KIND_BITS[kind] for kind in rows.kinds]),
        identity=torch.zeros((len(rows), IDENTITY), dtype=torch.int64),
        values=torch.from_numpy(attributes.bits(rows.codes())),
        facts=torch.tensor([facts_key(row) for row in rows.rows]),
    )


def facts_key(row: Row) -> int:
    """The key of what the words of an entry say, or must say; 0: nothing."""
    return 0 if row.facts is None else key_of(repr(row.facts))
