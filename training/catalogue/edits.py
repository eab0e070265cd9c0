"""What a change of a scene means: the one definition of relevance for composed queries. Not its words (edit_text.py).

"Everything else equal" is exact: a candidate is relevant if the edited attribute is as asked and every other one is the
reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.catalogue.scene import (
    ACTIONS,
    CATEGORIES,
    COLOURS,
    COUNTS,
    FINISHES,
    LEGAL,
    LIGHTNESS,
    PATTERNS,
    SIDES,
    SIZES,
    SURFACES,
    Action,
    Companion,
    Scene,
    is_fair,
    random_companion,
)

SIMPLE = ("colour", "pattern", "finish", "category", "surface", "size", "count")
KINDS = (*SIMPLE, "add", "remove", "relation", "action", "two", "negation", "relative")
NEGATABLE = ("colour", "pattern", "finish", "category", "surface")
_VALUES = {
    "colour": COLOURS,
    "pattern": PATTERNS,
    "finish": FINISHES,
    "category": CATEGORIES,
    "surface": SURFACES,
    "size": SIZES,
    "count": COUNTS,
}
_FIELDS = (*LEGAL, "companion", "action")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a reference scene.

    Attributes:
        kind: one of KINDS.
        value: the new value (the Companion of "add", the side of "relation", the Action of "action", the refused value
            of "negation", -1 or +1 of "relative").
        attribute: for negation and relative, which one.
        parts: the two edits of "two".
    """

    kind: str
    value: Any = None
    attribute: str | None = None
    parts: tuple[Edit, ...] = ()

    @property
    def about(self) -> str:
        """The attribute that a negation or a relative edit is about.

        Raises:
            ValueError: the edit names none.
        """
        if self.attribute is None:
            raise ValueError(f"an edit of kind {self.kind!r} names no attribute; only negation and relative do")
        return self.attribute

    def allowed(self, reference: Scene) -> dict[str, tuple]:
        """The edited attributes and the values that satisfy the edit.

        Every attribute that is not named must equal the reference's. An edit that makes no sense for the reference
        (removing what is not there) allows nothing: an empty tuple.
        """
        there = reference.companion
        match self.kind:
            case "two":
                return self.parts[0].allowed(reference) | self.parts[1].allowed(reference)
            case "add":
                return {"companion": (self.value,) if there is None else ()}
            case "remove":
                return {"companion": (None,) if there else ()}
            case "relation":
                return {"companion": (replace(there, side=self.value),) if there and there.side != self.value else ()}
            case "action":
                return {"action": (self.value,) if reference.action != self.value else ()}
            case "negation":
                fits = getattr(reference, self.about) == self.value
                return {
                    self.about: tuple(value for value in _VALUES[self.about] if value != self.value) if fits else ()
                }
            case "relative":
                return {self.about: _beyond(self.about, getattr(reference, self.about), self.value)}
        return {self.kind: (self.value,) if getattr(reference, self.kind) != self.value else ()}

    def matches(self, reference: Scene, candidate: Scene) -> bool:
        """Whether `candidate` is the edited `reference`: the definition of relevance."""
        allowed = self.allowed(reference)
        return all(
            getattr(candidate, name) in allowed[name]
            if name in allowed
            else getattr(candidate, name) == getattr(reference, name)
            for name in _FIELDS
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dict for the benchmark's files."""
        value = self.value
        if isinstance(value, Companion | Action):
            value = {name: getattr(value, name) for name in value.__slots__}
        return {
            "kind": self.kind,
            "value": value,
            "attribute": self.attribute,
            "parts": [part.to_json() for part in self.parts],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Edit:
        """The edit that `to_json` wrote."""
        value = data["value"]
        if isinstance(value, dict):
            value = Companion(**value) if data["kind"] == "add" else Action(**value)
        return cls(data["kind"], value, data["attribute"], tuple(cls.from_json(part) for part in data["parts"]))


def is_possible(scene: Scene) -> bool:
    """Whether the world holds the scene: fair, three objects without a companion, companion unlike the main object."""
    there = scene.companion
    return is_fair(scene) and (there is None or (scene.count < 3 and there.colour != scene.colour))


def relevant(reference: Scene, edit: Edit, scenes: Sequence[Scene]) -> list[int]:
    """The rows of `scenes` that satisfy the edit: as `matches` on each, with the allowed values looked up once."""
    allowed = edit.allowed(reference)
    fixed = [(name, (getattr(reference, name),)) for name in _FIELDS if name not in allowed]
    tests = [*allowed.items(), *fixed]
    return [row for row, scene in enumerate(scenes) if all(getattr(scene, name) in values for name, values in tests)]


def targets(reference: Scene, edit: Edit) -> list[Scene]:
    """Every scene that satisfies the edit, fair or not: for looking them up instead of searching for them."""
    choices: list[dict[str, Any]] = [{}]
    for name, values in edit.allowed(reference).items():
        choices = [{**choice, name: value} for choice in choices for value in values]
    return [replace(reference, **choice) for choice in choices if _agrees(reference, choice)]


def apply(
    reference: Scene, edit: Edit, rng: np.random.Generator, accept: Callable[[Scene], bool] = is_possible
) -> Scene:
    """One scene that satisfies the edit and `accept`.

    Raises:
        ValueError: there is none.
    """
    choices = targets(reference, edit)
    for row in rng.permutation(len(choices)):
        if accept(choices[row]):
            return choices[row]
    raise ValueError(f"no scene of this world is {reference} after {edit}")


def propose(
    rng: np.random.Generator, reference: Scene, kind: str | None = None, accept: Callable[[Scene], bool] = is_possible
) -> Edit:
    """A random edit of the reference that some acceptable scene satisfies.

    Args:
        rng: draws the kind, if that is open, and the values.
        reference: the scene to edit.
        kind: one of KINDS; None draws one that leads to a still.
        accept: which scenes may be the target.

    Raises:
        ValueError: the kind cannot be had.
    """
    stills = [name for name in KINDS if name != "action"]
    for _ in range(200):
        drawn = kind or stills[int(rng.integers(len(stills)))]
        edit = _draw(rng, reference, drawn)
        if edit is None:
            continue
        try:
            apply(reference, edit, rng, accept)
        except ValueError:
            continue
        return edit
    raise ValueError(f"no {kind or 'edit'} of {reference} leads to an acceptable scene")


def differences(one: Scene, other: Scene) -> list[str]:
    """The names of the attributes in which two scenes differ (the companion counts as one)."""
    return [name for name in _FIELDS if getattr(one, name) != getattr(other, name)]


def between(reference: Scene, target: Scene, rng: np.random.Generator | None = None) -> Edit | None:
    """The edit that leads from one scene to the other if they differ in one or two attributes, else None.

    With a Generator a single change is sometimes asked as a negation or a relative edit.
    """
    changed = differences(reference, target)
    if not 1 <= len(changed) <= 2:
        return None
    singles = [_single(name, reference, target) for name in changed]
    parts = tuple(single for single in singles if single is not None)
    if len(parts) < len(changed):
        return None
    if len(parts) == 2:
        return Edit("two", parts=parts)
    return parts[0] if rng is None else _loosened(parts[0], reference, rng)


def _beyond(attribute: str, value: Any, direction: int) -> tuple:
    """The values strictly beyond `value` in the stated order; for a count, exactly the next."""
    order = LIGHTNESS if attribute == "colour" else _VALUES[attribute]
    place = order.index(value)
    if attribute == "count":
        return order[place + 1 : place + 2] if direction > 0 else order[max(place - 1, 0) : place]
    return order[place + 1 :] if direction > 0 else order[:place]


def _agrees(reference: Scene, choice: dict[str, Any]) -> bool:
    """Whether the changed scene may exist at all: a companion never has the main object's category."""
    companion = choice.get("companion", reference.companion)
    return companion is None or companion.category != choice.get("category", reference.category)


def _draw(rng: np.random.Generator, reference: Scene, kind: str) -> Edit | None:
    """A random edit of the kind, or None where this draw or the reference does not allow it."""
    there = reference.companion
    match kind:
        case "add":
            return None if there else Edit("add", random_companion(rng, reference.category, reference.colour))
        case "remove":
            return Edit("remove") if there else None
        case "relation":
            return Edit("relation", _other(rng, SIDES, there.side)) if there else None
        case "action":
            action = random_action(rng, reference)
            return None if action == reference.action else Edit("action", action)
        case "negation":
            attribute = NEGATABLE[int(rng.integers(len(NEGATABLE)))]
            return Edit("negation", getattr(reference, attribute), attribute)
        case "relative":
            attribute, direction = ("colour", "size", "count")[int(rng.integers(3))], (-1, 1)[int(rng.integers(2))]
            return Edit("relative", direction, attribute)
        case "two":
            company = "add" if there is None else ("remove", "relation")[int(rng.integers(2))]
            first, second = rng.choice((*SIMPLE, company), 2, replace=False)
            drawn = [_draw(rng, reference, str(part)) for part in (first, second)]
            parts = tuple(part for part in drawn if part is not None)
            return Edit("two", parts=parts) if len(parts) == 2 else None
    if kind not in SIMPLE:
        raise ValueError(f"edit kind {kind!r}; legal: {', '.join(KINDS)}")
    return Edit(kind, _other(rng, _VALUES[kind], getattr(reference, kind)))


def random_action(rng: np.random.Generator, scene: Scene) -> Action:
    """An action; a new colour is fair, and neither the main object's nor the companion's."""
    kind = ACTIONS[int(rng.integers(len(ACTIONS)))]
    taken = {scene.colour, scene.companion.colour if scene.companion else None}
    free = [colour for colour in COLOURS if colour not in taken and is_fair(replace(scene, colour=colour))]
    return Action(kind, free[int(rng.integers(len(free)))] if kind == "changes colour" else None)


def _other(rng: np.random.Generator, values: tuple, value: Any) -> Any:
    rest = [other for other in values if other != value]
    return rest[int(rng.integers(len(rest)))]


def _single(name: str, reference: Scene, target: Scene) -> Edit | None:
    """The edit for one changed attribute; None where no single edit says it: another companion, an action's end."""
    value = getattr(target, name)
    if name == "action":
        return Edit("action", value) if value else None
    if name != "companion":
        return Edit(name, value)
    if reference.companion is None:
        return Edit("add", value)
    if value is None:
        return Edit("remove")
    return Edit("relation", value.side) if replace(reference.companion, side=value.side) == value else None


def _loosened(edit: Edit, reference: Scene, rng: np.random.Generator) -> Edit:
    """The edit itself, or with some probability a negation or relative edit that its target satisfies too."""
    draw = rng.random()
    if edit.kind in ("colour", "size", "count") and draw < (0.15 if edit.kind == "colour" else 0.35):
        for direction in (-1, 1):
            if edit.value in _beyond(edit.kind, getattr(reference, edit.kind), direction):
                return Edit("relative", direction, edit.kind)
    if edit.kind in NEGATABLE and draw > 0.9:
        return Edit("negation", getattr(reference, edit.kind), edit.kind)
    return edit
