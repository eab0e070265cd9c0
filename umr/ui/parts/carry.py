"""A search taken over to another tab: the button in the one, the fields of the other. Not what either tab does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from umr.errors import ConfigError
from umr.types import SEARCH_IN
from umr.ui.handlers import Question, read_text
from umr.ui.parts import scripts
from umr.ui.parts.wiring import COMPARING, PRIVATE, QUIET, UPLOADS, Run, shown


def carry_button() -> gr.Button:
    """The button below a search; the page shows it as soon as there are results."""
    return gr.Button("Compare the models", elem_id="q-compare", scale=0, size="sm")


def carried(question: Question) -> list[Any]:
    """A search as another tab's fields take it: its picture's file, its words, its kind, and no benchmark query.

    Raises:
        MediaError: the picture is no upload: only those may be shown again.
        ConfigError: the words or the kind are none.
    """
    picture, kind = question.picture(), question.search_in
    if not isinstance(kind, str) or kind not in SEARCH_IN:
        raise ConfigError(f"cannot search in {kind!r}; there are: {', '.join(SEARCH_IN)}")
    return [str(picture) if isinstance(picture, Path) else None, read_text(question.text) or "", kind, ""]


def wire_carry(button: gr.Button, asked: Sequence[Component], fields: Sequence[Component], run: Run, tab: str) -> None:
    """What the button does: fills the other tab's query, shows the tab, asks.

    Args:
        button: of `carry_button`.
        asked: picture, text and kind of the search.
        fields: the same of the other tab, and what names a benchmark query there, which this is none of.
        run: what the other tab does with a query.
        tab: its name.
    """

    def carry(picture: Any, text: Any, kind: Any) -> list[Any]:
        return shown(carried, Question(uploads=UPLOADS, image=picture, text=text, search_in=kind))

    filled = button.click(carry, list(asked), list(fields), **QUIET)
    there = filled.success(None, js=scripts.press(f"#tab-{tab}-button"))
    outputs = list(run.outputs)
    done = there.then(run.ask, list(run.inputs), outputs, show_progress_on=outputs[0], **PRIVATE, **COMPARING)
    done.then(None, run.address, js=scripts.answered(tab))
