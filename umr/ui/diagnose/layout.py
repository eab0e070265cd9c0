"""The Diagnose tab: choice of model and split, the diagnosis, the keys of its plot. It loads no model."""

from __future__ import annotations

from functools import partial

import gradio as gr

from umr.ui.diagnose import actions as diagnose
from umr.ui.markup import macros
from umr.ui.parts import scripts
from umr.ui.parts.bar import dropdown
from umr.ui.parts.wiring import LATEST, PRIVATE, Built, Frame

INTRO = macros("diagnosis").intro()


def build_diagnose(frame: Frame, tab: gr.Tab) -> Built:
    """Fills the tab that is being built; what it shows is read when it is first opened."""
    choices = diagnose.choices(frame.searchers)
    gr.HTML(INTRO, js_on_load=None, apply_default_css=False)
    with gr.Row(elem_id="d-bar", elem_classes="u-choices"):
        pairs = {pair: diagnose.pair_name(pair) for pair in choices[1].names}
        fields = [
            dropdown(choices[0], "Model", 180),
            dropdown(choices[1], "Queries", 240, pairs),
            dropdown(choices[2], "Beside it", 180, {diagnose.ALONE: "no second model"}),
        ]
    shown = gr.HTML(elem_id="diagnose", apply_default_css=False, js_on_load=scripts.POINTS)
    moved = [tab.select, *(field.input for field in fields)]
    gr.on(moved, partial(diagnose.show, frame.searchers), fields, shown, **PRIVATE, **LATEST)
    return Built(fields=fields, choices=choices)
