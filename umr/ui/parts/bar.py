"""Components that tabs share: the query bar (picture, words, what to search, the button), a dropdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import gradio as gr
from gradio.components import Component

from umr.types import SEARCH_IN
from umr.ui.kinds import choice_of
from umr.ui.links import Choice
from umr.ui.parts.taken import told_below
from umr.ui.parts.wiring import claim_uploads

Last = TypeVar("Last", bound=Component)


def query_bar(
    prefix: str, action: str, words: str, picture: str, last: Callable[[], Last]
) -> tuple[gr.Image, gr.Textbox, gr.Radio, gr.Button, Last]:
    """The bar's components; their ids begin with the prefix.

    Args:
        prefix: how ids begin.
        action: what the button says.
        words: the text's placeholder.
        picture: the picture's alternative text.
        last: makes the component at the end of the options.
    """
    with gr.Row(elem_id=f"{prefix}-bar"):
        image = picture_box(f"{prefix}-image", picture, ["upload", "clipboard", "webcam"], "Drop a picture or a clip")
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
                [(choice_of(name), name) for name in SEARCH_IN],
                value="images",
                label="Search in",
                elem_id=f"{prefix}-kind",
                container=False,
                show_label=False,
            )
            end = last()
    told_below(image, prefix)
    return image, text, kind, go, end


def picture_box(
    elem_id: str, words: str, sources: list[Literal["upload", "webcam", "clipboard"]], place: str = "Drop an image"
) -> gr.Image:
    """The small box of a query's picture.

    Args:
        elem_id: its id.
        words: the picture's alternative text.
        sources: where a picture may come from.
        place: what an empty one says.
    """
    return gr.Image(
        elem_id=elem_id,
        label="Picture",
        type="filepath",
        image_mode=None,
        container=False,
        show_label=False,
        buttons=[],
        sources=sources,
        scale=0,
        min_width=96,
        placeholder=place,
        alt_text=words,
    )


def dropdown(choice: Choice, label: str, min_width: int, words: Mapping[str, str] | None = None) -> gr.Dropdown:
    """A choice as a dropdown with the choice's key as its id.

    Args:
        choice: what there is to choose.
        label: what a person reads.
        min_width: px.
        words: name -> what a person reads, where it differs.
    """
    return gr.Dropdown(
        [((words or {}).get(name, name), name) for name in choice.names],
        value=choice.first,
        label=label,
        elem_id=choice.key,
        filterable=False,
        scale=0,
        min_width=min_width,
    )
