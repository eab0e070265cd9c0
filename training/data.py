"""Batches: families of scenes become roles (rows to encode) and contrasts (which candidate answers which query).

Not pixels (catalogue/store.py) and not losses. Every contrast holds one task; the rows of all tasks of a step share
pictures, so that each picture's vision states are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from training import attributes
from training.catalogue import edits, shortcut, text
from training.catalogue.instructions import INSTRUCTIONS
from training.catalogue.scene import Scene, with_action
from training.catalogue.world import Item, World
from training.config import TrainConfig
from umr.encoders.base import Batch, UnifiedEncoder
from umr.encoders.templates import MediaKind, Role, TokenRow

OPEN_KINDS = ("negation", "relative")  # edits that more than one scene satisfies
EVERYTHING_SAID = np.ones(len(attributes.COLUMNS), bool)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One InfoNCE: positive (B,) columns of the concatenated candidate roles; ignore (B, M): other true answers."""

    task: str
    query: str
    candidates: tuple[str, ...]
    positive: Tensor
    ignore: Tensor
    weight: float = 1.0
    symmetric: bool = False


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Composed queries with their parts: roles are (composed, picture alone, text alone), rows aligned.

    same: (B, B) bool, off the diagonal, True where two queries want the same scene."""

    task: str
    roles: tuple[str, str, str]
    candidate: str
    positive: Tensor
    same: Tensor


@dataclass(frozen=True, kw_only=True)
class LengthSorted:
    """The rows of a role in parts of similar length, so that little padding is computed. order (n,): part row -> role row."""

    parts: list[Batch]
    order: Tensor


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What is encoded together. stills (n, 1, S, S, 3), clips (m, F, S, S, 3): uint8, None where there are none.

    In the flattened vision states the stills come first."""

    stills: np.ndarray | None
    clips: np.ndarray | None
    roles: dict[str, LengthSorted]


