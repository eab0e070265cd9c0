"""Says scenes in words: captions, passages, single facts, entry texts and titles.

Not edits (edits.py), not short queries (typed.py). Every function takes a NumPy Generator, or nothing where there is
nothing to draw; `phrasing` picks a table of phrases.py or phrases_unseen.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from training.catalogue.phrases import DISTRACTIONS, MANY, ONE, Phrasing, Words
from training.catalogue.phrases_unseen import WORDS
from training.catalogue.scene import CATEGORIES, Action, Companion, Scene

ORIGINS = ("Delft", "Porto", "Kyoto", "Fez", "Turku", "Oaxaca", "Limoges", "Sheffield")
PRICES = (12, 19, 25, 34, 48, 60, 85, 120)
EXTRAS = ("dishwasher safe", "hand made", "made to order", "gift wrapped", "easy to repair", "guaranteed for life")
PLURALS = {category: category + ("es" if category.endswith("x") else "s") for category in CATEGORIES}
_NUMBERS = {1: "one", 2: "two", 3: "three"}
_MASK = (1 << 64) - 1
_T = TypeVar("_T")


class Dice:
    """Many small choices out of one Generator draw: a NumPy call per choice would cost more than the whole text."""

    __slots__ = ("state",)

    def __init__(self, rng: np.random.Generator) -> None:
        self.state = int(rng.integers(1 << 62))

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & _MASK
        return ((self.state >> 32) * n) >> 32

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self.below(1 << 20) < share * (1 << 20)

    def pick(self, values: Sequence[_T]) -> _T:
        """One of `values`, uniformly."""
        return values[self.below(len(values))] if len(values) > 1 else values[0]


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What an illustrated entry says and no picture can show. price: euros."""

    origin: str
    price: int
    extra: str


def random_facts(rng: np.random.Generator) -> EntryFacts:
    """Facts drawn uniformly from the closed vocabulary."""
    return EntryFacts(
        ORIGINS[int(rng.integers(len(ORIGINS)))],
        PRICES[int(rng.integers(len(PRICES)))],
        EXTRAS[int(rng.integers(len(EXTRAS)))],
    )


def caption(scene: Scene, rng: np.random.Generator, full: bool = False, phrasing: Phrasing = "train") -> str:
    """One line about the scene.

    Args:
        scene: what to say.
        rng: draws the words and what is said.
        full: says every attribute, otherwise a true random subset with the category always.
        phrasing: the table of words.
    """
    return caption_and_said(scene, rng, full, phrasing)[0]


def caption_and_said(
    scene: Scene, rng: np.random.Generator, full: bool = False, phrasing: Phrasing = "train"
) -> tuple[str, frozenset[str]]:
    """A caption and the names of the scene's attributes that it says (category and count are always among them)."""
    dice, words = Dice(rng), WORDS[phrasing]
    said = 0b1111111 if full else dice.below(128)
    agree = agreement(scene)
    surface = dice.pick(words.surfaces[scene.surface]) if said & 16 else ""
    company = _company(scene, dice, words, agree) if said & 32 else ""
    action = _action(scene.action, dice, words, agree) if scene.action and said & 64 else ""
    frame = dice.pick(_FRAMES[phrasing][bool(surface)])
    text = frame.format(
        N=_object(scene, dice, words, said), P=surface, S=" " + surface if surface else "", C=company, A=action, **agree
    )
    return _capital(text), _SAID[said]


