"""A query of somebody who left is dropped before it is encoded, one of somebody who is here is not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import gradio as gr
import pytest

from umr.encoders.fake import FakeEncoder
from umr.encoders.micro_batch import AskerLeft, MicroBatcher
from umr.types import Content, Query
from umr.ui.layout.leaving import drop_who_left


@pytest.fixture
def page():
    batcher = MicroBatcher(FakeEncoder())

    def rows(text: str) -> int:
        return len(batcher.encode_queries([Query(query_id="page", content=Content(text=text))]))

    with gr.Blocks() as page:
        gr.api(rows, api_name="rows")
    drop_who_left(page)
    return page


@pytest.mark.parametrize("here", [True, False])
def test_an_event_is_encoded_as_long_as_its_client_is_connected(page, here):
    page._queue.event_ids_to_events["event"] = SimpleNamespace(alive=here)
    function = next(iter(page.fns.values()))
    asked = page.call_function(function, ["red"], None, None, "event")
    if here:
        assert asyncio.run(asked)["prediction"] == 1
    else:
        with pytest.raises(AskerLeft):
            asyncio.run(asked)


def test_what_is_called_past_the_queue_is_encoded(page):
    assert asyncio.run(page.call_function(next(iter(page.fns.values())), ["red"]))["prediction"] == 1
