"""What a person might ask of any catalogue picture, answered exactly or not, and how well each candidate answers.

Not its words. Graded relevance: the edit must be made; then it counts what the candidate keeps of the reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from training.catalogue.edits import NEGATABLE, Edit, beyond, is_possible, targets
from training.catalogue.lookup import SceneTable
from training.catalogue.scene import LEGAL, Scene, is_fair, pick, random_companion
from training.catalogue.splits import is_cluttered

#: How often each kind of edit is asked. Colour and ground are what people try first; a companion is removed where there
#: is one and added where there is none.
SENSIBLE = {
    "colour": 0.25,
    "surface": 0.25,
    "finish": 0.10,
    "pattern": 0.10,
    "size": 0.09,
    "category": 0.04,
    "count": 0.03,
    "company": 0.04,
    "relative": 0.06,
    "negation": 0.04,
}
#: What must stay when it is not edited, for an answer to be of the same thing.
MAIN_FACTS = ("category", "colour", "surface")
#: exact: the edited reference.  one off: one other fact differs, no main fact.  kept: the main facts are kept.  loose:
#: all but one.
GRADES = {"exact": 4, "one off": 3, "kept": 2, "loose": 1}


#: Category -> attribute -> the values that a collection has of it: what a visitor can see that these things come in.
Range = dict[str, dict[str, tuple]]
#: Attributes whose values are asked from the range of the category; colour, surface and category are any of the
#: world's.
RANGED = ("finish", "pattern", "size", "count")


def range_of(scenes: Sequence[Scene]) -> Range:
    """In which finishes, patterns, sizes and counts each category is shown at all."""
    seen: dict[str, dict[str, set]] = defaultdict(lambda: defaultdict(set))
    for scene in scenes:
        for name in RANGED:
            seen[scene.category][name].add(getattr(scene, name))
    return {
        category: {name: tuple(value for value in LEGAL[name] if value in values) for name, values in ranges.items()}
        for category, ranges in seen.items()
    }


def sensible_edit(rng: np.random.Generator, scene: Scene, offered: Range | None = None) -> Edit:
    """An edit that makes sense for the picture: kinds by SENSIBLE, values uniformly among those of possible scenes.

    Args:
        rng: draws kind and value.
        scene: what the picture shows.
        offered: the range that finishes, patterns, sizes and counts are asked from; None: every value of the world.

    Returns:
        An edit that some possible scene satisfies, whether a collection holds it or not.
    """
    kinds, shares = list(SENSIBLE), np.array(list(SENSIBLE.values()))
    legal = LEGAL if offered is None else LEGAL | offered[scene.category]
    while True:
        edit = _drawn(rng, scene, str(rng.choice(kinds, p=shares / shares.sum())), legal)
        if edit is not None and any(_sensible(target) for target in targets(scene, edit)):
            return edit


def _sensible(target: Scene) -> bool:
    """Whether a picture could show the scene: also three objects with a companion, which only the clutter split has."""
    return is_possible(target) or (is_cluttered(target) and is_fair(target))


def _drawn(rng: np.random.Generator, scene: Scene, kind: str, legal: dict[str, tuple]) -> Edit | None:
    if kind == "company":
        return Edit("remove") if scene.companion else Edit("add", random_companion(rng, scene.category, scene.colour))
    if kind == "negation":
        attribute = pick(rng, NEGATABLE)
        return Edit("negation", getattr(scene, attribute), attribute) if len(legal[attribute]) > 1 else None
    if kind == "relative":
        attribute, direction = pick(rng, ("colour", "size", "count")), pick(rng, (-1, 1))
        return (
            Edit("relative", direction, attribute) if beyond(attribute, getattr(scene, attribute), direction) else None
        )
    others = [value for value in legal[kind] if value != getattr(scene, kind)]
    return Edit(kind, pick(rng, others)) if others else None


def grades(reference: Scene, edit: Edit, table: SceneTable) -> np.ndarray:
    """How well each scene of the table answers the edit of the reference.

    Returns:
        (N,) int: values of GRADES, 0 where the edit is not made or more than one main fact is lost.
    """
    asked = edit.allowed(reference)
    made = table.applied(reference, edit)
    lost_main = np.zeros(len(table), int)
    lost_other = np.zeros(len(table), int)
    for name in (*LEGAL, "companion", "action"):
        if name not in asked:
            lost = ~table.has(name, (getattr(reference, name),))
            if name in MAIN_FACTS:
                lost_main += lost
            else:
                lost_other += lost
    kept = np.where(lost_other == 0, GRADES["exact"], np.where(lost_other == 1, GRADES["one off"], GRADES["kept"]))
    return np.where(made, np.where(lost_main == 0, kept, np.where(lost_main == 1, GRADES["loose"], 0)), 0)


def coverage(scenes: Sequence[Scene], draws: int, seed: int, offered: Range | None) -> dict[str, dict[str, float]]:
    """How often a random sensible edit of a random one of the scenes has an exact answer among them.

    Args:
        scenes: the pictures of a collection.
        draws: how many (picture, edit) pairs are drawn.
        seed: of the draws.
        offered: the range that edits are drawn from (`range_of` the scenes); None: every value of the world.

    Returns:
        Kind of edit, or "all", -> n; share "exact"; share "possible" with the edit made and the main facts kept, exact
        or not.
    """
    table, rng = SceneTable(scenes), np.random.default_rng([seed, 41])
    found: dict[str, list[int]] = defaultdict(list)
    for _ in range(draws):
        reference = table.scenes[int(rng.integers(len(table)))]
        edit = sensible_edit(rng, reference, offered)
        best = int(grades(reference, edit, table).max())
        for kind in ("all", edit.kind):
            found[kind].append(best)
    return {
        kind: {
            "n": len(best),
            "exact": float(np.mean([grade == GRADES["exact"] for grade in best])),
            "possible": float(np.mean([grade >= GRADES["kept"] for grade in best])),
        }
        for kind, best in found.items()
    }
