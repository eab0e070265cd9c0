"""What an encoder and a re-ranker think of the nearest candidates of every query, as a file. Not the student.

    python -m training.teacher --encoder NAME --reranker DIR --data KIND:PATH --out FILE.jsonl
                               [--pool both|local] [--depth 50] [--weight W]

U-MARVEL's teacher (arXiv 2507.14902, last stage): for the first 50 of each query, the fused score of umr.rerank.fuse.
Here of the local and of the global pool, and known answers are always among them; its own lists are local alone, and an
answer takes part only if it was found.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from training.mine import Pool, Searchable, parts_of
from training.mixture import sentences_of
from training.recall import served_queries
from training.sources.jsonl import Triplets
from training.sources.readers import READERS, load_source
from training.sources.source import Example, Raw, Source, finished
from training.sources.spec import parse
from training.truth import CONTENT
from umr.disk import check_target
from umr.encoders import load_trainable
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError, exit_status
from umr.formats import parse_object, read_lines, write_jsonl
from umr.rerank.fuse import fused_score
from umr.rerank.order import DEPTH, Reordering
from umr.rerank.seen import SeenMedia
from umr.shipped import cache_root, find_encoder
from umr.types import Candidate

log = logging.getLogger("training")

POOLS: Mapping[str, tuple[Pool, ...]] = {"both": ("local", "global"), "local": ("local",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A candidate in the lists of one query: the teacher's score, and the pools that it was found in."""

    score: float
    pools: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Lists:
    """A teacher's file.

    Attributes:
        source: an example for each query, whose group leads to its list.
        of: group -> id of a candidate -> what the teacher says of it.
    """

    source: Source
    of: Mapping[str, Mapping[str, Listed]]


def teach(
    encoder: UnifiedEncoder, order: Reordering, source: Source, pools: tuple[Pool, ...], folder: Path
) -> Iterator[dict[str, Any]]:
    """The rows of a teacher's file, one for each example.

    Args:
        encoder: finds the candidates; its cosine is a part of the score.
        order: the re-ranker, its weight and how many candidates it scores in each pool.
        source: read with its whole pool.
        pools: that are searched.
        folder: where the file will lie; media beside or below it are named relative to it.
    """
    order.check(encoder.fingerprint)
    found = Searchable.of(encoder, source)
    row_of = {did: row for row, did in enumerate(found.ids)}
    cosines: list[dict[int, float]] = [{} for _ in source.examples]
    pools_of: list[dict[int, set[str]]] = [{} for _ in source.examples]
    for pool in pools:
        for place, (scores_K, rows_K) in found.found(source.examples, pool, order.depth):
            own = found.own(source.examples[place])
            for score, row in zip(scores_K.tolist(), rows_K.tolist(), strict=True):
                if not own or int(found.keys.identity[row, CONTENT]) != own:
                    cosines[place][row] = score
                    pools_of[place].setdefault(row, set()).add(pool)
    seen = SeenMedia(order.reranker.network)
    queries = served_queries(source.examples, sentences_of(source, encoder))
    for place, example in enumerate(source.examples):
        for row in (row_of[did] for did in example.positives):
            cosines[place][row] = float(found.query_BD[place] @ found.candidate_MD[row])
            pools_of[place].setdefault(row, set()).update(pools)
        rows = sorted(cosines[place], key=lambda row: (-cosines[place][row], row))
        candidates = [Candidate(candidate_id=found.ids[row], content=found.contents[row]) for row in rows]
        known = [cosines[place][row] for row in rows]
        yes = order.reranker.scores(queries[place], candidates, seen=seen, cosines=known)
        listed = [
            parts_of(found.contents[row], folder)
            | {"cosine": round(cosines[place][row], 6), "yes": round(float(p), 6)}
            | {"score": round(fused_score(cosines[place][row], float(p), order.weight), 6)}
            | {"pools": sorted(pools_of[place][row]), "right": found.ids[row] in example.positives}
            for row, p in zip(rows, yes, strict=True)
        ]
        more = {"instruction": list(source.instructions[example.instruction])} if example.instruction else {}
        yield parts_of(example.query, folder) | more | {"candidates": listed}


