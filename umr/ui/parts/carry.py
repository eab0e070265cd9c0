"""A search taken over to another tab: the button in the one, the fields of the other. Not what either tab does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from umr.ui.parts import scripts
from umr.ui.parts.wiring import PRIVATE, QUIET, Run


def carry_button() -> gr.Button:
    """The button below a search; the page shows it as soon as there are results."""
    return gr.Button("Compare the models on this query", elem_id="q-compare", scale=0, size="sm")


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
        return [picture, text, kind, ""]

    filled = button.click(carry, list(asked), list(fields), **QUIET)
    shown = filled.success(None, js=scripts.press(f"#tab-{tab}-button"))
    outputs = list(run.outputs)
    done = shown.then(run.ask, list(run.inputs), outputs, show_progress_on=outputs[0], **PRIVATE)
    done.then(None, run.address, js=scripts.tell(tab))
