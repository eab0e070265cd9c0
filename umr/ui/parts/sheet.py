"""The sheet of details beside results: its components. What they tell, and when, is its tab's."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from umr.ui.parts import scripts


@dataclass(frozen=True)
class Sheet:
    """The result itself, why it is there, where every model ranks it; as empty HTML."""

    name: str
    facts: gr.HTML
    reasons: gr.HTML
    ranks: gr.HTML

    @property
    def opens(self) -> str:
        """What opens it once the result is there (js), given the result's id."""
        return scripts.open_panel(self.name)


def sheet(name: str) -> Sheet:
    """A closed sheet. name: its id, which its parts' ids begin with."""
    on_facts = scripts.PRESSED + scripts.PANEL + scripts.STEPS
    with gr.Column(elem_id=name):
        facts = gr.HTML(elem_id=f"{name}-facts", apply_default_css=False, js_on_load=on_facts)
        reasons, ranks = (
            gr.HTML(elem_id=f"{name}-{part}", apply_default_css=False, js_on_load=None) for part in ("reasons", "ranks")
        )
    return Sheet(name, facts, reasons, ranks)
