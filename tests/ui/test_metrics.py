"""The numbers of the page's server: Prometheus' format, histograms that add up, and what may never be a label."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from umr.errors import ConfigError
from umr.ui import edge
from umr.ui.metrics import BUCKETS, EVENT_S, EVENTS, MOST_SERIES, OBSERVED, REQUEST_S, REQUESTS, Metrics

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+')


def values(text: str) -> dict[str, float]:
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")
    }


def test_every_line_is_of_prometheus_text_format():
    metrics = Metrics()
    metrics.count(REQUESTS, route="page", method="GET", status="200")
    metrics.time(REQUEST_S, 0.3, route="page")
    metrics.gauge("umr_pages_open", "Pages.", lambda: 3.0)
    metrics.gauge("umr_unknown", "Not known here.", lambda: None)
    text = metrics.text()
    assert text.endswith("\n") and "umr_unknown" not in text
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line
    assert f"# TYPE {REQUESTS} counter" in text and f"# TYPE {REQUEST_S} histogram" in text
    assert values(text)[f'{REQUESTS}{{method="GET",route="page",status="200"}}'] == 1
    assert values(text)["umr_pages_open"] == 3


def test_a_histogram_holds_in_each_bucket_what_the_ones_before_it_hold():
    metrics = Metrics()
    times = (0.005, 0.006, 0.3, 100.0)
    for seconds in times:
        metrics.time(REQUEST_S, seconds, route="page")
    found = values(metrics.text())
    for limit in BUCKETS:
        assert found[f'{REQUEST_S}_bucket{{route="page",le="{limit}"}}'] == sum(one <= limit for one in times)
    assert (
        found[f'{REQUEST_S}_bucket{{route="page",le="+Inf"}}']
        == len(times)
        == found[f'{REQUEST_S}_count{{route="page"}}']
    )
    assert found[f'{REQUEST_S}_sum{{route="page"}}'] == pytest.approx(sum(times))


def test_labels_cannot_break_a_line_nor_grow_without_end():
    metrics = Metrics()
    metrics.count(EVENTS, kind='a"b\\c\nd')
    assert r'{kind="a\"b\\c\nd"} 1' in metrics.text()
    for number in range(2 * MOST_SERIES):
        metrics.count(EVENTS, kind=str(number))
        metrics.time(EVENT_S, 0.1, kind=str(number))
    assert sum(line.startswith(EVENTS) for line in metrics.text().splitlines()) == MOST_SERIES
    assert sum(line.startswith(f"{EVENT_S}_count") for line in metrics.text().splitlines()) == MOST_SERIES


def test_nothing_is_lost_when_many_count_at_once():
    metrics = Metrics()

    def work(_: int) -> None:
        for _ in range(500):
            metrics.count(EVENTS, kind="x")
            metrics.time(EVENT_S, 0.01, kind="x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    found = values(metrics.text())
    assert found[f'{EVENTS}{{kind="x"}}'] == found[f'{EVENT_S}_count{{kind="x"}}'] == 4_000


def test_an_answer_a_refusal_and_a_fault_are_told_apart():
    def of(outcome: str) -> float:
        return values(OBSERVED.text()).get(f'{EVENTS}{{kind="a test of outcomes",outcome="{outcome}"}}', 0)

    def refuse(error: Exception) -> str:
        raise error

    edge.answered_html("a test of outcomes", lambda: "said")
    edge.answered_html("a test of outcomes", lambda: refuse(ConfigError("no")))
    edge.answered_html("a test of outcomes", lambda: refuse(OSError("secret")))
    assert (of("answered"), of("refused"), of("failed")) == (1, 1, 1)
    assert "secret" not in OBSERVED.text()


def test_this_process_tells_its_memory():
    found = values(OBSERVED.text())
    assert found["process_resident_memory_bytes"] > 10_000_000 and found["process_open_fds"] > 2
    assert found["process_start_time_seconds"] > 1_700_000_000 and found["umr_python_threads"] >= 1
