"""The bundled benchmark: which scenes, texts, clips and queries it holds, with exact relevant sets.

Not the files (writer.py). Every composed query finds in its pool: its reference under other nuisance, the wanted value
on another object, and at least four neighbours of its target. All scenes are of the asked split (families.split_of), so
no training world holds any.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.catalogue import edit_text, edits, text
from training.catalogue.edits import Edit, between, differences
from training.catalogue.families import Split, is_cluttered
from training.catalogue.phrases import Phrasing
from training.catalogue.pool import WITH_PASSAGE, Pool, Sizes
from training.catalogue.scene import Scene, is_held_out
from training.catalogue.shortcut import cue_of, other_cue
from training.catalogue.writer import WORDS, Ask, Plan, write
from umr.errors import ConfigError

#: How many members of a cluster serve as references, and as references whose query pictures are tagged or in another
#: style.
REFERENCES, STYLED = 4, 2
#: Members of the target's own cluster, at most two attributes away, that the pool must hold.
NEIGHBOURS = {"image": 4, "text": 3, "image,text": 2}
#: Kinds whose queries must also meet a wrong value of the edited attribute on an otherwise right scene.
CONTRASTED_KINDS = ("colour", "finish", "pattern", "surface", "category")
KIND_SHARES = {
    "colour": 0.15,
    "finish": 0.12,
    "pattern": 0.12,
    "surface": 0.10,
    "category": 0.10,
    "size": 0.06,
    "count": 0.06,
    "add": 0.06,
    "remove": 0.06,
    "relation": 0.03,
    "two": 0.08,
    "negation": 0.03,
    "relative": 0.03,
}


FULL = Sizes()
SMALL = Sizes((14, 5, 5), (10, 4, 4), (4, 2, 2), 8, 25, 15)
VALIDATION = Sizes((100, 0, 0), (70, 0, 0), (20, 0, 0), 44, 250, 200)
SMALL_VALIDATION = Sizes((12, 0, 0), (9, 0, 0), (3, 0, 0), 7, 20, 12)
OTHER_SPLITS = ("combination", "shortcut-text", "shortcut-picture", "rendering", "phrasing", "clutter")


def build(folder: Path, seed: int, small: bool = False, workers: int = 2, split: Split = "test") -> dict[str, int]:
    """Plans, renders and writes the benchmark.

    The same seed writes the same bytes on the same library versions.

    Args:
        folder: where the files go; a killed build of the same plan is gone on with.
        seed: draws the scenes, texts and renders.
        small: a collection of a few dozen clusters instead of the full one.
        workers: processes that render.
        split: whose scenes these are, "test" or "validation".

    Returns:
        Counts of candidates per kind, of queries, query pictures and media bytes.

    Raises:
        ConfigError: the train split is asked for.
        MismatchError: the folder holds another build.
    """
    if split == "train":
        raise ConfigError("the benchmark is of the test or the validation split; a training world is built by `world`")
    sizes = {("test", False): FULL, ("test", True): SMALL, ("validation", False): VALIDATION}.get(
        (split, small), SMALL_VALIDATION
    )
    return write(make_plan(seed, sizes, split), Path(folder), workers)


def make_plan(seed: int, sizes: Sizes, split: Split) -> Plan:
    """Everything the benchmark will hold, without a pixel."""
    return _Asker(Pool(seed, sizes, split)).ask_all()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A possible composed query: reference scene, edit, target scene."""

    reference: Scene
    target: Scene
    edit: Edit


class _Asker:
    """Adds every query to the plan of a pool; each (task, split) draws from its own Generator."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.sizes = pool, pool.sizes
        self.hard: dict[tuple[_Pair, str], bool] = {}

    def ask_all(self) -> Plan:
        """The plan with its queries."""
        self._simple_queries()
        self._composed_queries()
        return self.pool.plan

    # queries that want a scene as it is

    def _simple_queries(self) -> None:
        ordinary = self.pool.parts["ordinary"]
        n, rng = self.sizes.ind, self.pool.rng(6)
        shown = [scene for scenes in ordinary for scene in scenes[:REFERENCES]]
        told = [scene for scenes in ordinary[: self.sizes.with_passages[0]] for scene in scenes[:WITH_PASSAGE]]
        pictured = [scene for scenes in ordinary[: self.sizes.with_passages[0]] for scene in scenes[:REFERENCES]]
        every = [scene for scenes in ordinary for scene in scenes]
        for task, wanted in (("t2i", every), ("i2i", shown), ("t2t", told), ("i2t", pictured)):
            for scene in _draw(rng, wanted, n, task):
                says = {
                    "t2i": lambda scene: text.caption(scene, rng, True),
                    "t2t": lambda scene: text.paraphrase(scene, rng),
                }.get(task)
                self._ask(
                    task,
                    "ind",
                    scene,
                    says(scene) if says else None,
                    None if says else self.pool.picture(scene),
                )
        for row in _draw(rng, self.pool.by_modality["image,text"], n, "t2it"):
            self._ask(
                "t2it",
                "ind",
                row.scene,
                text.entry_query(row.scene, row.facts, rng),
                None,
                facts=row.facts,
            )
        stills = set(every)
        clips = [row.scene for row in self.pool.by_modality["video"] if replace(row.scene, action=None) in stills]
        for scene in _repeated(rng, clips, n):
            self._ask("t2v", "ind", scene, text.caption(scene, rng, True), None)

    # composed queries

    def _composed_queries(self) -> None:
        for place, (task, modality) in enumerate(
            (("it2i", "image"), ("it2t", "text"), ("it2v", "video"), ("it2it", "image,text"))
        ):
            for number, split in enumerate(("ind", *OTHER_SPLITS)):
                part = split if split in ("combination", "clutter") else "ordinary"
                if not self.pool.parts[part] or (task == "it2it" and split != "ind"):
                    continue
                rng = self.pool.rng(7, place, number)
                count = self.sizes.ind if split == "ind" else self.sizes.other
                self._compose(task, modality, split, part, count, rng)

    def _compose(self, task: str, modality: str, split: str, part: str, count: int, rng: np.random.Generator) -> None:
        pairs = self._pairs(modality, part, STYLED if split in ("rendering", "shortcut-picture") else REFERENCES, rng)
        if modality == "video":
            chosen = _repeated(rng, pairs, count)
        else:
            chosen = _by_kind(rng, self._hard_pairs(pairs, modality), count, f"{task} {split}")
        said: set[tuple] = set()
        for place, pair in enumerate(chosen):
            facts = None
            if modality == "image,text":
                held = [row.facts for row in self.pool.by_modality[modality] if row.scene == pair.target]
                facts = held[int(rng.integers(len(held)))]
            picture = self._query_picture(pair, split, place, rng)
            for _ in range(20):
                line = self._words(task, split, pair, facts, rng)
                if (picture, line) not in said:
                    break
            said.add((picture, line))
            self._ask(task, split, pair.reference, line, picture, pair.edit, facts)

    def _words(
        self, task: str, split: str, pair: _Pair, facts: text.EntryFacts | None, rng: np.random.Generator
    ) -> str:
        phrasing: Phrasing = "unseen" if split == "phrasing" else "train"
        say = edit_text.question if task == "it2t" and rng.random() < 0.6 else edit_text.phrase
        line = say(pair.edit, pair.reference, rng, phrasing)
        return line if facts is None else text.with_facts(line, facts, rng, phrasing)

    def _query_picture(self, pair: _Pair, split: str, place: int, rng: np.random.Generator) -> str:
        if split == "rendering":
            return self.pool.picture(pair.reference, "shifted")
        if split == "shortcut-picture":
            mine = cue_of(pair.edit)
            held = [key[2] for key in self.pool.pictures if key[0] == pair.reference and key[2] not in (None, mine)]
            return self.pool.picture(pair.reference, cue=held[0] if held else other_cue(mine, rng))
        return self.pool.picture(pair.reference, variant=place % 2 if pair.edit.kind == "action" else 0)

    def _pairs(self, modality: str, part: str, references: int, rng: np.random.Generator) -> list[_Pair]:
        """Every (reference, edit, target) of the part's clusters for which the pool has the target in this modality."""
        held: dict[Scene, list[Scene]] = defaultdict(list)
        for row in self.pool.by_modality[modality]:
            still = replace(row.scene, action=None)
            if row.scene not in held[still]:
                held[still].append(row.scene)
        pairs = []
        for scenes in self.pool.parts[part]:
            for reference in scenes[:references]:
                for target in (scene for still in scenes for scene in held.get(still, ())):
                    if not _is_of(part, reference, target):
                        continue
                    for edit in dict.fromkeys((between(reference, target), between(reference, target, rng))):
                        if edit is not None and edit.matches(reference, target):
                            pairs.append(_Pair(reference, target, edit))
        if modality == "video":  # mostly the action alone: a double edit is allowed to a fifth
            plain = [pair for pair in pairs if pair.edit.kind == "action"]
            double = [pair for pair in pairs if pair.edit.kind == "two"]
            keep = rng.permutation(len(double))[: max(1, len(plain) // 4)]
            pairs = plain + [double[row] for row in sorted(keep)]
        return pairs

    def _hard_pairs(self, pairs: list[_Pair], modality: str) -> list[_Pair]:
        """The pairs whose pool is hard; every answer is kept, since the splits share their pairs."""
        for pair in pairs:
            if (pair, modality) not in self.hard:
                self.hard[pair, modality] = self._is_hard(pair, modality)
        return [pair for pair in pairs if self.hard[pair, modality]]

    def _is_hard(self, pair: _Pair, modality: str) -> bool:
        """Whether the pool has the wanted value on another object, enough neighbours and, if asked, a wrong value."""
        held = self.pool.scenes[modality]
        near = [
            scene
            for scene in self.pool.cluster_of[pair.target]
            if scene != pair.target and scene in held and len(differences(scene, pair.target)) <= 2
        ]
        if len(near) < NEIGHBOURS[modality]:
            return False
        changed = set(differences(pair.reference, pair.target))
        if (
            modality == "image"
            and pair.edit.kind in CONTRASTED_KINDS
            and not any(scene != pair.reference and set(differences(scene, pair.target)) <= changed for scene in near)
        ):
            return False
        return any(
            matches_text(pair.edit, pair.reference, pair.target, row.scene) for row in self.pool.by_modality[modality]
        )

    # a query's relevant and hard candidates

    def _ask(
        self,
        task: str,
        split: str,
        scene: Scene,
        line: str | None,
        picture: str | None,
        edit: Edit | None = None,
        facts: text.EntryFacts | None = None,
    ) -> None:
        modality = WORDS[task.split("2")[1]]
        rows = self.pool.by_modality[modality]
        scenes = [row.scene for row in rows]
        right = (
            edits.relevant(scene, edit, scenes)
            if edit
            else [number for number, other in enumerate(scenes) if other == scene]
        )
        relevant = [number for number in right if facts is None or rows[number].facts == facts]
        if not relevant:
            raise ConfigError(
                f"no {modality} candidate satisfies {edit or 'the description'} of {scene}: the plan is wrong"
            )
        hard = self._hard(scene, edit, scenes[relevant[0]], scenes, set(relevant))
        self.pool.plan.queries.setdefault((task, split), []).append(
            Ask(
                line,
                picture,
                scene,
                [rows[number].did for number in relevant],
                [rows[number].did for number in hard],
                self.pool.family_of[replace(scene, action=None)],
                edit,
                facts,
            )
        )

    @staticmethod
    def _hard(scene: Scene, edit: Edit | None, target: Scene, scenes: list[Scene], relevant: set[int]) -> list[int]:
        """The reference itself, up to six nearest neighbours of the target, and one that only the text fits."""
        distance = [len(differences(other, target)) for other in scenes]
        near = sorted(
            (number for number in range(len(scenes)) if number not in relevant and distance[number] <= 2),
            key=lambda number: (scenes[number] != scene, distance[number], number),
        )[:7]
        if edit:
            near += [
                number
                for number, other in enumerate(scenes)
                if number not in relevant and number not in near and matches_text(edit, scene, target, other)
            ][:1]
        return near


def matches_text(edit: Edit, reference: Scene, target: Scene, other: Scene) -> bool:
    """Whether `other` has what the edit's words name, on another object.

    That is an object of another category, or of another colour if the category was edited.
    """
    allowed = edit.allowed(reference)
    for name, values in allowed.items():
        have = getattr(other, name)
        if name == "companion" and have is not None and values != (None,):
            if not any(value and (value.category, value.colour) == (have.category, have.colour) for value in values):
                return False
        elif have not in values:
            return False
    return other.colour != target.colour if "category" in allowed else other.category != target.category


def _is_of(part: str, reference: Scene, target: Scene) -> bool:
    """Whether a pair belongs to a split's part: held-out values, a cluttered reference, or nothing special."""
    if part == "combination":
        return is_held_out(reference) or is_held_out(target)
    return part != "clutter" or is_cluttered(reference)


def _draw(rng: np.random.Generator, items: list, n: int, what: str) -> list:
    """N different items in random order.

    Raises:
        ConfigError: there are fewer than n.
    """
    if len(items) < n:
        raise ConfigError(
            f"{what} needs {n} queries, the plan allows {len(items)}: ask for fewer, or for more clusters"
        )
    return [items[row] for row in rng.permutation(len(items))[:n]]


def _repeated(rng: np.random.Generator, items: list, n: int) -> list:
    """N items, each as often as any other (give or take one), in random order."""
    chosen: list = []
    while len(chosen) < n:
        chosen += [items[row] for row in rng.permutation(len(items))]
    return chosen[:n]


def _by_kind(rng: np.random.Generator, pairs: list[_Pair], n: int, what: str) -> list[_Pair]:
    """N different pairs with kinds near KIND_SHARES; a kind that runs out leaves its places to the others.

    Raises:
        ConfigError: there are fewer than n.
    """
    waiting: dict[str, list[_Pair]] = defaultdict(list)
    for pair in _draw(rng, pairs, len(pairs), what):
        waiting[pair.edit.kind].append(pair)
    if len(pairs) < n:
        raise ConfigError(
            f"{what} needs {n} queries, the plan allows {len(pairs)}: ask for fewer, or for more clusters"
        )
    chosen: list[_Pair] = []
    while len(chosen) < n:
        kinds = [kind for kind in KIND_SHARES if waiting[kind]]
        shares = np.array([KIND_SHARES[kind] for kind in kinds])
        chosen.append(waiting[str(rng.choice(kinds, p=shares / shares.sum()))].pop())
    return chosen
