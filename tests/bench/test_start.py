"""The bench of the page's start: its figures from real starts' numbers, and what it refuses."""

import pytest

from umr.bench import start
from umr.errors import ConfigError

OURS = [{"page_s": 2.0, "answer_s": 4.0, "cpu_s": 3.0, "idle_mib": 400.0, "workers_mib": 50.0},
        {"page_s": 3.0, "answer_s": 5.0, "cpu_s": 3.0, "idle_mib": 400.0, "workers_mib": 50.0}]  # fmt: skip
OTHERS = [{"page_s": 4.0, "answer_s": 8.0, "cpu_s": 6.0, "idle_mib": 500.0, "workers_mib": 100.0},
          {"page_s": 3.0, "answer_s": 5.0, "cpu_s": 4.0, "idle_mib": 500.0, "workers_mib": 100.0}]  # fmt: skip


def test_pages_are_started_in_turns_and_compared_run_by_run(tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text("", "utf-8")
    order, given = [], {None: iter(OURS), tmp_path: iter(OTHERS)}
    monkeypatch.setattr(start, "_started", lambda folder, _: order.append(folder) or next(given[folder]))
    ours, others = start.bench_start(2, [None, tmp_path])
    assert order == [None, tmp_path] * 2
    assert ours == {
        "checkout": "this one",
        "page_s": 2.5,
        "answer_s": 4.5,
        "cpu_s": 3.0,
        "idle_mib": 400.0,
        "workers_mib": 50.0,
    }
    assert others["times"] == {"page_s": 0.75, "answer_s": 0.75, "cpu_s": 0.62, "idle_mib": 0.8, "workers_mib": 0.5}


def test_a_folder_without_a_page_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no app\.py"):
        start.bench_start(1, [None, tmp_path])
    with pytest.raises(ConfigError, match="0 runs"):
        start.bench_start(0, [None])
