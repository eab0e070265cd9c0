"""Writes training/STUDY.md and its figures from the results of runs, a section for each factor. Not the runs.

Values are means over seeds of success@1, in percent. A difference is paired: the same queries, their values averaged
over the seeds of each arm, families of scenes resampled together; p by exchanging both arms in whole families, with
Holm's correction over all comparisons of a section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.study.arm import SIZE, Arm, Factor
from training.study.figures import Difference, forest
from training.study.plan import BASE, FACTORS, MEASURED, NETWORK, OUTSIDE, STAGES, WORLD
from umr.bench.readme_tables import markdown
from umr.disk import write_text
from umr.errors import ConfigError
from umr.eval.judged import load
from umr.eval.measures import holm
from umr.eval.scores import Sampled, paired

Result = Mapping[str, Any]

IND = ("it2i ind local",)
#: Heading -> the query sets whose queries it is the mean over.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "it2i ind": IND,
    "global": ("it2i ind global",),
    "it2i outside": tuple(f"it2i {split} local" for split in OUTSIDE),
    "it2t": ("it2t ind local",),
    "t2i": ("t2i ind local",),
    "i2t": ("i2t ind local",),
}
CUES: Mapping[str, tuple[str, ...]] = {
    "it2i ind": IND,
    "cue kept": ("it2i shortcut-kept local",),
    "cue broken": ("it2i shortcut-broken local",),
    "cue reversed": ("it2i shortcut-reversed local",),
    "it2t": ("it2t ind local",),
}
#: The same queries, with the cue kept and not.
GAPS = ("cue kept", "cue broken", "cue reversed")
#: Headings that arms are compared in, without cues and with them.
COMPARED = (("it2i ind", "it2i outside"), ("it2i ind", "cue broken", "cue reversed"))


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of one arm, a seed each."""

    results: tuple[Result, ...]

    def values(self, sets: Sequence[str]) -> np.ndarray:
        """(S, Q) success of each seed's run in the queries of some sets, one set after the other."""
        rows = [[int(hit) for one in sets for hit in result["hits"][one]] for result in self.results]
        return np.array(rows, np.float64)

    def of(self, column: str) -> list[float]:
        """A column of the report's row of it2i ind, one value for each seed."""
        return [float(result["rows"][0][column]) for result in self.results]

    def seconds(self) -> float:
        """Of training, all stages together, also those that other arms share."""
        return float(np.mean([sum(result["seconds"].values()) for result in self.results]))

    def mean(self, key: str) -> float:
        """Of a number that every result has."""
        return float(np.mean([result[key] for result in self.results]))


def write_report(results: Sequence[Result], benchmark: Path, path: Path) -> Path:
    """Write the report of what is finished, and beside it a figure of each factor in which arms can be compared.

    Args:
        results: of training.study.runs.read_results.
        benchmark: that was asked.
        path: of the report; its figures are called after it.

    Raises:
        ConfigError: nothing is finished.
    """
    by_arm: dict[str, list[Result]] = {}
    for result in results:
        by_arm.setdefault(result["arm"]["name"], []).append(result)
    runs = {name: Runs(results=tuple(found)) for name, found in by_arm.items()}
    if not runs:
        raise ConfigError("no run of the study is finished: run python -m training.study first")
    groups = query_groups(benchmark)
    lines = [*_head(results), *(line for one in FACTORS for line in section(one, runs, groups, path))]
    write_text(path, "\n".join(lines) + "\n")
    return path


def query_groups(benchmark: Path) -> dict[str, list[tuple[str, int]]]:
    """Query set -> (split, family) of each of its queries."""
    return {
        f"{task} {split} {pool}": [(split, group) for group in load(benchmark, task, split).groups]
        for task, split, pool in MEASURED
    }


def section(
    factor: Factor,
    runs: Mapping[str, Runs],
    groups: Mapping[str, Sequence[tuple[str, int]]],
    report: Path | None = None,
) -> list[str]:
    """The lines of one factor; says so where none of its arms is finished.

    Args:
        factor: with its arms.
        runs: of the arms that are finished, by their names.
        groups: see query_groups.
        report: beside which the factor's figure is written; None: there is none.
    """
    known = [arm for arm in factor.arms if arm.name in runs]
    lines = ["", f"## {factor.question}", ""]
    if not known:
        return [*lines, "Not run."]
    if known == [BASE]:
        return [*lines, f"Not run, but for *{BASE.name}*, which other factors have too."]
    columns = CUES if factor.cues else COLUMNS
    head = ("arm", "runs", *columns, "its vector sum", "seconds", "MB")
    lines += markdown(head, [[arm.name, *_row(runs[arm.name], columns)] for arm in known])
    missing = [arm.name for arm in factor.arms if arm.name not in runs]
    if missing:
        lines += ["", f"Not run: {'; '.join(missing)}."]
    if known[0] != factor.arms[0] or len(known) == 1:
        return lines
    lines += ["", f"Against *{known[0].name}*, points (95 %, paired), p after Holm's correction:", ""]
    found = differences(factor, runs, groups)
    lines += compared(factor, found)
    if report is not None:
        lines += ["", figure(factor, known, found, report)]
    if factor.cues:
        lines += ["", "What a right cue in the picture is worth: points of the same queries (95 %, paired):", ""]
        lines += [*cue_gaps(known, runs, groups), "", *conditions(known[0], runs, groups)]
    papers = [f"- In the paper, {arm.name}: {arm.paper}." for arm in factor.arms if arm.paper]
    papers += [f"- {paper}" for paper in factor.papers]
    return [*lines, *([""] if papers else []), *papers]


