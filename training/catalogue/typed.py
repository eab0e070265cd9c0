"""Short queries as people type them: "purple candle", "red lamp next to a purple cushion". Not captions (text.py).

A query says a few facts of a scene and is true of every scene that has them, so its relevant set is exact too. What it
does not say is free: "purple candle" is true of two purple candles with a chair behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.catalogue.scene import CONVERSE_SIDES, SIDES, Companion, Scene
from training.catalogue.text import PLURALS, Dice, with_article

#: Form -> the attributes that it says beside the category; the company forms say category and colour of both objects.
FORMS: dict[str, tuple[str, ...]] = {
    "colour": ("colour",),
    "finish": ("colour", "finish"),
    "pattern": ("colour", "pattern"),
    "surface": ("colour", "surface"),
    "size": ("size", "colour"),
    "count": ("count", "size", "pattern"),
    "place": ("pattern", "surface"),
    "company": ("colour",),
    "keywords": ("colour", "pattern", "finish", "surface"),
}
#: Where the second object stands as seen from the first -> the words between the two.
RELATIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("left", "right"): ("next to", "beside", "by"),
    ("left",): ("to the right of", "right of"),
    ("right",): ("to the left of", "left of"),
    ("front",): ("behind",),
    ("behind",): ("in front of",),
    SIDES: ("with", "and", "together with"),
}
_FINISHES: Mapping[Any, tuple[str, ...]] = {
    "matte": ("matte", "matt"),
    "glossy": ("glossy", "shiny"),
    "metal": ("metal", "metallic"),
    "glass": ("glass",),
}
_PATTERNS: Mapping[Any, tuple[str, ...]] = {
    "plain": ("plain",),
    "striped": ("striped",),
    "dotted": ("dotted", "spotted"),
    "checked": ("checked", "chequered"),
    "zigzag": ("zigzag",),
}
_SIZES: Mapping[Any, tuple[str, ...]] = {"small": ("small", "little"), "large": ("large", "big")}
_SURFACES = {"studio": ("in a studio", "in the studio")}
_COUNTS: Mapping[Any, tuple[str, ...]] = {1: ("one", "single"), 2: ("two", "2"), 3: ("three", "3")}
_OPENINGS = ("", "", "", "", "", "", "photo of ", "picture of ", "find ", "show me ")


@dataclass(frozen=True, slots=True)
class TypedQuery:
    """What a short query asks for.

    Attributes:
        form: a key of FORMS.
        main: (attribute, value) pairs of the object that the query begins with, the category among them.
        company: the same of a second object, or nothing.
        sides: where the second object stands as seen from the first.
    """

    form: str
    main: tuple[tuple[str, Any], ...]
    company: tuple[tuple[str, Any], ...] = ()
    sides: tuple[str, ...] = ()

    def matches(self, scene: Scene) -> bool:
        """Whether the picture shows what was asked for, whichever of two named objects it makes the main one."""
        there = scene.companion
        if not self.company:
            return _has(scene, self.main)
        if there is None:
            return False
        asked = _has(scene, self.main) and _has(there, self.company) and there.side in self.sides
        return asked or (
            _has(scene, self.company) and _has(there, self.main) and CONVERSE_SIDES[there.side] in self.sides
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dict for the benchmark's files."""
        content = {"form": self.form, "main": dict(self.main), "company": dict(self.company), "sides": list(self.sides)}
        return {name: value for name, value in content.items() if value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TypedQuery:
        """The query that `to_json` wrote; other entries are ignored."""
        main, company = (tuple(data.get(name, {}).items()) for name in ("main", "company"))
        return cls(data["form"], main, company, tuple(data.get("sides", ())))

    @property
    def said(self) -> frozenset[str]:
        """The names of the attributes that the words fix, those of a second object as "companion colour"."""
        company = {f"companion {name}" for name, _ in self.company}
        return frozenset(
            {name for name, _ in self.main} | company | ({"companion side"} if len(self.sides) == 1 else set())
        )


def forms_of(scene: Scene) -> list[str]:
    """The forms in which the scene can be asked for: a second object needs one that is there, a count more than one."""
    return [form for form in FORMS if (form != "company" or scene.companion) and (form != "count" or scene.count > 1)]


def draw(rng: np.random.Generator, scene: Scene, form: str | None = None) -> TypedQuery:
    """A query of the form (None: a random one) that is true of the scene."""
    form = form or forms_of(scene)[int(rng.integers(len(forms_of(scene))))]
    names = FORMS[form]
    if form in ("count", "keywords"):
        least = 2 if form == "keywords" else 1
        kept = sorted(rng.choice(len(names), int(rng.integers(least, len(names) + 1)), replace=False))
        names = tuple(name for place, name in enumerate(names) if place in kept or name == "count")
    main = (*((name, getattr(scene, name)) for name in names), ("category", scene.category))
    if form != "company" or scene.companion is None:
        return TypedQuery(form, main)
    there = scene.companion
    sides = [sides for sides in RELATIONS if there.side in sides]
    return TypedQuery(
        form, main, (("colour", there.colour), ("category", there.category)), sides[int(rng.integers(len(sides)))]
    )


def say(query: TypedQuery, rng: np.random.Generator) -> str:
    """The query in lower case, mostly without articles; keywords come in any order."""
    dice = Dice(rng)
    asked = dict(query.main)
    if query.form == "keywords":
        words = [
            _word(name, value, dice).removeprefix("on ").removeprefix("in a ").removeprefix("in the ")
            for name, value in query.main
        ]
        order = [words.pop(dice.below(len(words))) for _ in range(len(words))]
        return dice.pick((" ", " ", ", ")).join(order)
    many = asked.get("count", 1) > 1
    noun = PLURALS[asked["category"]] if many else asked["category"]
    before = [
        _word(name, asked[name], dice) for name in ("count", "size", "pattern", "colour", "finish") if name in asked
    ]
    if "pattern" in asked and "colour" in asked and dice.chance(0.5):
        place = len(before) - (2 if "finish" not in asked else 3)
        before[place], before[place + 1] = before[place + 1], before[place]
    phrase = " ".join([*before, noun])
    if not many and dice.chance(0.25):
        phrase = with_article(phrase)
    if "surface" in asked:
        phrase += " " + _word("surface", asked["surface"], dice)
    if query.company:
        second = " ".join(str(value) for _, value in query.company)
        phrase += f" {dice.pick(RELATIONS[query.sides])} {with_article(second) if dice.chance(0.7) else second}"
    return dice.pick(_OPENINGS) + phrase


def typed_and_said(scene: Scene, rng: np.random.Generator) -> tuple[str, frozenset[str]]:
    """A short query that is true of the scene, and the names of the attributes that it fixes."""
    query = draw(rng, scene)
    return say(query, rng), query.said


def _has(shown: Scene | Companion, asked: tuple[tuple[str, Any], ...]) -> bool:
    return all(getattr(shown, name) == value for name, value in asked)


def _word(attribute: str, value: Any, dice: Dice) -> str:
    """One word (of a surface two or three) for a value."""
    if attribute == "surface":
        return dice.pick(_SURFACES.get(value, (f"on {value}",)))
    tables: dict[str, Mapping[Any, tuple[str, ...]]] = {
        "finish": _FINISHES,
        "pattern": _PATTERNS,
        "size": _SIZES,
        "count": _COUNTS,
    }
    return dice.pick(tables.get(attribute, {}).get(value, (str(value),)))
