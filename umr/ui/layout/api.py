"""The page's named endpoints, for gradio_client, plain HTTP and MCP; everything else on the page is private.

They are /search, /search_text, /compare, /list_models and /list_collections. A function's name is its MCP tool's
name, its annotations are the schema, its docstring is the description. An argument has one name: `encoder`, of several
`encoders`, and `k`. One that was renamed stays as the last argument by its old name (OPTIONAL).
"""

# Without `from __future__ import annotations`: Gradio reads what a function returns as it stands.

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from umr.ui import api, handlers
from umr.ui.compare.comparison import MOST, compare_rows
from umr.ui.handlers import Question
from umr.ui.parts.wiring import COMPARING, SEARCHING, UPLOADS, shown
from umr.ui.searchers import Searchers

SearchIn = Literal["images", "passages", "entries", "clips", "all"]
Row = dict[str, Any]
#: Endpoint -> how many arguments at its end a plain request may leave out: old names of others, and what came later.
OPTIONAL = {"compare": 1, "search": 2, "search_text": 1}


def build_api(searchers: Searchers, page: gr.Blocks) -> None:
    """Adds the endpoints to the page that is being built, before any other event: none can take their names."""
    searches = [(one, SEARCHING) for one in (_search(searchers, page), _search_text(searchers))]
    others: list[tuple[Any, dict[str, Any]]] = [(one, {}) for one in _lists(searchers)]
    for function, at_once in (*searches, (_compare(searchers, page), COMPARING), *others):
        gr.api(function, api_name=function.__name__, **at_once)
    _accept_without_last(page)


