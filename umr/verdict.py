"""What a score is worth: the calibrated word beside it, and whether a query's words are unlike the training.

Read from reports/verdicts.json of an encoder, and used by every search. Not the measuring (umr.eval.verdicts).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from umr import shipped
from umr.disk import atomic_write
from umr.encoders.templates import task_key
from umr.errors import ConfigError
from umr.query_arithmetic import UNMOVED, QueryArithmetic
from umr.types import Content, Match, MatchWord, Query, Result

FILE = "verdicts.json"
WORDS: tuple[MatchWord, ...] = ("strong", "fair", "weak")
REMEDY = "python -m umr.eval.verdicts --encoder NAME --index DIR"

UNLIKE_WORDS = "These words are unlike what this model was trained on, so expect weak results."
UNKNOWN_WORDS = "This model does not know {words} and goes by the rest."
NAMED = 3  # unknown words at most; more are counted
WEAK_FIRST = "Nothing in this collection seems to fit all of it: the best match is a weak one."
#: The same of a query without words, whose right answers show the very thing.
NO_OTHER = "This very thing seems to be in nothing else here; what comes nearest to it follows."
_OF_FIRST = (WEAK_FIRST, NO_OTHER)

#: Words that say nothing of a thing; they count neither as known nor as unknown.
_FILLERS = (
    "a an and are as at be but by can do for from has have he i in into is it its me my no not of on one or our please "
    "she so some that the their them then there these they this those to us was we were what which who will with you "
    "your"
)
FILLERS = frozenset(_FILLERS.split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
LONG = 4  # letters from which a word may hold a typing error and still be known


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the verdicts of one kind of search were on held-out queries that set none of its limits.

    Each query counts as it is, and half as if the collection lacked its right answers.

    Attributes:
        queries, groups: how many there were, and how many independent groups of them (umr.eval.groups).
        right: word -> share of first results so called that were right; None where too few were.
        wrong_called_strong: share of the wrong first results.
        right_called_weak: share of the queries' best right answers.
        right_called_strong: the same share that is called strong.
        wrong_called_weak: share of the wrong first results.
    """

    queries: int
    groups: int
    right: dict[str, float | None]
    wrong_called_strong: float
    right_called_weak: float
    right_called_strong: float
    wrong_called_weak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The calibration of one kind of search, such as "image,text->image".

    Attributes:
        strong: score from which a match is strong; None: none is, as no score was right often enough.
        weak: score below which a match is weak.
        queries, groups: that set the limits.
        held_out: what was measured on others.
    """

    strong: float | None
    weak: float
    queries: int
    groups: int
    held_out: Rates

    def match(self, score: float) -> Match:
        """The verdict on a score; a higher one never gets a weaker word."""
        word: MatchWord = "fair"
        if self.strong is not None and score >= self.strong:
            word = "strong"
        elif score < self.weak:
            word = "weak"
        return Match(word, self.held_out.right[word])


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which words the training has, and how many others a text of its kind may hold.

    Attributes:
        limit: share of unknown words above which a text is unlike the training.
        alpha: the promised rate of false alarms.
        known: the words, sorted.
        calibrated: held-out texts that set the limit.
        checked: held-out texts that did not.
        false_alarms: measured share of `checked` that is over the limit.
        detected: share over it, by what was asked instead.
    """

    limit: float
    alpha: float
    known: list[str]
    calibrated: int
    checked: int
    false_alarms: float
    detected: dict[str, float]

    @property
    def rate(self) -> float:
        """Rate of false alarms: the larger of the promised and the measured."""
        return max(self.alpha, self.false_alarms)

    def strange(self, text: str) -> list[str]:
        """The words of a text that are no words of the training, in lower case, in order, as often as they stand."""
        return [word for word in words_of(text) if word not in FILLERS and not self.knows(word)]

    def unknown(self, text: str) -> float:
        """Share of a text's words that are no words of the training, 0 to 1; 0 for a text without words."""
        words = [word for word in words_of(text) if word not in FILLERS]
        return len(self.strange(text)) / len(words) if words else 0.0

    def unlike(self, text: str) -> bool:
        """Whether a text is unlike the training: more of its words are unknown than the limit allows."""
        return self.unknown(text) > self.limit

    def knows(self, word: str) -> bool:
        """Whether a word, in lower case, is one of the known, or one with a letter too much, too few, or wrong.

        Words of fewer than LONG letters, and such with a wrong first letter, are other words.
        """
        if word in self._set:
            return True
        if len(word) < LONG:
            return False
        return any(_is_slip(word, other) for key in _shortened(word) for other in self._near.get(key, ()))

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.known)

    @cached_property
    def _near(self) -> dict[str, list[str]]:
        """What is left of a known word without one of its letters, or with all of them -> the words."""
        found: dict[str, list[str]] = {}
        for word in self.known:
            if len(word) >= LONG:
                for key in _shortened(word):
                    found.setdefault(key, []).append(word)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What was measured of an encoder.

    Attributes:
        encoder: the fingerprint that it holds for.
        encoder_name: what people call it.
        collection: the fingerprint of the candidates that it was measured on.
        precise: share of right ones that "strong" promises.
        reached: share of right ones that are not "weak".
        searches: by what is asked and searched, such as "image,text->image".
        words: None where nothing can be said of words.
        built_by, built_at, command: what made it, when, and how it is made again.
    """

    encoder: str
    encoder_name: str
    collection: str
    precise: float
    reached: float
    searches: dict[str, Limits]
    words: Vocabulary | None
    built_by: str
    built_at: str
    command: str

    def judged(self, query: Query, results: Sequence[Result], moved: QueryArithmetic = UNMOVED) -> list[Result]:
        """The results of a search with the verdict on each.

        It is None where nothing was calibrated: of another kind of search, of one with an instruction of a person's
        own, and of a vector that was moved. Where a word is unknown none is strong: what that promises was measured of
        known ones.

        Args:
            query: what was asked.
            results: what it found.
            moved: the arithmetic on its vector.
        """
        limits = self.searches.get(task_key(query))
        if limits is None or query.instruction != "" or moved.moves_query(query):
            return list(results)
        if self.unlike(query.content):
            limits = None
        elif self.strange(query.content):
            limits = replace(limits, strong=None)
        unlike = Match("weak", unlike=True)
        return [
            Result(
                hit=result.hit,
                candidate=result.candidate,
                match=unlike if limits is None else limits.match(result.hit.score),
            )
            for result in results
        ]

    def unlike(self, content: Content) -> bool:
        """Whether a query's words are unlike the training."""
        return self.words is not None and bool(content.text) and self.words.unlike(content.text or "")

    def strange(self, content: Content) -> list[str]:
        """A query's words that are no words of the training, each once."""
        return [] if self.words is None else list(dict.fromkeys(self.words.strange(content.text or "")))

    def notices(self, query: Query, results: Sequence[Result]) -> tuple[str, ...]:
        """What a person should know of a search.

        That its words are unlike the training; or which of them are unknown, and that its best match is weak.

        Args:
            query: what was asked.
            results: what it found, judged.
        """
        if self.words is not None and self.unlike(query.content):
            rate = percent(self.words.rate)
            return (f"{UNLIKE_WORDS} Of its catalogue's own queries, {rate} are called so by mistake.",)
        said = [UNKNOWN_WORDS.format(words=_named(words))] if (words := self.strange(query.content)) else []
        first = results[0].match if results else None
        if first is not None and first.word == "weak":
            said.append(WEAK_FIRST if query.content.text else NO_OTHER)
        return tuple(said)


