"""What a reader of a benchmark is asked, and what it gives: candidates, queries, judgements, measures. No files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umr.collection import Collection
from umr.errors import ConfigError
from umr.eval.measures import Measure, success
from umr.eval.pools import LOCAL, Pool
from umr.types import Candidate, Qrels, Query, Run

#: Runs by their label -> {name of a file: the JSON that a benchmark's server takes}.
Submissions = Callable[[Mapping[str, Run]], Mapping[str, Mapping[str, Any]]]


ENCODERS = "encoder"  # in place of a task sentence: the encoder's own
KEPT = 50  # hits of each query in run files, where no more are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a benchmark is to be measured, and how.

    Attributes:
        data: its folder, as its makers lay it out.
        work: a folder for what has to be made of it (GeneCIS's crops).
        split: one of its own; None: the one that papers print.
        task: one of its parts; None: all.
        pool: of M-BEIR: what is searched.
        instruction: the task sentence of every query; None: the data's own, where it has some, else the encoder's; "":
            none at all; ENCODERS: the encoder's own, whatever the data has.
        sentence: of M-BEIR's table: which of its sentences, from 1; None: each in turn, and the mean of their measures.
        depth: one more k of R@k, and as many hits in run files; None: the makers' own.
    """

    data: Path
    work: Path
    split: str | None = None
    task: str | None = None
    pool: Pool = LOCAL
    instruction: str | None = None
    sentence: int | None = 1
    depth: int | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 1:
            raise ConfigError(f"the depth is {self.depth}; at least 1 hit is needed")
        if self.sentence is not None and self.sentence < 1:
            raise ConfigError(f"the sentence is {self.sentence}; sentences of the table are counted from 1")

    @property
    def kept(self) -> int:
        """Hits of each query in run files."""
        return max(KEPT, self.depth or 0)

    def told(self, said: str | None = "") -> str | None:
        """The task sentence of a query whose data has this one (see Query.instruction for "" and None)."""
        if self.instruction is None:
            return said
        return "" if self.instruction == ENCODERS else self.instruction or None

    def parts(self, there: Sequence[str]) -> list[str]:
        """Those of a benchmark's parts that are asked for.

        Raises:
            ConfigError: it has none of this name.
        """
        found = [one for one in there if self.task in (None, one)]
        if not found:
            raise ConfigError(f"there is no part {self.task!r} of the benchmark; there are: {', '.join(there)}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What else the hits of a part are measured by: other judgements, or some of its queries alone.

    Attributes:
        row: the row of the table that its measures stand in, which may be the part's.
        qrels: the right candidates of each query that it is over.
        measures: column -> measure.
    """

    row: str
    qrels: Qrels
    measures: Mapping[str, Measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Queries that are searched among the same candidates, or each in its own gallery, and how they are measured.

    Attributes:
        row: the row of the table that its measures stand in; several parts may fill one row, and a column that several
            of these have is their mean.
        label: of its run file.
        queries: with instruction and target modality; what a query excludes is never found.
        qrels: the right candidates of each (of each query's group, where there are groups); none where only the
            benchmark's server has them.
        measures: column -> measure, as its makers' code computes it.
        depth: hits that the measures need; None: the whole ranking.
        kept: hits in run files.
        pool: what is searched; None: every candidate.
        galleries: query -> its own candidates, in place of a pool. One that stands in it twice counts twice.
        groups: candidate -> what it is one of; a group is as near as its nearest candidate.
        ranks: whether the median rank of the first right one is a column (MdR).
        views: what else its hits are measured by.
    """

    row: str
    label: str
    queries: Sequence[Query]
    qrels: Qrels
    measures: Mapping[str, Measure]
    depth: int | None
    kept: int = KEPT
    pool: Set[str] | None = None
    galleries: Mapping[str, tuple[str, ...]] | None = None
    groups: Mapping[str, str] | None = None
    ranks: bool = False
    views: Sequence[View] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark as it was read.

    Attributes:
        name: as in umr.eval.benchmarks.registry.
        split: of its makers.
        candidates: everything that some query searches; a collection where they are many, which lies on the disk.
        parts: in the order of the table.
        means: row of a mean -> the rows that it is over.
        notices: what a person should know of the data.
        submissions: what its server takes; None where it has none.
    """

    name: str
    split: str
    candidates: Sequence[Candidate] | Collection
    parts: Sequence[Part]
    means: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    submissions: Submissions | None = None

    @property
    def collection(self) -> Collection:
        """The candidates as one; without a folder where they are in memory alone."""
        held = self.candidates
        return held if isinstance(held, Collection) else Collection(held, self.name, "")


def success_columns(depths: Sequence[int], depth: int | None = None, name: str = "R") -> dict[str, Measure]:
    """Column -> success@k, which these benchmarks print as R@k, for their own k and one more."""
    return {f"{name}@{k}": success(k) for k in sorted({*depths, *(() if depth is None else (depth,))})}
