"""The page's bench on the real page: every step is measured and none takes longer than a broken page would."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.browser.conftest import ROOT, Served
from umr.bench.page import COLUMNS, WANTED


def test_the_bench_measures_every_step_of_the_running_page(served: Served):
    command = [sys.executable, "-m", "umr", "bench", "page", "--repeat", "3", "--json", "--url", served.address]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert ran.returncode == 0, ran.stderr
    rows = {row["step"]: row for row in json.loads(ran.stdout)}
    assert list(rows) == list(WANTED) and all(set(row) == set(COLUMNS) for row in rows.values())
    painted, inside = (rows[step] for step in ("search, 24 cards painted", "of it in the server's search"))
    assert painted["n"] == inside["n"] == rows["comparison painted"]["n"] == 3
    assert 0 < inside["p50_ms"] < painted["p50_ms"] < 30_000
    assert 0 < rows["comparison painted"]["p50_ms"] < 60_000 and 0 < rows["page interactive"]["p50_ms"] < 30_000
