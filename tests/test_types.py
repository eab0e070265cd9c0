"""The nouns check their own form."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from umr.errors import ConfigError, MismatchError
from umr.types import KIND_OF, KINDS, SEARCH_IN, Content, Embeddings, Modality


def unit(rows: int, dim: int = 4) -> np.ndarray:
    return np.eye(dim, dtype=np.float32)[np.arange(rows) % dim]


def test_empty_content_is_refused():
    with pytest.raises(ConfigError, match="empty"):
        Content()


def test_picture_and_clip_together_are_refused():
    with pytest.raises(ConfigError, match="both"):
        Content(image="a.png", video="a.mp4")


@pytest.mark.parametrize(
    ("parts", "modality"),
    [
        ({"text": "a"}, "text"),
        ({"image": "a"}, "image"),
        ({"image": "a", "text": "b"}, "image,text"),
        ({"video": "a"}, "video"),
        ({"video": "a", "text": "b"}, "video,text"),
    ],
)
def test_modality_names_the_parts_that_are_present(parts, modality):
    assert Content(**parts).modality == modality


def test_unnormalised_rows_are_no_embeddings():
    with pytest.raises(MismatchError, match=r"row 1 \(b\) has length 2"):
        Embeddings(ids=("a", "b"), vectors=unit(2) * np.array([[1], [2]], np.float32), encoder="x")


def test_rows_that_are_not_numbers_are_no_embeddings():
    with pytest.raises(MismatchError, match="length nan"):
        Embeddings(ids=("a",), vectors=np.full((1, 4), np.nan, np.float32), encoder="x")


@pytest.mark.parametrize("vectors", [unit(2).astype(np.float64), unit(2)[0], unit(3)])
def test_embeddings_refuse_other_types_shapes_and_counts(vectors):
    with pytest.raises(MismatchError):
        Embeddings(ids=("a", "b"), vectors=vectors, encoder="x")


def test_no_embeddings_are_embeddings():
    assert len(Embeddings(ids=(), vectors=unit(0), encoder="x")) == 0


def test_every_modality_of_a_candidate_has_one_name():
    assert sorted(KIND_OF) == sorted(get_args(Modality))
    assert len({word for kind in KINDS for word in (kind.one, kind.many)}) == 2 * len(KINDS)
    assert list(SEARCH_IN) == ["images", "passages", "entries", "clips", "all"]
    assert all(KIND_OF[target].many == asked for asked, target in SEARCH_IN.items() if asked != "all")


def test_the_grammar_of_the_command_line_loads_nothing_heavy():
    """In a process of its own: here, everything is loaded already."""
    said = "import sys, umr.cli.parser as p; p.parser(); print(*{'numpy', 'PIL', 'torch', 'faiss'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
