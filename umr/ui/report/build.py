"""Two models' stored reports as one HTML file that holds all of itself: cards, tables, plots, diagnosis, examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from umr.collection import Collection
from umr.commit import git_commit
from umr.errors import ConfigError, MismatchError
from umr.eval import splits
from umr.eval.diagnosis import read_diagnosis
from umr.eval.evaluate import compare_stored
from umr.eval.judged import load
from umr.eval.reports import Stored, diagnosed
from umr.shipped import shown_path
from umr.types import Query, Run
from umr.ui.figures import headlines, plot, point
from umr.ui.finding import composing_adds, finding
from umr.ui.markup import NOTHING, macros
from umr.ui.models import html as models_html
from umr.ui.models.facts import ModelFacts, read_facts
from umr.ui.parts.scripts import together
from umr.ui.queries import judged_queries, task_name
from umr.ui.report import examples, tables

TEMPLATES = Path(__file__).parent / "templates"
EXAMPLES, MOST_EXAMPLES = 3, 50  # queries under each heading
DIAGNOSED = ("it2i", "ind")
SHOWN_TASKS = (("it2i", "ind"), ("it2t", "ind"), ("it2v", "ind"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a report is asked for.

    Attributes:
        a, b: names of models, and the folders of their indexes.
        count: example queries under each heading.
        seed: of the random draw.
    """

    a: tuple[str, Path]
    b: tuple[str, Path]
    count: int = EXAMPLES
    seed: int = 0


def report(asked: Asked) -> str:
    """The whole file.

    Raises:
        ConfigError: a model is compared with itself, or has no stored report.
        MismatchError: the reports are over different collections.
    """
    if asked.a[0] == asked.b[0]:
        raise ConfigError(f"{asked.a[0]} does not differ from itself; name two models")
    if not 0 <= asked.count <= MOST_EXAMPLES:
        raise ConfigError(f"the number of examples is {asked.count}; it must be from 0 to {MOST_EXAMPLES}")
    facts = [read_facts(name, index) for name, index in (asked.a, asked.b)]
    a, b = (_stored(one) for one in facts)
    if a.report["collection"] != b.report["collection"]:
        raise MismatchError(f"{a.name} and {b.name} were measured on different collections; evaluate both again")
    told = {
        "title": f"{b.name} against {a.name}",
        "finding": f"{finding([a, b])} {composing_adds([a, b])}",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": git_commit(),
        "collection": facts[0].manifest.collection_name,
        "stale": _stale([a, b]),
        "trained": models_html.side_by_side(facts),
        "cards": [models_html.card(one, facts, 3) for one in facts],
        "parts": tables.parts([a, b]),
        "paired": tables.paired(a, b, compare_stored(a, b)),
        "diagnosis": _diagnoses([a, b]),
        "examples": _examples(a, b, asked),
        "commands": _commands(a, b),
        "style": Markup(together("css") + (TEMPLATES / "report.css").read_text("utf-8")),
        "script": Markup((TEMPLATES / "report.js").read_text("utf-8")),
    }
    return macros("report").report(**told)


def _stored(one: ModelFacts) -> Stored:
    if one.stored is None:
        raise ConfigError(
            f"{one.name} has no stored report. Write it: python -m umr evaluate --encoder {one.name} --store"
        )
    return one.stored


def _stale(stored: Sequence[Stored]) -> Markup:
    names = ", ".join(one.name for one in stored if not one.current)
    said = f"{names}: measured with other weights or another collection than its index has now."
    return macros("parts").boxed_notice(said) if names else NOTHING


def _diagnoses(stored: Sequence[Stored]) -> Markup:
    """Both models side by side on the pictures' task as trained, and what is missing."""
    columns = []
    for one in stored:
        if DIAGNOSED not in diagnosed(one.folder):
            columns.append((one.name, NOTHING, NOTHING, ""))
            continue
        found = read_diagnosis(one.folder, *DIAGNOSED)
        known: dict[str, Query] = judged_queries(one.benchmark, *DIAGNOSED)[0]
        points = [point(row, known[row.query_id], "", "") for row in found.queries if row.query_id in known]
        columns.append((one.name, headlines(found), plot(points, ""), found.command))
    return macros("report").diagnoses(f"{task_name(DIAGNOSED[0])}, {splits.title(DIAGNOSED[1])}", columns)


def _examples(a: Stored, b: Stored, asked: Asked) -> Markup:
    collection, pictures, shown = Collection.open(a.benchmark), examples.Pictures(), NOTHING
    for task, split in SHOWN_TASKS:
        if a.row(task, split) is None or b.row(task, split) is None:
            continue
        judged = load(a.benchmark, task, split)
        judged = judged.at(judged.answered)
        runs: dict[str, Run] = {one.name: one.run(task, split) for one in (a, b)}
        first, second = runs.items()
        chosen = examples.choose(judged, first, second, asked.count, asked.seed)
        blocks = Markup("").join(examples.examples(one, judged, runs, collection, pictures) for one in chosen)
        shown += macros("report").task(task_name(task), blocks, not shown)
    return shown or macros("parts").muted("No stored run of both has such queries.")


def _commands(a: Stored, b: Stored) -> list[tuple[str, str, str]]:
    """What was computed, by which command, and the file it is in."""
    rows = [
        (f"numbers of {one.name}", one.report.get("command", ""), f"{shown_path(one.folder)}/report.json")
        for one in (a, b)
    ]
    rows.append(("differences", f"python -m umr compare {a.name} {b.name}", f"{shown_path(a.folder)}/runs"))
    rows.append(("this file", f"python -m umr report {a.name} {b.name} --out FILE.html", ""))
    return rows