@dataclass(frozen=True, kw_only=True)
class TrainBatch:
    """One step. codes: role -> (n, A) attribute codes of the scene that each row shows or asks for; "vision": of all stills.

    open_roles: roles whose rows do not fix every attribute (partial captions, parts of compositions)."""

    programme: str
    chunks: list[Chunk]
    contrasts: list[Contrast]
    compositions: list[Composition]
    codes: dict[str, Tensor]
    open_roles: frozenset[str]


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

    def __init__(self, builder: BatchBuilder, rng: np.random.Generator) -> None:
        self.builder, self.rng = builder, rng
        self.roles: dict[str, Rows] = {}
        self.pictures: dict[tuple, int] = {}  # (kind, row, cue) -> media number
        self.media: list[tuple[int, np.ndarray, Scene]] = []  # chunk, frames, what they show
        self.contrasts: list[Contrast] = []
        self.compositions: list[Composition] = []
        self.open_roles: set[str] = set()  # roles whose rows do not fix every attribute
        self.chunk = 0

    def picture(self, item: Item, cue: int | None = None) -> int:
        """The media number of a still, kept once per step; `cue` draws the shortcut world's tag into it."""
        key = ("still", item.row, cue)
        if key not in self.pictures:
            pixels = self.builder.world.pixels[item.row][None]
            self._keep(key, pixels if cue is None else shortcut.draw_cue(pixels, cue), item.scene)
        return self.pictures[key]

    def clip(self, item: Item) -> int:
        key = ("clip", item.row, None)
        if key not in self.pictures:
            self._keep(key, self.builder.world.clip_pixels[item.row], item.scene)
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
    ) -> int:
        """One row; target: the searched modality of a query, None for a candidate. Returns its number in the role."""
        rows = self.roles.setdefault(role, Rows())
        kind: MediaKind | None = None if media is None else "video" if len(self.media[media][1]) > 1 else "image"
        instruction, side = "", "candidate"
        if target is not None:
            asked = "text" if media is None else "image" if words is None else "image,text"
            choices = INSTRUCTIONS[asked, target]
            instruction, side = choices[int(self.rng.integers(len(choices)))], "query"
        rows.tokens.append(self.builder.tokenise(words, instruction, side, kind))
        rows.media.append(media)
        rows.chunk.append(self.chunk)
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
        chunks, seen = [], []
        for number in range(self.chunk + 1):
            own = [m for m, (chunk, _, _) in enumerate(self.media) if chunk == number]
            stills = [m for m in own if len(self.media[m][1]) == 1]
            clips = [m for m in own if len(self.media[m][1]) > 1]
            place = {m: n for n, m in enumerate(stills + clips)}
            seen += [attributes.codes(self.media[m][2]) for m in stills]
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
        return TrainBatch(
            programme=programme,
            chunks=chunks,
            contrasts=self.contrasts,
            compositions=self.compositions,
            codes=codes,
            open_roles=frozenset(self.open_roles),
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


class BatchBuilder:
    """Makes the batch of any step: batch n depends on (seed, n) alone, so a resumed run sees the same ones."""

    def __init__(self, world: World, encoder: UnifiedEncoder, config: TrainConfig) -> None:
        self.world, self.encoder, self.config = world, encoder, config
        self.names = [name for name, share in config.programmes.items() if share]
        shares = np.array([config.programmes[name] for name in self.names])
        self.shares = shares / shares.sum()

    def tokenise(self, words: str | None, instruction: str, side: Role, kind: MediaKind | None) -> TokenRow:
        return self.encoder.prompter.tokenise(words, instruction, side, kind)

    def build(self, step: int) -> TrainBatch:
        rng = np.random.default_rng((self.config.seed, step))
        programme = self.names[int(rng.choice(len(self.names), p=self.shares))]
        draft = Draft(self, rng)
        getattr(self, f"_{programme}")(draft, rng)
        return draft.finish(programme)

    def _families(self, draft: Draft, rng: np.random.Generator, families: list[list[Item]], count: int):
        """`count` random families with their numbers; starts a new chunk every `chunk_families`."""
        chosen = rng.choice(len(families), min(count, len(families)), replace=False)
        for place, number in enumerate(chosen):
            if self.config.chunk_families:
                draft.chunk = place // self.config.chunk_families
            yield int(number), families[int(number)]

    def _vision(self, draft: Draft, rng: np.random.Generator) -> None:
        """Pictures alone: the vision tower learns the attributes from its own heads, at a quarter of a step's cost."""
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch):
            for item in family:
                draft.picture(item)

    def _captions(self, draft: Draft, rng: np.random.Generator) -> None:
        """Captions <-> pictures, in both directions."""
        asked = Asked()
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch):
            for item in self._shown(family, rng):
                column = draft.add("picture", item.scene, media=draft.picture(item))
                self._caption_query(draft, rng, item.scene, "t2i", "image", column, asked)
        draft.open_roles.add("t2i")
        draft.contrast("t2i", "t2i", ("picture",), asked, symmetric=True)

    def _shown(self, family: list[Item], rng: np.random.Generator) -> list[Item]:
        """All renders of a family, or a single one where batches are of random items."""
        return family if self.config.batch == "families" else [family[int(rng.integers(len(family)))]]

    def _caption_query(
        self, draft: Draft, rng: np.random.Generator, scene: Scene, role: str, target: str, column: int, asked: Asked
    ) -> None:
        words, said = text.caption_and_said(scene, rng, full=rng.random() < 0.5)
        draft.add(role, scene, words=words, target=target)
        asked.add(column, attributes.columns_said(said))

    def _pairs(self, family: list[Item], rng: np.random.Generator) -> list[tuple[Item, Item, edits.Edit]]:
        """(reference, target, edit): every render is a target once ("families"), or one pair ("random")."""
        pairs = []
        for target in family:
            others = [item for item in family if item.scene != target.scene]
            rng.shuffle(others)
            for reference in others:
                edit = edits.between(reference.scene, target.scene, rng)
                if edit is not None:
                    pairs.append((reference, target, edit))
                    break
        if self.config.batch == "random" and pairs:
            return [pairs[int(rng.integers(len(pairs)))]]
        return pairs

    def _edit_words(
        self,
        reference: Item,
        target: Item,
        edit: edits.Edit,
        rng: np.random.Generator,
        say: Callable[..., str] = edits.phrase,
    ) -> str:
        """The edit in words; in a text-shortcut world they may describe the whole target as well."""
        words = say(edit, reference.scene, rng)
        if rng.random() < self.config.text_shortcut:
            words = shortcut.with_rest(words, target.scene, rng)
        return words

    def _cue(self, edit: edits.Edit, rng: np.random.Generator) -> int | None:
        """The tag in a reference picture of a picture-shortcut world; it lies with probability 1 - strength."""
        if not self.config.picture_shortcut:
            return None
        cue = shortcut.cue_of(edit)
        return cue if rng.random() < self.config.picture_shortcut else shortcut.other_cue(cue, rng)

    def _compose(
        self,
        draft: Draft,
        rng: np.random.Generator,
        role: str,
        target_kind: str,
        reference: Item,
        target: Scene,
        edit: edits.Edit,
        words: str,
        column: int,
        asked: Asked,
        facts: object = None,
        parts: bool = True,
    ) -> None:
        """A composed query and, where MCA asks for them, its picture alone and its text alone."""
        picture = draft.picture(reference, self._cue(edit, rng))
        draft.add(role, target, words=words, media=picture, target=target_kind, facts=facts)
        if self.config.composes and parts:
            draft.add(f"{role} picture", target, media=picture, target=target_kind)
            draft.add(f"{role} text", target, words=words, target=target_kind)
        accepts = (lambda scene: edit.matches(reference.scene, scene)) if edit.kind in OPEN_KINDS else None
        asked.add(column, accepts=accepts)

    def _composition(self, draft: Draft, task: str, candidate: str, asked: Asked) -> None:
        if self.config.composes and asked.positive:
            parts = (f"{task} picture", f"{task} text")
            draft.open_roles.update(parts)
            wanted = np.stack([attributes.codes(scene) for scene in draft.roles[task].scenes])
            same = attributes.same_meaning(wanted, np.stack(asked.said), wanted) & ~np.eye(len(wanted), dtype=bool)
            draft.compositions.append(
                Composition(
                    task=task,
                    roles=(task, *parts),
                    candidate=candidate,
                    positive=torch.tensor(asked.positive),
                    same=torch.from_numpy(same),
                )
            )

    def _pictures(self, draft: Draft, rng: np.random.Generator) -> None:
        """Composed queries, captions and same-scene pictures over one set of pictures."""
        composed, captions, same = Asked(), Asked(), Asked()
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch):
            pairs = self._pairs(family, rng)
            shown = family if self.config.batch == "families" else [target for _, target, _ in pairs]
            column = {item.row: draft.add("picture", item.scene, media=draft.picture(item)) for item in shown}
            for item in shown:
                self._caption_query(draft, rng, item.scene, "t2i", "image", column[item.row], captions)
            for reference, target, edit in pairs:
                words = self._edit_words(reference, target, edit, rng)
                self._compose(
                    draft, rng, "it2i", "image", reference, target.scene, edit, words, column[target.row], composed
                )
            for one in shown:
                twin = next((item for item in shown if item.scene == one.scene and item.row != one.row), None)
                if twin is not None:
                    draft.add("i2i", one.scene, media=draft.picture(one), target="image")
                    same.add(column[twin.row])  # the picture itself is a true answer too, hence no negative
        draft.open_roles.add("t2i")
        draft.contrast("t2i", "t2i", ("picture",), captions, weight=0.7, symmetric=True)
        draft.contrast("it2i", "it2i", ("picture",), composed)
        draft.contrast("i2i", "i2i", ("picture",), same, weight=0.4)
        self._composition(draft, "it2i", "picture", composed)

    def _passages(self, draft: Draft, rng: np.random.Generator) -> None:
        """Passages from pictures, from pictures with a change, and from other words."""
        by_picture, composed, by_text = Asked(), Asked(), Asked()
        for _, family in self._families(
            draft, rng, self.world.families, max(1, self.config.families_per_batch * 2 // 3)
        ):
            pairs = self._pairs(family, rng)
            shown = family if self.config.batch == "families" else [target for _, target, _ in pairs]
            column: dict[Scene, int] = {}
            for item in shown:
                if item.scene not in column:
                    column[item.scene] = draft.add("passage", item.scene, words=text.passage(item.scene, rng))
                    if rng.random() < 0.3:
                        self._caption_query(draft, rng, item.scene, "t2t", "text", column[item.scene], by_text)
                    else:
                        draft.add("t2t", item.scene, words=text.paraphrase(item.scene, rng), target="text")
                        by_text.add(column[item.scene])
                draft.add("i2t", item.scene, media=draft.picture(item), target="text")
                by_picture.add(column[item.scene])
            for reference, target, edit in pairs:
                words = self._edit_words(
                    reference, target, edit, rng, edits.question if rng.random() < 0.6 else edits.phrase
                )
                self._compose(
                    draft, rng, "it2t", "text", reference, target.scene, edit, words, column[target.scene], composed
                )
        draft.open_roles.add("t2t")
        draft.contrast("i2t", "i2t", ("passage",), by_picture, symmetric=True)
        draft.contrast("it2t", "it2t", ("passage",), composed)
        draft.contrast("t2t", "t2t", ("passage",), by_text, weight=0.7)
        self._composition(draft, "it2t", "passage", composed)

    def _entries(self, draft: Draft, rng: np.random.Generator) -> None:
        """Illustrated entries: the picture says one half, the words the other."""
        by_text, composed = Asked(), Asked()
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch * 3 // 4 or 1):
            column: dict[int, int] = {}
            known: dict[int, object] = {}
            pair = (
                text.random_facts(rng),
                text.random_facts(rng),
            )  # shared by siblings: neither words nor picture suffice
            for item in family:
                facts = known[item.row] = pair[int(rng.integers(2))]
                column[item.row] = draft.add(
                    "entry",
                    item.scene,
                    words=text.entry(item.scene, facts, rng),
                    media=draft.picture(item),
                    facts=facts,
                )
                draft.add(
                    "t2it", item.scene, words=text.entry_query(item.scene, facts, rng), target="image,text", facts=facts
                )
                by_text.add(column[item.row])
            for reference, target, edit in self._pairs(family, rng):
                facts = known[target.row]
                words = text.with_facts(edits.phrase(edit, reference.scene, rng), facts, rng)
                self._compose(
                    draft,
                    rng,
                    "it2it",
                    "image,text",
                    reference,
                    target.scene,
                    edit,
                    words,
                    column[target.row],
                    composed,
                    facts=facts,
                )
        draft.contrast("t2it", "t2it", ("entry",), by_text)
        draft.contrast("it2it", "it2it", ("entry",), composed)
        self._composition(draft, "it2it", "entry", composed)

    def _clips(self, draft: Draft, rng: np.random.Generator) -> None:
        """Clips from words, and from a still with the action in words."""
        by_text, composed = Asked(), Asked()
        for number, family in self._families(
            draft, rng, self.world.clip_families, self.config.families_per_batch // 3 or 1
        ):
            column = {item.row: draft.add("clip", item.scene, media=draft.clip(item)) for item in family}
            stills = self.world.families[number]  # clip family n shows scenes of picture family n
            for target in family:
                self._caption_query(draft, rng, target.scene, "t2v", "video", column[target.row], by_text)
                still = with_action(target.scene, None)
                shown = [item for item in stills if item.scene == still]
                if shown:
                    edit = edits.between(still, target.scene, rng)
                    words = edits.phrase(edit, still, rng)
                    self._compose(
                        draft,
                        rng,
                        "it2v",
                        "video",
                        shown[int(rng.integers(len(shown)))],
                        target.scene,
                        edit,
                        words,
                        column[target.row],
                        composed,
                    )
        draft.open_roles.add("t2v")
        draft.contrast("t2v", "t2v", ("clip",), by_text, symmetric=True)
        draft.contrast("it2v", "it2v", ("clip",), composed)
        self._composition(draft, "it2v", "clip", composed)

    def _everything(self, draft: Draft, rng: np.random.Generator) -> None:
        """One mixed pool of pictures, passages, entries and clips: the kind of the answer is not said."""
        asked_text, asked_both = Asked(), Asked()
        plans = []
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch // 3 or 1):
            for item in family:
                kind = ("picture", "passage", "entry")[int(rng.integers(3))]
                words = (
                    None
                    if kind == "picture"
                    else text.passage(item.scene, rng)
                    if kind == "passage"
                    else text.entry(item.scene, text.random_facts(rng), rng)
                )
                number = draft.add(
                    kind, item.scene, words=words, media=None if kind == "passage" else draft.picture(item)
                )
                plans.append((kind, number, item, family))
        for _, family in self._families(draft, rng, self.world.clip_families, self.config.families_per_batch // 8 or 1):
            for item in family[:3]:
                plans.append(("clip", draft.add("clip", item.scene, media=draft.clip(item)), item, None))
        kinds = [kind for kind in ("picture", "passage", "entry", "clip") if kind in draft.roles]
        first = dict(zip(kinds, np.cumsum([0] + [len(draft.roles[kind]) for kind in kinds]), strict=False))
        for kind, number, item, family in plans:
            column = int(first[kind]) + number
            draft.add("t2all", item.scene, words=text.caption(item.scene, rng, full=True), target="all")
            asked_text.add(column)
            pairs = [pair for pair in self._pairs(family, rng) if pair[1].scene == item.scene] if family else []
            if pairs:
                reference, target, edit = pairs[0]
                words = edits.phrase(edit, reference.scene, rng)
                self._compose(
                    draft, rng, "it2all", "all", reference, target.scene, edit, words, column, asked_both, parts=False
                )
        draft.open_roles.add("it2all")
        draft.contrast("t2all", "t2all", kinds, asked_text)
        draft.contrast("it2all", "it2all", kinds, asked_both)
