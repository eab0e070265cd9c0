"""The facts that a collection states about what it holds, and whether any of it has all that a query asks for.

They are the JSON in a candidate's source, with the keys of the rendered catalogue. Words are read by rules, and what
the rules cannot read for sure is not claimed. Not how facts are shown, and no model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection as Group
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from umr import formats
from umr.types import Candidate

Facts = Mapping[str, Any]

KIND = "category"
COMPANY = "companion"
#: What one object is and looks like; of a companion only the first three are known.
OF_ONE = (KIND, "colour", "finish", "pattern", "size", "count")
OF_COMPANY = (KIND, "colour", "finish")
GROUND = "surface"

#: Other words for values; a value's own word and a thing's plural need no row.
_SYNONYMS: Mapping[str, tuple[str, Any]] = {
    "shiny": ("finish", "glossy"),
    "metallic": ("finish", "metal"),
    "matt": ("finish", "matte"),
    "spotted": ("pattern", "dotted"),
    "chequered": ("pattern", "checked"),
    "dots": ("pattern", "dotted"),
    "spots": ("pattern", "dotted"),
    "stripes": ("pattern", "striped"),
    "checks": ("pattern", "checked"),
    "zigzags": ("pattern", "zigzag"),
    "little": ("size", "small"),
    "big": ("size", "large"),
    "two": ("count", 2),
    "three": ("count", 3),
}
_UNREADABLE_WORDS = (
    "not no non without except but or than either neither nor never any other another different darker lighter deeper "
    "bigger smaller larger fewer more less anything everything everywhere elsewhere anywhere remove swap exchange "
    "exchanged both as lose drop alone only just rid away gone leave instead replace replaced turns turning becomes "
    "becoming changes changing like minus omit hide hidden swapped"
)
#: Words by which a value is not what is asked for, or is asked for in a way that the rules cannot read.
_UNREADABLE = frozenset(_UNREADABLE_WORDS.split())
_INSTEAD = frozenset(("instead",))
#: Of the unreadable ones, those that only frame an edit of a picture that names no thing: "just in red".
_FRAMES = frozenset(("but", "just", "only", "like"))
_BESIDE_WORDS = (
    "left right behind front back background foreground beside next near together along alongside company accompanied"
)
#: What an edit says of a second object: unless that is named, it is not known of which object the rest is said.
_BESIDE = frozenset(_BESIDE_WORDS.split())
#: An edit with one of these may be two edits, of two objects.
_JOINS = frozenset(("and", "also", "too", "then"))
NOTHING = "Nothing in this collection fits all of it"
_TOKEN = re.compile(r"[^\W_]+")


def facts_of(candidate: Candidate) -> dict[str, Any]:
    """What the collection states about an item: the object `scene` of its source, or the source itself; {} for none."""
    source = formats.facts_of(candidate.source)
    scene = source.get("scene", source)
    return scene if isinstance(scene, dict) else {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for, as far as it can be read.

    Attributes:
        main: attribute -> value of the object that it is about, with the ground that it stands on.
        company: the same of a second object; None: whatever stands there, or nothing, is right.
        alone: nothing else may stand there.
    """

    main: Facts
    company: Facts | None = None
    alone: bool = False


