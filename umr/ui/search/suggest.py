"""Edits worth trying on a picture, mined from its neighbours in the collection that differ in one thing. No model is
asked, unless the picture is a visitor's own: then its nearest neighbour is found first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from umr.search import Searcher
from umr.types import Candidate, Content, Embeddings, Query, Target

LIMIT = 6  # suggestions for a picture
PER_ATTRIBUTE = 2
NEIGHBOURS = 250  # of the item in the index, the nearest first

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
SIDES: Mapping[str, str] = {"left": "to the left", "right": "to the right", "behind": "behind"}


def nearest_item(searcher: Searcher, picture: Any) -> Candidate | None:
    """The collection's image nearest to a visitor's picture."""
    query = Query(query_id="suggest", content=Content(image=picture), target_modality="image")
    results = searcher.search(query, 1).results
    return results[0].candidate if results else None


def suggest(searcher: Searcher, item: Candidate, target: Target, limit: int = LIMIT) -> list[str]:
    """Edits that lead from the item to others of the searched kind, the nearest first, at most two of an attribute."""
    for kind in dict.fromkeys((target, "image")):
        texts: dict[str, str] = {}  # text -> attribute
        for candidate in _neighbours(searcher, item, kind):
            change = difference(item, candidate)
            if change and list(texts.values()).count(change[0]) < PER_ATTRIBUTE:
                texts.setdefault(change[1], change[0])
            if len(texts) == limit:
                break
        if texts:
            return list(texts)
    return []


def difference(item: Candidate, other: Candidate) -> tuple[str, str] | None:
    """(attribute, words) of the one thing in which two items differ; None where it is none, or more than one."""
    here, there = attributes(item), attributes(other)
    if here and there:
        changed = [key for key in there if here.get(key) != there[key]]
        text = phrase(changed[0], here.get(changed[0]), there[changed[0]]) if len(changed) == 1 else None
        return (changed[0], text) if text else None
    old, new = item.title.split(), other.title.split()
    places = [place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a.lower() != b.lower()]
    if len(old) != len(new) or len(places) != 1:
        return None
    return "title", f"{new[places[0]].lower()} instead of {old[places[0]].lower()}"


def attributes(candidate: Candidate) -> dict[str, Any]:
    """What the collection states about an item: the object `scene` of its source, or the source itself; {} for none."""
    try:
        source = json.loads(candidate.source)
    except ValueError:
        return {}
    scene = source.get("scene", source) if isinstance(source, dict) else None
    return scene if isinstance(scene, dict) else {}


def phrase(attribute: str, old: Any, new: Any) -> str | None:
    """A change as a person would ask for it; None where no short phrase says it."""
    if attribute == "companion":
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
    if old is None:
        thing = f"{new.get('colour')} {new.get('category')}"
        return f"with {_article(thing)} {thing} {side}"
    return f"the {new.get('category')} {side}" if old == {**new, "side": old.get("side")} else None


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
