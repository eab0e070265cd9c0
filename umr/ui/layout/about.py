"""Below every tab: what the page is, where its code, papers and endpoints are; and the cards of its models."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import gradio as gr

from umr.errors import ConfigError
from umr.shipped import SPACE
from umr.ui.limits import Limits, told
from umr.ui.markup import NOTHING, macros
from umr.ui.models import actions as models
from umr.ui.models.html import name_buttons
from umr.ui.searchers import Searchers

U_MARVEL, MCA = "https://arxiv.org/abs/2507.14902", "https://arxiv.org/abs/2510.15543"
VARIABLE = "UMR_CODE_URL"
PAGE = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#]\S*)?")


def about(limits: Limits | None = None, names: Sequence[str] = ()) -> str:
    """The block as HTML.

    Links lead to other sites only where they are pressed; nothing is loaded from there.

    Args:
        limits: what one visitor may ask.
        names: of the models on offer, whose cards are opened from here.

    Raises:
        ConfigError: the setting of the code's address is none.
    """
    asked = told(limits) if limits is not None else ""
    return macros("page").about(code_address(), name_buttons(names) if names else NOTHING, asked, U_MARVEL, MCA)


def code_address() -> str:
    """Where the code can be read: of a Space its own files, else what VARIABLE says; "" where nobody says.

    Raises:
        ConfigError: it says what is no address of a page.
    """
    if space := os.environ.get(SPACE, ""):
        return f"https://huggingface.co/spaces/{space}/tree/main"
    address = os.environ.get(VARIABLE, "").strip()
    if address and not PAGE.fullmatch(address):
        raise ConfigError(f"{VARIABLE} is {address!r}; give an address such as https://example.org/umr")
    return address


def build_models(searchers: Searchers) -> None:
    """The dialog with the models' cards, as their folders are when the page starts."""
    gr.HTML(models.cards(searchers), elem_id="model-cards", apply_default_css=False, js_on_load=None)
