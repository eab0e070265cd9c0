"""Does an encoder compose, or does one part of the query answer alone? Diagnoses of a benchmark. Not the measuring.

The modality shortcut that MCA is to prevent: a composed query that behaves as its picture or its text alone.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from umr.disk import atomic_write
from umr.errors import ConfigError
from umr.eval.evaluate import Measured, measure, nearest_relevant
from umr.eval.judged import Judged, load
from umr.eval.measures import MEASURES, mean
from umr.search import Searcher
from umr.types import Embeddings, Hit, Qrels, Run

PARTS = ("composed", "picture", "text")
NEAREST = 10  # results of each list that the shortcut index looks at


class Diagnosed(NamedTuple):
    """One query, composed, and its picture and its text alone.

    Attributes:
        query_id: which.
        composed_target, picture_target, text_target: cosine of that vector with the relevant candidate nearest to it.
        composed_top, picture_top, text_top: cosine with its own first result, None without results.
        composed_rank, picture_rank, text_rank: place of the first relevant result, 0 where none was kept.
    """

    query_id: str
    composed_target: float
    picture_target: float
    text_target: float
    composed_top: float | None
    picture_top: float | None
    text_top: float | None
    composed_rank: int
    picture_rank: int
    text_rank: int

    @property
    def winner(self) -> str:
        """The variant whose vector is nearest to a relevant candidate; the composition where it ties."""
        return max(PARTS, key=lambda part: getattr(self, f"{part}_target"))

    @property
    def lead(self) -> float:
        """By how much the better part alone is nearer to the target than the composition; negative where it is not."""
        return max(self.picture_target, self.text_target) - self.composed_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One encoder on one (task, split).

    Attributes:
        encoder: its fingerprint.
        summary: what `summarise` says.
        queries: the values of each.
        command: what makes it again.
    """

    task: str
    split: str
    encoder: str
    encoder_name: str
    summary: dict[str, float]
    queries: list[Diagnosed]
    built_at: str
    command: str


def diagnose(searcher: Searcher, root: str | Path, task: str, split: str) -> Diagnosis:
    """Encode, search and diagnose one (task, split).

    Raises:
        ConfigError: its queries have one part only.
    """
    if not task.startswith("it2"):
        raise ConfigError(f"{task} queries have one part; only it2i, it2t, it2it and it2v can be diagnosed")
    return diagnose_measured(searcher, measure(searcher, load(root, task, split)))


def diagnose_measured(searcher: Searcher, measured: Measured) -> Diagnosis:
    """The diagnosis of what an evaluation measured already; where answers are graded, of queries with an exact one.

    Raises:
        ConfigError: its queries have one part only, or none of them has an exact answer.
    """
    places, runs = measured.judged.answered, measured.runs
    judged = measured.judged.at(places)
    if not places:
        raise ConfigError(f"no query of {judged.task} {judged.split} has an exact answer that could be diagnosed")
    missing = next((part for part in PARTS if part not in runs), None)
    if missing is not None:
        raise ConfigError(f"{judged.task} {judged.split} has no {missing} run: only queries of picture and text do")
    vectors = {part: _at(measured.vectors[part], places) for part in PARTS}
    near = nearest_relevant(searcher, vectors, judged)
    queries = [
        Diagnosed._make(
            (
                query_id,
                *(round(float(near[part][place]), 4) for part in PARTS),
                *(_top(runs[part].get(query_id, ())) for part in PARTS),
                *(first_relevant(runs[part].get(query_id, ()), relevant) for part in PARTS),
            )
        )
        for place, (query_id, relevant) in enumerate(judged.qrels.items())
    ]
    name = searcher.encoder.name
    return Diagnosis(
        task=judged.task,
        split=judged.split,
        encoder=searcher.encoder.fingerprint,
        encoder_name=name,
        summary=summarise(judged, near, runs),
        queries=queries,
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"python -m umr diagnose --encoder {name} --task {judged.task} --split {judged.split}",
    )


def summarise(judged: Judged, near: Mapping[str, np.ndarray], runs: Mapping[str, Run]) -> dict[str, float]:
    """The encoder's headline numbers.

    Args:
        judged: Q queries.
        near: part -> (Q,) cosine with the nearest relevant candidate.
        runs: part -> its run.

    Returns:
        Shares from 0 to 1. success@k: composed; masked_text_, masked_picture_success@k: the same queries with that part
        removed. picture_wins, text_wins, either_wins: share of queries in which that part alone is strictly nearer to
        the nearest relevant candidate than the composition is. shortcut_*: `shortcut_index`.
    """
    row: dict[str, float] = {"n": len(judged.queries)}
    for prefix, part in (("", "composed"), ("masked_text_", "picture"), ("masked_picture_", "text")):
        for name in ("success@1", "success@10"):
            row[prefix + name] = mean(MEASURES[name], judged.qrels, runs[part])
    picture, text = near["picture"] > near["composed"], near["text"] > near["composed"]
    row |= {"picture_wins": float(picture.mean()), "text_wins": float(text.mean())}
    row["either_wins"] = float((picture | text).mean())
    return row | shortcut_index(judged.qrels, runs)


