"""Batches: families of scenes become the roles and contrasts of a step (batch.py), one programme per kind of step.

Not pixels (catalogue/store.py) and not losses. Every contrast holds one task; the rows of all tasks of a step share
pictures, so that each picture's vision states are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import torch

from training import attributes, views
from training.batch import Composition, TrainBatch
from training.catalogue import edit_text, edits, shortcut, text
from training.catalogue.scene import Scene, with_action
from training.catalogue.world import Item, World
from training.config import TrainConfig
from training.draft import Asked, Draft
from umr.encoders.base import UnifiedEncoder
from umr.encoders.templates import MediaKind, Role, TokenRow

OPEN_KINDS = ("negation", "relative")  # edits that more than one scene satisfies
STILL_SAID = np.array([not name.startswith("action") for name in attributes.COLUMNS])  # what a still picture fixes


class BatchBuilder:
    """Makes the batch of any step: batch n depends on (seed, n) alone, so a resumed run sees the same ones.

    The parts of composed queries draw from a stream of their own: with or without them, all other rows are the same."""

    def __init__(self, world: World, encoder: UnifiedEncoder, config: TrainConfig) -> None:
        self.world, self.encoder, self.config = world, encoder, config
        self.names = [name for name, share in config.programmes.items() if share]
        shares = np.array([config.programmes[name] for name in self.names])
        self.shares = shares / shares.sum()

    def tokenise(self, words: str | None, instruction: str, side: Role, kind: MediaKind | None) -> TokenRow:
        return self.encoder.prompter.tokenise(words, instruction, side, kind)

    def build(self, step: int) -> TrainBatch:
        rng = generator(self.config.seed, step)
        programme = self.names[int(rng.choice(len(self.names), p=self.shares))]
        draft = Draft(self, rng, generator(self.config.seed, step, "parts"))
        getattr(self, f"_{programme}")(draft, rng)
        return draft.finish(programme)

    def _families(self, draft: Draft, rng: np.random.Generator, families: list[list[Item]], count: int):
        """`count` random families with their numbers; starts a new chunk every `chunk_families`."""
        chosen = rng.choice(len(families), min(count, len(families)), replace=False)
        for place, number in enumerate(chosen):
            if self.config.chunk_families and place % self.config.chunk_families == 0:
                draft.chunk += 1
            family = families[int(number)]
            if rng.random() < self.config.mirror:
                family = views.mirror_family(family, self.world.manifest["split"])
            yield int(number), family

    def _clip_families(self, draft: Draft, rng: np.random.Generator, count: int):
        """`count` random clip families with their numbers, some of them played backwards."""
        for number, family in self._families(draft, rng, self.world.clip_families, count):
            if rng.random() < self.config.backwards:
                family = views.reverse_family(family, self.world.manifest["split"])
            yield number, family

    def _stills(self, number: int, clips: list[Item]) -> list[Item]:
        """The pictures of the scenes of clip family `number`, mirrored where the clips are."""
        stills = self.world.families[number]
        return views.mirror_family(stills, self.world.manifest["split"]) if clips[0].mirrored else stills

    def _vision(self, draft: Draft, rng: np.random.Generator) -> None:
        """Pictures alone: the vision tower learns the attributes from its own heads, at a quarter of a step's cost."""
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch):
            for item in family:
                draft.picture(item)

    def _motion(self, draft: Draft, rng: np.random.Generator) -> None:
        """Clips alone: the vision tower learns what moves from its own head."""
        for _, family in self._clip_families(draft, rng, self.config.families_per_batch // 2 or 1):
            for item in family:
                draft.clip(item)

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

    def _candidates(self, family: list[Item], pairs: list[tuple[Item, Item, edits.Edit]]) -> list[Item]:
        """The renders that are candidates: all of a family, or the one pair's target where batches are of random items."""
        return family if self.config.batch == "families" else [target for _, target, _ in pairs]

    def _edit_words(
        self,
        reference: Item,
        target: Item,
        edit: edits.Edit,
        rng: np.random.Generator,
        say: Callable[..., str] = edit_text.phrase,
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
            draft.add(f"{role} picture", target, media=picture, target=target_kind, rng=draft.parts_rng)
            draft.add(f"{role} text", target, words=words, target=target_kind, rng=draft.parts_rng)
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
            shown = self._candidates(family, pairs)
            column = {item.row: draft.add("picture", item.scene, media=draft.picture(item)) for item in shown}
            for item in shown:
                self._caption_query(draft, rng, item.scene, "t2i", "image", column[item.row], captions)
            for reference, target, edit in pairs:
                words = self._edit_words(reference, target, edit, rng)
                self._compose(
                    draft, rng, "it2i", "image", reference, target.scene, edit, words, column[target.row], composed
                )
            for one in shown:
                twin = _twin(one, family)
                if twin is not None:
                    if twin.row not in column:
                        column[twin.row] = draft.add("picture", twin.scene, media=draft.picture(twin))
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
            shown = self._candidates(family, pairs)
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
                    reference, target, edit, rng, edit_text.question if rng.random() < 0.6 else edit_text.phrase
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
        by_text, by_picture, composed = Asked(), Asked(), Asked()
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch * 3 // 4 or 1):
            column: dict[int, int] = {}
            known: dict[int, object] = {}
            pair = (
                text.random_facts(rng),
                text.random_facts(rng),
            )  # shared by siblings: neither words nor picture suffice
            pairs = self._pairs(family, rng)
            for item in self._candidates(family, pairs):
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
                draft.add("i2it", item.scene, media=draft.picture(_twin(item, family) or item), target="image,text")
                by_picture.add(column[item.row])
            for reference, target, edit in pairs:
                facts = known[target.row]
                words = text.with_facts(edit_text.phrase(edit, reference.scene, rng), facts, rng)
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
        draft.contrast("i2it", "i2it", ("entry",), by_picture, weight=0.4)
        draft.contrast("it2it", "it2it", ("entry",), composed)
        self._composition(draft, "it2it", "entry", composed)

    def _clips(self, draft: Draft, rng: np.random.Generator) -> None:
        """Clips from words, from a still, and from a still with the action in words."""
        by_text, by_picture, composed = Asked(), Asked(), Asked()
        for number, family in self._clip_families(draft, rng, self.config.families_per_batch // 3 or 1):
            stills = self._stills(number, family)
            column = {item.row: draft.add("clip", item.scene, media=draft.clip(item)) for item in family}
            for target in family:
                self._caption_query(draft, rng, target.scene, "t2v", "video", column[target.row], by_text)
                still = with_action(target.scene, None)
                shown = [item for item in stills if item.scene == still]
                if shown:
                    edit = edits.between(still, target.scene, rng)
                    words = edit_text.phrase(edit, still, rng)
                    picture = shown[int(rng.integers(len(shown)))]
                    draft.add("i2v", target.scene, media=draft.picture(picture), target="video")
                    by_picture.add(column[target.row], STILL_SAID)
                    self._compose(
                        draft,
                        rng,
                        "it2v",
                        "video",
                        picture,
                        target.scene,
                        edit,
                        words,
                        column[target.row],
                        composed,
                    )
        draft.open_roles |= {"t2v", "i2v"}
        draft.contrast("t2v", "t2v", ("clip",), by_text, symmetric=True)
        draft.contrast("i2v", "i2v", ("clip",), by_picture, weight=0.3)
        draft.contrast("it2v", "it2v", ("clip",), composed)
        self._composition(draft, "it2v", "clip", composed)

    def _everything(self, draft: Draft, rng: np.random.Generator) -> None:
        """One mixed pool of pictures, passages, entries and clips: the kind of the answer is not said."""
        asked_text, asked_picture, asked_both = Asked(), Asked(), Asked()
        plans = []
        for _, family in self._families(draft, rng, self.world.families, self.config.families_per_batch // 3 or 1):
            for item in self._shown(family, rng):
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
                plans.append((kind, number, item, family, draft.chunk))
        for number, family in self._clip_families(draft, rng, self.config.families_per_batch // 8 or 1):
            stills = self._stills(number, family)
            for item in family[:3]:
                row = draft.add("clip", item.scene, media=draft.clip(item))
                plans.append(("clip", row, item, stills, draft.chunk))
        kinds = [kind for kind in ("picture", "passage", "entry", "clip") if kind in draft.roles]
        first = dict(zip(kinds, np.cumsum([0] + [len(draft.roles[kind]) for kind in kinds]), strict=False))
        for kind, number, item, family, draft.chunk in plans:
            column = int(first[kind]) + number
            draft.add("t2all", item.scene, words=text.caption(item.scene, rng, full=True), target="all")
            asked_text.add(column)
            shown = _twin(item, family) or (item if kind == "passage" else None)
            if shown is not None:
                draft.add("i2all", item.scene, media=draft.picture(shown), target="all")
                asked_picture.add(column, STILL_SAID)
            pairs = [pair for pair in self._pairs(family, rng) if pair[1].scene == item.scene]
            if pairs:
                reference, target, edit = pairs[0]
                words = edit_text.phrase(edit, reference.scene, rng)
                self._compose(
                    draft, rng, "it2all", "all", reference, target.scene, edit, words, column, asked_both, parts=False
                )
        draft.open_roles |= {"i2all", "it2all"}
        draft.contrast("t2all", "t2all", kinds, asked_text)
        draft.contrast("i2all", "i2all", kinds, asked_picture, weight=0.5)
        draft.contrast("it2all", "it2all", kinds, asked_both)


def generator(seed: int, step: int, purpose: str = "") -> np.random.Generator:
    """The random stream of a step. A purpose has a stream of its own, so that drawing from it changes no other draw."""
    own = [int.from_bytes(sha256(purpose.encode()).digest()[:4], "big")] if purpose else []
    return np.random.default_rng([seed, step, *own])


def _twin(item: Item, family: list[Item]) -> Item | None:
    """Another render of what the item shows, for a clip a still of it; None if the family has none."""
    still = with_action(item.scene, None)
    return next((other for other in family if other.scene == still and (other.row, other.scene) != (item.row, item.scene)), None)