def passage(scene: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """Two to four sentences of catalogue prose that say every attribute of the scene, and perhaps a harmless extra."""
    dice, words = Dice(rng), WORDS[phrasing]
    agree = agreement(scene)
    said = dice.pick(_INTRO_SUBSETS)
    sentences = [dice.pick(words.intros).format(N=_object(scene, dice, words, said), **agree)]
    left = [attribute for attribute, bit in _ATTRIBUTE_BITS if not said & bit]
    others = [_place(scene, dice, words, agree)]
    if left:
        clauses = [_detail(scene, attribute, dice, words, agree) for attribute in left]
        joined = clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + " and " + clauses[-1]
        others.insert(dice.below(2), joined + ".")
    if dice.chance(0.7):
        others.insert(dice.below(len(others) + 1), dice.pick(DISTRACTIONS))
    return " ".join(_capital(sentence) for sentence in sentences + others)


def paraphrase(scene: Scene, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """Other words for the same scene: a full caption, or (every third time) another passage."""
    return passage(scene, rng, phrasing) if rng.random() < 1 / 3 else caption(scene, rng, True, phrasing)


def facts(scene: Scene) -> list[str]:
    """The scene taken apart: one short true sentence per attribute (what its captions and passages entail)."""
    agree, many = agreement(scene), scene.count > 1
    noun = "The " + (PLURALS[scene.category] if many else scene.category)
    words, named = WORDS["train"], {**agree, "it": noun}
    sentences = [
        f"{noun} {agree['is_']} {scene.colour}.",
        f"{noun} {agree['is_']} {scene.size}.",
        _capital(words.details[f"finish:{scene.finish}"][0].format(**named)) + ".",
        _capital(words.details[f"pattern:{scene.pattern}"][0].format(**named)) + ".",
        f"{noun} {agree['stands']} {words.surfaces[scene.surface][0]}.",
        f"There {agree['is_']} {_NUMBERS[scene.count]} {PLURALS[scene.category] if many else scene.category}.",
    ]
    if scene.companion:
        side = words.sides[scene.companion.side][0].format(**agree)
        sentences.append(f"There is {companion_phrase(scene.companion)} {side}.")
    if scene.action:
        sentences.append(_capital(action_clause(scene.action, words.actions[scene.action.kind][0], agree)) + ".")
    return sentences


def entry(facts: EntryFacts, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The text of an illustrated entry: the facts alone, since its picture shows the scene."""
    dice = Dice(rng)
    return _capital(_say_facts(dice.pick(WORDS[phrasing].entries), facts))


def fact_words(facts: EntryFacts, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """The facts as a fragment that a query adds ("from Porto, 25 euros, hand made")."""
    return _say_facts(Dice(rng).pick(WORDS[phrasing].fact_words), facts)


def with_facts(text: str, facts: EntryFacts, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """`text` (a caption or an edit) and the facts in one query."""
    join = Dice(rng).pick(WORDS[phrasing].fact_joins)
    return join.format(text=text.rstrip(".?"), facts=fact_words(facts, rng, phrasing))


def entry_query(scene: Scene, facts: EntryFacts, rng: np.random.Generator, phrasing: Phrasing = "train") -> str:
    """A query for an entry: the full description of its picture and its facts."""
    return with_facts(caption(scene, rng, True, phrasing), facts, rng, phrasing)


def title(scene: Scene) -> str:
    """A short display title: "Two small red striped mugs"."""
    pattern = "" if scene.pattern == "plain" else f"{scene.pattern} "
    words = f"{scene.size} {scene.colour} {pattern}{scene.finish} " + (
        PLURALS[scene.category] if scene.count > 1 else scene.category
    )
    return _capital(words if scene.count == 1 else f"{_NUMBERS[scene.count]} {words}")


def agreement(scene: Scene) -> dict[str, str]:
    """The pronouns and verbs for the scene's main object(s)."""
    return ONE if scene.count == 1 else MANY


def companion_phrase(companion: Companion, finish: str | None = None) -> str:
    """Everything that is said of a companion but its place: "a blue glass vase". finish: other words for its finish."""
    return with_article(f"{companion.colour} {finish or companion.finish} {companion.category}")


def with_article(words: str) -> str:
    """`words` after "a" or "an"."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def action_clause(action: Action, template: str, agree: dict[str, str]) -> str:
    """A clause such as "it turns blue"; [s] marks a verb ending that only one object takes."""
    clause = template.format(v=action.colour, **agree)
    return clause.replace("[s]", "").replace("[es]", "") if agree is MANY else clause.replace("[", "").replace("]", "")


_ATTRIBUTE_BITS = (("colour", 1), ("pattern", 2), ("finish", 4), ("size", 8))
_BIT = dict(_ATTRIBUTE_BITS)
_CAPTION_BITS = (*_ATTRIBUTE_BITS, ("surface", 16), ("companion", 32), ("action", 64))
_SAID = tuple(
    frozenset(["category", "count", *(name for name, bit in _CAPTION_BITS if said & bit)]) for said in range(128)
)
_INTRO_SUBSETS = tuple(sum(bits) for n in (1, 2, 3) for bits in combinations((1, 2, 4, 8), n))
#: phrasing -> (frames that need no surface, all frames)
_FRAMES = {name: (words.captions, words.captions + words.placed_captions) for name, words in WORDS.items()}


def _object(scene: Scene, dice: Dice, words: Words, said: int) -> str:
    """The main object(s) with the attributes whose bits are in `said`: "two small red mugs with stripes"."""
    many = scene.count > 1
    before: list[str] = []
    after: list[str] = []
    order = ("pattern", "colour", "finish") if dice.chance(0.5) else ("colour", "pattern", "finish")
    for attribute in order:
        if said & _BIT[attribute]:
            value = getattr(scene, attribute)
            if len(after) < 2 and dice.chance(0.25):
                after.append(dice.pick(words.after[attribute][value]))
            else:
                before.append(dice.pick(words.adjectives[attribute][value]))
    if said & 8:
        before.insert(0, dice.pick(words.adjectives["size"][scene.size]))
    before.append(PLURALS[scene.category] if many else scene.category)
    phrase = " ".join(before)
    count = dice.pick(words.counts[scene.count])
    phrase = with_article(phrase) if count == "{a}" else f"{count} {phrase}"
    if after:
        phrase += " " + " and ".join(after)
    return phrase


def _company(scene: Scene, dice: Dice, words: Words, agree: dict[str, str]) -> str:
    if scene.companion is None:
        return dice.pick(words.alone).format(**agree)
    side = dice.pick(words.sides[scene.companion.side]).format(**agree)
    finish = dice.pick(words.adjectives["finish"][scene.companion.finish])
    return dice.pick(words.company).format(c=companion_phrase(scene.companion, finish), side=side)


def _action(action: Action, dice: Dice, words: Words, agree: dict[str, str]) -> str:
    clause = action_clause(action, dice.pick(words.actions[action.kind]), agree)
    return dice.pick(words.action_joins).format(x=clause)


def _place(scene: Scene, dice: Dice, words: Words, agree: dict[str, str]) -> str:
    action = _action(scene.action, dice, words, agree) if scene.action else ""
    return dice.pick(words.placements).format(
        P=dice.pick(words.surfaces[scene.surface]), C=_company(scene, dice, words, agree), A=action, **agree
    )


def _detail(scene: Scene, attribute: str, dice: Dice, words: Words, agree: dict[str, str]) -> str:
    value = getattr(scene, attribute)
    return dice.pick(words.details["colour" if attribute == "colour" else f"{attribute}:{value}"]).format(
        v=value, **agree
    )


def _say_facts(template: str, facts: EntryFacts) -> str:
    return template.format(origin=facts.origin, price=facts.price, extra=facts.extra, Extra=_capital(facts.extra))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
