"""Hard negatives for the examples of a data set, found by an encoder. Not the training on them.

    python -m training.mine --encoder NAME --data KIND:PATH --out FILE.jsonl [--threshold T | --unfiltered]
                            [--pool local|global] [--depth 100] [--keep 5]

As U-MARVEL mines (arXiv 2507.14902, section on hard negatives): the nearest candidates of each query, without its
answers and without what is so near that it is presumably an answer nobody has labelled (cosine above 0.7), and of the
rest the first five. FILE.jsonl is read by `--data jsonl:FILE.jsonl`; FILE.json beside it says how it was made.

B queries, M candidates, D embedding, K the depth.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from training.mixture import sentences_of
from training.recall import numbered, served_queries
from training.source_batches import Identities, candidate_keys
from training.sources.readers import READERS, load_source
from training.sources.source import Example, Source
from training.sources.spec import parse
from training.truth import CONTENT, TEXT, CandidateKeys, false_negative_mask
from umr.commit import git_commit
from umr.disk import atomic_write, check_target, file_sha256
from umr.encoders import load_trainable
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError, exit_status
from umr.formats import write_jsonl
from umr.shipped import cache_root, find_encoder
from umr.types import KIND_OF, Content

log = logging.getLogger("training")

Pool = Literal["local", "global"]

THRESHOLD = 0.7  # U-MARVEL's: what is more alike is presumed to be an answer
QUERIES, CANDIDATES = 256, 65_536  # of a block of scores

#: What is counted over the first `depth` candidates of all queries -> what it means.
DROPPED = {
    "known": "answers that the data name",
    "duplicates": "copies of an answer under another name",
    "own": "the query's own picture, which serving leaves out",
    "copies": "copies of a negative that stands before",
    "above_threshold": "presumed answers, more alike than the threshold",
}


@dataclass(frozen=True, kw_only=True)
class MineSettings:
    """What is searched and what is kept.

    Attributes:
        pool: "local", the candidates of the kind that a query asks for, or "global", those of every kind.
        depth: candidates looked at, the nearest first.
        keep: negatives of a query, at most.
        threshold: cosine above which a candidate is presumed to be an answer; None: nothing is.

    Raises:
        ConfigError: a value is outside its legal ones.
    """

    pool: Pool = "local"
    depth: int = 100
    keep: int = 5
    threshold: float | None = THRESHOLD

    def __post_init__(self) -> None:
        if self.pool not in get_args(Pool):
            raise ConfigError(f"pool is {self.pool!r}; legal: {', '.join(get_args(Pool))}")
        if not 1 <= self.keep <= self.depth:
            raise ConfigError(f"keep is {self.keep} and depth {self.depth}; 1 <= keep <= depth is needed")
        if self.threshold is not None and not -1 < self.threshold <= 1:
            raise ConfigError(
                f"threshold is {self.threshold}; a cosine above -1 and up to 1 is needed (--unfiltered drops nothing)"
            )


@dataclass(frozen=True, kw_only=True)
class Mined:
    """What was found.

    Attributes:
        negatives: of each example, ids of candidates, the nearest first.
        counts: queries, candidates, mined (negatives in all), short (queries with fewer than `keep`) and of DROPPED.
    """

    negatives: list[tuple[str, ...]]
    counts: dict[str, int]


class Searchable(NamedTuple):
    """The candidates of a source that can be found, and the vectors of all its queries and of them."""

    ids: list[str]
    contents: list[Content]
    keys: CandidateKeys
    query_BD: Tensor
    candidate_MD: Tensor
    identities: Identities

    @classmethod
    def of(cls, encoder: UnifiedEncoder, source: Source) -> Searchable:
        """Embed everything, as it is served."""
        identities = Identities(source)
        ids = [did for did, content in source.candidates.items() if content.modality in KIND_OF]
        contents = [source.candidates[did] for did in ids]
        keys = candidate_keys(contents, [identities(did) for did in ids])
        queries = served_queries(source.examples, sentences_of(source, encoder))
        query_BD = torch.from_numpy(encoder.encode_queries(queries).vectors)
        candidate_MD = torch.from_numpy(encoder.encode_candidates(numbered(contents)).vectors)
        return cls(ids, contents, keys, query_BD, candidate_MD, identities)

    def found(self, examples: Sequence[Example], pool: Pool, depth: int) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
        """(place of an example, (cosines and rows of its nearest candidates)) for each of the source's examples."""
        for places, rows in _searches(examples, self.contents, pool):
            for start in range(0, len(places), QUERIES):
                block = places[start : start + QUERIES]
                scores_BK, rows_BK = nearest(self.query_BD[block], self.candidate_MD[rows], depth)
                yield from zip(block.tolist(), zip(scores_BK, rows[rows_BK], strict=True), strict=True)

    def own(self, example: Example) -> int:
        """The content key of the query's own picture or clip; 0 without."""
        return 0 if example.query.modality == "text" else self.identities.shown(example.query)[CONTENT]


