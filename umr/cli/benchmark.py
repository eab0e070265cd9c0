"""`evaluate --benchmark`: a published benchmark in its makers' layout. Not the printing (umr.cli.commands)."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umr.errors import ConfigError
from umr.eval.benchmarks.registry import check_options, reader_of
from umr.eval.pools import LOCAL

if TYPE_CHECKING:
    from umr.types import Encoder

NAMED = ("benchmark", "split", "part", "n")  # the columns that every row has


def check(options: argparse.Namespace) -> None:
    """Refuse what does not go together, before an encoder is loaded.

    Raises:
        ConfigError: an option is missing, or is of the bundled benchmark alone.
    """
    if options.benchmark is None or options.data is None:
        raise ConfigError("--benchmark NAME and --data DIR belong together: what is measured, and where it lies")
    others = ("index", "store", "tune_vector_sum", "rerank", "weight")
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(options, name) not in (None, False)]
    if given:
        raise ConfigError(f"--benchmark measures the encoder alone and takes no {', '.join(given)}")
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
    options: argparse.Namespace, encoder: Encoder, place: str
) -> tuple[list[dict[str, Any]], tuple[str, ...], list[str]]:
    """Read, index and measure; with --runs write.

    Args:
        options: of the command line, as `check` passed them.
        encoder: what is measured.
        place: where it can be loaded from again.

    Returns:
        Rows, the columns of their table, and what a person should know.
    """
    if options.work is not None:
        return _evaluated(options, encoder, place, options.work)
    with tempfile.TemporaryDirectory(prefix="umr-") as folder:
        return _evaluated(options, encoder, place, Path(folder))


def _evaluated(
    options: argparse.Namespace, encoder: Encoder, place: str, work: Path
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
            sentence=1 if options.sentence is None else options.sentence,
            depth=options.depth,
        )
    )
    check_measured(benchmark, options.runs is not None)
    index = open_index(encoder, benchmark, work, place, options.dtype, Progress("indexing"))
    outcome = measure(encoder, benchmark, index, Progress("asking, queries:"))
    notices = list(benchmark.notices)
    if options.runs is not None:
        folder = options.runs / encoder.name
        write_outcome(folder, encoder, benchmark, outcome, _command(options))
        notices.append(f"runs, judgements and what a server takes are in {folder}")
    return outcome.rows, _columns(outcome.rows), notices


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*NAMED, *(column for row in rows for column in row))))


def _command(options: argparse.Namespace) -> str:
    """What makes the rows again; paths are those of the person who asked."""
    words = ["python", "-m", "umr", "evaluate", "--benchmark", options.benchmark, "--data", str(options.data)]
    words += ["--encoder", options.encoder]
    for name in ("split", "task", "pool", "instruction", "sentence", "depth"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += [] if options.dtype == "float32" else ["--dtype", options.dtype]
    return shlex.join(words)
