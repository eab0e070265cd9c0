"""What is done with a picture as soon as it has come: a HEIC is shown as a JPEG, a clip by its frames.

A broken one is told and taken out.

Not what is searched with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from umr.errors import UMRError
from umr.media import open_image, shown_in_browsers
from umr.ui.handlers import read_picture
from umr.ui.markup import macros
from umr.ui.parts.wiring import QUIET, UPLOADS
from umr.ui.query_clip import filmstrip, is_clip
from umr.ui.render import icon


def taken(image: Any, uploads: Path) -> tuple[str, str]:
    """What is done with a picture that has just come.

    Args:
        image: Gradio's file value.
        uploads: where the files of visitors lie.

    Returns:
        The file that takes its place in the bar, "" to leave it, and what is wrong with it as HTML, "" where it can be
        read.
    """
    try:
        picture = read_picture(image, uploads)
        if not isinstance(picture, Path):
            return "", ""
        shown = filmstrip(picture) if is_clip(picture) else shown_in_browsers(picture)
        open_image(shown)
    except UMRError as error:
        return "", _refused(str(error))
    return "" if shown == picture else str(shown), ""


def told_below(image: gr.Image, prefix: str) -> None:
    """The place below a bar where it is said why a picture is not taken, and what brings it there.

    Args:
        image: the bar's picture.
        prefix: how the tab's ids begin.
    """
    refused = gr.HTML(elem_id=f"{prefix}-refused", elem_classes="u-refused", js_on_load=None, apply_default_css=False)

    def check(given: Any) -> Any:
        instead, said = taken(given, UPLOADS)
        return (None if said else instead or gr.skip(), said)

    image.upload(check, image, [image, refused], **QUIET)


def _refused(reason: str) -> str:
    """Why a picture is not taken, as a sentence."""
    said = reason[:1].upper() + reason[1:] if reason.startswith("the ") else reason
    return macros("parts").refused(said.rstrip("."), icon("image"))
