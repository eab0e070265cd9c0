"""What each split of a benchmark asks, in words, and the order in which splits are shown. Not which splits there are.

A folder says by its files which splits it has (umr.query_files); one that this table does not know, as M-BEIR's
datasets, is shown under its own name after all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IN_DISTRIBUTION = "ind"
TYPED, FREE = "typed", "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitWords:
    """How a split is spoken of.

    Attributes:
        title: a few words, as a label.
        asks: what its queries are, one sentence.
    """

    title: str
    asks: str


SPLITS: Mapping[str, SplitWords] = {
    IN_DISTRIBUTION: SplitWords(
        title="as trained", asks="Test queries that training never saw, drawn as the training's were."
    ),
    TYPED: SplitWords(title="typed queries", asks="Short queries as people type them; right is what meets all of it."),
    FREE: SplitWords(
        title="free edits",
        asks="Any edit of any picture, whether the collection has an exact answer or not; answers are graded.",
    ),
    "combination": SplitWords(title="new combinations", asks="Pairs of properties that training never showed."),
    "light": SplitWords(title="other light", asks="Query pictures in light that training never had."),
    "camera": SplitWords(title="other camera", asks="Query pictures from where training's camera never stood."),
    "phrasing": SplitWords(title="other phrasings", asks="Sentences of forms that training never had."),
    "typos": SplitWords(title="typing errors", asks="Edits with a misspelt word."),
    "clutter": SplitWords(
        title="cluttered pictures",
        asks="Three of a thing beside something that training never showed beside three of it.",
    ),
    "binding": SplitWords(title="which of two objects", asks="Edits of the second object, and swaps of the two."),
    "twofold": SplitWords(title="several edits at once", asks="Two or three edits in one sentence."),
    "shortcut-kept": SplitWords(title="shortcut kept", asks="A tag in the picture tells the edit."),
    "shortcut-broken": SplitWords(title="shortcut broken", asks="The same queries; the tag tells nothing."),
    "shortcut-reversed": SplitWords(
        title="shortcut reversed", asks="The same queries; the tag tells an edit that leads elsewhere."
    ),
}


def title(split: str) -> str:
    """The split's label; its own name where the table does not know it."""
    return SPLITS[split].title if split in SPLITS else split


def asks(split: str) -> str:
    """What the split's queries are; "" where the table does not know it."""
    return SPLITS[split].asks if split in SPLITS else ""


def order(split: str) -> tuple[int, str]:
    """Sorts splits as the table lists them, unknown ones behind, by name."""
    places = list(SPLITS)
    return (places.index(split) if split in SPLITS else len(places)), split
