"""A change of a scene in words: commands, remarks and questions from the templates of edit_phrases.py.

Not its meaning (edits.py).
"""

from __future__ import annotations

import numpy as np

from training.catalogue.edit_phrases import EDIT_WORDS, RELATIVE, EditWords
from training.catalogue.edits import Edit
from training.catalogue.phrases import Phrasing
from training.catalogue.scene import Companion, Scene
from training.catalogue.text import (
    PLURALS,
    TYPO_SHARE,
    Dice,
    action_clause,
    agreement,
    companion_phrase,
    typo,
    with_article,
)


def phrase(edit: Edit, reference: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The edit as a person would ask for it; it names only the change."""
    dice, words = Dice(rng), EDIT_WORDS[phrasing]
    if edit.kind == "two":
        framed = dice.chance(0.6)
        slot, joins = ("fragments", words.joins) if framed else ("commands", words.command_joins)
        first, second = edit.parts if dice.chance(0.5) else edit.parts[::-1]
        text = dice.pick(joins).format(
            None, _say(first, reference, dice, words, slot), _say(second, reference, dice, words, slot)
        )
    else:
        draw = dice.below(10)
        framed = draw < 4
        text = _say(edit, reference, dice, words, "fragments" if framed else "commands" if draw < 6 else "remarks")
    if framed:
        text = dice.pick(words.frames).format(F=text, **agreement(reference))
    return _misspelt(text, dice, phrasing)


def question(edit: Edit, reference: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The edit as a question after a text: "which passage is about this one in glass?"."""
    dice, words = Dice(rng), EDIT_WORDS[phrasing]
    parts = edit.parts or (edit,)
    fragment = " and ".join(_say(part, reference, dice, words, "fragments") for part in parts)
    return _misspelt(dice.pick(words.questions).format(F=fragment, **agreement(reference)), dice, phrasing)


def _say(edit: Edit, reference: Scene, dice: Dice, words: EditWords, slot: str) -> str:
    """A fragment, command or remark of one single edit, its slots filled."""
    kind = "relative count" if edit.kind == "relative" and edit.attribute == "count" else edit.kind
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
            on = words.surfaces[edit.value]
            return {"on": on, "ground": "a studio backdrop" if edit.value == "studio" else edit.value}
        case "count":
            return dict(zip(("n", "set"), words.counts[edit.value], strict=True))
        case "add":
            return {"c": companion_phrase(edit.value), "side": dice.pick(words.sides[edit.value.side]).format(**agree)}
        case "remove":
            return {"cat": _companion(reference).category}
        case "relation":
            return {"cat": _companion(reference).category, "side": dice.pick(words.sides[edit.value]).format(**agree)}
        case "action":
            doing, clause, command = (action_clause(edit.value, text, agree) for text in words.actions[edit.value.kind])
            return {"doing": doing, "clause": clause, "command": command}
        case "negation":
            return _refusal(edit, words, many)
        case "relative":
            rel = dice.pick(RELATIVE[edit.about, edit.value])
            return {
                "rel": rel,
                "a_rel": rel if many else with_article(rel),
                "rel_fragment": f"in a {rel} {edit.attribute}",
            }
    value = words.values[edit.kind][edit.value]
    slots = {"v": value, "av": value if many else with_article(value)}
    if edit.kind == "pattern":
        slots["noun"] = words.nouns[edit.value]
    elif edit.kind == "finish":
        slots["finish"] = words.finishes[edit.value]
    return slots


def _companion(scene: Scene) -> Companion:
    """The scene's companion, which an edit of it needs."""
    if scene.companion is None:
        raise ValueError(f"{scene} has no companion to edit")
    return scene.companion


def _noun(category: str, many: bool) -> dict[str, str]:
    noun = PLURALS[category] if many else category
    return {"v": noun, "av": noun if many else with_article(noun)}


def _refusal(edit: Edit, words: EditWords, many: bool) -> dict[str, str]:
    """The slots of a negation: {not_v}, {any_but}, {attribute}."""
    attribute = words.attributes[edit.about]
    if edit.attribute == "surface":
        on = words.surfaces[edit.value]
        return {"not_v": f"not {on}", "any_but": f"anywhere but {on}", "attribute": attribute}
    if edit.attribute == "category":
        noun = _noun(edit.value, many)["av"]
        return {"not_v": f"not {noun}", "any_but": f"as anything but {noun}", "attribute": attribute}
    value = words.values[edit.about][edit.value]
    return {"not_v": f"not {value}", "any_but": f"in any {edit.attribute} but {value}", "attribute": attribute}


def _misspelt(text: str, dice: Dice, phrasing: Phrasing) -> str:
    return typo(text, dice) if phrasing == "unseen" and dice.chance(TYPO_SHARE) else text
