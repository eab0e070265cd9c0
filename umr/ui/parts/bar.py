"""What tabs share: how events are wired, the query bar (picture, words, what to search, the button), a dropdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.utils import get_upload_folder

from umr.ui.choices import Choice
from umr.ui.visitors import Visitors

UPLOADS = Path(get_upload_folder())  # where Gradio keeps what visitors upload, and copies of what the page shows them
VISITORS = Visitors(UPLOADS)  # whose these are; for all pages of this process, as the folder is

#: How the page's own events are wired: not shown to clients, and checked by the handlers alone (Gradio's components
#: would raise where a visitor should read a sentence).
PRIVATE: dict[str, Any] = {"api_visibility": "private", "preprocess": False}
QUIET: dict[str, Any] = PRIVATE | {"show_progress": "hidden"}
KINDS = [
    ("Images", "images"),
    ("Passages", "passages"),
    ("Entries", "entries"),
    ("Clips", "clips"),
    ("Everything", "all"),
]
Last = TypeVar("Last", bound=Component)


def query_bar(
    prefix: str, action: str, words: str, picture: str, last: Callable[[], Last]
) -> tuple[gr.Image, gr.Textbox, gr.Radio, gr.Button, Last]:
    """The bar's components; their ids begin with the prefix.

    action: what the button says.  words: the text's placeholder.  picture: the picture's alternative text.  last: makes
    the component at the end of the options.
    """
    with gr.Row(elem_id=f"{prefix}-bar"):
        image = gr.Image(
            elem_id=f"{prefix}-image",
            label="Picture",
            type="filepath",
            image_mode=None,
            container=False,
            show_label=False,
            buttons=[],
            sources=["upload", "clipboard", "webcam"],
            scale=0,
            min_width=96,
            placeholder="Drop an image",
            alt_text=picture,
        )
        claim_uploads(image)
        with gr.Row(elem_id=f"{prefix}-line"):
            text = gr.Textbox(
                elem_id=f"{prefix}-text",
                label="What should be found, or changed",
                container=False,
                max_lines=4,
                scale=1,
                placeholder=words,
            )
            go = gr.Button(action, elem_id=f"{prefix}-go", variant="primary", scale=0)
        with gr.Row(elem_id=f"{prefix}-options"):
            kind = gr.Radio(
                KINDS, value="images", label="Search in", elem_id=f"{prefix}-kind", container=False, show_label=False
            )
            end = last()
    return image, text, kind, go, end


def claim_uploads(component: gr.Image | gr.File) -> None:
    """Has the page name what it uploaded at once: only then is it known whose it is (umr.ui.visitors)."""

    def arrived(_: Any) -> None:
        """Nothing to do: that it was asked is enough."""

    component.upload(arrived, component, None, queue=False, **QUIET)


@dataclass(frozen=True)
class Chosen:
    """The choices of a tab that asks nothing, and the dropdowns that make them, in the same order."""

    tab: str
    choices: Sequence[Choice]
    dropdowns: Sequence[gr.Dropdown]


def dropdown(choice: Choice, label: str, min_width: int, words: Mapping[str, str] | None = None) -> gr.Dropdown:
    """A choice as a dropdown with the choice's key as its id. words: name -> what a person reads, where it differs."""
    return gr.Dropdown(
        [((words or {}).get(name, name), name) for name in choice.names],
        value=choice.first,
        label=label,
        elem_id=choice.key,
        filterable=False,
        scale=0,
        min_width=min_width,
    )