def mine(encoder: UnifiedEncoder, source: Source, settings: MineSettings) -> Mined:
    """The nearest wrong candidates of every example of a source, all of its candidates being searched.

    A candidate that the data call wrong themselves is no presumed answer, however near it is.

    Args:
        encoder: asked as it serves.
        source: read with its whole pool.
        settings: what is searched and kept.
    """
    pool = Searchable.of(encoder, source)
    counts = Counter(dict.fromkeys(DROPPED, 0))
    negatives: list[tuple[str, ...]] = [()] * len(source.examples)
    for place, found in pool.found(source.examples, settings.pool, settings.depth):
        negatives[place] = _chosen(source.examples[place], pool, found, settings, counts)
    counts["queries"], counts["candidates"] = len(negatives), len(pool.ids)
    counts["mined"] = sum(map(len, negatives))
    counts["short"] = sum(len(found) < settings.keep for found in negatives)
    return Mined(negatives=negatives, counts=dict(counts))


def nearest(query_BD: Tensor, candidate_MD: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Scores and rows of the best candidates, (B, K) each, K = min(depth, M), of equal ones the first row first."""
    best_BK = query_BD.new_zeros((len(query_BD), 0))
    rows_BK = torch.zeros((len(query_BD), 0), dtype=torch.int64)
    for start in range(0, len(candidate_MD), CANDIDATES):
        block_MD = candidate_MD[start : start + CANDIDATES]
        scores = torch.cat([best_BK, query_BD @ block_MD.T], dim=1)
        rows = torch.arange(start, start + len(block_MD)).expand(len(query_BD), -1)
        best_BK, order_BK = scores.topk(min(depth, scores.shape[1]), dim=1)
        rows_BK = torch.cat([rows_BK, rows], dim=1).gather(1, order_BK)
    rows_BK, order_BK = rows_BK.sort(dim=1)
    best_BK, by_score_BK = best_BK.gather(1, order_BK).sort(dim=1, descending=True, stable=True)
    return best_BK, rows_BK.gather(1, by_score_BK)


def _searches(examples: Sequence[Example], contents: Sequence[Content], pool: Pool) -> Iterator[tuple[Tensor, Tensor]]:
    """(places of examples, rows of candidates that these search)."""
    if pool == "global":
        yield torch.arange(len(examples)), torch.arange(len(contents))
        return
    for kind in dict.fromkeys(example.wanted for example in examples):
        places = [n for n, example in enumerate(examples) if example.wanted == kind]
        rows = [n for n, content in enumerate(contents) if kind in ("all", content.modality)]
        yield torch.tensor(places), torch.tensor(rows)


def _chosen(
    example: Example,
    pool: Searchable,
    found: tuple[Tensor, Tensor],
    settings: MineSettings,
    counts: Counter[str],
) -> tuple[str, ...]:
    """The negatives of one example among the candidates found; counts says why others are none."""
    rows = found[1]
    keys = CandidateKeys(**{name: getattr(pool.keys, name)[rows] for name in ("kind", "identity", "values", "facts")})
    right = false_negative_mask(pool.identities.of_queries([example]), keys)[0].tolist()
    own = pool.own(example)
    chosen: list[str] = []
    before: set[tuple[int, ...]] = set()
    for score, row, answer, key in zip(found[0].tolist(), rows.tolist(), right, keys.identity.tolist(), strict=True):
        did, same = pool.ids[row], (key[CONTENT], key[TEXT])
        if did in example.positives:
            counts["known"] += 1
        elif answer:
            counts["duplicates"] += 1
        elif own and key[CONTENT] == own:
            counts["own"] += 1
        elif same in before:
            counts["copies"] += 1
        elif settings.threshold is not None and score > settings.threshold and did not in example.negatives:
            counts["above_threshold"] += 1
        elif len(chosen) < settings.keep:
            before.add(same)
            chosen.append(did)
    return tuple(chosen)


def rows_of(source: Source, negatives: Sequence[Sequence[str]], folder: Path) -> Iterator[dict[str, Any]]:
    """The examples as rows that training.sources.jsonl reads, each with all of its answers.

    Args:
        source: whose examples.
        negatives: of each.
        folder: where the file will lie; media beside or below it are named relative to it.
    """
    for example, wrong in zip(source.examples, negatives, strict=True):
        content = example.query
        answers = [parts_of(source.candidates[did], folder) for did in example.positives]
        row: dict[str, Any] = parts_of(content, folder) | {"target": answers[0] if len(answers) == 1 else answers}
        row["negatives"] = [parts_of(source.candidates[did], folder) for did in wrong]
        if example.instruction:
            row["instruction"] = list(source.instructions[example.instruction])
        if example.group != str(content.image or content.video or ""):
            row["group"] = example.group
        yield row


def parts_of(content: Content, folder: Path) -> dict[str, str]:
    """A content as the object of a row; its media are files, as sources have them."""
    files = {"image": content.image, "video": content.video}
    parts = {kind: _place(str(file), folder) for kind, file in files.items() if file is not None}
    return parts | ({"text": content.text} if content.text is not None else {})


def _place(file: str, folder: Path) -> str:
    path, folder = Path(os.path.abspath(file)), folder.absolute()
    near = path.is_relative_to(folder.parent)
    return Path(os.path.relpath(path, folder) if near else path).as_posix()


def write(out: Path, encoder: UnifiedEncoder, source: Source, settings: MineSettings, mined: Mined) -> Path:
    """Write the rows and, last, the record beside them. Returns the record's path."""
    write_jsonl(out, rows_of(source, mined.negatives, out.absolute().parent))
    record = {
        "encoder": encoder.fingerprint,
        "encoder_name": encoder.name,
        "data": source.record(),
        "data_fingerprint": source.fingerprint,
        **asdict(settings),
        "counts": mined.counts,
        "rows_sha256": file_sha256(out),
        "commit": git_commit(),
    }
    path = out.with_suffix(".json")
    with atomic_write(path) as file:
        file.write(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    with exit_status("training", OSError) as ended:
        settings, out = _settings(options), options.out
        spec = parse(options.data)
        if spec.kind not in READERS:
            raise ConfigError(f"--data {options.data!r}: {spec.kind} has no pool to mine; legal: {', '.join(READERS)}")
        if out.suffix != ".jsonl":
            raise ConfigError(f"--out is {out}; a name that ends in .jsonl is needed, as `--data jsonl:FILE` reads it")
        if out.absolute() == Path(spec.path).absolute():
            raise ConfigError(f"--out is {out}, which is read: name another file")
        for target in (out, out.with_suffix(".json")):
            check_target(target)
        encoder = load_trainable(find_encoder(options.encoder))
        source = load_source(spec, cache_root() / "media", whole_pool=True)
        mined = mine(encoder, source, settings)
        record = write(out, encoder, source, settings, mined)
        for name in ("queries", "candidates", "mined", "short"):
            print(f"{name}: {mined.counts[name]}")
        for name, meaning in DROPPED.items():
            print(f"{name}: {mined.counts[name]} ({meaning})")
        log.info("written: %s and %s", out, record)
    return ended.status


def _settings(options: argparse.Namespace) -> MineSettings:
    if options.unfiltered and options.threshold is not None:
        raise ConfigError("--threshold and --unfiltered contradict each other: give one of them")
    threshold = THRESHOLD if options.threshold is None else options.threshold
    return MineSettings(
        pool=options.pool,
        depth=options.depth,
        keep=options.keep,
        threshold=None if options.unfiltered else threshold,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.mine", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--encoder", required=True, metavar="NAME", help="a shipped name, a folder, or hub:...@revision"
    )
    parser.add_argument("--data", required=True, metavar="KIND:PATH", help=f"kinds: {', '.join(READERS)}")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument(
        "--threshold", type=float, metavar="T", help=f"presumed answers are above (default {THRESHOLD})"
    )
    parser.add_argument("--unfiltered", action="store_true", help="presume nothing: keep what is near, however near")
    parser.add_argument("--pool", choices=get_args(Pool), default="local", help="default: local")
    parser.add_argument("--depth", type=int, default=100, metavar="K", help="candidates looked at (default: 100)")
    parser.add_argument("--keep", type=int, default=5, metavar="N", help="negatives of a query (default: 5)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
