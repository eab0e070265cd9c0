"""Writes a training world as M-BEIR files, pictures and clips as files: for trainers that read that layout.

Not the bundled benchmark, though it asks what that asks (benchmark.py), in the words of training alone. The strength of
each shortcut is a share of the it2i queries: texts that describe the whole target, tags that foretell the edit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from training.catalogue import edit_text, edits, shortcut, text, typed
from training.catalogue.fillers import with_fillers
from training.catalogue.lookup import SceneTable
from training.catalogue.scene import Scene
from training.catalogue.store import write_clip
from training.catalogue.world import Item, World
from training.catalogue.writer import DATASET_ID, Ask, Media, Plan, Row, write_rows
from umr.errors import ConfigError

T = TypeVar("T")
#: What can be asked: M-BEIR's tasks, and the short queries of typed.py, which are t2i with a file of their own.
TASKS = ("t2i", "t2t", "i2t", "it2i", "it2t", "t2v", "it2v", "t2it", "it2it", "i2i", "typed")
#: A near-duplicate is cut by up to this share at each edge and lightened or darkened by up to the next one.
CUT, LIGHTER = 0.06, 0.08
#: A short query that more pictures answer is drawn again, so often: every answer is listed, and each is a row to mine.
ANSWERS, TRIES = 64, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class MbeirSpec:
    """What is written of a world.

    Attributes:
        tasks: of TASKS; without one that searches entries there are none.
        queries_per_family: of each task, drawn at random where a family allows more; None: all.
        text_shortcut: share of it2i queries whose text describes the whole target.
        picture_shortcut: share of it2i queries whose picture carries a tag that foretells the edit.
        fillers: share of the queries with words around theirs that say nothing, half of them invented (fillers.py).
        duplicates: share of the pictures that stand in the pool once more, with the same bytes. Nothing says so: such a
            candidate has no facts, no title, and is in no query's list.
        near_duplicates: the same of pictures cut and lightened a little.
    """

    tasks: Sequence[str] = TASKS
    queries_per_family: int | None = None
    text_shortcut: float = 0.0
    picture_shortcut: float = 0.0
    fillers: float = 0.0
    duplicates: float = 0.0
    near_duplicates: float = 0.0

    def __post_init__(self) -> None:
        for name in ("text_shortcut", "picture_shortcut", "fillers", "duplicates", "near_duplicates"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}; it is a share of the queries or of the pictures, from 0 to 1")
        if self.queries_per_family is not None and self.queries_per_family < 1:
            raise ConfigError(f"queries_per_family is {self.queries_per_family}; it must be at least 1, or left out")
        unknown = sorted(set(self.tasks) - set(TASKS))
        if unknown or not self.tasks:
            raise ConfigError(f"tasks {', '.join(unknown) or 'are none'}; legal: {', '.join(TASKS)}")


def write_mbeir(world: World, folder: Path, seed: int, spec: MbeirSpec | None = None) -> dict[str, int]:
    """Writes pools, queries and qrels of the world's split.

    Args:
        world: whose pictures and clips become files.
        folder: where they are written.
        seed: of the words and of what is drawn by the shares.
        spec: what is asked; None: everything.

    Returns:
        Counts of candidates per kind, of queries, query pictures and media bytes.
    """
    spec = spec or MbeirSpec()
    writer = _Writer(world, Path(folder), seed, spec)
    writer.collect()
    writer.ask()
    if {"t2it", "it2it"} & set(spec.tasks):
        writer.illustrate()
    writer.ask_more()
    writer.duplicate(spec.duplicates, spec.near_duplicates)
    return write_rows(writer.plan, Path(folder), "train" if world.manifest["split"] == "train" else "val")


class _Writer:
    """Collects the plan. What was added to it later draws from streams of its own: nothing before it changed."""

    def __init__(self, world: World, folder: Path, seed: int, spec: MbeirSpec) -> None:
        self.world, self.folder, self.spec = world, folder, spec
        self.rng, self._more_rng, self._chosen_rng, self._filler_rng = (
            np.random.default_rng([seed, n]) for n in (11, 17, 19, 23)
        )
        self.plan = Plan(int(world.manifest["seed"]), split=world.manifest["split"])
        self.family = 0  # whose queries are being asked
        #: Modality -> what is shown (of an entry: and said) -> candidates.
        self.dids: dict[str, dict[Hashable, list[str]]] = {
            modality: defaultdict(list) for modality in ("image", "text", "video", "image,text")
        }
        self.facts: dict[int, text.EntryFacts] = {}  # of the entry of each render
        self.paths: dict[int, str] = {}
        self.images: list[Row] = []  # in the order of the world's pictures
        self.did_of: dict[str | None, str] = {}  # of the picture in the file
        for kind in ("images", "clips", "queries"):
            (folder / "files" / kind).mkdir(parents=True, exist_ok=True)

    def collect(self) -> None:
        """Every render is a candidate; every scene has a passage."""
        for items in self.world.families:
            for item in items:
                self.paths[item.row] = path = self._picture(item, "images", f"{item.row:06}")
                self._row("image", item.scene, media=path)
                if not self.dids["text"][item.scene]:
                    self._row("text", item.scene, text.passage(item.scene, self.rng))
        pixels = self.world.clip_pixels
        if pixels is None:
            return
        for items in self.world.clip_families:
            for item in items:
                path = f"files/clips/{item.row:06}.mp4"
                frames = pixels[item.row]
                write_clip(self.folder / path, frames, fps=4)
                self.plan.media[path] = Media("clips", item.scene, item.seed, frames.shape[1])
                self._row("video", item.scene, media=path)

    def ask(self) -> None:
        """Descriptions of every scene, and every pair of a family that an edit joins."""
        rng = self.rng
        for number, items in enumerate(self.world.families):
            self.family = number
            scenes = list({item.scene: item for item in items}.items())
            asked = {task: self._chosen(task, scenes) for task in ("t2i", "t2t", "i2t")}
            for place, (scene, item) in enumerate(scenes):
                if place in asked["t2i"]:
                    self._ask("t2i", "image", scene, text.caption(scene, rng, True), None)
                if place in asked["t2t"]:
                    self._ask("t2t", "text", scene, text.paraphrase(scene, rng), None)
                if place in asked["i2t"]:
                    self._ask("i2t", "text", scene, None, self.paths[item.row])
            pairs = _joined_by_edits(items)
            asked = {task: self._chosen(task, pairs) for task in ("it2i", "it2t")}
            for place, (one, other) in enumerate(pairs):
                if place in asked["it2i"]:
                    self._compose(one, other.scene, "it2i", "image")
                if place in asked["it2t"]:
                    self._compose(one, other.scene, "it2t", "text")
        self._ask_for_clips()

    def _ask_for_clips(self) -> None:
        """Descriptions of every clip, and every still and clip of a family that an edit joins."""
        for number, (stills, clips) in enumerate(zip(self.world.families, self.world.clip_families, strict=False)):
            self.family = number
            moved = [(still, clip) for clip in clips for still in stills[:2] if edits.between(still.scene, clip.scene)]
            asked = {"t2v": self._chosen("t2v", clips), "it2v": self._chosen("it2v", moved)}
            for place, clip in enumerate(clips):
                if place in asked["t2v"]:
                    self._ask("t2v", "video", clip.scene, text.caption(clip.scene, self.rng, True), None)
                for turn, (still, target) in enumerate(moved):
                    if target is clip and turn in asked["it2v"]:
                        self._compose(still, clip.scene, "it2v", "video")

    def illustrate(self) -> None:
        """An entry of every render.

        A family has two sets of facts, so that neither words nor picture suffice; where a scene was rendered twice its
        entries differ in the facts alone.
        """
        rng = self._more_rng
        for items in self.world.families:
            two = [text.random_facts(rng), text.random_facts(rng)]
            while two[0] == two[1]:
                two[1] = text.random_facts(rng)
            turn: dict[Scene, int] = {}
            for item in items:
                turn[item.scene] = 1 - turn.get(item.scene, int(rng.integers(2)))
                facts = self.facts[item.row] = two[turn[item.scene]]
                self._row("image,text", item.scene, text.entry(facts, rng), self.paths[item.row], facts)

    def ask_more(self) -> None:
        """Entries from their description and from an edit, another render of the same scene, and short queries."""
        rng = self._more_rng
        table = SceneTable([item.scene for items in self.world.families for item in items])
        said: set[str] = set()
        for number, items in enumerate(self.world.families):
            self.family = number
            for place in sorted(self._chosen("t2it", items)):
                scene, facts = items[place].scene, self.facts[items[place].row]
                self._ask("t2it", "image,text", scene, text.entry_query(scene, facts, rng), None, facts=facts)
            pairs = _joined_by_edits(items)
            for place in sorted(self._chosen("it2it", pairs)):
                one, other = pairs[place]
                edit = edits.between(one.scene, other.scene, rng)
                if edit is not None:
                    facts = self.facts[other.row]
                    line = text.with_facts(edit_text.phrase(edit, one.scene, rng), facts, rng)
                    self._ask("it2it", "image,text", one.scene, line, self.paths[one.row], edit, facts)
            twice = [item for item in items if len(self.dids["image"][item.scene]) > 1]
            for place in sorted(self._chosen("i2i", twice)):
                self._ask("i2i", "image", twice[place].scene, None, self.paths[twice[place].row])
            scenes = list(dict.fromkeys(item.scene for item in items))
            for place in sorted(self._chosen("typed", scenes)):
                self._type(scenes[place], table, said)

    def _type(self, scene: Scene, table: SceneTable, said: set[str]) -> None:
        """A short query that is true of the scene, unless all that are drawn were said or have too many answers."""
        for _ in range(TRIES):
            query = typed.draw(self._more_rng, scene)
            line, right = typed.say(query, self._more_rng), table.showing(query)
            if line not in said and len(right) <= ANSWERS:
                said.add(line)
                found = [self.images[place].did for place in right]
                self._put("t2i", "typed", Ask(line, None, scene, found, [], self.family, typed=query))
                return

    def _chosen(self, task: str, options: Sequence[T]) -> set[int]:
        """The places of what is asked of a family's options: all, or as many as the spec says; none of another task."""
        if task not in self.spec.tasks:
            return set()
        limit = self.spec.queries_per_family
        if limit is None or limit >= len(options):
            return set(range(len(options)))
        return set(self._chosen_rng.choice(len(options), limit, replace=False).tolist())

    def duplicate(self, exact: float, near: float) -> None:
        """Puts copies of pictures into the pool after everything that is known of it was written down."""
        rng = np.random.default_rng([self.plan.seed, 13])
        items = [item for items in self.world.families for item in items]
        for share, alter in ((exact, False), (near, True)):
            for row in np.flatnonzero(rng.random(len(items)) < share):
                item = items[row]
                pixels = np.asarray(self.world.pixels[item.row])
                path = f"files/images/{len(self.plan.rows):06}-c.webp"
                job = self.plan.media[path] = Media("images", item.scene, item.seed, pixels.shape[0], item.style)
                job.save(self.folder / path, _altered(pixels, rng) if alter else pixels)
                self.plan.rows.append(
                    Row(f"{DATASET_ID}:{len(self.plan.rows)}", "image", item.scene, "", media=path, unsaid=True)
                )

    def _compose(self, item: Item, target: Scene, task: str, modality: str) -> None:
        edit = edits.between(item.scene, target, self.rng)
        if edit is None:
            return
        say = edit_text.question if task == "it2t" and self.rng.random() < 0.5 else edit_text.phrase
        line, picture = say(edit, item.scene, self.rng), self.paths[item.row]
        shortcuts = (self.spec.text_shortcut, self.spec.picture_shortcut) if task == "it2i" else (0.0, 0.0)
        if self.rng.random() < shortcuts[0]:
            line = shortcut.with_rest(line, target, self.rng)
        if self.rng.random() < shortcuts[1]:
            cue = shortcut.cue_of(edit)
            picture = self._picture(item, "queries", f"{item.row:06}-{cue:02}", cue)
        self._ask(task, modality, item.scene, line, picture, edit)

    def _ask(
        self,
        task: str,
        modality: str,
        scene: Scene,
        line: str | None,
        picture: str | None,
        edit: edits.Edit | None = None,
        facts: text.EntryFacts | None = None,
    ) -> None:
        """A query with every candidate that answers it; a picture is no answer of itself."""
        targets = edits.targets(scene, edit) if edit else [scene]
        shown = [target if facts is None else (target, facts) for target in targets]
        found = [did for target in shown for did in self.dids[modality].get(target, ())]
        if task == "i2i":
            found = [did for did in found if did != self.did_of[picture]]
        self._put(task, "ind", Ask(line, picture, scene, found, [], self.family, edit, facts))

    def _put(self, task: str, split: str, ask: Ask) -> None:
        if ask.text and self.spec.fillers:
            ask = replace(ask, text=with_fillers(ask.text, self._filler_rng, self.spec.fillers))
        self.plan.queries.setdefault((task, split), []).append(ask)

    def _picture(self, item: Item, kind: str, name: str, cue: int | None = None) -> str:
        path = f"files/{kind}/{name}.webp"
        if path not in self.plan.media:
            pixels = self.world.pixels[item.row]
            job = self.plan.media[path] = Media(kind, item.scene, item.seed, pixels.shape[0], cue=cue)
            job.save(self.folder / path, np.asarray(pixels))
        return path

    def _row(
        self,
        modality: str,
        scene: Scene,
        words: str | None = None,
        media: str | None = None,
        facts: text.EntryFacts | None = None,
    ) -> None:
        title = text.title(replace(scene, action=None))
        row = Row(f"{DATASET_ID}:{len(self.plan.rows)}", modality, scene, title, words, media, facts)
        self.plan.rows.append(row)
        if modality == "image":
            self.images.append(row)
            self.did_of[media] = row.did
        self.dids[modality][scene if facts is None else (scene, facts)].append(row.did)


def _joined_by_edits(items: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Every (reference, target) of a family that an edit joins: of one thing, of a companion, of several at once."""
    return [(one, other) for one in items for other in items if edits.between(one.scene, other.scene) is not None]


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (S, S, 3) cut at its edges, brought back to its size, and a little lighter or darker."""
    side = pixels.shape[0]
    low, high = rng.integers(0, max(1, round(CUT * side)) + 1, (2, 2))
    cut = Image.fromarray(pixels[low[0] : side - high[0], low[1] : side - high[1]]).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(cut, np.float32) * rng.uniform(1 - LIGHTER, 1 + LIGHTER), 0, 255).astype(np.uint8)
