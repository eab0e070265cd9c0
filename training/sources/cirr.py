"""CIRR (Liu et al. 2021, arXiv 2108.04024): captions/cap.*.<split>.json, image_splits, pictures of NLVR2."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.source import Example, Raw, existing
from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import entries, read_json, words
from umr.eval.benchmarks.cirr import Pictures, only
from umr.types import Content


def read(folder: Path, split: str = "train") -> Raw:
    """The pairs of one split.

    The other pictures of a pair's set of six are its negatives (captions were written to tell the target from them),
    unless target_soft says that one fits too. Pairs of a set come into one batch.

    Raises:
        ConfigError: a file of annotations or the pictures' folder is missing.
    """
    captions = only(folder, f"captions/cap.*.{split}.json")
    places = only(folder, f"image_splits/split.*.{split}.json")
    pictures = Pictures(folder, read_json(places, dict))
    raw = Raw(files=[captions, places])
    for place, entry in entries(captions):
        raw.take(place, partial(_examples, entry, pictures, raw))
    return raw


def _examples(entry: Any, pictures: Pictures, raw: Raw) -> Iterator[Example]:
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
    found = {name: Content(image=_there(pictures, name)) for name in (target, *others)}
    query = Content(text=text, image=_there(pictures, reference))
    raw.candidates |= found
    yield Example(
        query=query,
        wanted="image",
        positives=(target,),
        negatives=tuple(others),
        group=str(of_set.get("id", reference)),
    )


def _there(pictures: Pictures, name: str) -> Path:
    return existing(pictures[name], f"the picture {name!r}")
