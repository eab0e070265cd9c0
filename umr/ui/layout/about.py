"""Below every tab: what the page is, where its code, papers and endpoints are; and the cards of its models."""

from __future__ import annotations

import os

import gradio as gr

from umr.shipped import SPACE
from umr.ui.limits import Limits, told
from umr.ui.markup import macros
from umr.ui.models import actions as models
from umr.ui.searchers import Searchers

U_MARVEL, MCA = "https://arxiv.org/abs/2507.14902", "https://arxiv.org/abs/2510.15543"


def about(limits: Limits | None = None) -> str:
    """The block as HTML, with what one visitor may ask.

    Links lead to other sites only where they are pressed; nothing is loaded from there.
    """
    asked = told(limits) if limits is not None else ""
    return macros("page").about(os.environ.get(SPACE, ""), asked, U_MARVEL, MCA)


def build_models(searchers: Searchers) -> None:
    """The dialog with the models' cards, as their folders are when the page starts."""
    gr.HTML(models.cards(searchers), elem_id="model-cards", apply_default_css=False, js_on_load=None)
