"""What video-text benchmarks share: clips and their sentences, searched both ways. Not one layout.

Text to video: every sentence is a query. Video to text: every clip is a query, and a clip's sentences are one answer,
as near as the nearest of them (CLIP4Clip's multi-sentence protocol, arXiv 2104.08860; with one sentence a clip it is
the plain one). R@1, R@5, R@10 and MdR, the median rank of the right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from umr.errors import ConfigError
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.ingest import CLIPS
from umr.types import Candidate, Content, Query

DEPTHS = (1, 5, 10)
DIRECTIONS = ("t2v", "v2t")


class Sentence(NamedTuple):
    """A sentence about a clip."""

    video: str
    text: str


def find_clips(data: Path, wanted: Sequence[str], layout: str) -> dict[str, Path]:
    """Name -> file of the clips that are asked for, wherever under the folder they lie.

    Raises:
        ConfigError: some are missing; their number and the first are told, and the layout.
    """
    names = frozenset(wanted)
    found: dict[str, Path] = {}
    for path in sorted(data.rglob("*")):
        if path.suffix.lower() in CLIPS and path.stem in names:
            found.setdefault(path.stem, path)
    lost = [name for name in wanted if name not in found]
    if lost:
        raise ConfigError(
            f"{len(lost)} of {len(wanted)} clips are missing, the first is {lost[0]!r}: a number over the others would "
            f"not be the benchmark's. {layout}"
        )
    return {name: found[name] for name in wanted}


def both_ways(
    name: str, split: str, clips: Mapping[str, Path], sentences: Sequence[Sentence], asked: Asked
) -> Benchmark:
    """The benchmark of clips and their sentences, in the directions that are asked for.

    Args:
        name: of the benchmark.
        split: of its makers.
        clips: name -> file.
        sentences: at least one for each clip.
        asked: its task is t2v, v2t or None.

    Raises:
        ConfigError: a clip has no sentence, or there is no such direction.
    """
    silent = set(clips) - {sentence.video for sentence in sentences}
    if silent:
        raise ConfigError(f"{name} {split}: {len(silent)} clips have no sentence, such as {min(silent)!r}")
    named = {f"{sentence.video}#{place}": sentence for place, sentence in enumerate(sentences)}
    directions = asked.parts(DIRECTIONS)
    videos = [Candidate(candidate_id=one, content=Content(video=path)) for one, path in clips.items()]
    texts = [Candidate(candidate_id=one, content=Content(text=said.text)) for one, said in named.items()]
    made = {"t2v": _to_video(named, clips, asked), "v2t": _to_text(named, clips, asked)}
    searched = {"t2v": videos, "v2t": texts}
    return Benchmark(
        name=name,
        split=split,
        candidates=[candidate for direction in directions for candidate in searched[direction]],
        parts=[made[direction] for direction in directions],
    )


def _to_video(named: Mapping[str, Sentence], clips: Mapping[str, Path], asked: Asked) -> Part:
    instruction = asked.told()
    return Part(
        row="t2v",
        label="t2v",
        queries=[
            Query(query_id=one, content=Content(text=said.text), instruction=instruction, target_modality="video")
            for one, said in named.items()
        ],
        qrels={one: {said.video: 1} for one, said in named.items()},
        measures=success_columns(DEPTHS, asked.depth),
        depth=None,
        kept=asked.kept,
        pool=frozenset(clips),
        ranks=True,
    )


def _to_text(named: Mapping[str, Sentence], clips: Mapping[str, Path], asked: Asked) -> Part:
    instruction = asked.told()
    return Part(
        row="v2t",
        label="v2t",
        queries=[
            Query(query_id=one, content=Content(video=path), instruction=instruction, target_modality="text")
            for one, path in clips.items()
        ],
        qrels={one: {one: 1} for one in clips},
        measures=success_columns(DEPTHS, asked.depth),
        depth=None,
        kept=asked.kept,
        pool=frozenset(named),
        groups={one: said.video for one, said in named.items()},
        ranks=True,
    )
