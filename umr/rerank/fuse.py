"""The share of a re-ranker in the score of a hit: the arithmetic, the choice on validation queries, the stored choice.

fused = (1 - w) * cosine + w * P(yes) (U-MARVEL, arXiv 2507.14902, its teacher). U-MARVEL's release chose w by the mean
over the test sets; here test queries are refused (umr.eval.tuning.refuse_test). Not the scoring of the pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from umr.disk import atomic_write
from umr.errors import ConfigError, MismatchError
from umr.eval.measures import DEPTH, MEASURES, mean
from umr.eval.tuning import choose
from umr.eval.vector_sum import GRID
from umr.types import Hit, Qrels, Run

FILE = "fusion.json"
UNTUNED = 0.5  # U-MARVEL's alpha, where no weight was chosen
_STEP = 1e-6  # between the last re-ranked score and the next: what a run file can still tell apart

#: P(yes) of the first hits of each query, in their order.
Yes = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """The choice for one re-ranker.

    Attributes:
        reranker: its fingerprint.
        encoder: the name of the encoder whose cosines were weighed against it.
        collection: the fingerprint of the validation candidates.
        run: the name of the run that it was chosen on, which says task and split.
        n: its queries.
        depth: hits that were re-ranked.
        weight: of P(yes).
        success_at_1: on the validation queries, for each weight of umr.eval.vector_sum.GRID.
    """

    reranker: str
    encoder: str
    collection: str
    run: str
    n: int
    depth: int
    weight: float
    success_at_1: list[float]


def check_weight(weight: float) -> float:
    """The weight, which must be from 0 to 1.

    Raises:
        ConfigError: it is not.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"the weight is {weight}; a number from 0 (the cosine alone) to 1 (P(yes) alone) is needed")
    return weight


def check_depth(depth: int) -> int:
    """The number of hits to re-rank, which must be 1 or more.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ConfigError(f"depth is {depth!r}; at least 1 hit must be re-ranked")
    return depth


def fused_score(cosine: float, yes: float, weight: float) -> float:
    """The score of one hit.

    Args:
        cosine: of query and candidate.
        yes: P(yes) of the pair.
        weight: of P(yes), 0 to 1.
    """
    return (1 - weight) * cosine + weight * yes


def fused(run: Run, yes: Yes, weight: float) -> Run:
    """The run in its new order: the scored hits by their fused score, then the others in their old order.

    The scores of the others are moved below, all by the same amount, so that a run's scores still fall.

    Args:
        run: hits with cosines.
        yes: of the first hits of each query; a query without any stays as it is.
        weight: of P(yes), 0 to 1.
    """
    return {query_id: _fused(hits, yes.get(query_id, ()), check_weight(weight)) for query_id, hits in run.items()}


def _fused(hits: Sequence[Hit], yes: Sequence[float], weight: float) -> list[Hit]:
    head, tail = hits[: len(yes)], hits[len(yes) :]
    scored = [(fused_score(hit.score, p, weight), hit) for hit, p in zip(head, yes, strict=True)]
    scored.sort(key=lambda pair: (-pair[0], pair[1].rank))
    moved = [(score, hit.candidate_id) for score, hit in scored]
    down = max(0.0, tail[0].score - scored[-1][0] + _STEP) if scored and tail else 0.0
    moved += [(hit.score - down, hit.candidate_id) for hit in tail]
    return [Hit(did, score, rank) for rank, (score, did) in enumerate(moved, 1)]


def success_by_weight(qrels: Qrels, run: Run, yes: Yes) -> list[float]:
    """success@1 for each weight of GRID."""
    found = []
    for weight in GRID:
        first = {query_id: hits[:DEPTH] for query_id, hits in fused(run, yes, weight).items()}
        found.append(round(mean(MEASURES["success@1"], qrels, first), 4))
    return found


def chosen_weight(success_at_1: list[float]) -> float:
    """The best weight of GRID; among equals the middle one."""
    return choose(success_at_1)


def write_fusion(folder: Path, fusion: Fusion) -> Path:
    """Write the choice beside the re-ranker's files; no hash covers it. Returns its path."""
    with atomic_write(folder / FILE) as file:
        file.write(json.dumps(asdict(fusion), indent=1) + "\n")
    return folder / FILE


def stored_fusion(folder: Path, reranker: str) -> Fusion | None:
    """What was chosen for a re-ranker; None where nothing was.

    Args:
        folder: the re-ranker's.
        reranker: its fingerprint.

    Raises:
        ConfigError: the file is there and holds no choice.
        MismatchError: it is of another re-ranker.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    way_out = "choose one: python -m umr rerank RUN --index VALIDATION --tune"
    try:
        data = json.loads(path.read_text("utf-8"))
        fusion = Fusion(**{one.name: data[one.name] for one in fields(Fusion)})
        check_weight(fusion.weight)
        check_depth(fusion.depth)
    except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        raise ConfigError(f"{path} holds no weight of a re-ranker ({error!r}); remove it, or {way_out}") from error
    if fusion.reranker != reranker:
        raise MismatchError(
            f"{path} was chosen for the re-ranker {str(fusion.reranker)[:12]}, this is {reranker[:12]}; {way_out}"
        )
    return fusion
