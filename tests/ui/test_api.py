"""The named endpoints as gradio_client and an MCP client see them, served on the tiny collection."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from umr.errors import MediaError
from umr.shipped import BUNDLED, default_root, repository_root
from umr.types import SEARCH_IN
from umr.ui.api import given_picture
from umr.ui.layout.api import SearchIn
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
    both = client.predict(image=picture, text="edit", encoders=["unified", "other"], k=5, api_name="/compare")
    assert [model["name"] for model in both["models"]] == ["unified", "other"]
    assert both["models"][0]["results"] == both["models"][1]["results"] and both["overlap@10"] == {"unified|other": 1.0}
    assert [row["name"] for row in client.predict(api_name="/list_models")] == ["unified", "other"]
    assert client.predict(api_name="/list_collections")[0]["kinds"]["clips"] == 2


def test_schemas_name_each_input_with_its_type_and_default(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    inputs = {row["parameter_name"]: row for row in named["/search_text"]["parameters"]}
    assert list(inputs) == ["text", "search_in", "encoder", "k", "rerank"]
    assert (inputs["text"]["type"]["type"], inputs["k"]["type"]["type"]) == ("string", "integer")
    assert [inputs[name]["parameter_default"] for name in ("search_in", "encoder", "k")] == ["images", "unified", 10]
    assert not inputs["text"]["parameter_has_default"]
    assert inputs["search_in"]["type"]["enum"] == list(get_args(SearchIn)) == list(SEARCH_IN)


def test_a_refusal_is_a_sentence(client):
    for arguments, words in (
        ({"text": " "}, "picture, a text"),
        ({"text": "a", "encoder": "gpt"}, "gpt"),
        ({"text": "a", "k": 1000}, "100"),
    ):
        with pytest.raises(Exception, match=words):
            client.predict(**arguments, api_name="/search_text")


def posted(client: Client, name: str, body: dict[str, Any] | list[Any]) -> Any:
    """What a plain HTTP request gets: a list holds the arguments in their order, a mapping by their names."""
    place, sent = (f"call/{name}", {"data": body}) if isinstance(body, list) else (f"call/v2/{name}", body)
    event = httpx.post(f"{client.src}gradio_api/{place}", json=sent).json()["event_id"]
    told = httpx.get(f"{client.src}gradio_api/call/{name}/{event}", timeout=60).text
    kind, data = re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", told).groups()
    return json.loads(data)[0] if kind == "complete" else told


def test_the_encoders_of_a_comparison_are_taken_by_their_old_name_too(client):
    two = ["other", "unified"]
    by_name = client.predict(text="edit", encoders=two, k=2, api_name="/compare")
    assert [model["name"] for model in by_name["models"]] == two
    answers = [
        client.predict(text="edit", models=two, k=2, api_name="/compare"),
        json.loads(call(client, "compare", text="edit", models=two, k=2)[1]),
        posted(client, "compare", {"text": "edit", "models": two, "k": 2}),
        posted(client, "compare", {"text": "edit", "encoders": two, "k": 2}),
        posted(client, "compare", [None, "edit", "images", two, 2, ""]),  # of the length before there were two names
        posted(client, "compare", [None, "edit", "images", two, 2, "", None]),
        posted(client, "compare", [None, "edit", "images", None, 2, "", two]),
    ]
    for answer in answers:
        assert [(row["name"], row["results"]) for row in answer["models"]] == [
            (row["name"], row["results"]) for row in by_name["models"]
        ]


def test_a_clip_is_compared_on_as_it_is_searched_with(client):
    clip = min((default_root() / "media" / BUNDLED / "files" / "clips").glob("*.mp4"))
    asked = {"search_in": "all", "k": 5}
    found = client.predict(clip=handle_file(clip), **asked, api_name="/search")
    both = client.predict(image=handle_file(clip), encoders=["other", "unified"], **asked, api_name="/compare")
    assert [row["rank"] for row in found] == [1, 2, 3, 4, 5]
    assert client.predict(image=handle_file(clip), **asked, api_name="/search") == found
    for model in both["models"]:
        assert model["results"] == found
    with pytest.raises(Exception, match="both a picture and a clip"):
        client.predict(image=handle_file(clip), clip=handle_file(clip), **asked, api_name="/search")


def test_both_names_at_once_and_a_request_that_is_too_short_are_refused(client):
    with pytest.raises(Exception, match="old name of encoders"):
        client.predict(text="edit", encoders=["other"], models=["unified"], api_name="/compare")
    assert "error" in posted(client, "compare", [None, "edit", "images", None, 2])
    assert "error" in posted(client, "search", [None, "edit", "images", "unified"])


def mcp(address: str, ask: Any) -> Any:
    """What `ask(session)` gives on a session of a real MCP client."""

    async def run() -> Any:
        async with (
            streamable_http_client(f"{address}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(run())


def call(client: Client, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a tool refused, and the text that it gave."""
    answer = mcp(client.src, lambda session: session.call_tool(tool, arguments))
    assert len(answer.content) == 1
    return answer.isError, answer.content[0].text


