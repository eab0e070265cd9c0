"""What encoding and searching spend their time on, function by function: the profile of docs/performance.md.

    python -m umr.bench profile [--encoder NAME] [--items 192] [--first 8] [--dtype float32] [--threads 1] [--markdown]

Own time by Python's profiler, which makes calls of Python dearer than they are: look at shares, and compare ways with
`python -m umr.bench peers`. Files are read from the bundled collection. Not the threads of an index that is built.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from umr.bench.peers import EQUAL, ITEMS, mixes, own_way
from umr.bench.rows import printed
from umr.encoders import load_encoder
from umr.encoders.base import UnifiedEncoder
from umr.errors import ConfigError
from umr.eval import evaluate
from umr.search import Searcher
from umr.shipped import BUNDLED, default_root, find_encoder, repository_root

FIRST = 8  # functions that are told of each work
QUERIES, K = 100, 10  # composed ones of the benchmark, and the results of each
PLACES = (sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"], str(repository_root()))


def profiled(works: Mapping[str, Callable[[], Any]], first: int) -> list[dict[str, Any]]:
    """Profile every work, after one run that is not counted.

    Args:
        works: by name.
        first: functions that are told of each.

    Returns:
        Rows {"work", "function", "share", "calls"}, the dearest first; share is of the work's own time, in %. The last
        row of a work is what all other functions take together.

    Raises:
        ConfigError: first is below 1.
    """
    if first < 1:
        raise ConfigError(f"{first} functions: give at least 1")
    return [row for name, work in works.items() for row in _rows(name, work, first)]


def _rows(name: str, work: Callable[[], Any], first: int) -> list[dict[str, Any]]:
    work()
    profile = cProfile.Profile()
    profile.runcall(work)
    spent: dict[str, tuple[float, int]] = {}
    for key, (_, calls, own, *_) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        before = spent.get(called(*key), (0.0, 0))  # of another line: several of a file have one name
        spent[called(*key)] = before[0] + own, before[1] + calls
    total = sum(own for own, _ in spent.values())
    dearest = sorted(spent.items(), key=lambda one: -one[1][0])
    told = [(function, own, calls) for function, (own, calls) in dearest[:first]]
    told.append(("everything else", total - sum(own for _, own, _ in told), sum(one[1][1] for one in dearest[first:])))
    return [
        {"work": name, "function": function, "share": round(100 * own / total, 1), "calls": calls}
        for function, own, calls in told
    ]


def called(file: str, _line: int, name: str) -> str:
    """A function as it is told: path:name, without where on this machine; of one that is compiled, its name."""
    if file == "~":
        return name.strip("<>").removeprefix("built-in method ").removeprefix("method ")
    path = next((file.removeprefix(place).lstrip("/") for place in PLACES if file.startswith(place)), file)
    return f"{path}:{name}"


def works(encoder: UnifiedEncoder, items: int) -> dict[str, Callable[[], Any]]:
    """What is profiled: composed queries one after another, files included, and candidates in batches.

    Raises:
        ConfigError: there are not so many candidates.
    """
    judged = evaluate.load(default_root() / "media" / BUNDLED, "it2i", "ind")
    searcher = Searcher.open(default_root() / "unified" / BUNDLED, encoder=encoder)
    queries = [one for one in judged.queries if one.content.modality == "image,text"][:QUERIES]
    way = own_way(encoder)
    batches = mixes(encoder, searcher.collection, items)
    return {f"{len(queries)} composed queries, one by one": lambda: [searcher.search(one, K) for one in queries]} | {
        f"{len(contents)} candidates, {mix}": partial(way, contents) for mix, contents in batches.items()
    }


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    lines = ["| work | function | share of its time | calls |", "|---|---|---|---|"]
    last = None
    for row in rows:
        work = "" if row["work"] == last else row["work"]
        last = row["work"]
        lines.append(f"| {work} | `{row['function']}` | {row['share']:.1f} % | {row['calls']:,} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m umr.bench profile", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--encoder", default="unified", help="a shipped encoder (default: unified)")
    parser.add_argument("--items", type=int, default=ITEMS, help=f"candidates of each mixture (default: {ITEMS})")
    parser.add_argument("--first", type=int, default=FIRST, help=f"functions told of each work (default: {FIRST})")
    parser.add_argument("--dtype", default="float32", choices=EQUAL, help="what is computed in (default: float32)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--markdown", action="store_true", help="a table in place of JSON")
    options = parser.parse_args(arguments)

    def measured() -> list[dict[str, Any]]:
        torch.set_num_threads(max(1, options.threads))
        encoder = load_encoder(find_encoder(options.encoder), options.dtype, "cpu")
        if not isinstance(encoder, UnifiedEncoder) or encoder.cell is not None:
            raise ConfigError(f"{options.encoder} is no encoder of one network that sees squares; give one that is")
        return profiled(works(encoder, options.items), options.first)

    return printed(measured, as_markdown if options.markdown else None)
