"""What the Diagnose tab does: which diagnoses are stored, and one of them as HTML. No model is loaded, no Gradio."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from umr.errors import ConfigError
from umr.eval import splits
from umr.eval.diagnosis import diagnosis_file, read_diagnosis
from umr.eval.reports import diagnosed
from umr.shipped import REPORTS, shown_path
from umr.ui import edge, links, render
from umr.ui.diagnose import html as diagnose_html
from umr.ui.models import actions as models
from umr.ui.queries import judged_queries, task_name
from umr.ui.searchers import Searchers

KEYS = ("d-model", "d-split", "d-against")  # in the page's address
FIRST = ("it2i", "ind")
ALONE = "none"  # no second model


def diagnosed_pairs(searchers: Searchers) -> list[str]:
    """The "task split" of every diagnosis that some encoder has, the one shown first in front. Only names are read."""
    found = {pair for folder in searchers.folders.values() for pair in diagnosed(folder.parent / REPORTS)} | {FIRST}
    return [" ".join(pair) for pair in sorted(found, key=lambda pair: (pair != FIRST, pair[0], pair[1] != "ind", pair))]


def choices(searchers: Searchers) -> tuple[links.Choice, ...]:
    """Model, task and split, second model, in the order of `show`."""
    pairs, names = diagnosed_pairs(searchers), searchers.names
    given = (
        ("model", names, searchers.default),
        ("task and split", pairs, pairs[0]),
        ("second model", [ALONE, *names], ALONE),
    )
    return tuple(links.Choice(key, *choice) for key, choice in zip(KEYS, given, strict=True))


def fill(searchers: Searchers, given: links.Given) -> links.Filled:
    """What an address chooses in the tab."""
    return links.fill_choices(choices(searchers), given)


def pair_name(pair: str) -> str:
    """A "task split" as a person reads it."""
    task, _, split = pair.partition(" ")
    return f"{task_name(task)}, {splits.title(split)}"


def show(searchers: Searchers, encoder: Any, which: Any, against: Any = ALONE) -> str:
    """The diagnosis of an encoder on a "task split", or what is missing, as HTML; beside that of a second one."""

    def told() -> Markup:
        if against in (ALONE, encoder):
            return diagnose_html.alone(_show(searchers, encoder, which), encoder)
        trained = models.trained(searchers, (encoder, against))
        sides = [(name, _show(searchers, name, which)) for name in (encoder, against)]
        return trained + diagnose_html.side_by_side(sides)

    return edge.answered_html("a diagnosis", told)


def _show(searchers: Searchers, encoder: Any, which: Any) -> Markup:
    if not isinstance(encoder, str) or encoder not in searchers.folders:
        raise ConfigError(f"there is no encoder {encoder!r}; there are: {', '.join(searchers.names)}")
    if which not in diagnosed_pairs(searchers):
        raise ConfigError(f"{which!r} is not diagnosed; there are: {', '.join(diagnosed_pairs(searchers))}")
    task, split = which.split()
    index = searchers.folders[encoder]
    if (task, split) not in diagnosed(index.parent / REPORTS):
        return render.message(
            "Not diagnosed yet",
            f"{encoder} has no stored diagnosis of {pair_name(which)}. Write it: "
            f"python -m umr evaluate --encoder {encoder} --store --task {task} --split {split}",
        )
    found, manifest = read_diagnosis(index.parent / REPORTS, task, split), searchers.manifest(encoder)
    known, _ = judged_queries((index / manifest.collection_at).resolve(), task, split)
    file = shown_path(diagnosis_file(index.parent / REPORTS, task, split))
    return diagnose_html.diagnosis(found, known, file, found.encoder == manifest.encoder)
