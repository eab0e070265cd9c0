"""CIRCO (Baldrati et al. 2023, arXiv 2303.15247): annotations/SPLIT.json over COCO's unlabelled pictures of 2017.

mAP@K with several right pictures for a query, divided by min(K, right pictures) (section 4 of the paper). As in
src/evaluation.py of github.com/miccunifi/CIRCO (commit 6db0150), R@K is over the one picture that the words were
written for, target_img_id, and a row for each aspect has the mAP@10 of the queries that name it in semantic_aspects
(arXiv 2405.02951). The query's own picture stays among the candidates. The answers of the test split are on the
benchmark's server: for it the file is made that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from umr.errors import ConfigError
from umr.eval.benchmarks.annotations import (
    all_or_none_answered,
    all_there,
    entries,
    needed,
    number,
    placed,
    read_json,
    stands_once,
    words,
)
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, View, success_columns
from umr.eval.benchmarks.registry import split_of
from umr.eval.measures import average_precision
from umr.types import Candidate, Content, Qrels, Query, Run

LAYOUT = (
    "CIRCO's folder holds annotations/val.json and test.json, and under COCO2017_unlabeled/ "
    "annotations/image_info_unlabeled2017.json and unlabeled2017/*.jpg"
)
IMAGES = Path("COCO2017_unlabeled")
DEPTHS = (5, 10, 25, 50)
ASPECT_DEPTH = 10
SUBMITTED = 50  # ids of each query that the server takes
#: In the order in which they are printed.
ASPECTS = (
    "cardinality",
    "addition",
    "negation",
    "direct_addressing",
    "compare_change",
    "comparative_statement",
    "statement_with_conjunction",
    "spatial_relations_background",
    "viewpoint",
)


def read(asked: Asked) -> Benchmark:
    """CIRCO's validation or test queries over all of COCO's unlabelled pictures.

    Raises:
        ConfigError: a file, picture or field is missing; the layout or the place is told.
    """
    split = split_of("circo", asked.split)
    annotations = needed(asked.data / "annotations" / f"{split}.json", LAYOUT)
    files = _files(asked.data)
    queries: list[Query] = []
    qrels: Qrels = {}
    targets: Qrels = {}
    aspects: dict[str, list[str]] = {}
    known: set[str] = set()
    for place, entry in entries(annotations):
        with placed(place):
            reference = _known(number(entry, "reference_img_id"), files)
            query_id = stands_once(str(number(entry, "id")), "id", known)
            known.add(query_id)
            queries.append(
                Query(
                    query_id=query_id,
                    content=Content(text=words(entry, "relative_caption"), image=files[reference]),
                    instruction=asked.told(),
                    target_modality="image",
                )
            )
            if "gt_img_ids" in entry:
                qrels[query_id] = {_known(one, files): 1 for one in _right(entry["gt_img_ids"])}
                if "target_img_id" in entry:
                    targets[query_id] = {_known(number(entry, "target_img_id"), files): 1}
                for aspect in _aspects(entry.get("semantic_aspects", [])):
                    aspects.setdefault(aspect, []).append(query_id)
    all_or_none_answered(len(qrels), len(queries), "gt_img_ids", annotations)
    all_or_none_answered(len(targets), len(queries), "target_img_id", annotations)
    depths = sorted({*DEPTHS, *(() if asked.depth is None else (asked.depth,))})
    return Benchmark(
        name="circo",
        split=split,
        candidates=[Candidate(candidate_id=one, content=Content(image=path)) for one, path in files.items()],
        parts=[
            Part(
                row=split,
                label=split,
                queries=queries,
                qrels=qrels,
                measures={f"mAP@{k}": average_precision(k) for k in depths},
                depth=max(*depths, ASPECT_DEPTH),
                kept=asked.kept,
                views=[
                    View(row=split, qrels=targets, measures=success_columns(DEPTHS, asked.depth)),
                    *(_of_aspect(split, aspect, aspects[aspect], qrels) for aspect in ASPECTS if aspect in aspects),
                ],
            )
        ],
        submissions=lambda runs: _submission(runs, split),
    )


def _files(data: Path) -> dict[str, Path]:
    """Id -> picture, in the order of COCO's own list."""
    info = needed(data / IMAGES / "annotations" / "image_info_unlabeled2017.json", LAYOUT)
    listed = read_json(info, dict).get("images")
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{info} lists no images; copy COCO's own file again. {LAYOUT}")
    files = {}
    for place, entry in enumerate(listed, 1):
        with placed(f"{info.name}: image {place}"):
            files[str(number(entry, "id"))] = data / IMAGES / "unlabeled2017" / words(entry, "file_name")
    all_there(files, LAYOUT)
    return files


def _right(listed: Any) -> list[Any]:
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"gt_img_ids is {listed!r}; a list of ids is needed")
    return listed


def _aspects(listed: Any) -> list[str]:
    """The aspects of a query, each once.

    Raises:
        ConfigError: it is no list of known ones.
    """
    if not isinstance(listed, list) or not all(isinstance(one, str) and one in ASPECTS for one in listed):
        raise ConfigError(f"semantic_aspects is {listed!r}; a list of these is needed: {', '.join(ASPECTS)}")
    return list(dict.fromkeys(listed))


def _of_aspect(split: str, aspect: str, asked: Sequence[str], qrels: Qrels) -> View:
    """The row of an aspect, over the queries that name it."""
    measures = {f"mAP@{ASPECT_DEPTH}": average_precision(ASPECT_DEPTH)}
    return View(row=f"{split} {aspect}", qrels={one: qrels[one] for one in asked}, measures=measures)


def _known(one: Any, files: Mapping[str, Path]) -> str:
    if str(one) not in files:
        raise ConfigError(f"the picture {one!r} is not in image_info_unlabeled2017.json")
    return str(one)


def _submission(runs: Mapping[str, Run], split: str) -> dict[str, dict[str, Any]]:
    """The file of the benchmark's server: {query: the ids of its first 50 pictures, as numbers}."""
    found = {query_id: [int(hit.candidate_id) for hit in hits[:SUBMITTED]] for query_id, hits in runs[split].items()}
    return {f"circo.{split}.submission.json": found}
