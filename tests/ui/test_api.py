"""The named endpoints as gradio_client and an MCP client see them, served on the tiny collection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client, handle_file

from umr.ui.layout.page import build_page, serve
from umr.ui.searchers import Searchers

NAMED = ["/compare", "/list_collections", "/list_models", "/search", "/search_text"]


@pytest.fixture
def client(searcher, benchmark) -> Iterator[Client]:
    folder = benchmark.parents[1] / "unified" / "catalogue"
    page = build_page(Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: searcher), [])
    yield Client(serve(page, [benchmark], "127.0.0.1", None), verbose=False)
    page.close()


def test_every_named_endpoint_answers_and_no_other_is_public(client, benchmark):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(named) == NAMED
    words = client.predict(text="This card is red.", search_in="passages", k=3, api_name="/search_text")
    assert (words[0]["id"], words[0]["rank"], words[0]["modality"], len(words)) == ("100:20", 1, "text", 3)
    picture = handle_file(benchmark / "files" / "queries" / "3.bmp")
    assert client.predict(image=picture, k=1, api_name="/search")[0]["id"] == "100:3"
    both = client.predict(image=picture, text="edit", models=["unified", "other"], k=5, api_name="/compare")
    assert [model["name"] for model in both["models"]] == ["unified", "other"]
    assert both["models"][0]["results"] == both["models"][1]["results"] and both["overlap@10"] == {"unified|other": 1.0}
    assert [row["name"] for row in client.predict(api_name="/list_models")] == ["unified", "other"]
    assert client.predict(api_name="/list_collections")[0]["kinds"]["clips"] == 2


def test_schemas_name_each_input_with_its_type_and_default(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    inputs = {row["parameter_name"]: row for row in named["/search_text"]["parameters"]}
    assert list(inputs) == ["text", "search_in", "encoder", "k"]
    assert (inputs["text"]["type"]["type"], inputs["k"]["type"]["type"]) == ("string", "integer")
    assert [inputs[name]["parameter_default"] for name in ("search_in", "encoder", "k")] == ["images", "unified", 10]
    assert not inputs["text"]["parameter_has_default"]


def test_a_refusal_is_a_sentence(client):
    for arguments, words in (({"text": " "}, "picture, a text"), ({"text": "a", "encoder": "gpt"}, "gpt"),
                             ({"text": "a", "k": 1000}, "100")):
        with pytest.raises(Exception, match=words):
            client.predict(**arguments, api_name="/search_text")
