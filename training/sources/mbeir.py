"""M-BEIR folders (UniIR, arXiv 2311.17136): query/train, cand_pool and instructions/query_instructions.tsv."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from training.sources.source import Example, Raw
from umr import media
from umr.errors import ConfigError
from umr.eval.benchmarks.instructions import INSTRUCTIONS, read_instructions
from umr.formats import BenchmarkQuery, candidate_from_row, parse_object, query_from_row, read_lines
from umr.moments import told
from umr.types import KIND_OF, Content, Target

#: Where training rows may lie: one file for each data set, else all of them in one.
QUERY_FOLDERS = ("train", "union_train")
#: The pools that hold the candidates of training rows: all in one, else those of single data sets.
POOLS = ("cand_pool/global/*train*.jsonl", "cand_pool/*train*.jsonl", "cand_pool/local/*.jsonl", "cand_pool/*.jsonl")


def read(folder: Path) -> Raw:
    """The training rows of an M-BEIR folder.

    A row gives one example for each kind that its positives have: each kind has instructions of its own. Ids that no
    pool row has (OVEN lists InfoSeek's) are left out, a row without any other is refused.

    Raises:
        ConfigError: there are no training queries, no pool or no table of instructions, or the table is broken.
    """
    queries = _first(folder, [f"query/{name}/*.jsonl*" for name in QUERY_FOLDERS], "training queries")
    pools = _first(folder, list(POOLS), "candidate pool")
    table = folder / INSTRUCTIONS
    raw = Raw(files=[*queries, *pools, table], instructions=read_instructions(table))
    for path in pools:
        for place, line in read_lines(path, strict=False):
            where = f"{path.name}:{place.rpartition(':')[2]}"
            raw.take(where, partial(_candidate, line, where, folder, raw))
    for path in queries:
        for place, line in read_lines(path, strict=False):
            where = f"{path.name}:{place.rpartition(':')[2]}"
            raw.take(where, partial(_examples, line, where, folder, raw))
    return raw


def _first(folder: Path, patterns: list[str], what: str) -> list[Path]:
    """The files of the first pattern that has any."""
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if files:
            return files
    raise ConfigError(f"{folder} has no {what}: one of {', '.join(patterns)} is needed; give M-BEIR's root folder")


def _candidate(line: str, place: str, folder: Path, raw: Raw) -> Iterator[Example]:
    """Nothing: a row of a pool is no example, but takes its place among the candidates."""
    candidate = candidate_from_row(parse_object(line, place), folder, place)
    raw.candidates[candidate.candidate_id] = _cleaned(candidate.content)
    yield from ()


def _examples(line: str, place: str, folder: Path, raw: Raw) -> Iterator[Example]:
    """The examples of a query row, one for each kind of its positives."""
    row: dict[str, Any] = parse_object(line, place)
    asked = query_from_row(row, folder, place)
    there = [did for did in asked.positives if did in raw.candidates]
    if not there:
        raise ConfigError(f"none of its {len(asked.positives)} positives is in a candidate pool")
    kinds = dict.fromkeys(raw.candidates[did].modality for did in there)
    for kind in kinds:
        if kind not in KIND_OF:
            raise ConfigError(f"a positive is {kind}, which is not searched; legal: {', '.join(KIND_OF)}")
        mine = tuple(did for did in there if raw.candidates[did].modality == kind)
        yield _example(asked, KIND_OF[kind].modality, mine, raw)


def _example(asked: BenchmarkQuery, wanted: Target, positives: tuple[str, ...], raw: Raw) -> Example:
    """The example of one kind; its instruction must be in the table."""
    content = _cleaned(asked.query.content)
    dataset = asked.query.query_id.partition(":")[0]
    key = f"{dataset} {content.modality}->{wanted}"
    if key not in raw.instructions:
        raise ConfigError(f"{INSTRUCTIONS.name} has no sentence for {key!r} (data set, query -> candidate)")
    negatives = tuple(did for did in asked.negatives if did in raw.candidates)
    return Example(
        query=content,
        wanted=wanted,
        positives=positives,
        negatives=negatives,
        group=asked.query.query_id,
        instruction=key,
    )


def _cleaned(content: Content) -> Content:
    """The content with its words as an encoder reads them. Raises ConfigError for a part of a clip."""
    if content.span is not None:
        raise ConfigError(f"{told(content.span)} is a part of a clip, and training reads whole ones: cut the file")
    text = None if content.text is None else media.clean_text(content.text) or None
    return Content(text=text, image=content.image, video=content.video)