class FactTable:
    """The facts of a collection as numbers, so that all of it is compared with a query at once."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """Reads every candidate's facts; one without them fits nothing."""
        kept = [(candidate, facts) for candidate in candidates if KIND in (facts := facts_of(candidate))]
        self._row = {candidate.candidate_id: row for row, (candidate, _) in enumerate(kept)}
        kinds = [candidate.content.modality for candidate, _ in kept]
        self._of_kind: dict[str, np.ndarray] = {
            kind: np.array([kind == one for one in kinds], bool) for kind in set(kinds)
        }
        self._values: dict[tuple[str, str], dict[Any, int]] = {}
        self._codes: dict[tuple[str, str], np.ndarray] = {}
        scenes = [facts for _, facts in kept]
        others = [company if isinstance(company := facts.get(COMPANY), dict) else {} for facts in scenes]
        for name in (*OF_ONE, GROUND):
            self._add(("main", name), [facts.get(name) for facts in scenes])
        for name in OF_COMPANY:
            self._add((COMPANY, name), [facts.get(name) for facts in others])
        self._lonely = np.array([not company for company in others], bool)
        self._facts = scenes
        self.words = self._vocabulary()

    def __len__(self) -> int:
        return len(self._row)

    def facts(self, candidate_id: str) -> Facts:
        """The facts of a candidate; {} where none are stated."""
        row = self._row.get(candidate_id)
        return {} if row is None else self._facts[row]

    def choices(self, name: str) -> list[str]:
        """The words that the main objects' facts of this name have, in the order of the alphabet."""
        return sorted(value for value in self._values.get(("main", name), {}) if isinstance(value, str))

    def having(self, facts: Facts) -> frozenset[str]:
        """Ids of the candidates whose main object has all these facts."""
        fits = self._has("main", facts)
        return frozenset(one for one, row in self._row.items() if fits[row])

    def any_fits(self, wanted: Wanted, target: str, excluded: Group[str] = ()) -> bool:
        """Whether a candidate has all that is wanted.

        Args:
            wanted: what a query asks for.
            target: modality of the candidates that are searched, or "all".
            excluded: ids that are never found.
        """
        fits = self._fits(wanted)
        if target != "all":
            fits &= self._of_kind.get(target, np.zeros(len(self), bool))
        fits[[self._row[one] for one in excluded if one in self._row]] = False
        return bool(fits.any())

    def _fits(self, wanted: Wanted) -> np.ndarray:
        ground = {name: value for name, value in wanted.main.items() if name == GROUND}
        thing = {name: value for name, value in wanted.main.items() if name != GROUND}
        fits = self._has("main", wanted.main)
        if wanted.alone:
            return fits & self._lonely
        if wanted.company is None:  # the thing may also be what stands beside another
            return fits | (self._has(COMPANY, thing) & self._has("main", ground))
        swapped = self._has("main", {**wanted.company, **ground}) & self._has(COMPANY, thing)
        return (fits & self._has(COMPANY, wanted.company)) | swapped

    def _has(self, which: str, facts: Facts) -> np.ndarray:
        """(N,) bool: which scenes' object has all these facts; none where a fact is not known of such an object."""
        fits = np.ones(len(self), bool)
        for name, value in facts.items():
            codes = self._codes.get((which, name))
            code = self._values.get((which, name), {}).get(value, -1)
            fits &= False if codes is None or code < 0 else codes == code
        return fits

    def _add(self, key: tuple[str, str], values: Sequence[Any]) -> None:
        known = {value: code for code, value in enumerate(dict.fromkeys(v for v in values if _is_plain(v)))}
        self._values[key] = known
        self._codes[key] = np.array([known[value] if _is_plain(value) else -2 for value in values], np.int32)

    def _vocabulary(self) -> dict[str, tuple[str, Any]]:
        """Word, or two words -> (attribute, value)."""
        words: dict[str, tuple[str, Any]] = {}
        for (_, name), known in self._values.items():
            for value in known:
                words[str(value).lower()] = (name, value)
                if name == KIND:
                    ending = "es" if str(value).endswith(("s", "x", "ch", "sh")) else "s"
                    words[f"{str(value).lower()}{ending}"] = (name, value)
        return {word: fact for word, fact in _SYNONYMS.items() if fact[1] in self._values["main", fact[0]]} | words


def wanted_by_words(table: FactTable, text: str) -> Wanted | None:
    """What words alone ask for: "red lamp next to a purple cushion on grass".

    Returns:
        None where no thing is named, or where the rules cannot tell for sure what is meant.
    """
    objects = _objects(table, text, _UNREADABLE)
    if objects is None or KIND not in objects[0]:
        return None
    return Wanted(*objects)


def wanted_by_edit(table: FactTable, shown: Facts, text: str) -> Wanted | None:
    """What an edit of a known picture asks for: its facts, with the changes that the words name.

    Args:
        table: of the collection.
        shown: the facts of the picture.
        text: the edit: "make it red", "on grass", "a teapot instead", "make the chair behind it red".

    Returns:
        None where the rules cannot tell for sure what is meant.
    """
    said, there = frozenset(_tokens(text)), shown.get(COMPANY)
    objects = _objects(table, text, _UNREADABLE - _FRAMES - _INSTEAD)
    if objects is None or objects[1] is not None or not objects[0]:
        return None
    change, named = objects[0], objects[0].get(KIND)
    beside = {name: there[name] for name in OF_COMPANY if name in there} if isinstance(there, dict) else None
    main = {name: shown[name] for name in (*OF_ONE, GROUND) if _is_plain(shown.get(name))}
    if beside is not None and named is not None and named == beside.get(KIND):
        one_of_its_own = set(change) <= set(OF_COMPANY) and len(change) == 2
        clear = one_of_its_own and said.isdisjoint(_JOINS | _FRAMES | _INSTEAD)
        return Wanted(main, {**beside, **change}) if clear else None
    if not said.isdisjoint(_BESIDE) or (named is not None and not said.isdisjoint(_FRAMES)):
        return None
    if named is not None and named != main.get(KIND) and "instead" not in said:
        return None
    return Wanted({**main, **change}, beside, alone=beside is None)