def _accept_without_last(page: gr.Blocks) -> None:
    """Has the page take plain requests that end before the OPTIONAL ones; Gradio wants a value for each argument."""
    preprocess = page.preprocess_data

    async def filled(block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        missing = min(OPTIONAL.get(block_fn.api_name, 0), len(block_fn.inputs) - len(inputs))
        return await preprocess(block_fn, [*inputs, *[None] * missing], *rest, **named)

    page.preprocess_data = filled  # type: ignore[method-assign]  # no setting


def answer_as_json(page: gr.Blocks) -> None:
    """MCP tools of a served page answer in JSON; Gradio's own form is Python's."""
    from mcp.types import TextContent  # heavy, and there only with gradio[mcp]

    def contents(outputs: Sequence[Any], _root_url: str) -> list[TextContent]:
        return [TextContent(type="text", text=json.dumps(output, ensure_ascii=False)) for output in outputs]

    if page.mcp_server_obj is not None:
        page.mcp_server_obj.postprocess_output_data = contents  # type: ignore[method-assign, assignment]  # no setting


def _question(page: gr.Blocks, image: Any, text: Any, search_in: Any, k: Any, clip: Any = None) -> Question:
    """What is asked with a picture, or with a clip in its place. Raises UMRError."""
    picture, folder = api.given_picture(api.one_of(image, clip), [UPLOADS, *map(Path, page.allowed_paths)])
    return Question(uploads=folder, image=picture, text=text, search_in=search_in, k=k)


def _names(searchers: Searchers, encoders: list[str] | None, models: list[str] | None) -> Sequence[str]:
    """The encoders that are compared: those that are asked for, else the first on offer. Raises ConfigError."""
    chosen = api.renamed("encoders", encoders, "models", models)
    return searchers.names[:MOST] if chosen is None else chosen


def _search(searchers: Searchers, page: gr.Blocks) -> Any:
    def search(
        image: str | None = None,
        text: str = "",
        search_in: SearchIn = "images",
        encoder: str = searchers.default,
        k: int = 10,
        rerank: bool | None = False,
        clip: str | None = None,
    ) -> list[Row]:
        """Finds images, passages, entries or clips by a picture or a clip, a text, or both together.

        Args:
            image: the picture to search with: a data URI, the media of a result, or an uploaded file; needs no text. A
                clip is taken here too.
            text: what to find, or what should be different from the picture.
            search_in: what to find.
            encoder: the name of the encoder; list_models names them.
            k: how many results, 1 to 100.
            rerank: whether the first results are read again by the re-ranker and put in its order, which is slower;
                list_models says whether there is one.
            clip: a clip in place of the picture, at most 20 MB: the media of a result, or an uploaded file. Frames
                evenly spaced from the first to the last are read; the bundled encoders were trained with no clip in a
                query, which a notice says, so expect weaker results.

        Returns:
            The results, best first: rank, score, id, modality, media, text and match of each; match says what the
            score is worth, as measured on held-out queries: "strong", "fair" or "weak", null where it was not measured.
            A clip has its start and end too, in seconds, where its length is known; a part of a longer one also its
            moments in words.
        """
        asked = partial(_question, page, image, text, search_in, k, clip)
        return shown(lambda: handlers.search_rows(searchers, asked(), encoder, gr.Warning, rerank))

    return search


def _search_text(searchers: Searchers) -> Any:
    def search_text(
        text: str,
        search_in: SearchIn = "images",
        encoder: str = searchers.default,
        k: int = 10,
        rerank: bool | None = False,
    ) -> list[Row]:
        """Finds images, passages, entries or clips by a text alone.

        Args:
            text: what to find.
            search_in: what to find.
            encoder: the name of the encoder; list_models names them.
            k: how many results, 1 to 100.
            rerank: whether the first results are read again by the re-ranker and put in its order, which is slower;
                list_models says whether there is one.

        Returns:
            The results, best first: rank, score, id, modality, media, text and match of each; match says what the
            score is worth, as measured on held-out queries: "strong", "fair" or "weak", null where it was not measured.
            A clip has its start and end too, in seconds, where its length is known; a part of a longer one also its
            moments in words.
        """
        question = Question(uploads=UPLOADS, text=text, search_in=search_in, k=k)
        return shown(handlers.search_rows, searchers, question, encoder, gr.Warning, rerank)

    return search_text


def _compare(searchers: Searchers, page: gr.Blocks) -> Any:
    def compare(
        image: str | None = None,
        text: str = "",
        search_in: SearchIn = "images",
        encoders: list[str] | None = None,
        k: int = 10,
        benchmark_query: str = "",
        models: list[str] | None = None,
    ) -> Row:
        """Asks two to four encoders the same question and shows how far their answers agree.

        Args:
            image: the picture to search with: a data URI, the media of a result, or an uploaded file; needs no text.
                The media of a clip, or an uploaded clip of at most 20 MB, is taken here too and read as /search reads
                its clip; the notices say where a model was trained with none.
            text: what to find, or what should be different from the picture.
            search_in: what to find.
            encoders: names of two to four encoders, or of one's parts: NAME+picture, NAME+text, NAME+sum (of both
                vectors), NAME+rerank (with the re-ranker, where there is one); all encoders on offer (the first four)
                if left out.
            k: how many results of each, 1 to 100.
            benchmark_query: a query of the benchmark, as "task split query-id"; needs no image and no text.
            models: the old name of encoders.

        Returns:
            models with the results (as of search), the notices (that the text was cut, that picture or words are
            unlike what the model was trained on, that nothing fits all of it) and the milliseconds of each,
            overlap@10 of every two, and for a benchmark query its targets, each model's recall, and in each result
            whether it is a target.
        """
        asked, names = partial(_question, page, image, text, search_in, k), partial(_names, searchers, encoders, models)
        return shown(lambda: compare_rows(searchers, asked(), names(), benchmark_query))

    return compare


def _lists(searchers: Searchers) -> tuple[Any, Any]:
    def list_models() -> list[Row]:
        """Lists the encoders that can be searched with, the default one first.

        Returns:
            name, default, fingerprint of the encoder, index (the fingerprint of the version that is searched), dim,
            precision, collection and number of vectors of each; reranker is the name of what can re-rank its results,
            null where there is none.
        """
        return shown(api.models, searchers)

    def list_collections() -> list[Row]:
        """Lists what can be searched.

        Returns:
            name, fingerprint, count, number of each kind, and models of each collection.
        """
        return shown(api.collections, searchers)

    return list_models, list_collections
