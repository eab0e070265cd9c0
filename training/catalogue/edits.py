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
    COLOURS,
    LEGAL,
    LIGHTNESS,
    SIDES,
    Action,
    Companion,
    Scene,
    is_fair,
    pick,
    random_companion,
)

SIMPLE = ("colour", "pattern", "finish", "category", "surface", "size", "count")
#: Edits of what stands beside the main object: kind -> the attribute of the companion.
COMPANION_KINDS = {"companion colour": "colour", "companion finish": "finish", "companion category": "category"}
#: Several edits at once: kind -> how many.
COMPOUND = {"two": 2, "three": 3}
KINDS = (*SIMPLE, "add", "remove", "relation", *COMPANION_KINDS, "swap", "action", *COMPOUND, "negation", "relative")
#: Kinds that more than one scene can satisfy.
OPEN_KINDS = ("negation", "relative")
NEGATABLE = ("colour", "pattern", "finish", "category", "surface")
SWAPPABLE = ("colour", "finish")
FIELDS = (*LEGAL, "companion", "action")
#: Kinds that few scenes allow: those of a second object.
COMPANY = ("add", "remove", "relation", *COMPANION_KINDS, "swap")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a reference scene.

    Attributes:
        kind: one of KINDS.
        value: the new value (the Companion of "add", the side of "relation", the companion's new colour, finish or
            category, the Action of "action", the refused value of "negation", -1 or +1 of "relative"; None for
            "remove", "swap", "two" and "three").
        attribute: for negation and relative, which one; for a swap, what main object and companion exchange.
        parts: the single edits of "two" and "three", each of another attribute.
    """

    kind: str
    value: Any = None
    attribute: str | None = None
    parts: tuple[Edit, ...] = ()

    @property
    def about(self) -> str:
        """The attribute that a negation, a relative edit or a swap is about.

        Raises:
            ValueError: the edit names none.
        """
        if self.attribute is None:
            raise ValueError(f"an edit of kind {self.kind!r} names no attribute; negation, relative and swap do")
        return self.attribute

    def allowed(self, reference: Scene) -> dict[str, tuple]:
        """The edited attributes and the values that satisfy the edit.

        Every attribute that is not named must equal the reference's. An edit that makes no sense for the reference
        (removing what is not there) allows nothing: an empty tuple.
        """
        if self.parts:
            return {name: values for part in self.parts for name, values in part.allowed(reference).items()}
        if self.kind == "negation":
            fits = getattr(reference, self.about) == self.value
            return {self.about: tuple(value for value in LEGAL[self.about] if value != self.value) if fits else ()}
        if self.kind == "relative":
            return {self.about: beyond(self.about, getattr(reference, self.about), self.value)}
        if self.kind == "action":
            return {"action": (self.value,) if reference.action != self.value else ()}
        if self.kind in SIMPLE:
            return {self.kind: (self.value,) if getattr(reference, self.kind) != self.value else ()}
        return self._allowed_company(reference)

    def _allowed_company(self, reference: Scene) -> dict[str, tuple]:
        """`allowed` for the edits that concern the companion."""
        there = reference.companion
        if self.kind == "add":
            return {"companion": (self.value,) if there is None else ()}
        if there is None:
            return {"companion": ()}
        if self.kind == "remove":
            return {"companion": (None,)}
        if self.kind == "swap":
            mine, its = getattr(reference, self.about), getattr(there, self.about)
            changed = replace(there, **{self.about: mine})
            return {self.about: (its,), "companion": (changed,)} if mine != its else {"companion": ()}
        name = "side" if self.kind == "relation" else COMPANION_KINDS[self.kind]
        return {"companion": (replace(there, **{name: self.value}),) if getattr(there, name) != self.value else ()}

    def matches(self, reference: Scene, candidate: Scene) -> bool:
        """Whether `candidate` is the edited `reference`: the definition of relevance."""
        allowed = self.allowed(reference)
        return all(
            getattr(candidate, name) in allowed[name]
            if name in allowed
            else getattr(candidate, name) == getattr(reference, name)
            for name in FIELDS
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dict for the benchmark's files; what is empty is left out."""
        value = self.value
        if isinstance(value, Companion | Action):
            value = {name: getattr(value, name) for name in value.__slots__}
        parts = [part.to_json() for part in self.parts]
        content = {"kind": self.kind, "value": value, "attribute": self.attribute, "parts": parts}
        return {name: entry for name, entry in content.items() if entry not in (None, [])}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Edit:
        """The edit that `to_json` wrote; empty entries may be there or not."""
        value = data.get("value")
        if isinstance(value, dict):
            value = Companion(**value) if data["kind"] == "add" else Action(**value)
        return cls(
            data["kind"], value, data.get("attribute"), tuple(cls.from_json(part) for part in data.get("parts") or ())
        )


def is_possible(scene: Scene, most_in_company: int = 2) -> bool:
    """Whether the world holds the scene: fair, companion of another colour than the main object, and room for it.

    None stands in front of two or of a small one, which it would hide.

    Args:
        scene: the scene.
        most_in_company: how many of the main object may have a companion; three have one in cluttered worlds and in
            the clutter split alone.
    """
    there = scene.companion
    if there is None:
        return is_fair(scene)
    room = scene.count <= most_in_company and (there.side != "front" or (scene.count == 1 and scene.size == "large"))
    return room and there.colour != scene.colour and is_fair(scene)


