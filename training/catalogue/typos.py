"""Typing errors: random noise for training, and a fixed table for the `typos` test split. Not phrasing (phrases.py).

The two never meet: what the table holds is never made by the noise, so the test's errors are unseen ones.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256

import numpy as np

from training.catalogue.scene import ACTIONS, CATEGORIES, COLOURS, FINISHES, PATTERNS, SIDES, SIZES, SURFACES
from training.catalogue.text import Dice

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[A-Za-z]{4,}")

#: Word -> how people misspell it; the test's errors, every one fixed.
MISSPELLINGS: dict[str, tuple[str, ...]] = {
    "orange": ("orrange", "ornage"),
    "yellow": ("yelow", "yellwo"),
    "green": ("gren", "grean"),
    "teal": ("teel",),
    "blue": ("bleu", "blu"),
    "purple": ("purpel", "pruple"),
    "pink": ("pinck",),
    "brown": ("browm", "broun"),
    "black": ("blak", "blakc"),
    "white": ("wite", "whtie"),
    "grey": ("graey",),
    "matte": ("mattte",),
    "glossy": ("glosy", "glossey"),
    "metal": ("metel", "mettal"),
    "glass": ("glas", "galss"),
    "plain": ("plian", "plane"),
    "striped": ("stripped", "stiped"),
    "stripes": ("strips", "stipes"),
    "dotted": ("doted", "dottet"),
    "checked": ("cheked", "chekced"),
    "checks": ("cheks",),
    "zigzag": ("zickzack", "zigzak"),
    "zigzags": ("zickzacks",),
    "wood": ("woood", "wodd"),
    "marble": ("marbel", "mable"),
    "fabric": ("fabrik", "fabirc"),
    "grass": ("gras", "grasss"),
    "sand": ("sadn",),
    "slate": ("slaet", "slait"),
    "tiles": ("tyles", "tils"),
    "studio": ("stuido", "studeo"),
    "small": ("smal", "smlal"),
    "large": ("larg", "lagre"),
    "bottle": ("botle", "bottel"),
    "bowl": ("bowel", "bowll"),
    "vase": ("vaze",),
    "lamp": ("lampe",),
    "stool": ("stoool", "stol"),
    "table": ("tabel", "tabble"),
    "chair": ("chiar", "chare"),
    "teapot": ("teapott", "taepot"),
    "candle": ("candel", "kandle"),
    "plant": ("plnat",),
    "clock": ("clok", "cloock"),
    "cushion": ("cusion", "cushon"),
    "cushions": ("cusions",),
    "chairs": ("chiars",),
    "tables": ("tabels",),
    "bottles": ("botles",),
    "candles": ("candels",),
    "clocks": ("cloks",),
    "behind": ("behnid", "behing"),
    "front": ("frnot",),
    "left": ("lefft",),
    "right": ("rigth", "rihgt"),
    "three": ("thre", "threee"),
    "instead": ("insted", "insteda"),
    "without": ("witout", "whitout"),
    "colour": ("collour", "coulor"),
    "pattern": ("patern", "pattren"),
    "finish": ("finnish", "finsh"),
    "surface": ("surfase", "suface"),
    "remove": ("remouve", "rmeove"),
    "replace": ("repalce", "replase"),
    "change": ("chnage", "chage"),
    "please": ("pleas", "plaese"),
    "another": ("anohter", "onother"),
    "different": ("diferent", "diffrent"),
    "darker": ("draker",),
    "lighter": ("ligther",),
    "smaller": ("smaler",),
    "bigger": ("biger",),
    "larger": ("lager",),
    "version": ("verison", "verson"),
    "everything": ("everthing",),
    "would": ("woud",),
    "could": ("coud",),
    "should": ("shoud",),
    "about": ("abuot",),
    "same": ("saem",),
    "with": ("wiht",),
    "this": ("tihs",),
    "like": ("liek",),
    "make": ("mkae",),
    "show": ("shwo",),
    "rather": ("rahter",),
    "moves": ("mvoes",),
    "slides": ("sldies",),
    "spins": ("spinns",),
    "grows": ("growes",),
    "shrinks": ("shrincs",),
    "turns": ("trunes",),
    "appears": ("apears",),
    "disappears": ("dissapears",),
    "camera": ("camara",),
    "light": ("ligth",),
    "video": ("viedo",),
}
#: Words that mean something in this world: an error must not turn one into another ("black" into "back", "sand" into
#: "and").
_MEANT = frozenset(
    word
    for values in (CATEGORIES, COLOURS, FINISHES, PATTERNS, SURFACES, SIZES, SIDES, ACTIONS)
    for value in values
    for word in value.split()
) | {"back", "and", "mate", "lam", "bow", "tale", "stool", "stools", "hair", "lock", "late", "pot"}
_TESTED = frozenset(wrong for ways in MISSPELLINGS.values() for wrong in ways)


def typing_noise(text: str, rng: np.random.Generator, rate: float) -> str:
    """The text with typing errors, for training.

    Each word of four letters or more is hit with probability `rate`: two letters change places, one is dropped,
    doubled, or replaced by a neighbour on the keyboard. The first letter stays, no error makes another word of this
    world, and none is one of MISSPELLINGS.

    Args:
        text: what was meant.
        rng: draws where and what.
        rate: share of the long words, 0 to 1.

    Returns:
        The text; itself where nothing was hit.
    """
    dice = Dice(rng)
    return _WORD.sub(lambda found: _mistyped(found[0], dice) if dice.chance(rate) else found[0], text) if rate else text


def misspelt(text: str) -> str:
    """The text with one or two words as MISSPELLINGS has them, for the test: which ones depends on the text alone.

    Returns:
        The text; itself where it holds no word of the table.
    """
    found = [match for match in _WORD.finditer(text) if match[0].lower() in MISSPELLINGS]
    if not found:
        return text
    draw = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    chosen = {draw % len(found)} | ({draw // 7 % len(found)} if len(found) > 2 else set())
    for place in sorted(chosen, reverse=True):
        match = found[place]
        ways = MISSPELLINGS[match[0].lower()]
        text = text[: match.start()] + ways[draw // 11 % len(ways)] + text[match.end() :]
    return text


def _mistyped(word: str, dice: Dice) -> str:
    for _ in range(8):
        place = 1 + dice.below(len(word) - 2)
        letter, after = word[place], word[place + 1]
        way = dice.below(4)
        if way == 0:
            wrong = word[:place] + after + letter + word[place + 2 :]
        elif way == 1:
            wrong = word[:place] + word[place + 1 :]
        elif way == 2:
            wrong = word[:place] + letter + word[place:]
        else:
            wrong = word[:place] + dice.pick(_beside(letter)) + word[place + 1 :]
        if wrong != word and wrong.lower() not in _MEANT | _TESTED:
            return wrong
    return word


@cache
def _beside(letter: str) -> tuple[str, ...]:
    """The letters beside and diagonally below or above a letter on the keyboard; the letter itself where it is none."""
    for number, row in enumerate(_ROWS):
        if letter.lower() in row:
            place = row.index(letter.lower())
            near = [row[place - 1 : place], row[place + 1 : place + 2]]
            near += [
                other[max(place - 1, 0) : place + 1] for other in _ROWS[max(number - 1, 0) : number + 2] if other != row
            ]
            return tuple("".join(near))
    return (letter,)