def _named(words: Sequence[str]) -> str:
    """Words in a sentence: “dog”, “kettle” and 2 more."""
    named = [f"\u201c{word}\u201d" for word in words[:NAMED]]
    if more := len(words) - len(named):
        named.append(f"{more} more")
    return " and ".join((", ".join(named[:-1]), named[-1])) if len(named) > 1 else named[0]


def beside_first(notices: Iterable[str]) -> tuple[str, ...]:
    """Notices without what is said of a weak first result: where another one is first, or it is told better."""
    return tuple(notice for notice in notices if notice not in _OF_FIRST)


def percent(share: float) -> str:
    """A share as a person reads it: "1.2 %", "1 %"."""
    return f"{100 * share:.1f} %".replace(".0 ", " ")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; numbers and signs are none."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def verdicts_file(index_folder: str | Path) -> Path:
    """Where the verdicts of an index's encoder lie: beside the index, in reports/verdicts.json."""
    return Path(index_folder).parent / shipped.REPORTS / FILE


def find_verdicts(index_folder: str | Path | None, encoder_name: str, encoder: str) -> Verdicts | None:
    """The verdicts of an encoder: beside its index, else beside the shipped index of that name.

    Args:
        index_folder: what is searched; None for an index in memory.
        encoder_name: the encoder's name.
        encoder: its fingerprint.

    Returns:
        None where there are none, or only another encoder's: then no verdict is given.

    Raises:
        ConfigError: a file holds no verdicts.
    """
    own = () if index_folder is None else (verdicts_file(index_folder),)
    for path in dict.fromkeys((*own, verdicts_file(shipped.default_root() / encoder_name / shipped.BUNDLED))):
        if path.is_file():
            found = read_verdicts(path)
            if found.encoder == encoder:
                return found
    return None