def relevant(reference: Scene, edit: Edit, scenes: Sequence[Scene]) -> list[int]:
    """The rows of `scenes` that satisfy the edit: as `matches` on each, with the allowed values looked up once."""
    allowed = edit.allowed(reference)
    fixed = [(name, (getattr(reference, name),)) for name in FIELDS if name not in allowed]
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
        ValueError: the reference has no such edit, or `kind` is unknown.
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
    """The attributes in which two scenes differ; a companion and an action count as one each."""
    return [name for name in FIELDS if getattr(one, name) != getattr(other, name)]


def between(reference: Scene, target: Scene, rng: np.random.Generator | None = None) -> Edit | None:
    """The edit that leads from one scene to the other, or None.

    There is one where they differ in one to three attributes and words say it. With a Generator a single change is
    sometimes asked as a negation or a relative edit.
    """
    changed = differences(reference, target)
    if changed in (["colour", "companion"], ["finish", "companion"]):
        swap = Edit("swap", attribute=changed[0])
        if reference.companion and swap.matches(reference, target):
            return swap
    parts = tuple(part for part in (_single(name, reference, target) for name in changed[:4]) if part is not None)
    if not 1 <= len(changed) <= 3 or len(parts) < len(changed):
        return None
    if len(parts) > 1:
        return Edit("two" if len(parts) == 2 else "three", parts=parts)
    return parts[0] if rng is None else _loosened(parts[0], reference, rng)


def beyond(attribute: str, value: Any, direction: int) -> tuple:
    """The values strictly beyond `value` in the stated order; for a count, exactly the next."""
    order = LIGHTNESS if attribute == "colour" else LEGAL[attribute]
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
    if kind in COMPOUND:
        company = "add" if reference.companion is None else pick(rng, ("remove", "relation", *COMPANION_KINDS))
        names = rng.choice((*SIMPLE, company), COMPOUND[kind], replace=False)
        parts = [_draw(rng, reference, str(name)) for name in names]
        return Edit(kind, parts=tuple(part for part in parts if part)) if all(parts) else None
    if kind == "action":
        action = random_action(rng, reference)
        return None if action == reference.action else Edit("action", action)
    if kind == "negation":
        attribute = pick(rng, NEGATABLE)
        return Edit("negation", getattr(reference, attribute), attribute)
    if kind == "relative":
        return Edit("relative", pick(rng, (-1, 1)), pick(rng, ("colour", "size", "count")))
    if kind in SIMPLE:
        return Edit(kind, pick(rng, LEGAL[kind], getattr(reference, kind)))
    if kind not in KINDS:
        raise ValueError(f"edit kind {kind!r}; legal: {', '.join(KINDS)}")
    return _draw_company(rng, reference, kind)


def _draw_company(rng: np.random.Generator, reference: Scene, kind: str) -> Edit | None:
    """`_draw` for the edits that concern the companion."""
    there = reference.companion
    if (kind == "add") == (there is not None):
        return None
    if there is None:
        return Edit("add", random_companion(rng, reference.category, reference.colour))
    if kind == "remove":
        return Edit("remove")
    if kind == "swap":
        return Edit("swap", attribute=pick(rng, SWAPPABLE))
    if kind == "relation":
        return Edit("relation", pick(rng, SIDES, there.side))
    name = COMPANION_KINDS[kind]
    return Edit(kind, pick(rng, LEGAL[name], getattr(there, name)))


def random_action(rng: np.random.Generator, scene: Scene) -> Action:
    """An action; a new colour is fair, and neither the main object's nor the companion's."""
    kind = ACTIONS[int(rng.integers(len(ACTIONS)))]
    taken = {scene.colour, scene.companion.colour if scene.companion else None}
    free = [colour for colour in COLOURS if colour not in taken and is_fair(replace(scene, colour=colour))]
    return Action(kind, free[int(rng.integers(len(free)))] if kind == "changes colour" else None)


def _single(name: str, reference: Scene, target: Scene) -> Edit | None:
    """The edit for one changed attribute; None where no single edit says it: another companion, an action's end."""
    value = getattr(target, name)
    if name == "action":
        return Edit("action", value) if value else None
    if name != "companion":
        return Edit(name, value)
    there = reference.companion
    if there is None:
        return Edit("add", value)
    if value is None:
        return Edit("remove")
    kinds = {"relation": "side"} | COMPANION_KINDS
    changed = [kind for kind, part in kinds.items() if getattr(there, part) != getattr(value, part)]
    return Edit(changed[0], getattr(value, kinds[changed[0]])) if len(changed) == 1 else None


def _loosened(edit: Edit, reference: Scene, rng: np.random.Generator) -> Edit:
    """The edit itself, or with some probability a negation or relative edit that its target satisfies too."""
    draw = rng.random()
    if edit.kind in ("colour", "size", "count") and draw < (0.15 if edit.kind == "colour" else 0.35):
        for direction in (-1, 1):
            if edit.value in beyond(edit.kind, getattr(reference, edit.kind), direction):
                return Edit("relative", direction, edit.kind)
    if edit.kind in NEGATABLE and draw > 0.9:
        return Edit("negation", getattr(reference, edit.kind), edit.kind)
    return edit
