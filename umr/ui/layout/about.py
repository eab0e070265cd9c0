"""Below every tab: what the page is, where its code, papers and endpoints are; and the cards of its models."""

from __future__ import annotations

import os

import gradio as gr

from umr.ui.limits import Limits, told
from umr.ui.links import SPACE
from umr.ui.models import actions as models
from umr.ui.render import escape
from umr.ui.searchers import Searchers

U_MARVEL, MCA = "https://arxiv.org/abs/2507.14902", "https://arxiv.org/abs/2510.15543"
_CODE = "The code, the catalogue and the weights are one repository, under the Apache License 2.0."
_OWN = "What runs here is the repository that this page was started from: read its <code>README.md</code> first."


def about(limits: Limits | None = None) -> str:
    """The block as HTML, with what one visitor may ask.

    Links lead to other sites only where they are pressed; nothing is loaded from there.
    """
    space = os.environ.get(SPACE, "")
    asked = f"<p>{told(limits)}</p>" if limits is not None else ""
    code = f'<a href="https://huggingface.co/spaces/{escape(space)}/tree/main">Its files.</a>' if space else _OWN
    return (
        f'<footer class="u-about"><section><h2>What this is</h2><p>{_CODE} {code}</p>'
        "<p>Pictures, words, clips and compositions of them are embedded by one model, and found by cosine similarity. "
        "Press a model&#x27;s name to read what it is.</p></section>"
        f'<section><h2>Where it comes from</h2><p><a href="{U_MARVEL}">U-MARVEL (arXiv 2507.14902)</a>: a multimodal '
        f'language model as one encoder, trained in stages.</p><p><a href="{MCA}">MCA (arXiv 2510.15543)</a>, '
        "modality composition awareness: losses against "
        "relying on the picture or the words alone. Rebuilt here from its abstract and reviews, as its method section "
        "was not available.</p></section>"
        "<section><h2>From other programs</h2><p>Endpoints <code>/search</code>, <code>/search_text</code>, "
        '<code>/compare</code>, <code>/list_models</code>, <code>/list_collections</code>: <a href="?view=api">'
        "how they are called</a>.</p><p>The same five are tools of an MCP server at "
        f"<code>/gradio_api/mcp/</code>.</p>{asked}</section></footer>"
    )


def build_models(searchers: Searchers) -> None:
    """The dialog with the models' cards, as their folders are when the page starts."""
    gr.HTML(models.cards(searchers), elem_id="model-cards", apply_default_css=False, js_on_load=None)
