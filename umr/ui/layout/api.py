"""The page's named endpoints, for gradio_client, plain HTTP and MCP: /search, /search_text, /compare, /list_models,
/list_collections. Everything else on the page is private. A function's name is its MCP tool's name."""

from __future__ import annotations

from typing import Any

import gradio as gr

from umr.ui import api, handlers
from umr.ui.comparison import compare_rows
from umr.ui.layout.search import UPLOADS, shown
from umr.ui.searchers import Searchers


def build_api(searchers: Searchers) -> None:
    """Adds the endpoints to the Blocks that is being built; they show nothing."""
    _search(searchers)
    _compare(searchers)

    def search_text(text: str, search_in: str = "images", encoder: str = searchers.default, k: int = 10
                    ) -> list[dict[str, Any]]:
        """Finds images, passages, entries or clips by a text alone.

        Args:
            text: what to find.
            search_in: images, passages, entries, clips or all.
            encoder: the name of the encoder; list_models names them.
            k: how many results, 1 to 100.

        Returns:
            The results, best first: rank, score, id, modality, media and text of each.
        """
        return shown(handlers.search_rows, searchers, UPLOADS, None, text, search_in, encoder, k)

    def list_models() -> list[dict[str, Any]]:
        """Lists the encoders that can be searched with, the default one first.

        Returns:
            name, default, fingerprint, dim, precision, collection and number of vectors of each.
        """
        return shown(api.models, searchers)

    def list_collections() -> list[dict[str, Any]]:
        """Lists what can be searched.

        Returns:
            name, fingerprint, count, number of each kind, and models of each collection.
        """
        return shown(api.collections, searchers)

    for function in (search_text, list_models, list_collections):
        gr.api(function, api_name=function.__name__)


def _search(searchers: Searchers) -> None:
    def search(image: Any = None, text: str = "", search_in: str = "images", encoder: str = searchers.default,
               k: int = 10) -> list[dict[str, Any]]:
        """Finds images, passages, entries or clips by a picture, a text, or both together.

        Args:
            image: the picture to search with; may be left out when a text is given.
            text: what to find, or what should be different from the picture.
            search_in: images, passages, entries, clips or all.
            encoder: the name of the encoder; list_models names them.
            k: how many results, 1 to 100.
        """
        return shown(handlers.search_rows, searchers, UPLOADS, image, text, search_in, encoder, k)

    inputs = [*_query(), gr.Textbox(searchers.default, visible=False, label="encoder"), _count()]
    gr.Button(visible=False).click(search, inputs, gr.JSON(visible=False, label="results"), api_name="search",
                                   preprocess=False)


def _compare(searchers: Searchers) -> None:
    def compare(image: Any = None, text: str = "", search_in: str = "images", models: Any = None, k: int = 10
                ) -> dict[str, Any]:
        """Asks two to four encoders the same question and shows how far their answers agree.

        Args:
            image: the picture to search with; may be left out when a text is given.
            text: what to find, or what should be different from the picture.
            search_in: images, passages, entries, clips or all.
            models: names of two to four encoders; all on offer (the first four) if left out.
            k: how many results of each, 1 to 100.
        """
        names = searchers.names[:4] if models is None else models
        return shown(compare_rows, searchers, UPLOADS, image, text, search_in, names, k)

    inputs = [*_query(), gr.JSON(visible=False, label="models"), _count()]
    gr.Button(visible=False).click(compare, inputs, gr.JSON(visible=False, label="comparison"), api_name="compare",
                                   preprocess=False)


def _query() -> list[gr.components.Component]:
    return [gr.Image(type="filepath", image_mode=None, visible=False, label="image"),
            gr.Textbox("", visible=False, label="text"), gr.Textbox("images", visible=False, label="search_in")]


def _count() -> gr.Number:
    return gr.Number(10, visible=False, label="k")
