"""M-BEIR (Wei et al. 2023, UniIR, arXiv 2311.17136): its queries, pools, instructions and judgements, as downloaded.

R@k is the share of queries with a right candidate among the first k; `score` is the number of the paper's tables, R@10
for FashionIQ and Fashion200K and R@5 for all others, and its mean that over tasks. Texts are normalised as in UniIR's
code. Of the sentences of a task the code draws one by chance; here it is the first, or another that is asked for, or
each in turn: the mean of their measures is what a draw gives on the average.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

from umr.errors import ConfigError
from umr.eval.benchmarks.benchmark import Asked, Benchmark, Part, success_columns
from umr.eval.benchmarks.instructions import INSTRUCTIONS, read_instructions
from umr.eval.benchmarks.pooled import pooled
from umr.eval.benchmarks.registry import split_of
from umr.eval.judged import Judged, load, reachable, unknown_judgement
from umr.eval.measures import success
from umr.eval.pools import GLOBAL
from umr.query_files import QueryFile, query_files
from umr.types import Candidate, Query

LAYOUT = (
    "M-BEIR's folder holds query/test/mbeir_TASK_test.jsonl, qrels/test/mbeir_TASK_test_qrels.txt, "
    "cand_pool/local/mbeir_TASK_cand_pool.jsonl, cand_pool/global/mbeir_union_test_cand_pool.jsonl, "
    f"{INSTRUCTIONS.as_posix()} and mbeir_images/"
)
UNION = Path("cand_pool") / "global" / "mbeir_union_test_cand_pool.jsonl"
DEPTHS, FASHION_DEPTHS = (1, 5, 10), (10, 20, 50)
FASHION = ("fashion200k", "fashioniq")
_NAME = re.compile(r"mbeir_(?P<name>.+)_test")


def read(asked: Asked) -> Benchmark:
    """The tasks that a folder has, or one, over their local pools or over the global one.

    Raises:
        ConfigError: a file is missing or a row broken; the layout or the place is told.
    """
    split = split_of("mbeir", asked.split)
    files = {_name(found.path): found for found in query_files(asked.data)}
    wanted = asked.parts([*files])
    paths: dict[str, Path] = (
        {GLOBAL: asked.data / UNION}
        if asked.pool == GLOBAL
        else {name: _local(asked.data, name, files[name]) for name in wanted}
    )
    for path in paths.values():
        if not path.is_file():
            raise ConfigError(f"{path} is missing. {LAYOUT}")
    sentences = read_instructions(_table(asked)) if asked.instruction is None else {}
    made = pooled("mbeir", asked.data, paths, asked.work / "collection", _as_uniir)
    parts, notices = [], []
    for name in wanted:
        pool = made.pools[GLOBAL if asked.pool == GLOBAL else name]
        judged, out = _judged(asked.data, files[name], pool)
        if out:
            notices.append(
                f"{name}: {out} judgements name candidates of another data set, which its {asked.pool} pool does not "
                "hold; they are left out"
            )
        searched = None if asked.pool == GLOBAL else pool  # of the global pool there is nothing else
        parts += _parts(name, judged, searched, sentences, asked)
    if asked.instruction is None:
        which = "each in turn, and measures are their means:" if asked.sentence is None else f"number {asked.sentence}"
        notices.append(f"the sentence asked of each task is {which} of {INSTRUCTIONS.as_posix()}")
    return Benchmark(
        name="mbeir",
        split=f"{split}-{asked.pool}",
        candidates=made.collection,
        parts=parts,
        means={"mean": list(dict.fromkeys(part.row for part in parts))},
        notices=tuple(notices),
    )


def normalised(text: str) -> str:
    """A text as UniIR's code puts it: no carriage returns, outer space or quotes, a capital first, a full stop last."""
    bare = text.replace("\r", "").strip().strip('"')
    if not bare:
        return ""
    ended = bare if bare[-1] in ".?!" else f"{bare}."
    return ended[0].upper() + ended[1:]


