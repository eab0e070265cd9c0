"""Encoding where a GPU is lent for a call: the same vectors through a process border, and nothing of it elsewhere."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from umr.encoders import encoding, zero_gpu
from umr.types import Content, Query


@pytest.fixture
def asked(monkeypatch) -> Iterator[list[int]]:
    """The seconds that a stand-in of the package was asked for; as the real one, it passes on bytes alone."""
    seconds: list[int] = []

    def gpu(duration: Callable[..., int]) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                seconds.append(duration(*arguments))
                return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(arguments)))))

            return call

        return decorate

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    monkeypatch.setenv(zero_gpu.VARIABLE, "true")
    importlib.reload(zero_gpu)
    yield seconds
    monkeypatch.undo()
    importlib.reload(zero_gpu)


def queries() -> list[Query]:
    return [
        Query(query_id=str(number), content=Content(text=f"a red mug {number}"), target_modality="all")
        for number in range(3)
    ]


@pytest.mark.parametrize("installed", [True, False])
def test_elsewhere_nothing_is_decorated_even_where_the_package_is(installed, asked, monkeypatch):
    monkeypatch.delenv(zero_gpu.VARIABLE)
    if not installed:
        monkeypatch.delitem(sys.modules, "spaces")
    importlib.reload(zero_gpu)
    zero_gpu.lend_from_now()
    assert not zero_gpu.present() and zero_gpu.on_gpu is zero_gpu.compute and zero_gpu._known == {}


def test_vectors_are_the_same_through_a_lent_gpu(encoder, asked):
    assert zero_gpu.present() and encoding.zero_gpu is zero_gpu
    before = encoder.encode_queries(queries())
    assert asked == []  # what is encoded before the page is served, as its check of some rows is, has no GPU
    zero_gpu.lend_from_now()
    through = encoder.encode_queries(queries())
    assert asked and all(zero_gpu.LEAST_S <= one <= zero_gpu.MOST_S for one in asked)
    assert np.array_equal(through.vectors, before.vectors)


def test_a_slower_batch_is_given_more_time_next_and_never_more_than_the_most(asked):
    batch = range(64)
    first = zero_gpu.seconds_for("", batch)
    zero_gpu._slowest_s = 0.1
    later = zero_gpu.seconds_for("", batch)
    zero_gpu._slowest_s = 100.0
    assert first == zero_gpu.LEAST_S < later < zero_gpu.seconds_for("", batch) == zero_gpu.MOST_S
