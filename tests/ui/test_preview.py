"""What the page is outside itself: its icon, the card of a link to it, and nothing of Gradio's."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from umr.shipped import BUNDLED, default_root
from umr.ui.card import ROW, SIZE, card
from umr.ui.examples import read_examples
from umr.ui.layout.page import build_page, serve
from umr.ui.layout.preview import ICON
from umr.ui.searchers import Searchers


def test_a_link_is_shown_with_the_pages_own_words_icon_and_card(page):
    with httpx.Client(base_url=page.local_url, headers={"X-Forwarded-Proto": "http"}) as http:
        head = http.get("").text.partition("</head>")[0]
        assert re.findall(r'property="og:image" content="([^"]*)"', head) == [f"{page.local_url}card.png"]
        assert re.findall(r'property="og:title" content="([^"]*)"', head) == [
            "umr: search with a picture and a sentence"
        ]
        assert re.findall('content="[^"]*[Gg]radio[^"]*"', head) == [] and "og:url" not in head
        assert 'rel="icon" type="image/svg+xml" href="./favicon.ico"' in head
        assert http.get("favicon.ico").content == ICON.read_bytes()
        drawn = http.get("card.png")
        assert drawn.headers["content-type"] == "image/png" and Image.open(io.BytesIO(drawn.content)).size == SIZE
        assert http.head("card.png").status_code == 200


def test_markup_in_the_address_of_the_server_stays_text(page):
    answer = httpx.get(page.local_url, headers={"X-Forwarded-Host": 'a"><script>alert(1)</script>'})
    assert "<script>alert(1)" not in answer.text


def test_the_card_is_served_behind_a_root_path(searcher, benchmark, monkeypatch):
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/demo")
    folder = benchmark.parents[1] / "unified" / "catalogue"
    page = build_page(Searchers({"unified": folder}, "unified", opener=lambda _: searcher), [])
    try:
        address = serve(page, [benchmark], "127.0.0.1", None)
        assert httpx.get(f"{address}demo/card.png").status_code == 200
        assert re.search(r'og:image" content="[^"]*/demo/card\.png"', httpx.get(address).text)
    finally:
        page.close()


@pytest.mark.parametrize("examples", [[], read_examples(default_root() / "media" / BUNDLED)], ids=["none", "bundled"])
def test_the_card_shows_an_example_where_there_is_one(examples):
    pixels = np.asarray(Image.open(io.BytesIO(card(examples))).convert("RGB"))
    assert (len(np.unique(pixels[ROW + 10 : ROW + 190].reshape(-1, 3), axis=0)) > 1000) == bool(examples)


def test_a_picture_that_is_gone_leaves_a_frame(monkeypatch):
    examples = read_examples(default_root() / "media" / BUNDLED)
    gone = [
        type(one)(text=one.text, search_in=one.search_in, image=Path("gone.png"), results=one.results)
        for one in examples
    ]
    assert Image.open(io.BytesIO(card(gone))).size == SIZE