def test_mcp_tools_are_the_endpoints_with_their_types_defaults_and_descriptions(client):
    tools = {tool.name: tool for tool in mcp(client.src, lambda session: session.list_tools()).tools}
    assert sorted(f"/{name}" for name in tools) == NAMED
    for tool in tools.values():
        assert tool.description.count("Returns:") == 1
        assert all(field.get("description") for field in tool.inputSchema["properties"].values())
    fields = tools["compare"].inputSchema["properties"]
    assert list(fields) == ["image", "text", "search_in", "encoders", "k", "benchmark_query", "models"]
    assert {"type": "array", "items": {"type": "string"}} in fields["encoders"]["oneOf"]
    assert (fields["k"]["type"], fields["k"]["default"], fields["search_in"]["enum"]) == (
        "integer",
        10,
        list(SEARCH_IN),
    )
    assert tools["search_text"].inputSchema["required"] == ["text"] and "required" not in tools["search"].inputSchema


def test_an_mcp_client_gets_the_answers_of_the_endpoints_as_json(client, benchmark):
    failed, words = call(client, "search_text", text="This card is red.", search_in="passages", k=3)
    assert not failed
    assert json.loads(words) == client.predict(
        text="This card is red.", search_in="passages", k=3, api_name="/search_text"
    )
    picture = benchmark / "files" / "queries" / "3.bmp"
    uri = "data:image/bmp;base64," + base64.b64encode(picture.read_bytes()).decode()
    found = json.loads(call(client, "search", image=uri, k=2)[1])
    assert [row["id"] for row in found] == [
        row["id"] for row in client.predict(image=handle_file(picture), k=2, api_name="/search")
    ]
    again = json.loads(call(client, "search", image=found[0]["media"], k=1)[1])  # from a result on
    assert again[0]["id"] != found[0]["id"] and again[0]["modality"] == "image"
    both = json.loads(call(client, "compare", image=uri, text="edit", encoders=["unified", "other"], k=2)[1])
    assert both["overlap@10"] == {"unified|other": 1.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": " "}, "Give a picture, a text"),
        ({"image": "https://example.org/a.png"}, "not fetched"),
        ({"image": "setup.cfg"}, "neither a data URI"),
        ({"image": "data:image/png;base64,%%%"}, "not base64"),
        ({"text": "a", "encoder": "gpt"}, "gpt"),
        ({"text": "a", "k": 1000}, "100"),
        ({"text": 3}, "not of type 'string'"),
        ({"text": "a", "search_in": "cars"}, "is not one of"),
    ],
)
def test_an_mcp_client_is_refused_in_words(client, arguments, words):
    failed, said = call(client, "search", **arguments)
    assert failed and words in said and "Traceback" not in said


def test_a_given_picture_is_looked_for_in_the_given_folders_only(tmp_path: Path):
    inside, root = tmp_path / "media" / "a b.png", repository_root()
    assert given_picture(None, [tmp_path]) == given_picture("", [tmp_path]) == (None, tmp_path)
    assert given_picture("data:image/png;base64,x", [tmp_path])[0] == {"url": "data:image/png;base64,x"}
    address = f"http://127.0.0.1:1/gradio_api/file={tmp_path}/media/a%20b.png"
    assert given_picture(address, [root, tmp_path]) == ({"path": str(inside)}, tmp_path)
    assert given_picture("indexes/a.webp", [root / "indexes"]) == (
        {"path": str(root / "indexes" / "a.webp")},
        root / "indexes",
    )
    for outside in (f"{tmp_path}/media/../../a.png", "/etc/passwd", "a\0b", address.replace("media/", "%2e%2e/")):
        with pytest.raises(MediaError, match="neither a data URI"):
            given_picture(outside, [tmp_path / "media"])
    with pytest.raises(MediaError, match="not fetched"):
        given_picture("ftp://example.org/a.png", [tmp_path])
