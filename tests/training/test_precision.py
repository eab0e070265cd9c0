"""bfloat16 is computed in where the device has it, and float32 where a processor would imitate it."""

from __future__ import annotations

import logging

import pytest
import torch

from training import precision


@pytest.fixture(autouse=True)
def _asked_anew():
    precision.has_bf16.cache_clear()
    yield
    precision.has_bf16.cache_clear()


def product(bf16: bool) -> torch.dtype:
    with precision.autocast(torch.device("cpu"), bf16):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(("slower", "computed"), [(0.6, torch.bfloat16), (1.4, torch.bfloat16), (24.0, torch.float32)])
def test_what_is_computed_in_follows_what_a_product_took(monkeypatch, caplog, slower, computed):
    taken = {torch.bfloat16: slower, torch.float32: 1.0}
    monkeypatch.setattr(precision, "seconds", taken.__getitem__)
    with caplog.at_level(logging.WARNING, "training"):
        assert [product(bf16=True), product(bf16=True)] == [computed] * 2
    assert product(bf16=False) == torch.float32
    told = [record.getMessage() for record in caplog.records]
    assert told == ([] if computed == torch.bfloat16 else ["bfloat16 takes 24.0 times as long as float32 on this "
                                                          "processor: float32 it is"])  # fmt: skip


def test_a_gpu_is_not_timed_and_the_timing_takes_the_quickest(monkeypatch):
    monkeypatch.setattr(precision, "seconds", lambda dtype: pytest.fail("a GPU has it"))
    assert precision.has_bf16("cuda")
    monkeypatch.undo()
    ticks = iter([0.0, 9.0, 10.0, 13.0, 20.0, 21.0, 30.0, 32.0])
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(ticks))
    assert precision.seconds(torch.float32) == 1.0, "the first, of nine seconds, prepares"
