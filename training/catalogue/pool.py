"""The benchmark's collection: which scenes of the grid become images, passages, entries, clips and query pictures.

Not which scenes there are (grid.py), not the queries (benchmark.py), not the files (writer.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from training.catalogue import text
from training.catalogue.families import MOTIONS, clip_family
from training.catalogue.grid import GridSizes, Group, groups_of, surfaces_of
from training.catalogue.lookup import SceneTable
from training.catalogue.scene import Action, Scene, pick, with_action
from training.catalogue.splits import SPLITS, Split
from training.catalogue.world import render_seed
from training.catalogue.writer import DATASET_ID, Media, Plan, Row

IMAGE_SIZE, QUERY_SIZE, CLIP_SIZE = 128, 112, 112
#: How many candidates of a part are passages, per group; entries and clips are of lines in large.
PASSAGES = {"line": 2, "arrangement": 4, "clutter": 3, "combination": 2}
FACTS = 2  # entries of one scene, with other facts each


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much a collection holds and asks.

    Attributes:
        grid: the scenes.
        with_entries, with_clips: line groups that have illustrated entries, and clips.
        it2i, ind, other: queries of it2i ind, of each other task's ind, and of each other split.
        typed, free: queries of these two splits.
    """

    grid: GridSizes = field(default_factory=GridSizes)
    with_entries: int = 200
    with_clips: int = 168
    it2i: int = 1000
    ind: int = 400
    other: int = 250
    typed: int = 720
    free: int = 600


class Pool:
    """Collects candidates and query pictures into a plan; each step draws from its own Generator.

    Attributes:
        groups: of scenes; group_of: the number of a still scene's group.
        by_modality: the candidates, in the order of their ids; tables: what they show.
        pictures: (scene, style, seed row, cue) -> path of the query picture.
    """

    def __init__(self, seed: int, sizes: Sizes, split: Split) -> None:
        self.seed, self.sizes, self.split = seed, sizes, split
        self.plan = Plan(seed, split=split)
        self.numbers: dict[str, int] = defaultdict(int)
        self.pictures: dict[tuple, str] = {}
        self.image_of: dict[Scene, str] = {}
        self.by_modality: dict[str, list[Row]] = defaultdict(list)
        self.groups: list[Group] = groups_of(split, sizes.grid, seed)
        self.group_of = {scene: group for group in self.groups for scene in group.scenes}
        self._images()
        self._passages()
        large = [group for group in self.groups if group.part == "line" and group.scenes[0].size == "large"]
        self._entries(_spread(self.rng(4), large, sizes.with_entries))
        self._clips(_spread(self.rng(5), large, sizes.with_clips))
        self.tables = {modality: SceneTable([row.scene for row in rows]) for modality, rows in self.by_modality.items()}

    def rng(self, *stream: int) -> np.random.Generator:
        """The Generator of one step, whatever the other steps drew."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), *stream])

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
        return row

    def media(self, kind: str, job: Media) -> str:
        """Plans one file and returns its path."""
        number = self.numbers[kind]
        self.numbers[kind] += 1
        path = f"files/{kind}/{number:05}.{'mp4' if kind == 'clips' else 'webp'}"
        self.plan.media[path] = job
        return path

    def _seed(self, kind: str) -> int:
        return render_seed(self.seed, self.split, kind, self.numbers[kind])

    def _images(self) -> None:
        """Every scene once, in an order that mixes the groups: ids and paging tell nothing."""
        for row in self.rng(2).permutation(len(self.groups)):
            for scene in self.groups[row].scenes:
                path = self.media("images", Media("images", scene, self._seed("images"), IMAGE_SIZE))
                self.image_of[scene] = path
                self._add("image", scene, media=path)

    def _passages(self) -> None:
        """Scenes on each line's first surfaces, so that edits of colour, line and surface have passages too."""
        rng = self.rng(3)
        for group in self.groups:
            count = PASSAGES[group.part]
            if group.part == "line":
                first = surfaces_of(group.scenes[0].category, count if group.scenes[0].size == "large" else 1)
                scenes = [scene for scene in group.scenes if scene.surface in first and scene.count == 1]
            else:
                scenes = list(group.scenes[:count])
            for scene in scenes:
                self._add("text", scene, text.passage(scene, rng))

    def _entries(self, groups: list[Group]) -> None:
        """A scene of each of the groups on the category's first surface or the next, told with two sets of facts."""
        rng = self.rng(4, 1)
        for group in groups:
            facts = [text.random_facts(rng)]
            while len(facts) < FACTS:
                other = text.random_facts(rng)
                facts += [other] if other != facts[0] else []
            for fact in facts:
                scene = group.scenes[0]
                self._add("image,text", scene, text.entry(fact, rng), self.image_of[scene], fact)

    def _clips(self, groups: list[Group]) -> None:
        """A clip family of each group's first scene and the same in another colour, with one more action."""
        rng = self.rng(5, 1)
        shown = {scene for scenes in self.groups for scene in scenes.scenes}
        seen: set[Scene] = set()
        in_colours: dict[Scene, list[Scene]] = defaultdict(list)
        for group in self.groups:
            if group.part == "line":
                in_colours[replace(group.scenes[0], colour="red")].append(group.scenes[0])
        for group in groups:
            base = group.scenes[0]
            other = pick(rng, in_colours[replace(base, colour="red")], base)
            clips = clip_family(rng, [base, other])
            taken = [clip.action for clip in clips]
            clips.append(with_action(base, Action(pick(rng, [kind for kind in MOTIONS if Action(kind) not in taken]))))
            for scene in clips:
                if scene in seen or with_action(scene, None) not in shown:
                    continue
                seen.add(scene)
                row = self._add(
                    "video", scene, media=self.media("clips", Media("clips", scene, self._seed("clips"), CLIP_SIZE))
                )
                row.title += _told(scene.action)

    def picture(self, scene: Scene, style: str = "catalogue", seed_row: int = 0, cue: int | None = None) -> str:
        """The path of a query picture of the scene, shared by all queries that ask for the same one.

        Args:
            scene: what it shows.
            style: a key of layout.STYLES.
            seed_row: which of the scene's nuisance seeds of this style.
            cue: a tag to draw. With and without tags a picture is otherwise the same: what differs in the answers is
                the tag's doing.

        Returns:
            The path of the file in the plan.
        """
        key = (scene, style, seed_row, cue)
        if key not in self.pictures:
            seed = self.picture_seed(scene, style, seed_row)
            self.pictures[key] = self.media("queries", Media("queries", scene, seed, QUERY_SIZE, style, cue))
        return self.pictures[key]

    def picture_seed(self, scene: Scene, style: str, seed_row: int) -> int:
        """The nuisance seed of a query picture: of the scene, the style and the row alone."""
        return render_seed(self.seed, self.split, f"query {scene} {style}", seed_row)


def _told(action: Action | None) -> str:
    """What a clip's title says of its action after the scene's."""
    if action is None:
        return ""
    return f", {action.kind}" + (f" to {action.colour}" if action.colour else "")


def _spread(rng: np.random.Generator, groups: list[Group], count: int) -> list[Group]:
    """`count` of the groups, or all of them, with no category twice before every one was taken once."""
    by_category: dict[str, list[Group]] = defaultdict(list)
    for row in rng.permutation(len(groups)):
        by_category[groups[row].scenes[0].category].append(groups[row])
    turns = [[place for place in waiting] for waiting in by_category.values()]
    order = [turn[number] for number in range(max(map(len, turns), default=0)) for turn in turns if number < len(turn)]
    return order[:count]
