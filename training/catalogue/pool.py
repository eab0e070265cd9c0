"""The benchmark's collection: clusters of scenes, and which of them are shown by images, passages, entries and clips.

Not its queries (benchmark.py), not its files (writer.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import numpy as np

from training.catalogue import clusters, text
from training.catalogue.families import MOTIONS, SPLITS, Split, clip_family
from training.catalogue.scene import Action, Scene, pick, with_action
from training.catalogue.world import render_seed
from training.catalogue.writer import DATASET_ID, Media, Plan, Row

IMAGE_SIZE, QUERY_SIZE, CLIP_SIZE = 256, 192, 192
#: How many members of a cluster have passages, and have entries.
WITH_PASSAGE, WITH_ENTRY = 5, 3
#: Scenes among which the bases are looked for, per cluster (and at least 400).
BASES = 20


@dataclass(frozen=True)
class Sizes:
    """Numbers of clusters per part (ordinary, combination, clutter) and of queries per task."""

    clusters: tuple[int, int, int] = (200, 50, 50)
    with_passages: tuple[int, int, int] = (150, 35, 35)
    with_clips: tuple[int, int, int] = (32, 10, 10)
    with_entries: int = 92
    ind: int = 500
    other: int = 300


class Pool:
    """Collects candidates and query pictures into a plan; each step draws from its own Generator.

    Attributes:
        parts: clusters of the ordinary, combination and clutter part.
        by_modality: the candidates.
        scenes: what the candidates of each modality show.
        cluster_of: the cluster of a scene.
        family_of: the number of a scene's cluster.
        pictures: (scene, style, cue, variant) -> path of the query picture.
    """

    def __init__(self, seed: int, sizes: Sizes, split: Split) -> None:
        self.seed, self.sizes, self.split = seed, sizes, split
        self.plan = Plan(seed, split=split)
        self.numbers: dict[str, int] = defaultdict(int)
        self.pictures: dict[tuple[Scene, str, int | None, int], str] = {}
        self.image_of: dict[Scene, str] = {}
        self.by_modality: dict[str, list[Row]] = defaultdict(list)
        self.scenes: dict[str, set[Scene]] = defaultdict(set)
        self.parts = self._clusters()
        every = [scenes for part in self.parts.values() for scenes in part]
        self.cluster_of = {scene: scenes for scenes in every for scene in scenes}
        self.family_of = {scene: number for number, scenes in enumerate(every) for scene in scenes}
        self._images()
        self._passages()
        self._entries()
        self._clips()

    def rng(self, *stream: int) -> np.random.Generator:
        """The Generator of one step, whatever the other steps drew."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), *stream])

    def _clusters(self) -> dict[str, list[list[Scene]]]:
        kinds = (
            ("ordinary", clusters.ordinary(self.split)),
            ("combination", clusters.combined()),
            ("clutter", clusters.cluttered()),
        )
        seen: set[Scene] = set()
        parts: dict[str, list[list[Scene]]] = {}
        for number, ((name, (draw, fits)), count) in enumerate(zip(kinds, self.sizes.clusters, strict=True)):
            parts[name] = []
            rng = self.rng(0, number)
            # drawn once: only a tenth of all scenes is of the split
            bases = [draw(rng) for _ in range(max(400, BASES * count) if count else 0)]
            for place in range(count):
                scenes = clusters.cluster(
                    self.rng(1, number, place),
                    partial(_fresh, bases=bases, seen=seen),
                    partial(_fits_anew, fits=fits, seen=seen),
                )
                seen.update(scenes)
                parts[name].append(scenes)
        return parts

    def _add(
        self,
        modality: str,
        scene: Scene,
        line: str | None = None,
        media: str | None = None,
        facts: text.EntryFacts | None = None,
    ) -> Row:
        row = Row(f"{DATASET_ID}:{len(self.plan.rows)}", modality, scene, text.title(scene), line, media, facts)
        self.plan.rows.append(row)
        self.by_modality[modality].append(row)
        self.scenes[modality].add(scene)
        return row

    def _media(self, kind: str, scene: Scene, size: int, style: str = "catalogue", cue: int | None = None) -> str:
        number = self.numbers[kind]
        self.numbers[kind] += 1
        path = f"files/{kind}/{number:05}.{'mp4' if kind == 'clips' else 'webp'}"
        self.plan.media[path] = Media(kind, scene, render_seed(self.seed, self.split, kind, number), size, style, cue)
        return path

    def _images(self) -> None:
        for scenes in self._shuffled_clusters():
            for scene in scenes:
                path = self._media("images", scene, IMAGE_SIZE)
                self.image_of[scene] = path
                self._add("image", scene, media=path)

    def _shuffled_clusters(self) -> list[list[Scene]]:
        """All clusters in an order that mixes the parts: ids and paging tell nothing."""
        every = [scenes for part in self.parts.values() for scenes in part]
        return [every[row] for row in self.rng(2).permutation(len(every))]

    def _passages(self) -> None:
        rng = self.rng(3)
        for part, count in zip(self.parts.values(), self.sizes.with_passages, strict=True):
            for scenes in part[:count]:
                for scene in scenes[:WITH_PASSAGE]:
                    self._add("text", scene, text.passage(scene, rng))

    def _entries(self) -> None:
        rng = self.rng(4)
        for scenes in self.parts["ordinary"][: self.sizes.with_entries]:
            facts = [text.random_facts(rng)]
            while len(facts) < 2:
                other = text.random_facts(rng)
                facts += [other] if other != facts[0] else []
            for scene in scenes[:WITH_ENTRY]:
                for fact in facts:
                    self._add("image,text", scene, text.entry(scene, fact, rng), self.image_of[scene], fact)

    def _clips(self) -> None:
        rng = self.rng(5)
        for part, count in zip(self.parts.values(), self.sizes.with_clips, strict=True):
            for stills in part[:count]:
                clips = clip_family(rng, stills)
                taken = [clip.action for clip in clips]
                clips.append(
                    with_action(clips[-1], Action(pick(rng, [kind for kind in MOTIONS if Action(kind) not in taken])))
                )
                for scene in clips:
                    row = self._add("video", scene, media=self._media("clips", scene, CLIP_SIZE))
                    row.title += _told(scene.action)

    def picture(self, scene: Scene, style: str = "catalogue", cue: int | None = None, variant: int = 0) -> str:
        """The path of a query picture of the scene, shared by all queries that ask for the same one."""
        key = (scene, style, cue, variant)
        if key not in self.pictures:
            self.pictures[key] = self._media("queries", scene, QUERY_SIZE, style, cue)
        return self.pictures[key]


def _told(action: Action | None) -> str:
    """What a clip's title says of its action after the scene's."""
    if action is None:
        return ""
    return f", {action.kind}" + (f" to {action.colour}" if action.colour else "")


def _fits_anew(scene: Scene, fits: clusters.Fits, seen: set[Scene]) -> bool:
    return scene not in seen and fits(scene)


def _fresh(rng: np.random.Generator, bases: list[Scene], seen: set[Scene]) -> Scene:
    while True:
        scene = bases[int(rng.integers(len(bases)))]
        if scene not in seen:
            return scene