def _name(path: Path) -> str:
    """Such as cirr_task7."""
    found = _NAME.fullmatch(path.stem)
    return found["name"] if found else path.stem


def _table(asked: Asked) -> Path:
    path = asked.data / INSTRUCTIONS
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing, so it is not known what the queries ask. {LAYOUT}. Or give --instruction SENTENCE "
            '("": none is asked; encoder: the encoder\'s own)'
        )
    return path


def _local(root: Path, name: str, found: QueryFile) -> Path:
    path = found.pool
    if path is None:
        raise ConfigError(f"{root / 'cand_pool' / 'local'} has no pool of {name}. {LAYOUT}")
    return path


def _as_uniir(candidate: Candidate) -> Candidate:
    """The candidate with its text as UniIR's code puts it."""
    text = candidate.content.text
    if text is None:
        return candidate
    return replace(candidate, content=replace(candidate.content, text=normalised(text)))


def _judged(root: Path, found: QueryFile, pool: Set[str]) -> tuple[Judged, int]:
    if not found.qrels.is_file():
        raise ConfigError(f"{found.qrels} is missing. {LAYOUT}")
    judged = load(root, found.task, found.split)
    unknown = unknown_judgement(judged, pool)
    if unknown is not None:
        raise ConfigError(f"{found.qrels.name} names {unknown}, which its pool does not hold; copy the pool again")
    return reachable(judged, pool)


def _parts(
    name: str, judged: Judged, pool: Set[str] | None, sentences: Mapping[str, tuple[str, ...]], asked: Asked
) -> list[Part]:
    """The task as it is asked, or once for each of its sentences: as many as every kind of its queries has."""
    if asked.sentence is not None or asked.instruction is not None:
        return [_part(name, judged, pool, sentences, asked)]
    least = min(len(_sentences(query, sentences)) for query in judged.queries)
    made = []
    for number in range(1, least + 1):
        part = _part(name, judged, pool, sentences, replace(asked, sentence=number))
        made.append(replace(part, label=f"{part.label}.sentence{number}"))
    return made


def _part(
    name: str, judged: Judged, pool: Set[str] | None, sentences: Mapping[str, tuple[str, ...]], asked: Asked
) -> Part:
    fashion = judged.split.startswith(FASHION)
    depths = FASHION_DEPTHS if fashion else DEPTHS
    columns = success_columns(depths, asked.depth) | {"score": success(10 if fashion else 5)}
    return Part(
        row=name,
        label=f"{name}.{asked.pool}",
        queries=[_query(query, sentences, asked) for query in judged.queries],
        qrels=judged.qrels,
        measures=columns,
        depth=max(*depths, asked.depth or 0),
        kept=asked.kept,
        pool=pool,
    )


def _query(query: Query, sentences: Mapping[str, tuple[str, ...]], asked: Asked) -> Query:
    """The query with normalised text and its task sentence."""
    text = query.content.text
    content = replace(query.content, text=None if text is None else normalised(text))
    if asked.instruction is not None:
        return replace(query, content=content, instruction=asked.told())
    found, number = _sentences(query, sentences), asked.sentence or 1
    if number > len(found):
        key = _key(query)
        raise ConfigError(f"--sentence is {number}; {INSTRUCTIONS.as_posix()} has {len(found)} for {key!r}")
    return replace(query, content=content, instruction=normalised(found[number - 1]))


def _sentences(query: Query, sentences: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Those of the table for queries of this kind.

    Raises:
        ConfigError: there are none.
    """
    found = [one for one in sentences.get(_key(query), ()) if one]
    if not found:
        raise ConfigError(
            f"{INSTRUCTIONS.as_posix()} has no sentence for {_key(query)!r} (data set, query -> candidate)"
        )
    return found


def _key(query: Query) -> str:
    """What the table calls queries of this kind."""
    return f"{query.query_id.partition(':')[0]} {query.content.modality}->{query.target_modality}"
