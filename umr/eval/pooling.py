"""Asks queries both ways, pooled outside their instruction and over it too: `umr evaluate --pooling FILE`.

Encoders leave the instruction out of the mean; sentence-transformers, which opens their folders as they stand, has no
module that does. Not the stored numbers (umr.encoders.pooled_over).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from umr.encoders.base import UnifiedEncoder
from umr.encoders.interop import masks_instruction
from umr.encoders.pooled_over import FILE, Asked, PooledOver
from umr.errors import ConfigError
from umr.eval.evaluate import all_tasks_and_splits, compare, retrieve
from umr.eval.judged import Judged, load
from umr.eval.reports import Row
from umr.eval.splits import IN_DISTRIBUTION
from umr.index.versions import made_with
from umr.search import Searcher
from umr.shipped import REPORTS

TASKS = ("it2i", "t2i")
SPLIT = IN_DISTRIBUTION


def over_instruction(encoder: UnifiedEncoder) -> UnifiedEncoder:
    """The same network, whose queries are pooled over their instruction too; its weights are shared, not copied.

    Raises:
        ConfigError: the encoder does not leave the instruction out.
    """
    if not masks_instruction(encoder.config):
        raise ConfigError(
            f"{encoder.name} pools no instruction away: its queries have the same vectors in every tool, and there is "
            "nothing to measure"
        )
    config = replace(encoder.config, mask_instruction=False)
    return UnifiedEncoder(config, encoder.backbone, encoder.tokenizer).train(encoder.training)


def measure(
    searcher: Searcher,
    root: str | Path,
    tasks: Sequence[str] = TASKS,
    progress: Callable[[int, int], None] | None = None,
) -> PooledOver:
    """Ask the queries in distribution of some tasks both ways, in their local pool.

    Args:
        searcher: an encoder with its index.
        root: the folder with the queries.
        tasks: those of them that the folder has are asked.
        progress: called with the tasks done and their number.

    Raises:
        ConfigError: the encoder does not leave the instruction out, or there is none of these tasks.
    """
    encoder = searcher.encoder
    if not isinstance(encoder, UnifiedEncoder):
        raise ConfigError(f"{encoder.name} is no encoder with a network and task sentences of its own")
    whole, there = over_instruction(encoder), {task for task, split in all_tasks_and_splits(root) if split == SPLIT}
    asked = [task for task in tasks if task in there]
    if not asked:
        raise ConfigError(f"{root} has no {SPLIT} queries of {', '.join(tasks)}; it has {', '.join(sorted(there))}")
    found = {}
    for number, task in enumerate(asked, 1):
        found[task] = _asked(searcher, whole, load(root, task, SPLIT, searcher.collection))
        if progress is not None:
            progress(number, len(asked))
    return PooledOver(
        encoder=encoder.fingerprint,
        encoder_name=encoder.name,
        collection=searcher.collection.fingerprint,
        collection_name=searcher.collection.name,
        tasks=found,
        **made_with(),
        command=f"python -m umr evaluate --encoder {encoder.name} --pooling indexes/{encoder.name}/{REPORTS}/{FILE}",
    )


def rows(measured: PooledOver) -> list[Row]:
    """The numbers of each task as a row."""
    return [{"task": task} | asdict(row) | {"ci95": list(row.ci95)} for task, row in measured.tasks.items()]


def _asked(searcher: Searcher, whole: UnifiedEncoder, judged: Judged) -> Asked:
    masked = searcher.encoder.encode_queries(judged.queries)
    over = replace(whole.encode_queries(judged.queries), encoder=masked.encoder)  # asked of the same index
    cosine_Q = (masked.vectors * over.vectors).sum(1)
    excluded = {query.query_id: searcher.excluded(query) for query in judged.queries}
    found = compare(judged, *(retrieve(searcher, one, judged, excluded) for one in (masked, over)))
    low, high = found["ci95"]
    return Asked(
        n=found["n"],
        groups=found["groups"],
        cosine_mean=round(float(cosine_Q.mean()), 4),
        cosine_min=round(float(cosine_Q.min()), 4),
        masked=round(found["a"], 4),
        over=round(found["b"], 4),
        difference=round(found["difference"], 4),
        ci95=(round(low, 4), round(high, 4)),
    )
