"""A change of a scene in words: commands, remarks and questions from the templates of edit_phrases.py.

Not its meaning (edits.py).
"""

from __future__ import annotations

import numpy as np

from training.catalogue.edit_phrases import RELATIVE, EditWords
from training.catalogue.edit_phrases_unseen import EDIT_WORDS
from training.catalogue.edits import COMPANION_KINDS, Edit
from training.catalogue.phrases import Phrasing
from training.catalogue.scene import Scene
from training.catalogue.text import (
    PLURALS,
    Dice,
    action_clause,
    agreement,
    companion_phrase,
    with_article,
)

_NAMES_COMPANION = ("add", "remove", "relation", *COMPANION_KINDS)


def phrase(edit: Edit, reference: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The edit as a person would ask for it; it names only the change."""
    dice, words = Dice(rng), EDIT_WORDS[phrasing]
    if edit.parts:
        framed = dice.chance(0.6)
        slot, joins = ("fragments", words.joins) if framed else ("commands", words.command_joins)
        said = [_say(part, reference, dice, words, slot) for part in _shuffled(edit.parts, dice)]
        text = dice.pick(joins).format(None, ", ".join(said[:-1]), said[-1])
    else:
        draw = dice.below(10)
        framed = draw < 4
        text = _say(edit, reference, dice, words, "fragments" if framed else "commands" if draw < 6 else "remarks")
    if framed:
        text = dice.pick(words.frames).format(F=text, **agreement(reference))
    return text


def question(edit: Edit, reference: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The edit as a question after a text: "which passage is about this one in glass?"."""
    dice, words = Dice(rng), EDIT_WORDS[phrasing]
    parts = _shuffled(edit.parts, dice) if edit.parts else [edit]
    fragment = " and ".join(_say(part, reference, dice, words, "fragments") for part in parts)
    return dice.pick(words.questions).format(F=fragment, **agreement(reference))


def _shuffled(parts: tuple[Edit, ...], dice: Dice) -> list[Edit]:
    """The parts in a random order; one that names the companion comes last, since "it" after it could mean either."""
    rest, order = list(parts), []
    while rest:
        order.append(rest.pop(dice.below(len(rest))))
    return sorted(order, key=lambda part: part.kind in _NAMES_COMPANION)


def _say(edit: Edit, reference: Scene, dice: Dice, words: EditWords, slot: str) -> str:
    """A fragment, command or remark of one single edit, its slots filled."""
    kind = edit.kind
    if kind == "swap" or (kind == "relative" and edit.attribute == "count"):
        kind = f"{kind} {edit.attribute}"
    template = dice.pick(getattr(words.kinds[kind], slot))
    agree = agreement(reference)
    return template.format(**_slots(edit, reference, dice, words, agree), **agree)


def _slots(edit: Edit, reference: Scene, dice: Dice, words: EditWords, agree: dict[str, str]) -> dict[str, str]:
    """The values of the slots that the templates of the edit's kind use."""
    many = reference.count > 1
    match edit.kind:
        case "category":
            return _noun(edit.value, many)
        case "surface":
            on = dice.pick(words.surfaces[edit.value])
            return {"on": on, "ground": "a studio backdrop" if edit.value == "studio" else edit.value}
        case "count":
            return dict(zip(("n", "set"), map(dice.pick, words.counts[edit.value]), strict=True))
        case "action":
            ways = dice.pick(words.actions[edit.value.kind])
            doing, clause, command = (action_clause(edit.value, text, agree) for text in ways)
            return {"doing": doing, "clause": clause, "command": command}
        case "negation":
            return _refusal(edit, dice, words, many)
        case "relative":
            rel = dice.pick(RELATIVE[edit.about, edit.value])
            return {
                "rel": rel,
                "a_rel": rel if many else with_article(rel),
                "rel_fragment": f"in a {rel} {edit.attribute}",
            }
        case "colour" | "pattern" | "finish" | "size":
            return _value(edit.kind, edit.value, dice, words, many)
    return _company(edit, reference, dice, words, agree)


def _company(edit: Edit, reference: Scene, dice: Dice, words: EditWords, agree: dict[str, str]) -> dict[str, str]:
    """The slots of the edits that concern the companion."""
    if edit.kind == "add":
        return {"c": companion_phrase(edit.value), "side": dice.pick(words.sides[edit.value.side]).format(**agree)}
    there = reference.companion
    if there is None:
        raise ValueError(f"{reference} has no companion to edit")
    side = edit.value if edit.kind == "relation" else there.side
    slots = {
        "cat": there.category,
        "main": _noun(reference.category, reference.count > 1)["v"],
        "side": dice.pick(words.sides[side]).format(**agree),
    }
    if edit.kind == "companion category":
        return slots | _noun(edit.value, False)
    return (
        slots | _value(COMPANION_KINDS[edit.kind], edit.value, dice, words, False)
        if edit.kind in COMPANION_KINDS
        else slots
    )


def _value(attribute: str, value: str, dice: Dice, words: EditWords, many: bool) -> dict[str, str]:
    """{v} and {av} of a plain value, with {noun} of a pattern and {finish} of a finish."""
    said = words.values[attribute][value]
    slots = {"v": said, "av": said if many else with_article(said)}
    if attribute == "pattern":
        slots["noun"] = dice.pick(words.nouns[value])
    elif attribute == "finish":
        slots["finish"] = dice.pick(words.finishes[value])
    return slots


def _noun(category: str, many: bool) -> dict[str, str]:
    noun = PLURALS[category] if many else category
    return {"v": noun, "av": noun if many else with_article(noun)}


def _refusal(edit: Edit, dice: Dice, words: EditWords, many: bool) -> dict[str, str]:
    """The slots of a negation: {not_v}, {any_but}, {attribute}."""
    name = edit.about
    attribute = words.attributes[name]
    if edit.attribute == "surface":
        on = dice.pick(words.surfaces[edit.value])
        return {"not_v": f"not {on}", "any_but": f"anywhere but {on}", "attribute": attribute}
    if edit.attribute == "category":
        noun = _noun(edit.value, many)["av"]
        return {"not_v": f"not {noun}", "any_but": f"as anything but {noun}", "attribute": attribute}
    value = words.values[name][edit.value]
    return {"not_v": f"not {value}", "any_but": f"in any {name} but {value}", "attribute": attribute}