def shortcut_index(qrels: Qrels, runs: Mapping[str, Run]) -> dict[str, float]:
    """How much of what a composed query finds wrongly is what one part of it finds alone.

    For a query with relevant set R and first ten results C (composed), P (picture only), T (text only), the share of
    the picture is |C and P without R| / |C without R|, 0 where C without R is empty; that of the text likewise, and the
    index is the larger of the two. 1: every wrong result is one that the part alone gives, so that the other part is
    ignored. 0: no wrong result is explained by a part alone.

    It counts ranks, not cosines: encoders whose similarities have different spreads can be compared, and the stored
    runs are enough to check it. Relevant results are left out, since a target that both find is no fault; a part's
    neighbours that share what the query keeps are not, so a good encoder is low, not at 0.

    Args:
        qrels: the relevant candidates of each query.
        runs: part -> its run.

    Returns:
        "shortcut_picture", "shortcut_text" and "shortcut_index", means over all queries.
    """
    shares = {"picture": np.zeros(len(qrels)), "text": np.zeros(len(qrels))}
    for place, (query_id, relevant) in enumerate(qrels.items()):
        found = {part: {hit.candidate_id for hit in runs[part].get(query_id, ())[:NEAREST]} for part in PARTS}
        wrong = found["composed"] - set(relevant)
        for part, share in shares.items():
            share[place] = len(wrong & found[part]) / len(wrong) if wrong else 0.0
    return {
        "shortcut_index": float(np.maximum(shares["picture"], shares["text"]).mean()),
        "shortcut_picture": float(shares["picture"].mean()),
        "shortcut_text": float(shares["text"].mean()),
    }


def worst(diagnosis: Diagnosis, count: int) -> list[Diagnosed]:
    """The queries in which a part alone leads the composition most, whatever their ranks."""
    return sorted(diagnosis.queries, key=lambda query: -query.lead)[:count]


def first_relevant(hits: Sequence[Hit], relevant: Mapping[str, int]) -> int:
    """Rank of the first relevant hit, 0 without one."""
    return next((rank for rank, hit in enumerate(hits, 1) if hit.candidate_id in relevant), 0)


def right_first(qrels: Qrels, run: Run) -> frozenset[str]:
    """The queries whose first hit is relevant."""
    return frozenset(
        query_id for query_id, relevant in qrels.items() if first_relevant(run.get(query_id, ()), relevant) == 1
    )


def diagnosis_file(folder: str | Path, task: str, split: str) -> Path:
    """Where the diagnosis of one (task, split) lies in a folder of reports."""
    return Path(folder) / f"diagnosis.{task}.{split}.json.xz"


def write_diagnosis(folder: str | Path, diagnosis: Diagnosis) -> Path:
    """One JSON file, compressed; a query is a list of the values of `Diagnosed`, in their order."""
    path = diagnosis_file(folder, diagnosis.task, diagnosis.split)
    data = asdict(diagnosis) | {"columns": list(Diagnosed._fields)}
    queries = ",\n".join(json.dumps(list(query), separators=(",", ":")) for query in data.pop("queries"))
    with atomic_write(path) as file:
        file.write(f'{json.dumps(data, indent=1)[:-2]},\n "queries": [\n{queries}\n]}}\n')
    return path


def read_diagnosis(folder: str | Path, task: str, split: str) -> Diagnosis:
    """A stored diagnosis.

    Raises:
        ConfigError: there is none; the command that writes it is named.
    """
    path = diagnosis_file(folder, task, split)
    try:
        with lzma.open(path, "rt", encoding="utf-8") as packed:
            data: dict[str, Any] = json.load(packed)
        if data.pop("columns") != list(Diagnosed._fields):
            raise ValueError("its columns are others")
        data["queries"] = [Diagnosed(*query) for query in data["queries"]]
        return Diagnosis(**data)
    except (
        OSError,
        EOFError,
        lzma.LZMAError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ConfigError(
            f"{path} is no diagnosis ({error}); write it: "
            f"python -m umr diagnose --encoder NAME --task {task} --split {split} --out {path.parent}"
        ) from error


def _at(embeddings: Embeddings, places: Sequence[int]) -> Embeddings:
    ids = tuple(embeddings.ids[place] for place in places)
    return replace(embeddings, ids=ids, vectors=embeddings.vectors[list(places)])


def _top(hits: Sequence[Hit]) -> float | None:
    return round(float(hits[0].score), 4) if hits else None
