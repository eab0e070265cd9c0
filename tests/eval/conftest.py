"""What the tests of stored evaluations share."""

import pytest

from umr.eval.reports import read_stored
from umr.eval.store import store


@pytest.fixture
def stored(searcher, benchmark):
    """The reports of the tiny benchmark, beside its index."""
    folder = benchmark.parents[1] / "unified" / "reports"
    store(searcher, benchmark, folder)
    return read_stored("unified", benchmark.parents[1] / "unified" / "catalogue")
