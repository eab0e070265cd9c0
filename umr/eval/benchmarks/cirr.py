"""CIRR (Liu et al. 2021, arXiv 2108.04024): captions/cap.VER.SPLIT.json, image_splits, pictures of NLVR2.

Section 5.1 of the paper: R@K over all pictures of the split, and R_subset@K among the five others of the reference's
set of six; the reference itself is never a result. The answers of test1 are on the benchmark's server: for it the two
files are made that it takes. One pair of test1 has a caption of space alone: it is asked by its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from umr.errors import ConfigError, MediaError
from umr.eval.benchmarks.annotations import (
    all_or_none_answered,
    all_there,
    entries,
    number,
    placed,
    read_json,
    said,
    stands_once,
    words,
)
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.eval.benchmarks.registry import split_of
from umr.types import Candidate, Content, Qrels, Query, Run

LAYOUT = (
    "CIRR's folder holds captions/cap.VER.SPLIT.json, image_splits/split.VER.SPLIT.json and, under img_raw/, "
    "NLVR2's train/, dev/ and test1/"
)
#: Where the paths of image_splits start, in the folder or one above: the dataset's own layout, then NLVR2's.
PICTURES = ("img_raw", "images", ".", "..", "../images")
DEPTHS, SUBSET_DEPTHS = (1, 5, 10, 50), (1, 2, 3)
SUBMITTED, SUBMITTED_SUBSET = 50, 3  # names of each query that the server takes


def read(asked: Asked) -> Benchmark:
    """CIRR's validation or test queries over all pictures of their split.

    Raises:
        ConfigError: a file, picture or field is missing; the layout or the place is told.
    """
    split = split_of("cirr", asked.split)
    folder = asked.data if (asked.data / "captions").is_dir() else asked.data / "cirr"
    captions = only(folder, f"captions/cap.*.{split}.json")
    places = read_json(only(folder, f"image_splits/split.*.{split}.json"), dict)
    pictures = Pictures(folder, places)
    files = {name: pictures[name] for name in places}
    all_there(files, LAYOUT)
    queries: list[Query] = []
    qrels: Qrels = {}
    galleries: dict[str, tuple[str, ...]] = {}
    for place, entry in entries(captions):
        with placed(place):
            query = _query(entry, files, asked.told())
            stands_once(query.query_id, "pairid", galleries)
            galleries[query.query_id] = _others(entry, files)
            if "target_hard" in entry:
                qrels[query.query_id] = {_known(words(entry, "target_hard"), files): 1}
            queries.append(query)
    all_or_none_answered(len(qrels), len(queries), "target_hard", captions)
    whole = success_columns(DEPTHS, asked.depth)
    return Benchmark(
        name="cirr",
        split=split,
        candidates=[Candidate(candidate_id=name, content=Content(image=path)) for name, path in files.items()],
        parts=[
            Part(
                row=split,
                label=split,
                queries=queries,
                qrels=qrels,
                measures=whole,
                depth=max(*DEPTHS, asked.depth or 0),
                kept=asked.kept,
            ),
            Part(
                row=split,
                label=f"{split}.subset",
                queries=queries,
                qrels=qrels,
                measures=success_columns(SUBSET_DEPTHS, name="Rsubset"),
                depth=None,
                galleries=galleries,
            ),
        ],
        notices=_wordless(queries),
        submissions=lambda runs: _submissions(runs, split, captions.name.split(".")[1]),
    )


class Pictures:
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
        return self.root / place


def only(folder: Path, pattern: str) -> Path:
    """The one file of a pattern.

    Raises:
        ConfigError: there is none, or several.
    """
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        what = "is missing" if not found else f"stands for {', '.join(path.name for path in found)}: keep one"
        raise ConfigError(f"{folder}: {pattern} {what}; give the folder that holds captions/ and image_splits/")
    return found[0]


def _query(entry: Any, files: Mapping[str, Path], instruction: str | None) -> Query:
    reference = _known(words(entry, "reference"), files)
    return Query(
        query_id=str(number(entry, "pairid")),
        content=Content(text=said(entry, "caption") or None, image=files[reference]),
        instruction=instruction,
        target_modality="image",
        exclude=(reference,),
    )


def _wordless(queries: Sequence[Query]) -> tuple[str, ...]:
    """What a person should know of pairs whose caption is empty."""
    bare = [query.query_id for query in queries if query.content.text is None]
    if not bare:
        return ()
    return (f"the caption of {len(bare)} of {len(queries)} pairs is empty ({bare[0]}): asked by the picture alone",)


def _others(entry: Any, files: Mapping[str, Path]) -> tuple[str, ...]:
    """The set of six without the reference."""
    of_set = entry.get("img_set")
    members = of_set.get("members") if isinstance(of_set, dict) else None
    if not isinstance(members, list) or not members:
        raise ConfigError(f"img_set.members is {members!r}; a list of pictures is needed")
    others = tuple(_known(str(name), files) for name in members if name != entry["reference"])
    if not others:
        raise ConfigError("img_set.members has the reference alone; the others of its set are what is searched")
    return others


def _known(name: str, files: Mapping[str, Path]) -> str:
    if name not in files:
        raise MediaError(f"the picture {name!r} is not in image_splits")
    return name


def _submissions(runs: Mapping[str, Run], split: str, version: str) -> dict[str, dict[str, Any]]:
    """The two files of the benchmark's server: {"version", "metric", pair: names in the order of the ranking}."""

    def names(label: str, count: int) -> Iterator[tuple[str, list[str]]]:
        for query_id, hits in runs[label].items():
            yield query_id, [hit.candidate_id for hit in hits[:count]]

    return {
        f"cirr.{split}.{metric}.json": {"version": version, "metric": metric, **dict(names(label, count))}
        for metric, label, count in (
            ("recall", split, SUBMITTED),
            ("recall_subset", f"{split}.subset", SUBMITTED_SUBSET),
        )
    }
