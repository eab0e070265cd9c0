"""The sheet of details beside results, of each tab that has one: its components, and what fills them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from umr.ui.markup import macros
from umr.ui.parts import scripts
from umr.ui.parts.wiring import COMPARING, QUIET, SEARCHING, pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Its parts, in the order in which they come.

    Attributes:
        prefix: how their ids begin, and the whole's id.
    """

    prefix: str
    facts: gr.HTML
    reasons: gr.HTML
    ranks: gr.HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a sheet tells of what the page keeps of its results, and of what was pressed: all HTML but `known`.

    Attributes:
        known: what was pressed, "" where it is not there.
        facts: the result itself, at once.
        reasons: why it is there.
        ranks: where every model has it.
    """

    known: Callable[[Any, Any], str]
    facts: Callable[[Any, Any], Markup]
    reasons: Callable[[Any, Any], Markup]
    ranks: Callable[[Any, Any], Markup]


def build_sheet(prefix: str, listeners: str = "") -> Sheet:
    """The components; their ids begin with the prefix. listeners: of what is pressed in it, beside its own."""
    with gr.Column(elem_id=prefix, elem_classes="u-sheet"):
        on_facts = listeners + scripts.PANEL + scripts.STEPS
        facts = gr.HTML(elem_id=f"{prefix}-facts", apply_default_css=False, js_on_load=on_facts)
        reasons = gr.HTML(elem_id=f"{prefix}-reasons", apply_default_css=False, js_on_load=None)
        ranks = gr.HTML(elem_id=f"{prefix}-ranks", apply_default_css=False, js_on_load=None)
    return Sheet(prefix=prefix, facts=facts, reasons=reasons, ranks=ranks)


def wire_sheet(sheet: Sheet, results: gr.HTML, kept: gr.State, told: Told) -> None:
    """The result at once, its reasons and its rank in every model as they come.

    Args:
        sheet: of `build_sheet`.
        results: what is pressed to open it.
        kept: what the page keeps of the results on show.
        told: what it tells.
    """
    chosen, waiting = gr.Textbox(visible=False, label="chosen"), macros("details").waiting

    def choose(found: Any, event: gr.EventData) -> Any:
        one = pressed(event)
        return (
            told.known(found, one),
            told.facts(found, one),
            waiting("Looking for the reasons …"),
            waiting("Asking every model …"),
        )

    opened = results.expand(choose, kept, [chosen, sheet.facts, sheet.reasons, sheet.ranks], **QUIET)
    opened.success(None, chosen, js=scripts.open_panel(sheet.prefix))
    opened.success(told.reasons, [kept, chosen], sheet.reasons, **QUIET, **SEARCHING).success(
        told.ranks, [kept, chosen], sheet.ranks, **QUIET, **COMPARING
    )
