"""bfloat16 is computed in where the device has it, and float32 where a processor would imitate it."""

from __future__ import annotations

import logging

import pytest
import torch

from training import precision
from training.optimizer import orthogonalised


@pytest.fixture(autouse=True)
def _asked_anew():
    precision.has_bf16.cache_clear()
    yield
    precision.has_bf16.cache_clear()


def product(bf16: bool) -> torch.dtype:
    with precision.autocast(torch.device("cpu"), bf16):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(("slower", "computed"), [(0.6, torch.bfloat16), (2.9, torch.bfloat16), (24.0, torch.float32)])
def test_what_is_computed_in_follows_what_a_product_took(monkeypatch, caplog, slower, computed):
    taken = {torch.bfloat16: slower, torch.float32: 1.0}
    monkeypatch.setattr(precision, "seconds", taken.__getitem__)
    with caplog.at_level(logging.WARNING, "training"):
        assert [product(bf16=True), product(bf16=True)] == [computed] * 2
    assert product(bf16=False) == torch.float32
    told = [record.getMessage() for record in caplog.records]
    assert told == ([] if computed == torch.bfloat16 else ["bfloat16 takes 24.0 times as long as float32 on this "
                                                          "processor: float32 it is"])  # fmt: skip


def test_a_gpu_is_not_timed_and_the_quickest_product_counts(monkeypatch):
    monkeypatch.setattr(precision, "seconds", lambda dtype: pytest.fail("a GPU has it"))
    assert precision.has_bf16("cuda")
    monkeypatch.undo()
    ticks = iter([0.0, 9.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr(precision, "TURNS", 3)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(ticks))
    assert precision.seconds(torch.float32) == 1.0


def test_muon_turns_matrices_alike_in_both(monkeypatch):
    matrix = torch.randn(12, 20, generator=torch.Generator().manual_seed(2))
    found = []
    for has in (True, False):
        monkeypatch.setattr("training.optimizer.has_bf16", lambda kind, has=has: has)
        found.append(orthogonalised(matrix))
    assert [one.dtype for one in found] == [torch.bfloat16, torch.float32]
    torch.testing.assert_close(found[0].float(), found[1], rtol=0, atol=0.03)
