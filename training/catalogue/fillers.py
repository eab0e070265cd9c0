"""Words that say nothing about a picture, put around a query's words in training. Not typing errors (typos.py).

People wrap what they want in words that no table foresees. Half of the words are invented, so that the network
learns to pass over what it does not know instead of learning a longer list.
"""

from __future__ import annotations

import numpy as np

from training.catalogue.text import Dice

_WORDS = """
okay well thanks maybe perhaps really actually basically honestly kindly quickly tomorrow again finally
certainly obviously probably definitely anyway somehow friend dear sir madam team guys everyone anybody wonder
wondering believe guess suppose hope dream desire request order shopping buying purchase gift birthday kitchen
garden bedroom office hallway balcony mother father sister brother wife husband boss neighbour client myself
yourself because since although whether while during about around toward regarding concerning lovely beautiful
pretty cute elegant stylish modern classic cosy fancy charming gorgeous stunning decent proper photo catalogue
store website page listing offer article product model design choice option variant alternative edition sample
example suggestion recommendation inspiration arrangement would could must shall will can need want get take
make see look consider select grab urgently asap cheers regards sincerely wow hey yes sure fine alright exactly
indeed truly simply purely merely
"""
_ONSETS = "b br c d dr f g gl h j k kl l m n p pr r s st t tr v w z"

#: True of any wish; none is a word that only the unseen phrasings have (tests/training/test_fillers.py).
FILLERS = tuple(_WORDS.split())
_STARTS = tuple(_ONSETS.split())
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou", "ai")
_ENDS = ("", "n", "r", "l", "s", "t", "m", "nd", "rk", "lt", "sh", "ng")
_TAILS = ("", "", "", "s", "ed", "ing", "ly", "er", "y")
_MARKS = ("", "", "", "", ",", ":", " -")


def with_fillers(text: str, rng: np.random.Generator, share: float) -> str:
    """The text with one to three filler words before it, after it, or one inside.

    Args:
        text: a query's words.
        rng: draws whether, which and where.
        share: the probability that anything is added, 0 to 1.

    Returns:
        The text; itself where nothing was added.
    """
    dice = Dice(rng)
    if not dice.chance(share):
        return text
    place = dice.below(5)
    if place < 2:
        return f"{_some(dice)}{dice.pick(_MARKS)} {text}"
    if place < 4:
        return f"{text}{dice.pick(_MARKS)} {_some(dice)}"
    words = text.split(" ")
    words.insert(dice.below(len(words) + 1), _word(dice))
    return " ".join(words)


def invented(dice: Dice) -> str:
    """A word of one or two syllables and a common ending that means nothing."""
    body = "".join(dice.pick(_STARTS) + dice.pick(_VOWELS) + dice.pick(_ENDS) for _ in range(1 + dice.below(2)))
    return body + dice.pick(_TAILS)


def _some(dice: Dice) -> str:
    return " ".join(_word(dice) for _ in range(1 + dice.below(3)))


def _word(dice: Dice) -> str:
    return invented(dice) if dice.chance(0.5) else dice.pick(FILLERS)