def read_verdicts(path: Path) -> Verdicts:
    """The verdicts of a file, whosever they are.

    Raises:
        ConfigError: it holds none.
    """
    try:
        row = json.loads(path.read_text("utf-8"))
        searches = {name: _limits(said) for name, said in row.pop("searches").items()}
        said = row.pop("words")
        words = None if said is None else _vocabulary(said)
        found = Verdicts(searches=searches, words=words, **row)
        if not isinstance(found.encoder, str) or not isinstance(found.collection, str):
            raise TypeError("encoder and collection must be fingerprints")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} holds no verdicts ({error}); write it again: {REMEDY}") from error
    return found


def write_verdicts(verdicts: Verdicts, path: Path) -> Path:
    """Writes the file and returns its path."""
    with atomic_write(path) as file:
        file.write(json.dumps(asdict(verdicts), indent=1, ensure_ascii=False) + "\n")
    return path


def _limits(said: Mapping[str, Any]) -> Limits:
    held_out = Rates(**said["held_out"])
    if set(held_out.right) != set(WORDS) or not all(s is None or _is_share(s) for s in held_out.right.values()):
        raise ValueError(f"the share of right ones must be given of {', '.join(WORDS)}")
    found = Limits(**{**said, "held_out": held_out})
    if not _is_number(found.weak) or not (found.strong is None or _is_number(found.strong)):
        raise ValueError(f"limits {found.strong!r} and {found.weak!r} are not numbers")
    if found.strong is not None and found.weak > found.strong:
        raise ValueError(f"weak ends at {found.weak}, above {found.strong}, where strong begins")
    return found


def _vocabulary(said: Mapping[str, Any]) -> Vocabulary:
    found = Vocabulary(**said)
    if not isinstance(found.known, list) or not all(isinstance(word, str) for word in found.known):
        raise TypeError("the known words must be a list of words")
    if not all(map(_is_share, (found.limit, found.alpha, found.false_alarms))):
        raise ValueError(f"limit {found.limit!r} and rates {found.alpha!r}, {found.false_alarms!r} are not shares")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _shortened(word: str) -> Iterable[str]:
    """The word, and what is left of it without each of its letters but the first."""
    return {word, *(word[:place] + word[place + 1 :] for place in range(1, len(word)))}


def _is_slip(word: str, other: str) -> bool:
    """Whether one slip of the hand leads from one word to the other: a letter more, less or wrong, or two swapped."""
    if abs(len(word) - len(other)) > 1:
        return False
    if len(word) != len(other):
        return True  # they share what is left without one letter
    differ = [place for place in range(len(word)) if word[place] != other[place]]
    if len(differ) == 2:
        first, second = differ
        return second == first + 1 and word[first] == other[second] and word[second] == other[first]
    return len(differ) == 1
