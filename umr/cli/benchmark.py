"""`evaluate --benchmark`: a published benchmark in its makers' layout. Not the printing (umr.cli.commands)."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.errors import ConfigError
from umr.eval.benchmarks.registry import EACH, check_options, reader_of
from umr.eval.pools import LOCAL
from umr.shipped import HUB
from umr.types import FLOAT32

if TYPE_CHECKING:
    from umr.eval.benchmarks.benchmark import Benchmark
    from umr.eval.benchmarks.measure import Reordered
    from umr.rerank.order import Reordering
    from umr.types import Encoder, Query, Run

NAMED = ("benchmark", "split", "part", "n")  # the columns that every row has


def check(options: argparse.Namespace) -> None:
    """Refuse what does not go together, before an encoder is loaded.

    Raises:
        ConfigError: an option is missing, or is of the bundled benchmark alone.
    """
    if options.benchmark is None or options.data is None:
        raise ConfigError("--benchmark NAME and --data DIR belong together: what is measured, and where it lies")
    others = ("index", "store", "tune_vector_sum")
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(options, name) not in (None, False)]
    if given:
        raise ConfigError(f"--benchmark measures on data of its own and takes no {', '.join(given)}")
    if options.pool is not None and (options.benchmark != "mbeir" or options.pool not in ("local", "global")):
        raise ConfigError(
            f"--pool is {options.pool}; of the published benchmarks mbeir alone has two, local and global: name one, "
            "or leave it out"
        )
    check_options(options.benchmark, [one for one in ("task", "sentence") if getattr(options, one) is not None])
    if options.sentence is not None and options.instruction is not None:
        raise ConfigError("--instruction is asked in place of the table's sentences: leave out it, or --sentence")
    if not options.data.is_dir():
        raise ConfigError(f"{options.data} is not a folder; give the one that holds the benchmark")


def check_bundled(options: argparse.Namespace) -> None:
    """Refuse what the bundled benchmark has not.

    Raises:
        ConfigError: an option is of published benchmarks alone.
    """
    given = [f"--{name}" for name in ("work", "instruction", "sentence") if getattr(options, name) is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: of published benchmarks alone; give --benchmark NAME, or leave it out")


def evaluated(
    options: argparse.Namespace, encoder: Encoder, place: str, order: Reordering | None = None
) -> tuple[list[dict[str, Any]], tuple[str, ...], list[str]]:
    """Read, index and measure; with --runs write.

    Args:
        options: of the command line, as `check` passed them.
        encoder: what is measured.
        place: where it can be loaded from again.
        order: what re-ranks the first hits of each query; None: they stay as they are found.

    Returns:
        Rows, the columns of their table, and what a person should know.

    Raises:
        MismatchError: the re-ranker goes on from the cosines of another encoder.
    """
    if order is not None:
        order.check(encoder.fingerprint)
    if options.work is not None:
        return _evaluated(options, encoder, place, order, options.work)
    with tempfile.TemporaryDirectory(prefix="umr-") as folder:
        return _evaluated(options, encoder, place, order, Path(folder))


def _evaluated(
    options: argparse.Namespace, encoder: Encoder, place: str, order: Reordering | None, work: Path
) -> tuple[list[dict[str, Any]], tuple[str, ...], list[str]]:
    from umr.cli.progress import Progress
    from umr.eval.benchmarks.benchmark import Asked
    from umr.eval.benchmarks.measure import check_measured, measure, open_index, write_outcome

    benchmark = reader_of(options.benchmark)(
        Asked(
            data=options.data,
            work=work,
            split=options.split,
            task=options.task,
            pool=options.pool or LOCAL,
            instruction=options.instruction,
            sentence={None: 1, EACH: None}.get(options.sentence, options.sentence),
            depth=options.depth if order is None else None,
        )
    )
    check_measured(benchmark, options.runs is not None)
    index = open_index(encoder, benchmark, work, place, options.dtype, Progress("indexing"))
    reordered = None if order is None else _reordered(order, encoder, benchmark)
    outcome = measure(encoder, benchmark, index, Progress("asking, queries:"), reordered)
    notices = list(benchmark.notices)
    if order is not None:
        notices.append(
            f"the first {order.depth} hits of each query are in the order of {order.reranker.name}, P(yes) weighing "
            f"{order.weight:g}"
        )
    if options.runs is not None:
        folder = options.runs / (encoder.name if order is None else f"{encoder.name}+{order.reranker.name}")
        write_outcome(folder, encoder, benchmark, outcome, _command(options))
        notices.append(f"runs, judgements and what a server takes are in {folder}")
    return outcome.rows, _columns(outcome.rows), notices


def _reordered(order: Reordering, encoder: Encoder, benchmark: Benchmark) -> Reordered:
    """What a re-ranker does to the hits that an encoder finds of a benchmark's candidates."""
    from umr.eval.benchmarks.measure import Reordered

    order.progress = None  # told by the queries measured
    collection = benchmark.collection

    def put(run: Run, queries: Sequence[Query]) -> Run:
        return order.reordered(run, queries, encoder.fingerprint, collection)

    return Reordered(order=put, depth=order.depth, by=order.told())


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*NAMED, *(column for row in rows for column in row))))


def _command(options: argparse.Namespace) -> str:
    """What makes the rows again; paths are those of the person who asked."""
    words = ["python", "-m", "umr", "evaluate", "--benchmark", options.benchmark, "--data", str(options.data)]
    words += ["--encoder", options.encoder]
    for name in ("split", "task", "pool", "instruction", "sentence", "depth"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += [] if options.rerank is None else ["--rerank", *filter(None, [options.rerank])]
    words += [] if options.weight is None else ["--weight", str(options.weight)]
    usual = options.dtype == FLOAT32 and not options.encoder.startswith(HUB)  # of the Hub's, GPUs have another
    words += [] if usual else ["--dtype", options.dtype]
    return shlex.join(words)