def figure(
    factor: Factor, known: Sequence[Arm], found: Mapping[tuple[str, str], Mapping[str, Any]], report: Path
) -> str:
    """Write the figure of a factor's differences beside the report; returns the line that shows it."""
    rows = [
        Difference(f"{arm}, {heading}", *(100 * value for value in (one["difference"], *one["ci95"])))
        for (arm, heading), one in found.items()
    ]
    title = f"Points of success@1 against {known[0].name} (95 %)"
    path = report.with_name(f"{report.stem}-{factor.name.replace(' ', '-')}.svg")
    write_text(path, forest(title, rows))
    return f"![{title}]({path.name})"


def cue_gaps(
    arms: Sequence[Arm], runs: Mapping[str, Runs], groups: Mapping[str, Sequence[tuple[str, int]]]
) -> list[str]:
    """The table of what each arm loses where the cue is broken or reversed; near zero: the cue was not learned."""
    lines = [[arm.name, *(_points(cue_gap(arm, other, runs, groups)) for other in GAPS[1:])] for arm in arms]
    return markdown(("arm", "kept above broken", "kept above reversed"), lines)


def cue_gap(
    arm: Arm, other: str, runs: Mapping[str, Runs], groups: Mapping[str, Sequence[tuple[str, int]]]
) -> Mapping[str, Any]:
    """How much better an arm finds with the cue kept than in another heading of GAPS."""
    families = [family for _, family in groups[CUES[GAPS[0]][0]]]
    less, kept = (Sampled(runs[arm.name].values(CUES[one]).mean(0), families) for one in (other, GAPS[0]))
    return paired(less, kept)


def conditions(arm: Arm, runs: Mapping[str, Runs], groups: Mapping[str, Sequence[tuple[str, int]]]) -> Iterator[str]:
    """Whether what a claim on MCA presupposes of the plain model is met: it composes, and it has learned the cue."""
    found = runs[arm.name].results
    above = sum((result["rows"][0]["ci95_composed_over_sum"] or [0.0])[0] > 0 for result in found)
    gained = 100 * np.mean(runs[arm.name].of("composed_over_sum"))
    met = "met" if above == len(found) else "not met"
    yield (
        f"- First condition of a claim, *{arm.name}* composes better than it adds: {met}. In `it2i` `ind` it stands "
        f"{gained:+.1f} points above its vector sum, with an interval above zero in {above} of {len(found)} runs."
    )
    learned = cue_gap(arm, GAPS[1], runs, groups)
    met = "met" if learned["ci95"][0] > 0 else "not met"
    yield f"- Second condition, it has learned the cue: {met}. Kept above broken is {_points(learned)}."


def _points(one: Mapping[str, Any]) -> str:
    low, high = one["ci95"]
    return f"{100 * one['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def differences(
    factor: Factor, runs: Mapping[str, Runs], groups: Mapping[str, Sequence[tuple[str, int]]]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(arm, heading) -> how much better it is than the first arm that is finished, in every heading of COMPARED."""
    base, *others = [arm for arm in factor.arms if arm.name in runs]
    columns = CUES if factor.cues else COLUMNS
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for arm in others:
        for heading in COMPARED[factor.cues]:
            sets = columns[heading]
            of_queries = [group for one in sets for group in groups[one]]
            numbers = {group: number for number, group in enumerate(dict.fromkeys(of_queries))}
            numbered = [numbers[group] for group in of_queries]
            a, b = (Sampled(runs[name].values(sets).mean(0), numbered) for name in (base.name, arm.name))
            found[arm.name, heading] = paired(a, b)
    return found


def compared(factor: Factor, found: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[str]:
    """The table of the arms' differences from the first one, as `differences` gives them."""
    headings = COMPARED[factor.cues]
    corrected = dict(zip(found, holm([one["p"] for one in found.values()]), strict=True))
    lines = []
    for arm in dict.fromkeys(name for name, _ in found):
        cells = []
        for heading in headings:
            one = found[arm, heading]
            p = corrected[arm, heading]
            shown = f"{_points(one)}, p {p:.3f}"
            cells.append(f"**{shown}**" if p < 0.05 else shown)
        lines.append([arm, *cells])
    return markdown(("arm", *headings), lines)


def _row(runs: Runs, columns: Mapping[str, Sequence[str]]) -> list[str]:
    cells = [str(len(runs.results))]
    for sets in columns.values():
        seeds = 100 * runs.values(sets).mean(1)
        cells.append(f"{seeds.mean():.1f} ({seeds.min():.1f} to {seeds.max():.1f})")
    summed = 100 * np.mean(runs.of("vector_sum_success@1"))
    return [*cells, f"{summed:.1f}", f"{runs.seconds():.0f}", f"{runs.mean('memory_mb'):.0f}"]


def _head(results: Sequence[Result]) -> list[str]:
    sizes = ", ".join(f"{key} {value}" for key, value in NETWORK.items())
    steps = ", ".join(f"{name} {make().steps}" for name, make in STAGES.items())
    commits = ", ".join(sorted({str(result["commit"])[:10] for result in results}))
    return [
        "# What each part of the recipe does",
        "",
        f"Written by `python -m training.study --report` from {len(results)} runs (`python -m training.study`, commit "
        f"{commits}). Every run trains a small Qwen2-VL from random weights ({sizes}) on a rendered world of "
        f"{WORLD.families:,} families at {SIZE} px, in stages of so many steps: {steps} (the first three, where "
        "nothing else is said), and asks the test splits of the bundled benchmark. Nothing was chosen on them. Values "
        "are success@1 in percent, the mean over seeds with the lowest and the highest; seconds are of training on "
        "one core.",
    ]
