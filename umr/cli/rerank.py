"""`rerank`, and what `--rerank` means to other commands. Not the printing (umr.cli.commands), not the scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from umr.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from umr.collection import Collection
    from umr.eval.judged import Judged
    from umr.rerank.order import Reordering
    from umr.types import Run


def reordering(options: argparse.Namespace) -> Reordering:
    """The re-ranker of a command's options, with its weight and depth; a missing one is told before any is loaded."""
    folder = brought(options.rerank or "", options.dtype)
    from umr.cli.progress import Progress
    from umr.models.ready import dtype_of_reranker
    from umr.rerank.order import Reordering

    dtype = dtype_of_reranker(folder, options.dtype)
    made = Reordering.open(str(folder), dtype, options.weight, options.depth)
    made.progress = Progress("re-ranking, queries:")
    return made


def brought(spec: str, dtype: str | None = None, opened: bool = True) -> Path:
    """The folder of a re-ranker by its name (see umr.models.ready.reranker), downloaded where it is of the Hub.

    Args:
        spec: the name; "" for the shipped one.
        dtype: what it is to be computed in; None: what fits.
        opened: it is to be computed with, not copied alone.

    Raises:
        ConfigError: there is none, umr does not open it, or it does not fit.
        MismatchError: a file of it is damaged.
    """
    from umr.cli.progress import say
    from umr.models.ready import Wishes, reranker

    return cast("Path", reranker(spec, Wishes(dtype=dtype, opened=opened), say))  # None after a dry run alone


def rerank(options: argparse.Namespace) -> list[dict[str, Any]]:
    """`rerank`: writes the run in its new order, or with --tune the weight; returns the rows that are printed.

    Raises:
        ConfigError: the options do not go together, or the run is not of composed queries.
        MismatchError: the run names what its collection has not.
    """
    from umr.disk import check_target
    from umr.formats import read_run, write_run
    from umr.index.manifest import IndexManifest

    if options.tune == (options.out is not None):
        raise ConfigError("give either --out FILE, to write the run in its new order, or --tune, to choose the weight")
    if options.tune and (options.index is None or options.weight is not None):
        raise ConfigError("--tune chooses the weight on validation queries: give --index with their index, no --weight")
    if options.out is not None:
        check_target(options.out)
    task, split = _task_and_split(options)
    run = read_run(options.run)
    judged, collection, root = _judged(options.index, task, split)
    if options.tune:
        from umr.eval.tuning import refuse_test

        refuse_test(collection, root)
    order = reordering(options)
    if options.index is not None:
        order.check(IndexManifest.read(options.index).encoder)
    yes = order.yes(run, judged.queries, collection)
    if options.tune:
        return [_tuned(order, judged, collection, run, yes, options.run)]
    from umr.rerank.fuse import fused

    made = fused(run, yes, order.weight)
    write_run(options.out, made, f"{_tag(options.run)}+{order.reranker.name}")
    moved = sum(made[one][0].candidate_id != hits[0].candidate_id for one, hits in run.items() if hits)
    return [{"task": task, "split": split, "n": len(run), "depth": order.depth, "weight": order.weight,
             "other_first": moved}]  # fmt: skip


def _tuned(
    order: Reordering, judged: Judged, collection: Collection, run: Run, yes: dict[str, list[float]], path: Path
) -> dict[str, Any]:
    """Chooses and stores the weight; what it is worth on the validation queries."""
    from umr.eval.vector_sum import GRID
    from umr.rerank.fuse import Fusion, chosen_weight, success_by_weight, write_fusion

    lost = [query.query_id for query in judged.queries if query.query_id not in run]
    if lost:
        raise MismatchError(f"the run lacks {len(lost)} of the queries of {judged.task} {judged.split}: evaluate again")
    asked = judged.at(judged.answered)
    qrels, first = asked.qrels, {query.query_id: run[query.query_id] for query in asked.queries}
    found = success_by_weight(qrels, first, {one: yes[one] for one in first})
    weight = chosen_weight(found)
    made = Fusion(
        reranker=order.reranker.fingerprint,
        encoder=_tag(path),
        collection=collection.fingerprint,
        run=path.name,
        n=len(first),
        depth=order.depth,
        weight=weight,
        success_at_1=found,
    )
    write_fusion(order.folder, made)
    return {"task": judged.task, "split": judged.split, "n": len(first), "depth": order.depth, "weight": weight,
            "success@1": found[GRID.index(weight)], "recall_alone": found[0], "reranker_alone": found[-1]}  # fmt: skip


def _task_and_split(options: argparse.Namespace) -> tuple[str, str]:
    """Of a run as `evaluate --runs` names it, TASK.SPLIT.composed[.global].run; options say it of others.

    Raises:
        ConfigError: neither says it, or the run is of queries without one of their parts.
    """
    parts = options.run.name.split(".")
    named = parts[:2] if len(parts) > 3 and "run" in parts[3:] else [None, None]
    if named[0] is not None and parts[2] != "composed":
        raise ConfigError(f"{options.run.name} is of the variant {parts[2]}; only composed runs are re-ranked")
    task, split = options.task or named[0], options.split or named[1]
    if not task or not split:
        raise ConfigError(
            f"{options.run.name} does not say task and split, as it2i.ind.composed.run does; give --task and --split"
        )
    return task, split


def _judged(index: Path | None, task: str, split: str) -> tuple[Judged, Collection, Path]:
    """The queries of a run, their collection and its folder: an index's, or the bundled one's."""
    from umr.collection import Collection
    from umr.eval.judged import load
    from umr.index.manifest import IndexManifest
    from umr.shipped import BUNDLED, default_root

    if index is None:
        root, name = default_root() / "media" / BUNDLED, BUNDLED
    else:
        manifest = IndexManifest.read(index)
        root, name = index / manifest.collection_at, manifest.collection_name
    collection = Collection.open(root, name)
    return load(root, task, split, collection), collection, root


def _tag(path: Path) -> str:
    """The last field of a run's first line: who made it."""
    from umr.formats import read_lines

    return next((line.split()[-1] for _, line in read_lines(path)), "run")
