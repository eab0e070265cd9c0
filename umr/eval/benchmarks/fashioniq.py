"""FashionIQ (Wu et al. 2021, arXiv 1905.12794): captions/cap.<category>.<split>.json, image_splits, images.

R@10 and R@50 of each category over the pictures that image_splits lists for it (the "original" protocol), and their
plain mean. A query's own picture stays among the candidates, as in the code that the published numbers come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from umr.errors import ConfigError, MediaError
from umr.eval.benchmarks.annotations import entries, needed, placed, read_json, said, words
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.eval.benchmarks.registry import split_of
from umr.ingest import IMAGES
from umr.types import Candidate, Content, Qrels, Query

LAYOUT = (
    "FashionIQ's folder holds captions/cap.CATEGORY.SPLIT.json, image_splits/split.CATEGORY.SPLIT.json and "
    "images/NAME.jpg (or .png)"
)
CATEGORIES = ("dress", "shirt", "toptee")
DEPTHS = (10, 50)
_EDGES = ".?, "  # taken off a caption before two are joined


def read(asked: Asked) -> Benchmark:
    """The validation queries of the three categories, or of one.

    Raises:
        ConfigError: a file, picture or field is missing; the layout or the place is told.
    """
    split = split_of("fashioniq", asked.split)
    wanted = asked.parts(CATEGORIES)
    candidates: dict[str, Candidate] = {}
    parts = []
    for category in wanted:
        names = _listed(needed(asked.data / "image_splits" / f"split.{category}.{split}.json", LAYOUT))
        captions = needed(asked.data / "captions" / f"cap.{category}.{split}.json", LAYOUT)
        lost = [name for name in names if find_picture(asked.data, name) is None]
        if lost:
            raise ConfigError(
                f"images/ lacks {len(lost)} of the {len(names)} pictures of {category}, the first is {lost[0]!r}: a "
                f"number over the others would not be the benchmark's. {LAYOUT}"
            )
        for name in names:
            content = Content(image=picture(asked.data, name))
            candidates.setdefault(name, Candidate(candidate_id=name, content=content))
        parts.append(_part(category, captions, frozenset(names), candidates, asked))
    return Benchmark(
        name="fashioniq",
        split=split,
        candidates=list(candidates.values()),
        parts=parts,
        means={"mean": wanted},
    )


def find_picture(folder: Path, name: str) -> Path | None:
    """The picture of an id, whatever its ending: copies of the data set differ in it. None where there is none."""
    paths = (folder / "images" / f"{name}{ending}" for ending in sorted(IMAGES))
    return next((path for path in paths if path.is_file()), None)


def picture(folder: Path, name: str) -> Path:
    """The picture of an id.

    Raises:
        MediaError: there is none.
    """
    found = find_picture(folder, name)
    if found is None:
        raise MediaError(f"images/ has no picture {name!r}")
    return found


def joined(captions: Any) -> str:
    """The two captions of a pair as one text, as the composed-retrieval code of the field joins them.

    One of the two is empty in three pairs of the makers' own validation files; the word between them stays, as in that
    code.

    Raises:
        ConfigError: they are no list of texts, or none of them has words.
    """
    if not isinstance(captions, list) or not captions:
        raise ConfigError(f"captions is {captions!r}; a list of texts is needed")
    texts = [said({"captions": text}, "captions").strip(_EDGES) for text in captions]
    if not any(texts):
        raise ConfigError(f"captions is {captions[0]!r}; a text is needed")
    return " and ".join([texts[0].capitalize(), *texts[1:]]).strip()


def _listed(path: Path) -> list[str]:
    names = [name for name in read_json(path, list) if isinstance(name, str)]
    return list(dict.fromkeys(names))


def _part(category: str, captions: Path, names: frozenset[str], candidates: dict[str, Candidate], asked: Asked) -> Part:
    queries: list[Query] = []
    qrels: Qrels = {}
    for place, entry in entries(captions):
        with placed(place):
            reference, target = words(entry, "candidate"), words(entry, "target")
            outside = [name for name in (reference, target) if name not in names]
            if outside:
                raise ConfigError(f"the picture {outside[0]!r} is not in image_splits")
            query_id = f"{category}:{len(queries)}"
            content = Content(text=joined(entry.get("captions")), image=candidates[reference].content.image)
            queries.append(
                Query(
                    query_id=query_id,
                    content=content,
                    instruction=asked.told(),
                    target_modality="image",
                )
            )
            qrels[query_id] = {target: 1}
    return Part(
        row=category,
        label=category,
        queries=queries,
        qrels=qrels,
        measures=success_columns(DEPTHS, asked.depth),
        depth=max(*DEPTHS, asked.depth or 0),
        kept=asked.kept,
        pool=names,
    )
