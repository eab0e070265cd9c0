"""The query bar that the Search and the Compare tab share: picture, words, what to search, and the button."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gradio as gr
from gradio.components import Component

KINDS = [("Images", "images"), ("Passages", "passages"), ("Entries", "entries"), ("Clips", "clips"),
         ("Everything", "all")]
Last = TypeVar("Last", bound=Component)


def query_bar(
    prefix: str, action: str, words: str, picture: str, last: Callable[[], Last]
) -> tuple[gr.Image, gr.Textbox, gr.Radio, gr.Button, Last]:
    """The bar's components; their ids begin with the prefix.

    action: what the button says.  words: the text's placeholder.  picture: the picture's alternative text.  last: makes
    the component at the end of the options."""
    with gr.Row(elem_id=f"{prefix}-bar"):
        image = gr.Image(
            elem_id=f"{prefix}-image", label="Picture", type="filepath", image_mode=None, container=False,
            show_label=False, buttons=[], sources=["upload", "clipboard", "webcam"], scale=0, min_width=96,
            placeholder="Drop an image", alt_text=picture)
        with gr.Row(elem_id=f"{prefix}-line"):
            text = gr.Textbox(
                elem_id=f"{prefix}-text", label="What should be found, or changed", container=False, max_lines=4,
                scale=1, placeholder=words)
            go = gr.Button(action, elem_id=f"{prefix}-go", variant="primary", scale=0)
        with gr.Row(elem_id=f"{prefix}-options"):
            kind = gr.Radio(KINDS, value="images", label="Search in", elem_id=f"{prefix}-kind",
                            container=False, show_label=False)
            end = last()
    return image, text, kind, go, end