def nothing_fits(wanted: Wanted, first: Facts) -> str:
    """What a person should know where nothing has all that is wanted.

    Args:
        wanted: what was asked for.
        first: the facts of the first result; {} where none are stated.
    """
    names = differences(wanted, first) if first else []
    if not names:
        return f"{NOTHING}."
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{NOTHING}: the first result differs in {listed}."


def differences(wanted: Wanted, found: Facts) -> list[str]:
    """In what a found item differs from what is wanted, in words, by whichever of its objects is nearer to it."""
    company = found.get(COMPANY)
    ways = [_missed(wanted, found, company)]
    if isinstance(company, dict) and not wanted.alone:
        ways.append(_missed(wanted, {**company, GROUND: found.get(GROUND)}, found))
    return min(ways, key=len)


def _missed(wanted: Wanted, main: Facts, company: Any) -> list[str]:
    missed = ["object" if name == KIND else name for name, value in wanted.main.items() if main.get(name) != value]
    beside = company if isinstance(company, dict) else {}
    if wanted.company is not None:
        wrong = any(beside.get(name) != value for name, value in wanted.company.items())
    else:
        wrong = wanted.alone and bool(beside)
    return [*missed, "what stands beside it"] if wrong else missed


def _objects(table: FactTable, text: str, unreadable: frozenset[str]) -> tuple[dict, dict | None] | None:
    """The facts of the first object that a text names and of the second; the ground is the first one's.

    What stands right before a thing is said of it; what stands elsewhere is, where no second thing is named.
    """
    units = _units(table, text)
    if not unreadable.isdisjoint(token for token, _ in units):
        return None
    said = _Said()
    for place, (_, fact) in enumerate(units):
        following = units[place + 1] if place + 1 < len(units) else None
        if fact is None:
            said.pause()
        elif fact[0] == "count" and following is not None and following[1] is None and following[0] != "of":
            return None  # "two colours", "three days"
        else:
            said.add(fact)
    said.pause()
    objects, loose = said.objects, said.loose
    if said.clash or len(objects) > 2:
        return None
    if len(objects) < 2:
        only = objects[0] if objects else {}
        if any(only.get(name, value) != value for name, value in loose.items()):
            return None
        return {**only, **loose, **said.ground}, None
    if loose or objects[0][KIND] == objects[1][KIND]:
        return None  # of which of the two it is said is not to be told
    return {**objects[0], **said.ground}, objects[1]


class _Said:
    """What was read of a text so far: the ground, the things named, and what is said of no thing in particular."""

    def __init__(self) -> None:
        self.ground: dict[str, Any] = {}
        self.objects: list[dict[str, Any]] = []
        self.loose: dict[str, Any] = {}
        self.clash = False
        self._before: dict[str, Any] = {}

    def add(self, fact: tuple[str, Any]) -> None:
        """Takes in the next fact."""
        name, value = fact
        into = self.ground if name == GROUND else self._before
        self.clash |= into.setdefault(name, value) != value
        if name == KIND:
            self.objects.append(self._before)
            self._before = {}

    def pause(self) -> None:
        """A word that says nothing: what stood before it is said of no thing that comes after it."""
        for name, value in self._before.items():
            self.clash |= self.loose.setdefault(name, value) != value
        self._before = {}


def _units(table: FactTable, text: str) -> list[tuple[str, tuple[str, Any] | None]]:
    """The words of a text, two that are one value together, each with the fact that it says."""
    tokens, units, place = _tokens(text), [], 0
    while place < len(tokens):
        two = " ".join(tokens[place : place + 2])
        word = two if two in table.words else tokens[place]
        units.append((word, table.words.get(word)))
        place += len(word.split())
    return units


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)
