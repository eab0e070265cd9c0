"""What the Diagnose tab does: which diagnoses are stored, and one of them as HTML. No model is loaded, no Gradio."""

from __future__ import annotations

import logging
from typing import Any

from umr.errors import ConfigError, UMRError
from umr.eval.diagnosis import diagnosis_file, read_diagnosis
from umr.eval.reports import FOLDER, diagnosed
from umr.shipped import shown_path
from umr.ui import render
from umr.ui.diagnose import html as diagnose_html
from umr.ui.queries import judged_queries
from umr.ui.searchers import Searchers

log = logging.getLogger(__name__)

FIRST = ("it2i", "ind")


def choices(searchers: Searchers) -> list[str]:
    """The "task split" of every diagnosis that some encoder has, the one shown first in front. Only names are read."""
    found = {pair for folder in searchers.folders.values() for pair in diagnosed(folder.parent / FOLDER)} | {FIRST}
    return [" ".join(pair) for pair in sorted(found, key=lambda pair: (pair != FIRST, pair[0], pair[1] != "ind", pair))]


def show(searchers: Searchers, encoder: Any, which: Any) -> str:
    """The diagnosis of an encoder on a "task split", or what is missing, as HTML."""
    try:
        return _show(searchers, encoder, which)
    except UMRError as error:
        return render.error(str(error))
    except Exception:  # the page's edge: a visitor reads a sentence, the log keeps the traceback
        log.exception("the diagnosis cannot be shown")
        return render.error("Something went wrong on our side; the server's log has the details.")


def _show(searchers: Searchers, encoder: Any, which: Any) -> str:
    if not isinstance(encoder, str) or encoder not in searchers.folders:
        raise ConfigError(f"there is no encoder {encoder!r}; there are: {', '.join(searchers.names)}")
    if which not in choices(searchers):
        raise ConfigError(f"{which!r} is not diagnosed; there are: {', '.join(choices(searchers))}")
    task, split = which.split()
    index = searchers.folders[encoder]
    if (task, split) not in diagnosed(index.parent / FOLDER):
        return render.message(
            "Not diagnosed yet",
            f"{encoder} has no stored diagnosis of {task} {split}. Write it: "
            f"python -m umr evaluate --encoder {encoder} --store --task {task} --split {split}",
        )
    found, manifest = read_diagnosis(index.parent / FOLDER, task, split), searchers.manifest(encoder)
    known, _ = judged_queries((index / manifest.collection_at).resolve(), task, split)
    file = shown_path(diagnosis_file(index.parent / FOLDER, task, split))
    return diagnose_html.diagnosis(found, known, file, found.encoder == manifest.encoder)
