"""FashionIQ (Wu et al. 2021, arXiv 1905.12794): captions/cap.<category>.<split>.json, image_splits, images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.source import Example, Raw
from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import entries, read_json, said, words
from umr.eval.benchmarks.fashioniq import picture
from umr.types import Content

BETWEEN = " and "  # two people each wrote a caption of a pair; both hold, and a few are empty


def read(folder: Path, split: str = "train") -> Raw:
    """The pairs of one split, of every category that is there (dress, shirt, toptee).

    Raises:
        ConfigError: there are no captions, or a category has no image_splits.
    """
    captions = sorted(folder.glob(f"captions/cap.*.{split}.json"))
    if not captions:
        raise ConfigError(f"{folder}: captions/cap.*.{split}.json is missing; give the folder that holds captions/")
    raw = Raw()
    for path in captions:
        category = path.name.split(".")[1]
        listed = folder / "image_splits" / f"split.{category}.{split}.json"
        known = frozenset(name for name in read_json(listed, list) if isinstance(name, str))
        raw.files += [path, listed]
        for place, entry in entries(path):
            raw.take(place, partial(_examples, entry, folder, known, raw))
    return raw


def _examples(entry: Any, folder: Path, known: frozenset[str], raw: Raw) -> Iterator[Example]:
    reference, target = words(entry, "candidate"), words(entry, "target")
    captions = entry.get("captions")
    if not isinstance(captions, list) or not captions:
        raise ConfigError(f"captions is {captions!r}; a list of texts is needed")
    texts = [text for one in captions if (text := said({"captions": one}, "captions").rstrip("."))]
    if not texts:
        raise ConfigError(f"captions is {captions[0]!r}; a text is needed")
    outside = [name for name in (reference, target) if name not in known]
    if outside:
        raise ConfigError(f"the picture {outside[0]!r} is not in image_splits")
    content = Content(image=picture(folder, target))
    query = Content(text=BETWEEN.join(texts), image=picture(folder, reference))
    raw.candidates[target] = content
    yield Example(query=query, wanted="image", positives=(target,), group=reference)
