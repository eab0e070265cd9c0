"""CIRR (Liu et al. 2021, arXiv 2108.04024): captions/cap.*.<split>.json, image_splits, pictures of NLVR2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.annotations import entries, read_json, words
from training.sources.source import Example, Raw, existing
from umr.errors import ConfigError
from umr.types import Content

#: Where the paths of image_splits start, in the folder or one above: the dataset's own layout, then NLVR2's.
PICTURES = ("img_raw", "images", ".", "..", "../images")


def read(folder: Path, split: str = "train") -> Raw:
    """The pairs of one split.

    The other pictures of a pair's set of six are its negatives (captions were written to tell the target from them),
    unless target_soft says that one fits too. Pairs of a set come into one batch.

    Raises:
        ConfigError: a file of annotations or the pictures' folder is missing.
    """
    captions = _only(folder, f"captions/cap.*.{split}.json")
    places = _only(folder, f"image_splits/split.*.{split}.json")
    pictures = _Pictures(folder, read_json(places, dict))
    raw = Raw(files=[captions, places])
    for place, entry in entries(captions):
        raw.take(place, partial(_examples, entry, pictures, raw))
    return raw


class _Pictures:
    """The pictures of a split by name."""

    def __init__(self, folder: Path, places: Mapping[str, Any]) -> None:
        self.places = places
        sample = [value for value in places.values() if isinstance(value, str)][:50]
        roots = [folder / name for name in PICTURES]
        found = [root for root in roots if any((root / path).is_file() for path in sample)]
        if not found:
            raise ConfigError(
                f"none of the pictures that image_splits names is under {', '.join(map(str, roots))}; CIRR's come "
                "from NLVR2: put its train/ and dev/ into img_raw"
            )
        self.root = found[0]

    def __getitem__(self, name: str) -> Path:
        place = self.places.get(name)
        if not isinstance(place, str):
            raise ConfigError(f"the picture {name!r} is not in image_splits")
        return existing(self.root / place, f"the picture {name!r}")


def _only(folder: Path, pattern: str) -> Path:
    """The one file of a pattern."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        what = "is missing" if not found else f"stands for {', '.join(path.name for path in found)}: keep one"
        raise ConfigError(f"{folder}: {pattern} {what}; give the folder that holds captions/ and image_splits/")
    return found[0]


def _examples(entry: Any, pictures: _Pictures, raw: Raw) -> Iterator[Example]:
    reference, target = words(entry, "reference"), words(entry, "target_hard")
    text = words(entry, "caption")
    soft = entry.get("target_soft") or {}
    of_set = entry.get("img_set") or {}
    members = of_set.get("members", []) if isinstance(of_set, dict) else None
    if not isinstance(soft, dict) or not isinstance(members, list):
        raise ConfigError("target_soft and img_set must be objects, img_set.members a list")
    # what fits as well is neither asked for nor a negative; the reference is a negative of every composed query anyway
    also = [name for name, score in soft.items() if name != target and isinstance(score, int | float) and score > 0]
    others = [name for name in members if isinstance(name, str) and name not in (reference, target, *also)]
    found = {name: Content(image=pictures[name]) for name in (target, *others)}
    query = Content(text=text, image=pictures[reference])
    raw.candidates |= found
    yield Example(
        query=query,
        wanted="image",
        positives=(target,),
        negatives=tuple(others),
        group=str(of_set.get("id", reference)),
    )
