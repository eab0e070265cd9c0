"""Chooses the weight of the vector sum on validation queries: `umr evaluate --index V --tune-vector-sum FILE`.

Not the arithmetic and not the stored weights (umr.eval.vector_sum); never on queries that are reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval.evaluate import all_tasks_and_splits, encode_parts, retrieve
from umr.eval.judged import Judged, load
from umr.eval.measures import MEASURES, mean
from umr.eval.reports import Row
from umr.eval.splits import IN_DISTRIBUTION
from umr.eval.vector_sum import FILE, GRID, UNTUNED, Tuned, Weights
from umr.formats import read_benchmark
from umr.fusion import weighted_sum
from umr.index.manifest import IndexManifest
from umr.index.versions import made_with
from umr.search import Searcher
from umr.shipped import REPORTS, available, index_folder

SPLIT = IN_DISTRIBUTION  # the other splits stay unseen: a weight fitted to a shift would know it


def tune(searcher: Searcher, root: str | Path, progress: Callable[[int, int], None] | None = None) -> Weights:
    """The best weight of each composed task on the validation queries of a benchmark folder.

    Args:
        searcher: an encoder with its index of the validation collection.
        root: the folder with the validation queries.
        progress: called with the tasks done and their number.

    Returns:
        The weights, with success@1 at every one of GRID.

    Raises:
        ConfigError: these are test queries, or none of them has picture and text.
    """
    refuse_test(searcher.collection, Path(root))
    tasks = [task for task, split in all_tasks_and_splits(root) if split == SPLIT and task.startswith("it2")]
    if not tasks:
        raise ConfigError(f"{root} has no {SPLIT} queries of picture and text (it2i, it2t, it2it, it2v) to choose on")
    tuned = {}
    for number, task in enumerate(tasks, 1):
        tuned[task] = _tune_one(searcher, load(root, task, SPLIT))
        if progress is not None:
            progress(number, len(tasks))
    return Weights(
        encoder=searcher.encoder.fingerprint,
        encoder_name=searcher.encoder.name,
        collection=searcher.collection.fingerprint,
        tasks=tuned,
        **made_with(),
        command=(
            "python -m training.catalogue validation --out V && "
            f"python -m umr index V --encoder {searcher.encoder.name} --out VI && "
            f"python -m umr evaluate --index VI --tune-vector-sum indexes/{searcher.encoder.name}/{REPORTS}/{FILE}"
        ),
    )


def refuse_test(collection: Collection, root: Path) -> None:
    """Look whether these queries may be chosen on.

    Raises:
        ConfigError: the collection is a bundled one, or says itself that its scenes are of the test split.
    """
    bundled = {IndexManifest.read(index_folder(name)).collection for name in available()}
    if collection.fingerprint in bundled or _scenes_of(root) == "test":
        raise ConfigError(
            f"the queries of {collection.name} are the test, on which nothing is chosen; index a validation "
            "set (`python -m training.catalogue validation --out V`) and name that index with --index"
        )


def _scenes_of(root: Path) -> str | None:
    """The split that a rendered benchmark says its scenes are of; None for data of other makers."""
    split: str | None = read_benchmark(root).get("split")
    return split


def choose(scores: list[float]) -> float:
    """The weight with the highest score; among equals the middle one of GRID, the lower of two."""
    best = [weight for weight, score in zip(GRID, scores, strict=True) if score == max(scores)]
    return best[(len(best) - 1) // 2]


def rows(weights: Weights) -> list[Row]:
    """What was chosen for each task, and what it is worth on the validation queries beside the plain sum."""
    return [
        {
            "task": task,
            "n": tuned.n,
            "groups": tuned.groups,
            "vector_sum_weight": tuned.weight,
            "success@1": tuned.success_at_1[GRID.index(tuned.weight)],
            "untuned_success@1": tuned.success_at_1[GRID.index(UNTUNED)],
        }
        for task, tuned in weights.tasks.items()
    ]


def _tune_one(searcher: Searcher, judged: Judged) -> Tuned:
    if not all(query.content.modality == "image,text" for query in judged.queries):
        raise ConfigError(f"{judged.task} {judged.split} has queries without picture or without text; it has no sum")
    parts = encode_parts(searcher, judged)
    picture, text = parts["picture"], parts["text"]
    excluded = {query.query_id: searcher.excluded(query) for query in judged.queries}
    scores = []
    for weight in GRID:
        summed = weighted_sum(picture.vectors, text.vectors, weight)
        run = retrieve(searcher, replace(text, vectors=summed), judged, excluded)
        scores.append(round(mean(MEASURES["success@1"], judged.qrels, run), 4))
    return Tuned(weight=choose(scores), n=len(judged.queries), groups=len(set(judged.groups)), success_at_1=scores)
