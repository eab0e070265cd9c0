"""Edits worth trying on a picture, mined from its neighbours in the collection that differ in one thing.

No model is asked, unless the picture is a visitor's own: then its nearest neighbours are found first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from umr.facts import facts_of
from umr.search import Searcher
from umr.types import Candidate, Content, Embeddings, Query, Target

LIMIT = 6  # suggestions for a picture
PER_ATTRIBUTE = 2
NEIGHBOURS = 250  # of the item in the index, the nearest first
ALIKE = 3  # pictures near to a visitor's own whose facts it may have (tests/golden/test_suggestions.py)

#: Attribute of a source -> how a change of it is asked for. What is not here is asked for as "attribute: value".
PHRASES: Mapping[str, str] = {
    "colour": "make it {}",
    "pattern": "with a {} pattern",
    "finish": "with a {} finish",
    "surface": "on {}",
    "size": "a {} one",
    "category": "a {} instead",
}
#: (attribute, value) -> the words for values that the phrase does not fit.
SPECIAL: Mapping[tuple[str, Any], str] = {
    ("pattern", "plain"): "without a pattern",
    ("finish", "glass"): "made of glass",
    ("finish", "metal"): "made of metal",
    ("surface", "studio"): "on a studio backdrop",
    ("count", 1): "just one",
    ("count", 2): "two of them",
    ("count", 3): "three of them",
}
SIDES: Mapping[str, str] = {
    "left": "to the left",
    "right": "to the right",
    "behind": "behind it",
    "front": "in front of it",
}
COMPANION = "companion"


def nearest_items(searcher: Searcher, picture: Any) -> list[Candidate]:
    """The collection's images nearest to a visitor's picture, ALIKE of them."""
    query = Query(query_id="suggest", content=Content(image=picture), target_modality="image")
    return [result.candidate for result in searcher.search(query, ALIKE).results]


def suggest(
    searcher: Searcher, item: Candidate, target: Target, limit: int = LIMIT, alike: Sequence[Candidate] = ()
) -> list[str]:
    """Edits that lead from the item to others of the searched kind, the nearest first, at most two of an attribute.

    Where something stands beside the item, and an edit of that leads to another, one such edit is among them.

    Args:
        searcher: whose collection is looked through.
        item: the picture, or the one nearest to it.
        target: what is searched.
        limit: how many edits at most.
        alike: others that are nearly as near to a visitor's picture: what they have, it may have already.
    """
    known = [facts_of(other) for other in alike]
    for kind in dict.fromkeys((target, "image")):
        texts: dict[str, str] = {}  # text -> attribute
        for candidate in _neighbours(searcher, item, kind):
            change = difference(item, candidate)
            if not change or _had(known, candidate, change[0]):
                continue
            if list(texts.values()).count(change[0]) < PER_ATTRIBUTE:
                texts.setdefault(change[1], change[0])
        if texts:
            return _chosen(texts, limit, bool(facts_of(item).get(COMPANION)))
    return []


def _had(known: Sequence[Mapping[str, Any]], candidate: Candidate, attribute: str) -> bool:
    """Whether some of these facts are, in an attribute, those of the candidate."""
    facts = facts_of(candidate) if known else {}
    return attribute in facts and any(one.get(attribute) == facts[attribute] for one in known)


def _chosen(texts: Mapping[str, str], limit: int, accompanied: bool) -> list[str]:
    """The first edits, the last of them one of the companion where there is such and none of the others is.

    Args:
        texts: edit -> attribute, the best first.
        limit: how many.
        accompanied: something stands beside the item.
    """
    first, rest = list(texts)[:limit], list(texts)[limit:]
    if accompanied and COMPANION not in {texts[text] for text in first}:
        first[-1:] = [next((text for text in rest if texts[text] == COMPANION), first[-1])]
    return first


def difference(item: Candidate, other: Candidate) -> tuple[str, str] | None:
    """(attribute, words) of the one thing in which two items differ; None where it is none, or more than one."""
    here, there = facts_of(item), facts_of(other)
    if here and there:
        changed = [key for key in there if here.get(key) != there[key]]
        if swap := _swapped(here, there, changed):
            return COMPANION, swap
        text = phrase(changed[0], here.get(changed[0]), there[changed[0]]) if len(changed) == 1 else None
        return (changed[0], text) if text else None
    old, new = item.title.split(), other.title.split()
    places = [place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a.lower() != b.lower()]
    if len(old) != len(new) or len(places) != 1:
        return None
    return "title", f"{new[places[0]].lower()} instead of {old[places[0]].lower()}"


def phrase(attribute: str, old: Any, new: Any) -> str | None:
    """A change as a person would ask for it; None where no short phrase says it."""
    if attribute == COMPANION:
        return _company(old, new)
    if attribute == "action":
        return _movement(new)
    if new is None or isinstance(new, (dict, list, bool)):
        return None
    words = SPECIAL.get((attribute, new)) or PHRASES.get(attribute, f"{attribute}: {{}}").format(new)
    return words.replace("a ", "an ", 1) if words.startswith("a ") and _article(str(new)) == "an" else words


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"


def _company(old: Any, new: Any) -> str | None:
    if isinstance(old, dict) and new is None:
        return f"without the {old.get('category')}"
    if not isinstance(new, dict) or new.get("side") not in SIDES:
        return None
    side = SIDES[new["side"]]
    if not isinstance(old, dict):
        thing = " ".join(str(new[key]) for key in ("colour", "finish", "category") if key in new)
        return f"with {_article(thing)} {thing} {side}"
    changed = [key for key in new if old.get(key) != new[key]]
    if len(changed) != 1 or not isinstance(new[changed[0]], str):
        return None
    return {
        "side": f"the {new.get('category')} {side}",
        "colour": f"make the {new.get('category')} {new['colour']}",
        "finish": f"make the {new.get('category')} {new.get('finish')}",
        "category": f"{_article(new['category'])} {new['category']} instead of the {old.get('category')}",
    }.get(changed[0])


def _swapped(here: Mapping[str, Any], there: Mapping[str, Any], changed: list[str]) -> str | None:
    """The exchange of one thing between the item and what stands beside it; None where it is another change."""
    old, new = here.get(COMPANION), there.get(COMPANION)
    if len(changed) != 2 or not isinstance(old, dict) or not isinstance(new, dict):
        return None
    for name, many in (("colour", "colours"), ("finish", "finishes")):
        exchanged = {**old, name: here.get(name)} == new and there.get(name) == old.get(name)
        if exchanged and set(changed) == {name, COMPANION}:
            return f"swap the {many} of the {here.get('category')} and the {old.get('category')}"
    return None


def _movement(new: Any) -> str | None:
    if not isinstance(new, dict) or not isinstance(new.get("kind"), str):
        return None
    if new.get("colour"):
        return f"it turns {new['colour']}"
    kind = new["kind"]
    return f"the {kind}" if kind.startswith(("light ", "camera ")) else f"it {kind}"


def _neighbours(searcher: Searcher, item: Candidate, target: Target) -> list[Candidate]:
    vector = searcher.index.vectors([item.candidate_id])
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    near = Embeddings(ids=("suggest",), vectors=vector, encoder=searcher.encoder.fingerprint)
    run = searcher.index.search(near, NEIGHBOURS, searcher.collection.pool(target), {"suggest": {item.candidate_id}})
    return [searcher.collection[hit.candidate_id] for hit in run["suggest"]]
