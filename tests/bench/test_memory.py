"""The bench of memory: what each step adds, in order, and its table."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np

from umr.bench.memory import IMPORTS, added, as_markdown, imports
from umr.shipped import repository_root


def test_what_a_step_keeps_is_counted_to_it():
    kept = []
    rows = added([("nothing", lambda: None), ("64 MiB", lambda: kept.append(np.ones(2**23)))])
    assert [row["what"] for row in rows] == ["before", "nothing", "64 MiB"]
    assert rows[2]["mib"] - rows[1]["mib"] > 60
    assert all(abs(b["all_mib"] - a["all_mib"] - b["mib"]) <= 0.15 for a, b in pairwise(rows))


def test_every_module_is_imported_under_its_name():
    steps = imports(["json", "math"])
    assert [what for what, _ in steps] == ["import json", "import math"] and steps[0][1]() is json
    assert IMPORTS.index("torch") < IMPORTS.index("umr.ui.layout.page")


def test_the_table_has_a_line_for_each_step():
    text = as_markdown([{"what": "before", "mib": 9.0, "all_mib": 9.0}, {"what": "x", "mib": 1.5, "all_mib": 10.5}])
    assert text.splitlines()[2:] == ["| before | 9.0 | 9.0 |", "| x | 1.5 | 10.5 |"]


def test_what_it_measures_is_not_there_before():
    """Else the first steps would add nothing."""
    said = "import sys, umr.bench.memory; print([name for name in umr.bench.memory.IMPORTS if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", said], cwd=repository_root(), capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr
