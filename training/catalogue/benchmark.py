"""The bundled benchmark: its texts and queries, with exact relevant sets.

Not the collection (pool.py), not the files (writer.py). The collection is a grid, so every composed query finds in its
pool its reference, neighbours of its target and the wanted value on other objects. All scenes are of the asked split
(splits.py): no training world holds any, nor one at distance 1 of a line or arrangement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.catalogue import edit_text, text, typed
from training.catalogue.edits import COMPANION_KINDS, COMPOUND, OPEN_KINDS, Edit, between
from training.catalogue.free import GRADES, grades, range_of, sensible_edit
from training.catalogue.grid import GridSizes, Group
from training.catalogue.phrases import Phrasing
from training.catalogue.pool import Pool, Sizes
from training.catalogue.render import paint_shown
from training.catalogue.scene import Scene, is_held_out
from training.catalogue.shortcut import cue_of, other_cue
from training.catalogue.splits import Split, is_cluttered
from training.catalogue.typos import misspelt, typing_noise
from training.catalogue.writer import WORDS, Ask, Plan, Row, write
from umr.errors import ConfigError

#: How often each kind of edit is asked where a reference allows it.
KIND_SHARES = {
    "colour": 0.15,
    "finish": 0.11,
    "pattern": 0.11,
    "surface": 0.12,
    "category": 0.08,
    "size": 0.07,
    "count": 0.06,
    "add": 0.06,
    "remove": 0.05,
    "relation": 0.03,
    "companion colour": 0.03,
    "companion finish": 0.03,
    "companion category": 0.02,
    "swap": 0.02,
    "negation": 0.03,
    "relative": 0.03,
}
#: Which edits the splits about one thing ask for.
BINDING = (*COMPANION_KINDS, "swap", "relation", "two")
TASKS = {"it2i": "image", "it2t": "text", "it2v": "video", "it2it": "image,text"}
#: Splits of the composed tasks beside "ind"; the three shortcut splits ask the same queries with other tags.
SHORTCUTS = ("shortcut-kept", "shortcut-broken", "shortcut-reversed")
SPLITS_OF = {
    "it2i": (
        "combination",
        "light",
        "camera",
        "phrasing",
        "typos",
        "clutter",
        "binding",
        "twofold",
        *SHORTCUTS,
        "free",
    ),
    "it2t": ("combination", "light", "camera", "phrasing", "typos", "clutter", "binding", "twofold"),
    "it2v": ("light", "camera", "phrasing", "typos"),
    "it2it": (),
}
#: Candidates at most so far from the target are its hard ones; so many are listed.
NEAR, LISTED = 2, 6
#: Candidates two or three edits away that are looked at for each reference.
COMPOUNDS = 60
#: A query picture from an unusual camera must show so much of what an ordinary one shows of the object's own material.
FAIR_SHARE, CAMERA_ROWS = 0.8, 6

FULL = Sizes()
SMALL = Sizes(
    grid=GridSizes(categories=4, colours=4, surfaces=3, counted=(2, 1), arrangements=3, cluttered=2, combined=(3, 1)),
    with_entries=12,
    with_clips=10,
    it2i=40,
    ind=20,
    other=12,
    typed=27,
    free=24,
)
VALIDATION = Sizes(
    grid=GridSizes(colours=9, surfaces=4),
    with_entries=120,
    with_clips=56,
    it2i=500,
    ind=250,
    other=200,
    typed=360,
    free=300,
)
SMALL_VALIDATION = replace(SMALL, it2i=30, ind=16, other=8, typed=18, free=16)


def build(folder: Path, seed: int, small: bool = False, workers: int = 2, split: Split = "test") -> dict[str, int]:
    """Plans, renders and writes the benchmark; the same seed writes the same bytes on the same library versions.

    Args:
        folder: where it is written; a killed build of the same plan goes on.
        seed: of everything that is drawn.
        small: a twentieth of it, to try things out.
        workers: processes that render.
        split: "test", or "validation" with other lines, phrasings and styles.

    Returns:
        Counts of what was written.

    Raises:
        ConfigError: the train split.
        MismatchError: the folder holds another build.
    """
    return write(make_plan(seed, sizes_of(small, split), split), Path(folder), workers)


def sizes_of(small: bool, split: Split) -> Sizes:
    """The sizes of a build.

    Raises:
        ConfigError: the train split.
    """
    if split == "train":
        raise ConfigError("the benchmark is of the test or the validation split; a training world is built by `world`")
    return {("test", False): FULL, ("test", True): SMALL, ("validation", False): VALIDATION}.get(
        (split, small), SMALL_VALIDATION
    )


def make_plan(seed: int, sizes: Sizes, split: Split) -> Plan:
    """Everything the benchmark will hold, without a pixel."""
    return _Asker(Pool(seed, sizes, split)).ask_all()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A possible composed query: reference scene, edit, and a scene of the pool that it leads to."""

    reference: Scene
    edit: Edit
    target: Scene


class _Asker:
    """Adds every query to the plan of a pool; each (task, split) draws from its own Generator."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.sizes = pool, pool.sizes
        self.phrasing: Phrasing = "test" if pool.split == "test" else "validation"
        self.suffix = "" if pool.split == "test" else " 2"
        self.options: dict[tuple[Scene, str], list[_Pair]] = {}
        self.camera_rows: dict[Scene, int | None] = {}

    def ask_all(self) -> Plan:
        """The plan with its queries."""
        self._described()
        self._typed()
        for place, (task, splits) in enumerate(SPLITS_OF.items()):
            for number, split in enumerate(("ind", *splits)):
                rng = self.pool.rng(7, place, number)
                if split == "free":
                    self._free(rng)
                elif split not in SHORTCUTS:
                    self._compose(task, split, rng)
        self._shortcuts(self.pool.rng(8))
        return self.pool.plan

    # queries that want a scene as it is

    def _described(self) -> None:
        """t2i, i2i, t2t, i2t, t2it and t2v: full descriptions, and pictures."""
        n, rng = self.sizes.ind, self.pool.rng(6)
        says: dict[str, Callable[[Scene], str]] = {
            "t2i": lambda scene: text.caption(scene, rng, True),
            "t2t": lambda scene: text.paraphrase(scene, rng),
            "t2v": lambda scene: text.caption(scene, rng, True),
        }
        for task, modality in (("t2i", "image"), ("i2i", "image"), ("t2t", "text"), ("i2t", "text"), ("t2v", "video")):
            plain = [row.scene for row in self.pool.by_modality[modality] if self._is_ordinary(row.scene)]
            if task not in says:  # pictures that composed queries start from too
                plain = [scene for scene in plain if scene in _references(self.pool.group_of[scene], "ind")]
            for scene in self._one_by_group(rng, plain, n, task):
                line = says[task](scene) if task in says else None
                self._ask(task, "ind", scene, line, None if line else self.pool.picture(scene))
        entries = self.pool.by_modality["image,text"]
        for row in rng.permutation(len(entries))[:n]:
            scene, facts = entries[row].scene, _facts(entries[row])
            self._ask("t2it", "ind", scene, text.entry_query(scene, facts, rng), None, facts=facts)

    def _typed(self) -> None:
        """Short queries, every form equally often; true of every picture that shows what they say."""
        rng, scenes = self.pool.rng(9), self.pool.tables["image"].scenes
        said: set[str] = set()
        for place in range(self.sizes.typed):
            form = list(typed.FORMS)[place % len(typed.FORMS)]
            while True:
                scene = scenes[int(rng.integers(len(scenes)))]
                if form in typed.forms_of(scene) and not is_held_out(scene):
                    query = typed.draw(rng, scene, form)
                    line = typed.say(query, rng)
                    if line not in said:
                        break
            said.add(line)
            rows = self.pool.by_modality["image"]
            right = [rows[number].did for number in self.pool.tables["image"].showing(query)]
            self._put("t2i", "typed", Ask(line, None, scene, right, [], self._group(scene), typed=query))

    # composed queries

    def _compose(self, task: str, split: str, rng: np.random.Generator) -> None:
        """Queries of one split, spread over the groups of their references."""
        wanted = self.sizes.ind if split == "ind" else self.sizes.other
        if (task, split) == ("it2i", "ind"):
            wanted = self.sizes.it2i
        for pair in self._chosen(task, split, wanted, rng):
            facts = None
            if task == "it2it":
                held = [_facts(row) for row in self.pool.by_modality["image,text"] if row.scene == pair.target]
                facts = held[int(rng.integers(len(held)))]
            line = self._words(task, split, pair, facts, rng)
            self._ask(
                task,
                split,
                pair.reference,
                line,
                self._query_picture(pair.reference, split),
                pair.edit,
                facts,
            )

    def _chosen(self, task: str, split: str, n: int, rng: np.random.Generator) -> list[_Pair]:
        """At most n different pairs: group after group one of its pairs, of a kind drawn by KIND_SHARES."""
        groups = [group for group in self.pool.groups if _may_refer(group, split)]
        waiting: dict[int, list[_Pair]] = {}
        chosen: list[_Pair] = []
        place = {
            number: place for place, number in enumerate(self.pool.rng(12).permutation(len(self.pool.groups)).tolist())
        }
        order = sorted(
            groups, key=lambda group: place[group.number]
        )  # the same groups first in every split: they share pictures
        while order and len(chosen) < n:
            for group in order:
                if len(chosen) == n:
                    break
                if group.number not in waiting:  # looked for only where they are needed
                    waiting[group.number] = self._pairs(group, task, split)
                pairs = waiting[group.number]
                if pairs:
                    pair = pairs.pop(_by_share(pairs, rng))
                    if split != "camera" or self._camera_row(pair.reference) is not None:
                        chosen.append(pair)
            order = [group for group in order if waiting.get(group.number)]
        return chosen

    def _pairs(self, group: Group, task: str, split: str) -> list[_Pair]:
        """What the split may ask of the group's pictures."""
        options = [self._options(reference, TASKS[task]) for reference in _references(group, split)]
        asked = [pair for pairs in options for pair in pairs if _is_of(pair, split)]
        if split == "combination":
            return asked
        return [pair for pair in asked if not self._meets_held_out(pair, TASKS[task])]

    def _meets_held_out(self, pair: _Pair, modality: str) -> bool:
        """Whether an edit that several scenes satisfy is satisfied by one with a held-out pair too."""
        table = self.pool.tables[modality]
        return pair.edit.kind in OPEN_KINDS and any(
            is_held_out(table.scenes[row]) for row in table.relevant(pair.reference, pair.edit)
        )

    def _options(self, reference: Scene, modality: str) -> list[_Pair]:
        """Edits of the reference that lead to a candidate of the modality: all single ones, COMPOUNDS of several."""
        key = (reference, modality)
        if key not in self.options:
            table, rng = self.pool.tables[modality], self.pool.rng(10, len(self.options))
            distance = table.distance(reference)
            far = np.flatnonzero((distance == 2) | (distance == 3))
            rows = [*np.flatnonzero(distance == 1), *rng.permutation(far)[:COMPOUNDS]]
            pairs: dict[Edit, _Pair] = {}
            for row in rows:
                target = table.scenes[row]
                edit = between(reference, target, rng)
                if edit is not None and edit.matches(reference, target):
                    pairs.setdefault(edit, _Pair(reference, edit, target))
            self.options[key] = list(pairs.values())
        return self.options[key]

    def _words(
        self, task: str, split: str, pair: _Pair, facts: text.EntryFacts | None, rng: np.random.Generator
    ) -> str:
        phrasing: Phrasing = self.phrasing if split == "phrasing" else "train"
        say = edit_text.question if task == "it2t" and rng.random() < 0.6 else edit_text.phrase
        for _ in range(50):
            line = say(pair.edit, pair.reference, rng, phrasing)
            if split != "typos":
                return line if facts is None else text.with_facts(line, facts, rng, phrasing)
            wrong = misspelt(line) if self.pool.split == "test" else typing_noise(line, rng, 0.4)
            if wrong != line:
                return wrong
        raise ConfigError(
            f"no phrase for {pair.edit} of {pair.reference} has a word that the table of misspellings knows"
        )

    def _query_picture(self, reference: Scene, split: str) -> str:
        if split == "light":
            return self.pool.picture(reference, "light" + self.suffix)
        if split == "camera":
            row = self._camera_row(reference)
            if row is None:
                raise ValueError(f"no unusual camera shows {reference} well enough; no query may start from it")
            return self.pool.picture(reference, "camera" + self.suffix, row)
        return self.pool.picture(reference)

    def _camera_row(self, reference: Scene) -> int | None:
        """The first of the scene's seeds at which an unusual camera hides nothing that is asked; None if all do."""
        if reference not in self.camera_rows:
            style = "camera" + self.suffix
            usual = paint_shown(reference, self.pool.picture_seed(reference, "catalogue", 0))
            self.camera_rows[reference] = next(
                (
                    row
                    for row in range(CAMERA_ROWS)
                    if paint_shown(reference, self.pool.picture_seed(reference, style, row), style)
                    >= FAIR_SHARE * usual
                ),
                None,
            )
        return self.camera_rows[reference]

    def _shortcuts(self, rng: np.random.Generator) -> None:
        """The same queries three times: the tag tells the edit, nothing, or an edit that leads to another candidate."""
        for pair in self._chosen("it2i", SHORTCUTS[0], self.sizes.other, rng):
            line = self._words("it2i", SHORTCUTS[0], pair, None, rng)
            mine = cue_of(pair.edit)
            lies = [other for other in self._options(pair.reference, "image") if cue_of(other.edit) != mine]
            cues = (mine, other_cue(mine, rng), cue_of(lies[int(rng.integers(len(lies)))].edit))
            for split, cue in zip(SHORTCUTS, cues, strict=True):
                self._ask("it2i", split, pair.reference, line, self.pool.picture(pair.reference, cue=cue), pair.edit)

    def _free(self, rng: np.random.Generator) -> None:
        """Any picture of the collection, any sensible edit; what no candidate answers even loosely is drawn again."""
        rows, table = self.pool.by_modality["image"], self.pool.tables["image"]
        offered = range_of(table.scenes)
        asked: set[tuple] = set()
        while len(asked) < self.sizes.free:
            row = rows[int(rng.integers(len(rows)))]
            edit = sensible_edit(rng, row.scene, offered)
            found = grades(row.scene, edit, table)
            if not found.any() or (row.scene, edit) in asked:
                continue
            asked.add((row.scene, edit))
            # loose answers are many: they are listed where there is no better one
            least = min(int(found.max()), GRADES["kept"])
            graded = {
                rows[number].did: int(found[number])
                for number in np.argsort(-found, kind="stable")
                if found[number] >= least
            }
            best = [did for did, grade in graded.items() if grade == max(graded.values())]
            line = edit_text.phrase(edit, row.scene, rng)
            self._put(
                "it2i", "free", Ask(line, row.media, row.scene, best, [], self._group(row.scene), edit, grades=graded)
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
        rows, table = self.pool.by_modality[modality], self.pool.tables[modality]
        right = table.relevant(scene, edit) if edit else np.flatnonzero(table.distance(scene) == 0)
        relevant = [number for number in right.tolist() if facts is None or rows[number].facts == facts]
        if not relevant:
            raise ConfigError(
                f"no {modality} candidate satisfies {edit or 'the description'} of {scene}: the plan is wrong"
            )
        distance = table.distance(table.scenes[relevant[0]])
        near = [number for number in np.flatnonzero(distance <= NEAR).tolist() if number not in set(relevant)]
        near.sort(key=lambda number: (table.scenes[number] != scene, distance[number], number))
        self._put(
            task,
            split,
            Ask(
                line,
                picture,
                scene,
                [rows[number].did for number in relevant],
                [rows[number].did for number in near[:LISTED]],
                self._group(scene),
                edit,
                facts,
            ),
        )

    def _put(self, task: str, split: str, ask: Ask) -> None:
        self.pool.plan.queries.setdefault((task, split), []).append(ask)

    def _group(self, scene: Scene) -> int:
        return self.pool.group_of[replace(scene, action=None)].number

    def _is_ordinary(self, scene: Scene) -> bool:
        still = replace(scene, action=None)
        return self.pool.group_of[still].part in ("line", "arrangement") and not is_held_out(still)

    def _one_by_group(self, rng: np.random.Generator, scenes: Iterable[Scene], n: int, what: str) -> list[Scene]:
        """N different scenes, group after group one.

        Raises:
            ConfigError: there are fewer.
        """
        waiting: dict[int, list[Scene]] = defaultdict(list)
        every = list(dict.fromkeys(scenes))
        for row in rng.permutation(len(every)):
            waiting[self._group(every[row])].append(every[row])
        turns = [
            held[turn]
            for turn in range(max(map(len, waiting.values()), default=0))
            for held in waiting.values()
            if turn < len(held)
        ]
        if len(turns) < n:
            raise ConfigError(
                f"{what} needs {n} queries, the plan allows {len(turns)}: ask for fewer, or for a larger grid"
            )
        return turns[:n]


def _facts(row: Row) -> text.EntryFacts:
    """The facts that an illustrated entry tells."""
    if row.facts is None:
        raise ValueError(f"candidate {row.did} is no illustrated entry: it tells no facts")
    return row.facts


def _by_share(pairs: list[_Pair], rng: np.random.Generator) -> int:
    """The place of one of the pairs: first its kind is drawn, then which of that kind."""
    kinds = sorted({pair.edit.kind for pair in pairs})
    shares = np.array([KIND_SHARES.get(kind, 0.05) for kind in kinds])
    kind = str(rng.choice(kinds, p=shares / shares.sum()))
    same = [place for place, pair in enumerate(pairs) if pair.edit.kind == kind]
    return same[int(rng.integers(len(same)))]


def _may_refer(group: Group, split: str) -> bool:
    """Whether the split takes its references from groups of this part."""
    if split == "combination":
        return group.part in ("line", "combination")
    if split == "binding":
        return group.part == "arrangement"
    return group.part == "clutter" if split == "clutter" else group.part in ("line", "arrangement")


def _references(group: Group, split: str) -> list[Scene]:
    """The group's scenes whose pictures queries start from.

    The first two of a line, one in an unusual style, all where they are few.
    """
    if split == "clutter":
        return [scene for scene in group.scenes if is_cluttered(scene)]
    if group.part != "line" or split == "combination":
        return list(group.scenes)
    return list(group.scenes[: 1 if split in ("light", "camera", *SHORTCUTS) else 2])


def _is_of(pair: _Pair, split: str) -> bool:
    """Whether the split may ask the pair."""
    compound = pair.edit.kind in COMPOUND
    if split == "combination":
        return not compound and (is_held_out(pair.reference) or is_held_out(pair.target))
    if is_held_out(pair.reference) or is_held_out(pair.target):
        return False
    if split == "twofold":
        return compound
    if split == "binding":
        return pair.edit.kind in BINDING and (not compound or any(part.kind in BINDING for part in pair.edit.parts))
    return not compound
