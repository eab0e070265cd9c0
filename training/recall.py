"""How often an encoder finds the right answers of a source's examples. Not the benchmark's measures (umr.eval)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from training.source_batches import Identities, candidate_keys, own_picture
from training.sources.source import Example, Source
from training.truth import false_negative_mask
from umr.encoders.base import UnifiedEncoder
from umr.types import Candidate, Content, Query

DEPTHS = (1, 5)


def recall(
    encoder: UnifiedEncoder, source: Source, sentences: Mapping[str, Sequence[str]], depths: Sequence[int] = DEPTHS
) -> dict[str, float]:
    """Share of the examples with a right answer among the first k: recall as M-BEIR and CIRR count it.

    Searched are the answers and negatives of every example that are of the wanted kind, and the pictures of composed
    queries themselves. A copy of an answer is right too; equal scores count against the encoder.

    Args:
        encoder: asked as it serves.
        source: its examples.
        sentences: task sentences by key, of which the first is asked.
        depths: k.

    Returns:
        "recall@k" for every depth, "queries", and "candidates", how many are searched.
    """
    identities = Identities(source)
    pool = {identities(did): content for did, content in source.candidates.items()}
    held = {identity[1:] for identity in pool}
    for example in source.examples:
        own = own_picture(example)
        if own is not None and identities.shown(own)[1:] not in held:
            held.add(identities.shown(own)[1:])
            pool[identities.shown(own)] = own
    contents = list(pool.values())
    asked = served_queries(source.examples, sentences)
    query_BD = torch.from_numpy(encoder.encode_queries(asked).vectors)
    candidate_MD = torch.from_numpy(encoder.encode_candidates(numbered(contents)).vectors)
    queries, found = identities.of_queries(source.examples), candidate_keys(contents, list(pool))
    right_BM = false_negative_mask(queries, found)
    score_BM = query_BD @ candidate_MD.T
    score_BM = score_BM.masked_fill((queries.kinds[:, None] & found.kind[None, :]) == 0, -torch.inf)
    best_B = score_BM.masked_fill(~right_BM, -torch.inf).max(dim=1).values
    above_B = ((score_BM >= best_B[:, None]) & ~right_BM).sum(dim=1)
    measured = {f"recall@{k}": round(float((above_B < k).double().mean()), 4) for k in depths}
    return measured | {"queries": len(asked), "candidates": len(contents)}


def served_queries(examples: Sequence[Example], sentences: Mapping[str, Sequence[str]]) -> list[Query]:
    """The examples as queries, numbered, each with the first of its sentences: as they are asked in serving."""
    return [
        Query(
            query_id=str(number),
            content=example.query,
            target_modality=example.wanted,
            instruction=sentences[example.instruction or example.task][0],
        )
        for number, example in enumerate(examples)
    ]


def numbered(contents: Sequence[Content]) -> list[Candidate]:
    """The contents as candidates that are called by their number."""
    return [Candidate(candidate_id=str(number), content=content) for number, content in enumerate(contents)]