def read_lists(path: Path) -> Lists:
    """Read a teacher's file; every picture of it is read once, and rows with a bad one are refused and told.

    Raises:
        ConfigError: the file cannot be read, or no row is left.
    """
    raw, lists = Raw(files=[path]), dict[str, dict[str, Listed]]()
    triplets = Triplets(raw, path.absolute().parent)
    for place, line in read_lines(path):
        where = f"{path.name}:{place.rpartition(':')[2]}"
        raw.take(where, partial(_examples, line, where, triplets, lists))
    return Lists(source=finished("teacher", path, raw), of=lists)


def _examples(
    line: str,
    where: str,
    triplets: Triplets,
    lists: dict[str, dict[str, Listed]],
) -> Iterator[Example]:
    row = parse_object(line, where)
    candidates = row.pop("candidates", None)
    if not isinstance(candidates, list) or not candidates:
        raise ConfigError("candidates is missing: give a file that python -m training.teacher wrote")
    listed: dict[str, Listed] = {}
    named: dict[bool, list[Any]] = {True: [], False: []}
    for number, one in enumerate(candidates, 1):
        try:
            score, pools, right = float(one["score"]), frozenset(one["pools"]), bool(one["right"])
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError(f"candidate {number} has no score, pools or right ({error!r})") from error
        if not pools or not pools <= set(POOLS["both"]):
            raise ConfigError(f"candidate {number} has the pools {sorted(pools)}; legal: {', '.join(POOLS['both'])}")
        parts = {key: one[key] for key in ("image", "video", "text") if key in one}
        did, _ = triplets.answer(parts, f"candidate {number}")
        if not math.isfinite(score):
            raise ConfigError(f"candidate {number} has the score {score}; a finite number is needed")
        # a copy under another name, such as the same words: one candidate, found wherever either was
        before = listed.get(did)
        listed[did] = (
            Listed(score=score, pools=pools) if before is None else replace(before, pools=before.pools | pools)
        )
        named[right].append(parts)
    if not named[True]:
        raise ConfigError("no candidate is right: the answer must be among them")
    example = triplets.example(row | {"target": named[True][0], "negatives": named[True][1:] + named[False]})
    lists[where] = listed
    yield replace(example, group=where)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 2 with a message."""
    parser = argparse.ArgumentParser(prog="python -m training.teacher", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--encoder", required=True, metavar="NAME", help="finds the candidates")
    parser.add_argument("--reranker", default="", metavar="NAME", help="a folder, or a shipped one (default: reranker)")
    parser.add_argument("--data", required=True, metavar="KIND:PATH", help=f"kinds: {', '.join(READERS)}")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--pool", choices=[*POOLS], default="both", help="default: both; local is the paper's")
    parser.add_argument("--depth", type=int, default=DEPTH, metavar="K", help=f"of each pool (default: {DEPTH})")
    parser.add_argument("--weight", type=float, metavar="W", help="of the re-ranker, in place of the chosen one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    with exit_status("training", OSError) as ended:
        spec = parse(options.data)
        if spec.kind not in READERS:
            raise ConfigError(f"--data {options.data!r}: {spec.kind} has no pool; legal: {', '.join(READERS)}")
        check_target(options.out)
        order = Reordering.open(options.reranker, weight=options.weight, depth=options.depth)
        encoder = load_trainable(find_encoder(options.encoder))
        source = load_source(spec, cache_root() / "media", whole_pool=True)
        rows = list(teach(encoder, order, source, POOLS[options.pool], options.out.absolute().parent))
        write_jsonl(options.out, rows)
        print(f"queries: {len(rows)}")
        print(f"candidates: {sum(len(row['candidates']) for row in rows)}")
    return ended.status


if __name__ == "__main__":
    raise SystemExit(main())
