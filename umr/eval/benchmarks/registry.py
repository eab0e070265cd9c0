"""Which benchmarks `umr evaluate --benchmark` knows, and where their readers are. Not the reading.

To add one: a module with `read(asked) -> Benchmark`, and a row here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from umr.errors import ConfigError

if TYPE_CHECKING:
    from umr.eval.benchmarks.benchmark import Asked, Benchmark

    Reader = Callable[[Asked], Benchmark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A benchmark that can be read.

    Attributes:
        reader: module and function.
        splits: of the makers, the one that is measured where nothing else is said first.
        paper: where its task and measure are defined.
        options: those of the command that it has and others have not.
    """

    reader: str
    splits: tuple[str, ...]
    paper: str
    options: tuple[str, ...] = ()


EACH = "each"  # in place of a sentence's number: all of them in turn

#: Options of the command that every benchmark has.
COMMON = ("split", "instruction", "depth")

BENCHMARKS: Mapping[str, Known] = {
    "mbeir": Known(
        reader="umr.eval.benchmarks.mbeir:read",
        splits=("test",),
        paper="arXiv 2311.17136",
        options=("task", "pool", "sentence"),
    ),
    "cirr": Known(reader="umr.eval.benchmarks.cirr:read", splits=("val", "test1"), paper="arXiv 2108.04024"),
    "fashioniq": Known(
        reader="umr.eval.benchmarks.fashioniq:read", splits=("val",), paper="arXiv 1905.12794", options=("task",)
    ),
    "circo": Known(reader="umr.eval.benchmarks.circo:read", splits=("val", "test"), paper="arXiv 2303.15247"),
    "genecis": Known(
        reader="umr.eval.benchmarks.genecis:read", splits=("test",), paper="arXiv 2306.07969", options=("task",)
    ),
    "msrvtt": Known(
        reader="umr.eval.benchmarks.msrvtt:read",
        splits=("1k-a", "full"),
        paper="CVPR 2016, Xu et al.",
        options=("task",),
    ),
    "msvd": Known(
        reader="umr.eval.benchmarks.msvd:read",
        splits=("test", "val", "train"),
        paper="ACL 2011, Chen and Dolan",
        options=("task",),
    ),
    "mmeb": Known(
        reader="umr.eval.benchmarks.mmeb:read", splits=("test",), paper="arXiv 2410.05160", options=("task",)
    ),
}


def reader_of(name: str) -> Reader:
    """The reader of a benchmark.

    Raises:
        ConfigError: there is no such benchmark.
    """
    known = BENCHMARKS.get(name)
    if known is None:
        raise ConfigError(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    module, function = known.reader.split(":")
    return cast("Reader", getattr(importlib.import_module(module), function))


def check_options(name: str, given: Collection[str]) -> None:
    """Refuse options that a benchmark has not.

    Args:
        name: of the benchmark.
        given: names of those that were given.

    Raises:
        ConfigError: one is of other benchmarks.
    """
    has = (*COMMON, *BENCHMARKS[name].options)
    foreign = [f"--{option}" for option in given if option not in has]
    if foreign:
        legal = ", ".join(f"--{option}" for option in has)
        raise ConfigError(f"{name} has no {', '.join(foreign)}; it takes {legal}")


def split_of(name: str, split: str | None) -> str:
    """The split of a benchmark that is asked: the first of its own where none is named.

    Raises:
        ConfigError: it has no such split.
    """
    legal = BENCHMARKS[name].splits
    if split is not None and split not in legal:
        raise ConfigError(f"{name} has no split {split!r}; legal: {', '.join(legal)}")
    return split or legal[0]
