"""What the page's tests share: two models over the tiny collection, and what a visitor sends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import pytest

from umr.collection import Collection
from umr.encoders.fake import FakeEncoder
from umr.index.index import build_index
from umr.search import Searcher
from umr.ui.layout.page import build_page, serve
from umr.ui.searchers import Searchers


@pytest.fixture
def searchers(searcher: Searcher, collection: Collection, benchmark: Path) -> Searchers:
    root = benchmark.parents[1]
    other = FakeEncoder(dim=48, name="other")
    other.save(root / "other" / "encoder")
    build_index(other, collection, root / "other" / "catalogue", encoder_at=root / "other" / "encoder")
    return Searchers({name: root / name / "catalogue" for name in ("unified", "other")}, "unified")


@pytest.fixture
def page(searcher: Searcher, benchmark: Path) -> Iterator[gr.Blocks]:
    """A page of one model under two names, served."""
    folder = benchmark.parents[1] / "unified" / "catalogue"
    built = build_page(Searchers({"unified": folder, "other": folder}, "unified", opener=lambda _: searcher), [])
    serve(built, [benchmark], "127.0.0.1", None)
    yield built
    built.close()


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def upload(uploads: Path, benchmark: Path) -> Callable[[str], dict[str, str]]:
    """Puts a file of the collection where Gradio puts what a visitor sends, as the page's value."""

    def put(name: str) -> dict[str, str]:
        return {"path": str(shutil.copy(benchmark / "files" / name, uploads))}

    return put
